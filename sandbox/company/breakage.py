"""Rows that no reader can use, and why: one way of breaking a row per reason and format."""

import json
from collections.abc import Callable, Iterator
from random import Random

from sandbox.company.records import Broken, Measurement, timestamp

Break = Callable[[Measurement], Broken]
Names = dict[str, str]


def json_breaks(names: Names) -> list[Break]:
    """Return the ways to break a JSON line whose fields are called so."""

    def line(record: Measurement, **changes: object) -> bytes:
        fields: dict[str, object] = {
            names["id"]: record.record_id,
            names["timestamp"]: timestamp(record.at),
            names["tenant_id"]: record.tenant_id,
            names["dimension_id"]: record.dimension_id,
            names["value"]: record.value,
        }
        fields.update({names.get(name, name): value for name, value in changes.items()})
        kept = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(kept).encode()

    return [
        lambda record: Broken("unreadable_row", line(record)[:-9]),
        lambda record: Broken("bad_value", line(record, value="12,5")),
        lambda record: Broken("bad_timestamp", line(record, timestamp="2026-13-45T25:61:00Z")),
        lambda record: Broken("missing_field", line(record, tenant_id=None)),
        lambda record: Broken(
            "invalid_encoding", line(record).replace(b'"id": "', b'"id": "M\xfcnchen-')
        ),
        lambda record: Broken("future_timestamp", line(record, timestamp="2099-01-01T00:00:00Z")),
        lambda record: Broken("id_too_long", line(record, id=record.record_id * 40)),
        lambda record: Broken("bad_metadata", line(record, metadata={"trace": {"span": 7}})),
        lambda record: Broken("missing_field", line(record, value="")),
    ]


def csv_breaks() -> list[Break]:
    """Return the ways to break a line of CSV with the seven standard columns."""

    def line(*cells: str) -> bytes:
        return ",".join(cells).encode()

    return [
        lambda record: Broken("unreadable_row", line(record.record_id, timestamp(record.at))),
        lambda record: Broken(
            "bad_value",
            line(record.record_id, timestamp(record.at), record.tenant_id, "gpu_ms", "n/a", "", ""),
        ),
        lambda record: Broken(
            "bad_timestamp",
            line(record.record_id, "yesterday", record.tenant_id, "data_processed", "1", "", ""),
        ),
        lambda record: Broken(
            "missing_field",
            line(record.record_id, timestamp(record.at), "", "data_processed", "1", "", ""),
        ),
    ]


def field_breaks() -> list[Break]:
    """Return the ways to break a record whose columns have types: Parquet, SQL, Mixpanel."""
    return [lambda record: Broken("missing_field", record._replace(tenant_id=""))]


class Breakage:
    """A few broken rows among the good ones, every way in turn."""

    def __init__(self, breaks: list[Break], random: Random, one_in: int) -> None:
        self._breaks = breaks
        self._random = random
        self._one_in = one_in
        self._count = 0

    def among(self, records: list[Measurement]) -> Iterator[Measurement | Broken]:
        """Yield the records, and now and then a broken one beside."""
        for record in records:
            yield record
            if self._random.randrange(self._one_in) == 0:
                way = self._breaks[self._count % len(self._breaks)]
                self._count += 1
                yield way(record._replace(record_id=f"bad-{record.record_id}", corrects=None))
