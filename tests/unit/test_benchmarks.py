"""What the benchmarks stand on: their data, and a report that hides nothing."""

import csv
import gzip
import json
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from benchmarks.deals import write_deals
from benchmarks.generator import LATE_DAYS, START, Dataset, Shape
from benchmarks.measuring import (
    Measured,
    Series,
    StepFailed,
    Way,
    gist,
    run_command,
    side_by_side,
)
from benchmarks.report import Section, Table, Verdict, failed_section, page, ratio, table_of
from benchmarks.workspace import write_catalog
from models.catalog import load_catalog

SHAPE = Shape(20_000, batches=5, days=10, tenants=50, dimensions=7)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(SHAPE, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def batches(dataset: Dataset) -> list[list[dict]]:
    return [pq.read_table(file).to_pylist() for file in dataset.files("parquet")]


def silent(message: str) -> None:
    del message


def test_the_same_shape_is_the_same_data(dataset: Dataset, tmp_path: Path) -> None:
    again = Dataset(SHAPE, tmp_path).files("csv")
    assert [file.read_bytes() for file in again] == [
        file.read_bytes() for file in dataset.files("csv")
    ]


def test_another_seed_has_no_record_in_common(batches: list[list[dict]], tmp_path: Path) -> None:
    other = Dataset(Shape(500, batches=1, days=10, tenants=50, seed=2), tmp_path)
    ids = {row["id"] for batch in batches for row in batch}
    assert not ids & {row["id"] for row in pq.read_table(other.files("parquet")[0]).to_pylist()}


def test_the_truth_is_what_the_files_hold(dataset: Dataset, batches: list[list[dict]]) -> None:
    rows = [row for batch in batches for row in batch]
    by_id = {row["id"]: row for row in rows}
    truth = dataset.truth()
    assert truth.delivered == len(rows)
    assert truth.distinct == len(by_id) == SHAPE.records
    assert truth.total == sum((row["value"] for row in by_id.values()), Decimal(0))


def test_a_record_comes_again_unchanged_and_mostly_in_the_next_batch(
    batches: list[list[dict]],
) -> None:
    seen: dict[str, tuple[int, dict]] = {}
    again = Counter[int]()
    for number, batch in enumerate(batches):
        for row in batch:
            if row["id"] in seen:
                first, same = seen[row["id"]]
                assert row == same
                again[number - first] += 1
            seen.setdefault(row["id"], (number, row))
    assert set(again) == {0, 1}
    assert again[1] > again[0]
    assert 0.025 < again.total() / SHAPE.records < 0.035


def test_some_records_are_late_but_not_by_more_than_a_week(batches: list[list[dict]]) -> None:
    late = 0
    days = SHAPE.days // SHAPE.batches
    first_seen: set[str] = set()
    for number, batch in enumerate(batches):
        begins = START + timedelta(days=number * days)
        for row in batch:
            if row["id"] not in first_seen and row["timestamp"] < begins:
                late += 1
                assert row["timestamp"] >= begins - timedelta(days=LATE_DAYS)
            first_seen.add(row["id"])
    # One in a hundred, of which those of a batch's second day by one day are not seen here.
    assert 0.004 < late / SHAPE.records < 0.012


def test_tenants_follow_zipf_and_all_dimensions_occur(batches: list[list[dict]]) -> None:
    rows = [row for batch in batches for row in batch]
    tenants = Counter(row["tenant_id"] for row in rows)
    assert set(tenants) <= set(SHAPE.tenant_ids)
    assert tenants["tenant-00001"] > 1.5 * tenants["tenant-00002"] > 2 * tenants["tenant-00004"]
    assert {row["dimension_id"] for row in rows} == set(SHAPE.dimension_ids)
    assert all(str(UUID(row["id"])) == row["id"] for row in rows)


def test_every_format_says_the_same(dataset: Dataset, batches: list[list[dict]]) -> None:
    with gzip.open(dataset.files("jsonl.gz")[1], "rt") as lines:
        from_json = [json.loads(line, parse_float=Decimal) for line in lines]
    with dataset.files("csv")[1].open(newline="") as lines:
        from_csv = list(csv.DictReader(lines))
    for expected, found, text in zip(batches[1], from_json, from_csv, strict=True):
        metadata = json.loads(expected["metadata"])
        assert set(metadata) == {"region", "size", "user"}
        for other in (found, {**text, "metadata": json.loads(text["metadata"])}):
            assert datetime.fromisoformat(other["timestamp"]) == expected["timestamp"]
            assert Decimal(other["value"]) == expected["value"]
            assert other["metadata"] == metadata
            assert other["id"] == expected["id"]


def test_metadata_has_as_many_keys_as_asked_for(tmp_path: Path) -> None:
    wide = Dataset(Shape(10, batches=1, metadata_keys=50), tmp_path)
    for row in pq.read_table(wide.files("parquet")[0]).to_pylist():
        assert len(json.loads(row["metadata"])) == 50


def test_table_rows_come_in_the_order_of_their_cursor(dataset: Dataset) -> None:
    with dataset.table_rows().open(newline="") as lines:
        rows = list(csv.reader(lines))
    cursors = [datetime.fromisoformat(row[-1]) for row in rows]
    assert len(rows) == dataset.truth().delivered
    assert cursors == sorted(cursors)
    assert cursors[0].tzinfo is not None
    assert cursors[0] >= datetime(2026, 10, 1, tzinfo=UTC)


def test_the_catalog_bills_every_tenant_for_every_dimension(tmp_path: Path) -> None:
    catalog = load_catalog(write_catalog(tmp_path / "catalog", SHAPE))
    tenants = {tenant for customer in catalog.customers for tenant in customer.tenants}
    assert tenants == set(SHAPE.tenant_ids)
    assert {charge.dimension for charge in catalog.plans[0].charges} == set(SHAPE.dimension_ids)


def test_every_dimension_is_charged_in_a_way_of_its_own(tmp_path: Path) -> None:
    shape = Shape(20, dimensions=20, tenants=10)
    catalog = load_catalog(write_deals(tmp_path / "catalog", shape))
    dimensions = {dimension.id: dimension for dimension in catalog.dimensions}
    kinds = set()
    for charge in catalog.plans[0].charges:
        assert charge.dimension is not None
        said = charge.model_dump(exclude={"id", "name", "dimension"})
        kinds.add(f"{dimensions[charge.dimension].aggregation} {said}")
    assert len(kinds) == 20
    assert len({customer.timezone for customer in catalog.customers}) > 1


def test_a_process_is_charged_with_the_memory_of_its_children() -> None:
    grown = "import time; kept = bytearray(150_000_000); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grown!r}])"
    measured, _ = run_command([sys.executable, "-c", parent], {})
    assert measured.peak_mib > 143
    assert measured.seconds > 0.5


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(StepFailed, match="no such thing"):
        run_command([sys.executable, "-c", "raise SystemExit('no such thing')"], {})


def test_of_a_failure_the_line_that_tells_is_shown() -> None:
    assert gist("Step / ModuleNotFoundError: no x / Details: file") == "ModuleNotFoundError: no x"
    assert gist("first / last") == "last"


def test_ways_take_turns_and_one_that_fails_stops_no_other() -> None:
    order: list[str] = []

    def works(name: str) -> Measured:
        order.append(name)
        return Measured(float(len(order)))

    def fails() -> Measured:
        order.append("b")
        raise StepFailed("broken")

    ways = [
        Way("a", 10, lambda: works("a")),
        Way("b", 10, fails),
        Way("c", 10, lambda: works("c")),
    ]
    series = side_by_side(ways, 3, silent)
    # What has failed once is not tried again.
    assert order == ["a", "b", "c", "a", "c", "a", "c"]
    assert series["a"].seconds == 4
    assert series["a"].spread == (1, 6)
    assert not series["b"].runs
    assert "broken" in series["b"].note


def series_of(name: str, *seconds: float) -> Series:
    return Series(name, 1_000, [Measured(one) for one in seconds])


def test_ratios_are_of_medians() -> None:
    ours, peer = series_of("ours", 1, 2, 90), series_of("peer", 4, 4, 4)
    assert ratio(ours, peer) == 2
    assert ratio(ours, series_of("peer that failed")) is None


@pytest.mark.parametrize(
    ("measured", "bound", "is_met"),
    [
        (0.7, "at least", True),
        (0.69, "at least", False),
        (0.7, "at most", True),
        (0.71, "at most", False),
        (None, "at least", False),
        (None, "at most", False),
    ],
)
def test_a_goal_is_met_only_by_a_measurement(
    measured: float | None, bound: str, *, is_met: bool
) -> None:
    assert Verdict(1, "a goal", measured, bound, 0.7).is_met is is_met  # type: ignore[arg-type]


def test_the_report_shows_misses_and_failures_in_the_order_of_goals() -> None:
    failed = series_of("a | b")
    failed.note = "failed: broken"
    section = Section(
        "Part",
        "About it.",
        [
            Verdict(2, "second", 3.0, "at most", 2.0),
            Verdict(1, "first", None, "at least", 1.0),
        ],
        [table_of([series_of("ours", 0.5), failed], series_of("COPY", 0.25))],
    )
    text = page({"cores": "2"}, "--runs 3", [section])
    lines = text.splitlines()
    first = lines.index("| 1 | first | not measured | at least 1.00 | **not met** |")
    second = lines.index("| 2 | second | 3.00 | at most 2.00 | **not met** |")
    assert first < second
    assert "| ours | 2,000 | 0.50 (0.50-0.50) | 0.50 | - |  |" in lines
    assert "| a \\| b | - | - | - | - | failed: broken |" in lines
    assert "| cores | 2 |" in lines


def test_a_part_that_failed_misses_its_goals() -> None:
    text = page({}, "", [failed_section("Journal", (2, 3), "no room")])
    assert "| 2 | Journal: failed | not measured | - | **not met** |" in text
    assert "| 3 | Journal: failed | not measured | - | **not met** |" in text
    assert "Could not be measured: no room" in text


def test_a_table_keeps_a_row_on_its_line() -> None:
    text = page({}, "", [Section("Part", "About.", tables=[Table(["way"], [["two\nlines"]])])])
    assert "| two lines |" in text
