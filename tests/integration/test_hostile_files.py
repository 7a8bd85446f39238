"""Files as nobody should deliver them: rows land or are quarantined, and memory has a bound."""

import gzip
import io
import json
import math
import struct
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from assets.ingestion.bookkeeping import LandingReport, Pull
from assets.ingestion.chunks import CHUNK_CHARACTERS, chunks
from assets.ingestion.landing import land_usage, usage_target
from connectors.deliveries import Delivery
from connectors.file_formats import read_blocks
from connectors.line_blocks import BLOCK_BYTES
from connectors.partitions import ensure_days
from models.tables import raw

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ROW = {
    "id": "a",
    "timestamp": "2026-03-01T00:00:00Z",
    "tenant_id": "acme",
    "dimension_id": "calls",
    "value": "1",
}


def line(**changes):
    return json.dumps({**ROW, **changes}).encode() + b"\n"


def lines(count):
    return b"".join(line(id=f"r{number}") for number in range(count))


def csv_lines(count):
    rows = "".join(f"r{n},2026-03-01T00:00:00Z,acme,calls,1\n" for n in range(count))
    return ("id,timestamp,tenant_id,dimension_id,value\n" + rows).encode()


def parquet(count, **columns):
    """Return a file of so many rows, with some columns of one value in the place of the usual."""
    table = pa.Table.from_pylist([{**ROW, "id": f"r{number}"} for number in range(count)])
    for name, value in columns.items():
        array = value if isinstance(value, pa.Array) else pa.array([value])
        column = pa.chunked_array([array] * count)
        present = table.column_names
        table = (
            table.set_column(present.index(name), name, column)
            if name in present
            else table.append_column(name, column)
        )
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def csv_cell(text):
    """Return 200 rows, the last of which has a cell of this metadata."""
    header, *rows = csv_lines(200).decode().splitlines()
    quoted = text.replace('"', '""')
    rows = [f"{row}," for row in rows[:-1]] + [f'{rows[-1]},"{quoted}"']
    return "\n".join([f"{header},metadata", *rows, ""]).encode()


def raw_value(text):
    return line(value="?").replace(b'"?"', text.encode())


def nested(depth):
    return line(x="?").replace(b'"?"', b"[" * depth + b"]" * depth)


def land(warehouse, stream, file_format):
    pull = Pull("p1", "gateway", NOW)
    report = LandingReport()
    ensure_days(warehouse, raw.usage_records, pull.landed_on)
    blocks = lambda: read_blocks(stream, file_format)  # noqa: E731
    land_usage(warehouse, pull, [Delivery("f", "1", lambda: iter(()), blocks=blocks)], report)
    return report


def accounts(warehouse):
    tables = (raw.usage_records, raw.quarantine)
    with warehouse.begin() as connection:
        told = connection.execute(
            select(
                raw.deliveries.c.delivered_count,
                raw.deliveries.c.landed_count,
                raw.deliveries.c.quarantined_count,
            )
        ).one()
        there = [connection.scalar(select(func.count()).select_from(table)) for table in tables]
    return tuple(told), tuple(there)


def csv_value(text):
    return f"x{text},2026-03-01T00:00:00Z,acme,calls,{text}\n".encode()


def latin_1(text):
    """Return one value of text that is no UTF-8, which a file may well say it is."""
    data = text.encode("latin-1")
    offsets = pa.py_buffer(struct.pack("<2i", 0, len(data)))
    return pa.StringArray.from_buffers(1, offsets, pa.py_buffer(data))


zstd = zstandard.ZstdCompressor().compress
DEEP = "[" * 10_000 + "]" * 10_000
CASES = {
    "empty": (b"", "jsonl", 0, {}),
    "empty, zipped": (gzip.compress(b""), "jsonl", 0, {}),
    "empty table": (b"", "csv", 0, {}),
    "no Parquet at all": (b"", "parquet", 0, {"unreadable_file": 1}),
    "blank lines only": (b"\n \r\n\t\n\n", "jsonl", 0, {}),
    "blank lines only, as CSV": (b"\n \r\n\t\n\n", "csv", 0, {}),
    "carriage returns": (lines(300).replace(b"\n", b"\r\n"), "jsonl", 300, {}),
    "carriage returns, as CSV": (csv_lines(300).replace(b"\n", b"\r\n"), "csv", 300, {}),
    "no last line end": (lines(300)[:-1], "jsonl", 300, {}),
    "no last line end, as CSV": (csv_lines(300)[:-1], "csv", 300, {}),
    "broken off in a line": (lines(300)[:-9], "jsonl", 299, {"unreadable_row": 1}),
    "byte order mark": (b"\xef\xbb\xbf" + lines(300), "jsonl", 300, {}),
    "byte order mark, as CSV": (b"\xef\xbb\xbf" + csv_lines(300), "csv", 300, {}),
    "Latin-1": (
        lines(300) + '{"id":"é"}\n'.encode("latin-1") + line(id="z"),
        "jsonl",
        301,
        {"invalid_encoding": 1},
    ),
    "Latin-1, as CSV": (
        csv_lines(300) + "é,2026-03-01T00:00:00Z,acme,calls,1\n".encode("latin-1"),
        "csv",
        300,
        {"invalid_encoding": 1},
    ),
    "UTF-16": (
        lines(3).decode().encode("utf-16"),
        "jsonl",
        0,
        {"invalid_encoding": 1, "unreadable_row": 3},
    ),
    "line separators": (line(tenant_id="a\u2028b\x85") * 200, "jsonl", 200, {}),
    "no number": (raw_value("NaN") + raw_value("Infinity"), "jsonl", 0, {"bad_value": 2}),
    "too large": (
        lines(200) + raw_value("1e400") + raw_value("1" + "0" * 29) + raw_value("9" * 5000),
        "jsonl",
        200,
        {"bad_value": 2, "unreadable_row": 1},
    ),
    "as large as may be": (
        lines(200) + raw_value("9" * 29) + raw_value('"' + "9" * 29 + '.999999999"'),
        "jsonl",
        202,
        {},
    ),
    "30 digits": (raw_value("0." + "3" * 30) + raw_value("1" * 30), "jsonl", 1, {"bad_value": 1}),
    "nested deeply": (lines(200) + nested(10_000), "jsonl", 200, {"unreadable_row": 1}),
    "JSON called CSV": (lines(200), "csv", 0, {"unreadable_row": 200}),
    "CSV called JSON": (csv_lines(200), "jsonl", 0, {"unreadable_row": 201}),
    "CSV called Parquet": (csv_lines(200), "parquet", 0, {"unreadable_file": 1}),
    "zipped without saying so": (gzip.compress(lines(200)), "jsonl", 200, {}),
    "zipped table": (gzip.compress(parquet(200)), "parquet", 200, {}),
    "nested deeply in a cell": (csv_cell(DEEP), "csv", 199, {"bad_metadata": 1}),
    "nested deeply in Parquet": (parquet(200, metadata=DEEP), "parquet", 0, {"bad_metadata": 200}),
    "no number in a cell": (
        csv_lines(200) + csv_value("NaN") + csv_value("Infinity"), "csv", 200, {"bad_value": 2},
    ),
    "no number in Parquet": (parquet(200, value=math.nan), "parquet", 0, {"bad_value": 200}),
    "endless in Parquet": (parquet(200, value=-math.inf), "parquet", 0, {"bad_value": 200}),
    "too large in Parquet": (parquet(200, value=1e300), "parquet", 0, {"bad_value": 200}),
    "too many digits in Parquet": (
        parquet(200, value=pa.array([Decimal("9" * 60)], pa.decimal256(60))),
        "parquet",
        0,
        {"bad_value": 200},
    ),
    "as large as may be in Parquet": (parquet(200, value=2**63 - 1), "parquet", 200, {}),
    "line separators in a cell": (
        csv_lines(200).replace(b"acme", "a\u2028b\x85".encode()), "csv", 200, {},
    ),
    "line separators in Parquet": (parquet(200, tenant_id="a\u2028b\x85"), "parquet", 200, {}),
    "Latin-1 in Parquet": (
        parquet(200, tenant_id=latin_1("Soci\xe9t\xe9")), "parquet", 0, {"invalid_encoding": 200},
    ),
    "no time of ours in Parquet": (
        parquet(200, timestamp=pa.array([2**62], pa.timestamp("ms"))),
        "parquet",
        0,
        {"unreadable_row": 200},
    ),
    "another compression than the name says": (zstd(csv_lines(200)), "csv", 200, {}),
    "metadata without end in Parquet": (
        parquet(1, metadata=json.dumps({"k": "x" * (5 << 20)})), "parquet", 0, {"bad_metadata": 1},
    ),
    "zeros called Parquet": (gzip.compress(bytes(1 << 24)), "parquet", 0, {"unreadable_file": 1}),
    "Parquet called JSON": (parquet(200), "jsonl", 0, None),
    "zipped twice": (gzip.compress(gzip.compress(lines(200))), "jsonl", 0, None),
    "Parquet that breaks off, zipped": (
        gzip.compress(parquet(200))[:-30], "parquet", 0, {"unreadable_file": 1},
    ),
    "Parquet cut short": (parquet(200)[:-100], "parquet", 0, {"unreadable_file": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_delivered_is_landed_plus_quarantined(name, warehouse):
    data, file_format, landed, reasons = CASES[name]
    report = land(warehouse, io.BytesIO(data), file_format)
    assert not report.failures
    bad = report.quarantined_count
    assert report.landed_count == landed
    # Of bytes that are no text at all, where lines end is chance.
    assert bad if reasons is None else dict(report.quarantined) == reasons
    assert accounts(warehouse) == ((landed + bad, landed, bad), (landed, bad))


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_what_lies_before_a_break_lands(pack, file_format, warehouse):
    # Random ids, so that the packed file has many blocks.
    data = lines(40_000) if file_format == "jsonl" else csv_lines(40_000)
    packed = pack(data)
    report = land(warehouse, io.BytesIO(packed[: len(packed) * 2 // 3]), file_format)
    assert report.quarantined == {"unreadable_file": 1}
    assert 1_000 < report.landed_count < 40_000
    told, there = accounts(warehouse)
    assert told[1:] == there


def read_through(stream, file_format):
    """Return the counts of a stream that goes through all stages but the database."""
    made = chunks(usage_target(Pull("p", "s", NOW)), 1, read_blocks(stream, file_format))
    counts = LandingReport()
    for chunk in made:
        counts.add(chunk.counts())
    return counts


def test_long_rows_are_written_some_at_a_time():
    row = line(id="?", metadata={"k": "x" * 100_000})
    data = b"".join(row.replace(b"?", b"r%d" % number) for number in range(600))
    made = chunks(usage_target(Pull("p", "s", NOW)), 1, read_blocks(io.BytesIO(data), "jsonl"))
    sizes = [(chunk.plain_count, sum(map(len, chunk.plain))) for chunk in made]
    assert sum(count for count, _ in sizes) > 500
    assert max(size for _, size in sizes) < CHUNK_CHARACTERS + 2 * BLOCK_BYTES < len(data)


def test_a_text_that_a_file_says_once_for_many_rows_is_not_in_memory_for_all_of_them():
    data = parquet(100, metadata=json.dumps({"k": "x" * 900_000}))
    assert len(data) < 100_000
    tables = [block.native.table() for block in read_blocks(io.BytesIO(data), "parquet")]
    assert sum(table.num_rows for table in tables) == 100
    assert max(table.nbytes for table in tables) < 2 * BLOCK_BYTES


def test_a_row_that_cannot_be_kept_is_named_by_its_beginning():
    data = parquet(1, value="?", note="x" * (40 << 20))
    [chunk] = chunks(usage_target(Pull("p", "s", NOW)), 1, read_blocks(io.BytesIO(data), "parquet"))
    [(_, number, reason, detail, text, _)] = chunk.quarantined
    assert (number, reason) == (1, "bad_value")
    assert "the beginning is kept" in detail
    assert text.startswith('{"id": "r0"')
    assert len(text) == 1_000


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.data(),
    st.sampled_from([(lines(150), "jsonl"), (csv_lines(150), "csv"), (parquet(150), "parquet")]),
    st.sampled_from([bytes, gzip.compress, zstd]),
)
def test_no_damage_breaks_landing(data, file, pack):
    plain, file_format = file
    packed = bytearray(pack(plain))
    for _ in range(data.draw(st.integers(0, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(packed)))
    counts = read_through(io.BytesIO(bytes(packed[:cut])), file_format)
    # A damaged byte may be a line end, and so a row more.
    assert counts.delivered_count <= 160


class Endless:
    """A stream that says the same again and again, between its beginning and its end."""

    def __init__(self, begin: bytes, piece: bytes, count: int, end: bytes) -> None:
        self._pieces = chain([begin], repeat(piece, count), [end])

    def read(self, _: int) -> bytes:
        """Return the next piece, whatever its size."""
        return next((piece for piece in self._pieces if piece), b"")


def endless_line():
    return Endless(b'{"id": "', b"x" * (1 << 20), 1024, b'"}\n' + lines(200))


def endless_cell():
    return Endless(csv_lines(200) + b'"', b"x" * (1 << 20), 1024, b'"\n')


def cell_of_many_lines():
    return Endless(csv_lines(200) + b'"', b"x\n" * (1 << 19), 5, b"")


def blank_lines():
    # Each byte is a line: a sixteenth of a gibibyte has more of them than anything else here.
    return Endless(lines(200), b"\n" * (1 << 20), 64, lines(200))


def zipped_blanks():
    return Endless(b"", gzip.compress(b" " * (1 << 24)), 64, gzip.compress(b"\n" + lines(200)))


def zipped_zeros():
    return Endless(b"", gzip.compress(bytes(1 << 24)), 64, b"")


def zeros_in_zstd():
    return Endless(b"", zstandard.ZstdCompressor().compress(bytes(1 << 28)), 4, b"")


# What is quarantined of the cell: its beginning, and the lines after it, for they have no cells.
LARGE = {
    "endless_line": ("jsonl", 200, 1),
    "endless_cell": ("csv", 200, 1),
    "cell_of_many_lines": ("csv", 200, 524_289),
    "blank_lines": ("jsonl", 400, 0),
    "zipped_blanks": ("jsonl", 200, 1),
    "zipped_zeros": ("jsonl", 0, 1),
    "zeros_in_zstd": ("jsonl", 0, 1),
}
MOST_MEBIBYTES = 400

MEASURED = """
import resource, sys
from tests.integration import test_hostile_files as files
name, file_format = sys.argv[1:]
stream = getattr(files, name)()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
counts = files.read_through(stream, file_format)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(counts.landed_count, counts.quarantined_count, (after - before) // 1024)
"""


@pytest.mark.parametrize("name", LARGE)
def test_a_gibibyte_of_nothing_takes_bounded_memory(name):
    file_format, landed, bad = LARGE[name]
    # In a process of its own, as the peak is one of a process.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, name, file_format],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *counts, mebibytes = map(int, done.stdout.split())
    assert counts == [landed, bad]
    assert mebibytes < MOST_MEBIBYTES
