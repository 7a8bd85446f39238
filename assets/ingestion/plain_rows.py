"""The plain rows of a block of usage, read natively: the fast lane of landing.

What is left takes the other lane, row by row; both read the same, which a property test proves.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from connectors.arrow_arrays import flags, from_flags, may_hold, whole_numbers
from connectors.deliveries import LINE, MARK, ROW_NUMBER, NativeRows
from models.json_shapes import Shape, shape_of
from models.plain_columns import column_texts, wanted_columns
from models.plain_json import json_texts, opened_paths
from models.plain_usage import COLUMNS, Reading, records_query
from models.usage import FieldPaths

# A query costs as much as reading this many rows one by one.
FEWEST_ROWS = 100
MAX_SHAPES = 16
# So many rows at the beginning of a block may be of no use to tell a shape from.
MAX_MISSES = 50
# DuckDB holds one block of some mebibytes, never asks the network, and writes to no disk.
SETTINGS: Mapping[str, Any] = {
    "threads": 1,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class PlainRows:
    """A reader of plain rows, for one delivery."""

    def __init__(self, source: str, fields: FieldPaths | None, zone: tzinfo, now: datetime) -> None:
        self._reading = Reading(source, dict(fields or {}), str(zone) == "UTC", now)
        self._database = duckdb.connect(":memory:", config=dict(SETTINGS))
        # A hash of 128 bits leaves as its bytes.
        self._database.execute("set TimeZone = 'UTC'; set arrow_lossless_conversion = true")

    def read(self, native: NativeRows) -> tuple[list[Any], list[int]]:
        """Return records as Arrow tables in the landing table's columns, and which rows are left.

        These are places in the native rows' table, in its order.
        """
        table = native.table()
        if native.kind == "json":
            return self._lines(table.rename_columns(["row_number", LINE]))
        found = self._columns(table)
        if found is None:
            return [], list(range(table.num_rows))
        records, is_plain = found
        return [records], np.flatnonzero(~is_plain).tolist()

    def _columns(self, table: Any) -> tuple[Any, Any] | None:
        wanted = wanted_columns(table.column_names, self._reading)
        # Of two columns with the same name the last counts.
        places = {name: place for place, name in enumerate(table.column_names) if name in wanted}
        kinds = {name: _kind(table.field(place)) for name, place in places.items()}
        columns = [table.column(place) for place in places.values()]
        have_nuls = any(may_hold(column, 0) for column in columns if _is_text(column))
        texts = column_texts(kinds, self._reading, have_nuls=have_nuls)
        if texts is None:
            return None
        names = [f"c{index}" for index in range(len(places))]
        rows = pa.table([table[ROW_NUMBER], *columns], names=["row_number", *names])
        # What is a text of the record as it stands need not go through the query.
        kept = {field: texts[field].sql for field in COLUMNS if texts[field].sql in names}
        query = records_query("rows", texts, self._reading, without=kept)
        try:
            return self._run("rows", rows, query, kept)
        except duckdb.Error:
            # A type that DuckDB does not read, or a map with a key twice: the other lane does.
            return None

    def _lines(self, table: Any) -> tuple[list[Any], list[int]]:
        found: list[Any] = []
        tried: list[Shape] = []
        places = np.arange(table.num_rows)
        left: list[int] = []
        while len(places) >= FEWEST_ROWS and len(tried) < MAX_SHAPES and len(left) < MAX_MISSES:
            shape = self._shape(table[LINE][int(places[0])].as_py())
            if shape is None or shape in tried:
                left.append(int(places[0]))
                places = places[1:]
                continue
            tried.append(shape)
            rest = table if len(places) == table.num_rows else table.take(whole_numbers(places))
            records, is_plain = self._run_shape(shape, rest)
            found.append(records)
            places = places[~is_plain]
        return found, sorted([*left, *places.tolist()])

    def _shape(self, line: str) -> Shape | None:
        return shape_of(line, lambda names: opened_paths(self._reading, names))

    def _run_shape(self, shape: Shape, lines: Any) -> tuple[Any, Any]:
        have_escapes = may_hold(lines[LINE], ord("\\"))
        for are_valid in (True, False):
            how = {"are_valid": are_valid, "have_escapes": have_escapes}
            found = json_texts(shape, self._reading, **how)
            if found is None:
                break
            rows, texts = found
            try:
                return self._run("lines", lines, records_query(rows, texts, self._reading))
            except duckdb.Error:
                # Some line is no JSON. To guard against it costs time that is rarely needed. What
                # fails then as well is left to the other lane.
                continue
        return lines.slice(0, 0), np.zeros(lines.num_rows, bool)

    def _run(
        self, name: str, rows: Any, query: str, kept: Mapping[str, str] | None = None
    ) -> tuple[Any, Any]:
        """Return the records of a query over some rows, and which of the rows they are.

        ``kept`` are fields whose texts are not in the query, by their columns of the rows.
        """
        self._database.register(name, rows)
        try:
            found = self._database.sql(query).to_arrow_table()
        finally:
            self._database.unregister(name)
        is_plain = from_flags(found["is_plain"])
        key = found["record_key"].cast(pa.binary(16))
        records = found.drop_columns(["is_plain", "record_key"]).append_column("record_key", key)
        for field, column in (kept or {}).items():
            records = records.append_column(COLUMNS[field], rows[column])
        return records if is_plain.all() else records.filter(flags(is_plain)), is_plain


def _is_text(column: Any) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _kind(field: Any) -> str:
    """Return the type of a column; text may be marked as what a database wrote as text."""
    marks = field.metadata or {}
    return marks[MARK].decode() if MARK in marks else str(field.type)
