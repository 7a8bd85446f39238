"""Every price model, from the catalog's files to the lines of an invoice."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256

import pytest

from assets.retention.archiving import archive_journal
from tests.conftest import fresh_pipeline
from tests.integration.test_invoicing import INVOICES, RULES, publish
from tests.pipeline import Pipeline

CATALOG = """
dimensions:
  - {id: calls, aggregation: count}
  - {id: units, aggregation: sum}
  - {id: money, aggregation: sum}
  - {id: paid, aggregation: sum, convert: {divide: "100"}}
  - {id: ads, aggregation: sum}
  - {id: compute, aggregation: sum}
  - {id: traffic, aggregation: sum}
  - {id: jobs, aggregation: sum}
  - {id: users, aggregation: latest, carry_over: true}
  - {id: admins, aggregation: latest, carry_over: true}
  - {id: storage, aggregation: max}
  - {id: members, aggregation: count_distinct, distinct_on: user}
plans:
  - id: all
    currency: USD
    charges:
      - id: stairs
        dimension: calls
        price: {model: stairstep, tiers: [{up_to: 2, flat_amount: 10},
                                          {up_to: null, flat_amount: 25}]}
      - id: steps
        dimension: units
        tiers_span: period
        price: {model: graduated, tiers: [{up_to: 100, unit_amount: "0.05", flat_amount: 3},
                                          {up_to: null, unit_amount: "0.04", flat_amount: 3}]}
      - id: fees
        dimension: money
        price: {model: percentage, percent: "2.9", fixed_amount: "0.30"}
      - id: transfers
        dimension: paid
        price: {model: percentage, percent: 1, fixed_amount: "0.10", free_records: 1,
                free_amount: 100, min_amount: "0.50", max_amount: 5}
      - id: media
        dimension: ads
        price: {model: graduated_percentage, tiers: [{up_to: 1000, percent: 15},
                                                     {up_to: null, percent: "7.5"}]}
      - id: compute
        dimension: compute
        included: 65
        price: {model: credits, credit_amount: 3, default: 1,
                rates: [{match: {size: XL}, credits: 16}]}
      - id: europe
        dimension: traffic
        where: {region: [eu, uk]}
        price: {model: matrix, by: [region, sku], default: 3,
                prices: [{match: {region: eu, sku: gpu}, unit_amount: 2},
                         {match: {region: eu}, unit_amount: 1}]}
      - id: elsewhere
        dimension: traffic
        where: {region: us}
        group_by: [sku]
        price: {model: per_unit, unit_amount: "0.5"}
      - id: jobs
        dimension: jobs
        price: {model: dynamic, multiplier: "1.2"}
      - id: users
        dimension: users
        price: {model: seat, unit_amount: 31}
      - id: admins
        dimension: admins
        included: 1
        price: {model: seat, on_removal: credit, tiers: [{up_to: 5, unit_amount: 31},
                                                         {up_to: null, unit_amount: "15.50"}]}
      - id: size
        price: {model: capacity, tiers: [{limits: {storage: 100, members: 2}, amount: 50},
                                         {limits: {storage: 500}, amount: 200},
                                         {amount: 1000}]}
customers:
  - id: acme
    contracts:
      - id: acme
        plan: all
        start: 2026-08-01
        overrides:
          - charge: steps
            from: 2026-08-16
            to: 2026-09-01
            price: {model: graduated, tiers: [{up_to: 100, unit_amount: "0.50", flat_amount: 3},
                                              {up_to: null, unit_amount: "0.40", flat_amount: 3}]}
          - charge: size
            from: 2026-08-16
            price: {model: capacity, tiers: [{limits: {storage: 100, members: 2}, amount: 100},
                                             {amount: 1000}]}
"""
# Longer than what an index of Postgres holds, and it cannot be packed: a signed address, a token.
LONG = "".join(sha256(f"{number}".encode()).hexdigest() for number in range(400))
USAGE = [
    *(("calls", day, "1", {}) for day in (1, 2, 31)),
    ("units", 15, "90", {}),
    ("units", 16, "60", {}),
    *(("money", day, value, {}) for day, value in ((1, "1000"), (2, "234.56"))),
    *(
        ("paid", day, value, {})
        for day, value in ((1, "4000"), (2, "8000"), (3, "5000"), (4, "1000"), (5, "100000"))
    ),
    ("ads", 1, "1000.01", {}),
    ("compute", 1, "10", {"size": "XL"}),
    ("compute", 2, "5", {"size": LONG}),
    ("traffic", 1, "3", {"region": "eu", "sku": "gpu"}),
    ("traffic", 1, "4", {"region": "eu", "sku": LONG}),
    ("traffic", 2, "5", {"region": "uk", "sku": "gpu"}),
    ("traffic", 2, "6", {"region": "us", "sku": LONG}),
    ("traffic", 2, "7", {"region": "ap"}),
    ("jobs", 31, "10.05", {}),
    ("storage", 1, "80", {}),
    *(("members", day, "1", {"user": f"{day} {LONG}"}) for day in (1, 2, 3, 31)),
    *(
        (dimension, day, value, {})
        for dimension in ("users", "admins")
        for day, value in ((11, "5"), (20, "8"), (31, "7"))
    ),
]


@pytest.fixture(scope="module")
def priced(postgres, prepared_template, tmp_path_factory) -> Iterator[Pipeline]:
    directory = tmp_path_factory.mktemp("prices")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        publish(pipeline, CATALOG)
        records = [
            {
                "id": str(number),
                "timestamp": f"2026-08-{day:02}T12:00:00Z",
                "tenant_id": "acme",
                "dimension_id": dimension,
                "value": value,
                "metadata": metadata,
            }
            for number, (dimension, day, value, metadata) in enumerate(USAGE)
        ]
        pipeline.deliver("gateway", records)
        pipeline.build(datetime(2026, 9, 1, 12, tzinfo=UTC), *INVOICES)
        yield pipeline


@pytest.mark.parametrize(
    ("charge", "amounts"),
    [
        ("stairs", ["25.00"]),
        ("steps", ["7.50", "28.00"]),
        ("fees", ["36.40"]),
        ("transfers", ["6.00"]),
        ("media", ["150.00"]),
        ("compute", ["300.00"]),
        ("europe", ["25.00"]),
        ("elsewhere", ["3.00"]),
        ("jobs", ["12.06"]),
        ("users", ["141.00"]),
        ("admins", ["107.50"]),
        ("size", ["96.77", "51.61"]),
    ],
)
def test_a_price_comes_to_its_line(priced: Pipeline, charge: str, amounts: list[str]) -> None:
    found = priced.rows(
        "select amount from marts.fct_invoice_lines where invoice_id = 'acme:2026-08-01'"
        f" and charge_id = '{charge}' order by period_start"
    )
    assert [f"{row.amount:.2f}" for row in found] == amounts


def test_the_steps_of_every_line_add_up_to_it(priced: Pipeline) -> None:
    lines = priced.rows("""
        select
            charge_id, exact_amount,
            (
                select sum((step.value ->> 'amount')::numeric)
                from jsonb_array_elements(told.explanation -> 'steps') as step
            ) as steps
        from rating.int_charge_lines
        left join rating.int_usage_explanations as told using (invoice_line_id)
        where kind = 'usage'
    """)
    assert {row.charge_id for row in lines} >= {"transfers", "europe", "compute"}
    for row in lines:
        assert row.exact_amount == row.steps, row.charge_id


def test_records_that_are_priced_one_by_one_add_up_to_their_line(priced: Pipeline) -> None:
    found = priced.rows("""
        select record_value, exact_amount
        from rating.int_record_amounts
        where invoice_id = 'acme:2026-08-01'
        order by occurred_at
    """)
    assert [row.record_value for row in found] == [40, 80, 50, 10, 1000]
    expected = ["0", "0", "0.5", "0.5", "5"]
    assert [row.exact_amount for row in found] == [Decimal(amount) for amount in expected]


def test_an_archive_leaves_the_records_that_are_priced_one_by_one(priced: Pipeline) -> None:
    lines = "select invoice_line_id, exact_amount from rating.int_charge_lines order by 1"
    as_of = datetime(2026, 9, 3, tzinfo=UTC)
    priced.build(as_of)
    assert priced.close(RULES, as_of).finalised
    priced.build(as_of)
    rated = priced.rows(lines)
    archive_journal(priced.warehouse, date(2026, 9, 1), priced.directory / "archive", as_of)
    left = priced.rows("select distinct dimension_id from journal.jnl_usage_entries")
    assert [row.dimension_id for row in left] == ["paid"]
    priced.build(as_of)
    assert priced.rows(lines) == rated
    assert priced.rows("select * from rating.int_adjustments where amount <> 0") == []
