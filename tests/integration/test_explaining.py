"""Explaining: steps add up to their line, groups too, and records to what a line begins with."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets.invoicing.explanation import explain, usage_records
from connectors.record_files import RecordFileError, write_records
from tests.conftest import fresh_pipeline
from tests.pipeline import Pipeline
from tests.reference.comparison import accepted
from tests.reference.drawn_customers import AS_OF, drawn_case

CUSTOMERS, SEED = 80, 11
CATALOG = """
dimensions:
  - {id: data, aggregation: sum, convert: {divide: "1000"}, rounding: {decimals: 1, mode: up}}
  - {id: seats, aggregation: latest, carry_over: true}
  - {id: stored, aggregation: time_weighted, deltas: true, carry_over: true}
  - {id: users, aggregation: max}
  - {id: disks, aggregation: max}
plans:
  - id: pro
    currency: USD
    charges:
      - id: data
        name: Data processed
        dimension: data
        where: {region: [eu, "1"]}
        group_by: [region]
        included: "1"
        price:
          model: graduated
          tiers: [{up_to: "2", unit_amount: "0.111", flat_amount: "5"}, {unit_amount: "0.05"}]
      - {id: seats, dimension: seats, price: {model: seat, unit_amount: "25.00"}}
      - {id: stored, dimension: stored, price: {model: per_unit, unit_amount: "0.01"}}
      - id: size
        price:
          model: capacity
          tiers: [{limits: {users: 5, disks: 2}, amount: "10"}, {amount: "90"}]
customers:
  - id: acme
    tenants: [acme, acme-eu]
    contracts:
      - {id: acme, plan: pro, start: 2026-06-01, end: 2026-07-01,
         trial_allowance: {units: [{charge: data, quantity: "0.1"}]}}
"""


def usage(record_id: str, timestamp: str, dimension: str, value: str, **more: object) -> dict:
    return {
        "id": record_id,
        "timestamp": timestamp,
        "tenant_id": "acme",
        "dimension_id": dimension,
        "value": value,
        **more,
    }


USAGE = [
    usage("d1", "2026-06-02T00:00:00Z", "data", "2500", metadata={"region": "eu"}),
    usage(
        "d2", "2026-06-03T00:00:00Z", "data", "1000", metadata={"region": 1}, tenant_id="acme-eu"
    ),
    usage("d2b", "2026-06-03T00:00:00Z", "data", "900", metadata={"region": 1}, corrects="d2"),
    usage("elsewhere", "2026-06-03T00:00:00Z", "data", "7", metadata={"region": "us"}),
    usage("nowhere", "2026-06-03T00:00:00Z", "data", "7"),
    usage("too late", "2026-07-01T00:00:00Z", "data", "7", metadata={"region": "eu"}),
    usage("s0", "2026-04-01T00:00:00Z", "seats", "3"),
    usage("s1", "2026-05-01T00:00:00Z", "seats", "4"),
    usage("s2", "2026-06-20T00:00:00Z", "seats", "5"),
    usage("l1", "2026-04-01T00:00:00Z", "stored", "10"),
    usage("l2", "2026-05-01T00:00:00Z", "stored", "-4"),
    usage("u1", "2026-06-05T00:00:00Z", "users", "4"),
    usage("h1", "2026-06-05T00:00:00Z", "disks", "3"),
]


@pytest.fixture(scope="module")
def rated(postgres, prepared_template, tmp_path_factory) -> Iterator[Pipeline]:
    """A month of one customer."""
    directory = tmp_path_factory.mktemp("explaining")
    (directory / "catalog").mkdir()
    (directory / "catalog" / "all.yml").write_text(CATALOG)
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        pipeline.publish(directory / "catalog")
        pipeline.deliver("gateway", USAGE)
        pipeline.build(datetime(2026, 7, 3, tzinfo=UTC))
        yield pipeline


def steps_of(pipeline: Pipeline, charge: str) -> list[tuple]:
    (explanation,) = explain(pipeline.warehouse, f"acme:2026-06-01/usage/{charge}/1")
    line = explanation.line(f"acme:2026-06-01/usage/{charge}/1")
    assert line is not None
    return [
        (
            step.step,
            step.quantity and step.quantity.normalize(),
            step.unit_amount and step.unit_amount.normalize(),
            step.days,
            step.amount and step.amount.normalize(),
        )
        for step in explanation.steps_of(line)
    ]


def records_of(pipeline: Pipeline, charge: str) -> list[tuple[str, bool, bool]]:
    with pipeline.warehouse.begin() as connection:
        return [
            (row.record_id, row.is_reversal, row.is_earlier)
            for row in usage_records(connection, f"acme:2026-06-01/usage/{charge}/1")
        ]


def test_a_line_is_told_in_the_order_of_the_pricing_rules(rated: Pipeline) -> None:
    number = Decimal
    assert steps_of(rated, "data") == [
        ("aggregate", number(3400).normalize(), None, None, None),
        ("conversion", number("3.4"), None, None, None),
        ("included", number(-1), None, None, None),
        ("trial", number("-0.1"), None, None, None),
        ("tier", number(2), number("0.111"), None, number("0.222")),
        ("flat", number(1), number(5), None, number(5)),
        ("tier", number("0.3"), number("0.05"), None, number("0.015")),
        ("rounding", None, None, None, number("0.003")),
    ]


def test_the_records_of_a_line_are_those_that_its_filter_lets_through(rated: Pipeline) -> None:
    assert sorted(records_of(rated, "data")) == [
        ("d1", False, False),
        ("d2", False, False),
        ("d2", True, False),
        ("d2b", False, False),
    ]


def test_a_level_goes_on_from_the_last_record_before_the_period(rated: Pipeline) -> None:
    assert records_of(rated, "seats") == [("s1", False, True), ("s2", False, False)]


def test_a_level_that_is_told_by_its_changes_follows_from_all_of_them(rated: Pipeline) -> None:
    assert records_of(rated, "stored") == [("l1", False, True), ("l2", False, True)]


def test_a_capacity_follows_from_the_records_of_all_its_dimensions(rated: Pipeline) -> None:
    assert {record for record, _, _ in records_of(rated, "size")} == {"u1", "h1"}
    steps = [(step, quantity) for step, quantity, *_ in steps_of(rated, "size")]
    assert steps == [("aggregate", 3), ("aggregate", 4), ("capacity", 1)]


def test_all_records_are_written_as_the_suffix_says(rated: Pipeline, tmp_path: Path) -> None:
    line_id = "acme:2026-06-01/usage/data/1"
    written = {}
    for suffix in ("csv", "jsonl", "parquet"):
        with rated.warehouse.begin() as connection:
            rows = usage_records(connection, line_id)
            write_records(
                tmp_path / f"records.{suffix}",
                ({"invoice_line_id": line_id, **row._mapping} for row in rows),
            )
    with (tmp_path / "records.csv").open() as file:
        written["csv"] = list(csv.DictReader(file))
    lines = (tmp_path / "records.jsonl").read_text().splitlines()
    written["jsonl"] = [json.loads(line) for line in lines]
    written["parquet"] = pq.read_table(tmp_path / "records.parquet").to_pylist()
    for rows in written.values():
        assert sum(Decimal(row["value"]) for row in rows) == 3400
        assert {Path(row["object"]).name for row in rows} == {"usage.jsonl"}
        assert sorted(int(row["row_number"]) for row in rows) == [1, 2, 3, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "records.csv",
        "records.jsonl",
        "records.parquet",
    ]


@pytest.mark.parametrize("name", ["records.xlsx", "absent/records.csv"])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordFileError, match=name):
        write_records(tmp_path / name, [])


def test_records_of_random_lines_add_up_to_what_they_begin_with(
    postgres, prepared_template, tmp_path: Path
) -> None:
    """The build itself tests that all steps and groups add up to their lines."""
    cases = [drawn_case(SEED, position) for position in range(CUSTOMERS)]
    cases = accepted(cases, tmp_path / "catalog")
    with fresh_pipeline(postgres, prepared_template, tmp_path) as pipeline:
        pipeline.publish(tmp_path / "catalog")
        pipeline.deliver("random", [record for case in cases for record in case.records])
        pipeline.build(AS_OF)
        measured = pipeline.rows(MEASURED)
        assert len(measured) > CUSTOMERS
        with pipeline.warehouse.begin() as connection:
            for line in measured:
                records = [
                    record
                    for record in usage_records(connection, line.invoice_line_id)
                    if not record.is_earlier
                ]
                assert sum(record.sign for record in records) == line.record_count
                if line.adds_up:
                    assert sum(record.value for record in records) == line.quantity


MEASURED = """
    select
        lines.invoice_line_id,
        sum(steps.record_count) as record_count,
        sum(steps.quantity) as quantity,
        bool_and(steps.description like '%sum of %') as adds_up
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoice_line_steps as steps
        on lines.invoice_line_id = steps.invoice_line_id and steps.step = 'aggregate'
    where lines.kind = 'usage'
    group by lines.invoice_line_id
"""
