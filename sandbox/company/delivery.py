"""The files that the company's systems leave for billing, one function per usage source.

``FileWriter`` puts them below a directory: ``s3/<bucket>/<key>`` holds what lies in S3, ``logs``
the files on disk, ``app_db`` the rows of the product's database, ``mixpanel`` each day's events.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from sandbox.company.breakage import Break, Breakage, csv_breaks, field_breaks, json_breaks
from sandbox.company.disorder import Deliveries
from sandbox.company.formats import (
    CAMEL_CASE_NAMES,
    STANDARD_NAMES,
    csv_file,
    cut_after,
    gzipped,
    json_lines,
    parquet_file,
    zstandard_compressed,
)
from sandbox.company.records import (
    Broken,
    Measurement,
    Row,
    milliseconds,
    moment_of,
    timestamp,
)

USAGE_BUCKET = "acumen-usage"
BROKEN_ONE_IN = 4_000

MIXPANEL_EVENTS = {"active_users": "Session Started", "exports": "Report Exported"}
LINE_SEPARATOR = "\u2028"


@dataclass
class Expected:
    """What a correct reader finds in all files of one source, in whatever order it reads them."""

    delivered: int = 0
    journaled: int = 0
    duplicates: int = 0
    conflicts: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)


class FileWriter:
    """Writes one source's files, and counts the rows in them."""

    def __init__(self, directory: Path, source: str, seed: int) -> None:
        self.directory = directory
        self.random = Random(f"{seed}/{source}/breakage")  # noqa: S311 - repeatable on purpose
        self._delivered = 0
        self._quarantined: Counter[str] = Counter()
        self._distinct: set[str] = set()

    def breakage(self, breaks: list[Break]) -> Breakage:
        """Return the breakage of one format."""
        return Breakage(breaks, self.random, BROKEN_ONE_IN)

    def write(self, name: str, content: bytes, rows: Iterable[Row]) -> None:
        """Write a file, and count the rows that a reader finds in it."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.count(rows)

    def count(self, rows: Iterable[Row]) -> None:
        """Count rows that a reader finds."""
        for row in rows:
            self._delivered += 1
            if isinstance(row, Broken):
                self._quarantined[row.reason] += 1
            else:
                self._distinct.add(row.record_id)

    def expected(self, conflicts: Counter[str]) -> Expected:
        """Return what the source holds in all."""
        journaled = len(self._distinct) - conflicts["conflicting_correction"]
        refused = self._quarantined.total() + conflicts.total()
        return Expected(
            delivered=self._delivered,
            journaled=journaled,
            duplicates=self._delivered - journaled - refused,
            conflicts=dict(sorted(conflicts.items())),
            quarantined=dict(sorted(self._quarantined.items())),
        )


def unreadable_file() -> Broken:
    """Return the row that stands for a file which breaks off."""
    return Broken("unreadable_file", b"")


def write_gateway(writer: FileWriter, deliveries: Deliveries) -> None:
    """Write the gateway's daily objects: JSON lines of calls, CSV of data, Parquet of GPU time."""
    breaks = {
        "calls": writer.breakage(json_breaks(STANDARD_NAMES)),
        "data": writer.breakage(csv_breaks()),
        "gpu": writer.breakage(field_breaks()),
    }
    stream_of = {"data_processed": "data", "gpu_ms": "gpu"}
    for number, (day, records) in enumerate(deliveries.items()):
        streams: dict[str, list[Measurement]] = defaultdict(list)
        for record in records:
            streams[stream_of.get(record.dimension_id, "calls")].append(record)
        rows = {name: list(breaks[name].among(found)) for name, found in streams.items()}
        place = f"s3/{USAGE_BUCKET}/gateway/{{}}/date={day:%Y-%m-%d}/part-00000"
        calls = place.format("calls") + ".jsonl.gz"
        writer.write(calls, gzipped(json_lines(rows["calls"], STANDARD_NAMES)), rows["calls"])
        data = place.format("data") + ".csv.gz"
        writer.write(data, gzipped(csv_file(rows["data"])), rows["data"])
        if "gpu" in rows:
            gpu = parquet_file(rows["gpu"])
            writer.write(place.format("gpu") + ".parquet", gpu, rows["gpu"])
            if number == 40:
                # An upload that broke off and was repeated: the whole file lies beside it.
                name = place.format("gpu").replace("part-00000", "part-00000.partial.parquet")
                writer.write(name, gpu[: len(gpu) // 2], [unreadable_file()])


def write_logs(writer: FileWriter, deliveries: Deliveries) -> None:
    """Write the storage meter's logs: gzip until September, zstd since."""
    breakage = writer.breakage(json_breaks(CAMEL_CASE_NAMES))
    for number, (day, records) in enumerate(deliveries.items()):
        rows = list(breakage.among(records))
        lines = json_lines(rows, CAMEL_CASE_NAMES)
        name = f"logs/storage-{day:%Y-%m-%d}.jsonl"
        if day.month >= 10:
            writer.write(f"{name}.zst", zstandard_compressed(lines), rows)
            continue
        writer.write(f"{name}.gz", gzipped(lines), rows)
        if number == 18:
            # The disk was full: the log breaks off, and was written again from the beginning.
            kept = len(rows) * 2 // 3
            broken = f"logs/storage-{day:%Y-%m-%d}.full-disk.jsonl.gz"
            writer.write(broken, cut_after(lines, kept), [*rows[:kept], unreadable_file()])


APP_DB_COLUMNS = (
    "id",
    "event_id",
    "workspace_id",
    "metric",
    "quantity",
    "occurred_at",
    "updated_at",
    "details",
    "corrects",
)


def write_app_database(writer: FileWriter, deliveries: Deliveries, as_of: datetime) -> None:
    """Write the rows of ``usage_events`` as CSV, in the order in which they were committed."""
    breakage = writer.breakage(field_breaks())
    rows: list[tuple[int, Row]] = []
    for day, records in deliveries.items():
        for row in breakage.among(records):
            rows.append((_committed_at(_record_of(row), day, as_of), row))
    rows.sort(key=lambda pair: (pair[0], _record_of(pair[1]).record_id))
    path = writer.directory / "app_db" / "usage_events.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(APP_DB_COLUMNS)
        for number, (committed_at, row) in enumerate(rows, start=1):
            record = _record_of(row)
            table.writerow(
                (
                    number,
                    record.record_id,
                    record.tenant_id,
                    record.dimension_id,
                    record.value,
                    timestamp(record.at),
                    timestamp(committed_at),
                    record.metadata,
                    record.corrects or "",
                )
            )
    writer.count(row for _, row in rows)


def _committed_at(record: Measurement, day: datetime, as_of: datetime) -> int:
    """Return when a row reached the database: at once, or in the night of a late delivery."""
    at_once = record.at + 1_500
    if at_once < milliseconds(day):
        at_once = milliseconds(day) + 3 * 3_600_000 + record.at % 600_000
    return min(at_once, milliseconds(as_of) - 1)


def write_mixpanel(writer: FileWriter, deliveries: Deliveries) -> None:
    """Write the product's events by the day of their own time, and some that nobody bills."""
    breakage = writer.breakage(field_breaks())
    by_day: dict[str, list[Row]] = defaultdict(list)
    arrived: dict[str, list[datetime]] = defaultdict(list)
    for day, records in deliveries.items():
        for row in breakage.among(records):
            event_day = f"{moment_of(_record_of(row).at):%Y-%m-%d}"
            by_day[event_day].append(row)
            arrived[event_day].append(day)
    for event_day, rows in by_day.items():
        lines = [
            _mixpanel_line(_record_of(row), delivery_day)
            for row, delivery_day in zip(rows, arrived[event_day], strict=True)
        ]
        lines.append(_page_view(_record_of(rows[0])))
        content = "".join(f"{line}\n" for line in lines).encode()
        writer.write(f"mixpanel/{event_day}.jsonl", content, rows)


def _mixpanel_line(record: Measurement, delivery_day: datetime) -> str:
    arrived_at = max(record.at + 900, milliseconds(delivery_day + timedelta(hours=4)))
    user_id = json.loads(record.metadata)["user_id"]
    properties: dict[str, object] = {
        "time": record.at,
        "distinct_id": user_id,
        "$insert_id": record.record_id,
        "mp_processing_time_ms": arrived_at,
    }
    if record.tenant_id:
        properties["workspace"] = record.tenant_id
    if record.dimension_id == "exports":
        # U+2028 is a line end to some readers, and plain text to JSON.
        separator = LINE_SEPARATOR if record.at % 50 == 0 else " "
        properties["report"] = f"Usage by region{separator}(weekly)"
    event = {"event": MIXPANEL_EVENTS[record.dimension_id], "properties": properties}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _page_view(record: Measurement) -> str:
    properties = {"time": record.at, "distinct_id": "visitor", "$insert_id": f"pv-{record.at}"}
    return json.dumps({"event": "Page Viewed", "properties": properties}, separators=(",", ":"))


def _record_of(row: Row) -> Measurement:
    if isinstance(row, Measurement):
        return row
    assert isinstance(row.content, Measurement), "these sources hold a broken row as a record"
    return row.content
