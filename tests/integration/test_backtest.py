"""Back-tests: all history under two catalogs, with nothing of the warehouse touched."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from assets.ingestion.bookkeeping import LandingReport, Pull
from assets.ingestion.landing import land_costs
from assets.rehearsals.backtest import Backtest, Window, backtest
from connectors.dbt import run_project
from connectors.deliveries import Delivery
from connectors.embedded_postgres import EmbeddedPostgres
from models.catalog import load_catalog
from tests.conftest import fresh_pipeline
from tests.integration.test_invoicing import RULES, publish
from tests.integration.test_preview import state
from tests.pipeline import Pipeline

CATALOG = """
dimensions: [{id: calls, aggregation: sum}]
taxes: [{id: vat, percent: "25"}]
plans:
  - id: payg
    currency: USD
    charges: [{id: calls, dimension: calls, price: {model: per_unit, unit_amount: "0.10"}}]
customers:
  - id: small
    contracts:
      - id: small
        plan: payg
        start: 2026-01-01
        credits: [{id: prepaid, amount: 70, from: 2026-01-01, paid: true},
                  {id: gift, amount: 5, from: 2026-01-01, priority: 2}]
  - id: large
    tax: vat
    contracts: [{id: large, plan: payg, start: 2026-01-01}]
cost_rules: [{id: all, method: proportional, dimension: calls}]
"""
CANDIDATE = CATALOG.replace(
    'dimension: calls, price: {model: per_unit, unit_amount: "0.10"}',
    'dimension: calls, included: 500, price: {model: per_unit, unit_amount: "0.16"}',
)
# A key that no published version has asked for, so usage has to be grouped anew.
BY_REGION = CATALOG.replace(
    'price: {model: per_unit, unit_amount: "0.10"}',
    "price: {model: matrix, by: [region], default: 1,"
    " prices: [{match: {region: eu}, unit_amount: 2}]}",
)
AS_OF = datetime(2026, 4, 10, tzinfo=UTC)
WINDOW = Window(date(2026, 1, 1), date(2026, 3, 1), AS_OF)
CALLS = {"small": (400, 600, 100), "large": (900, 3000, 0)}


def usage() -> Iterator[dict[str, Any]]:
    for tenant, months in CALLS.items():
        for month, calls in enumerate(months, start=1):
            yield {
                "id": f"{tenant} {month}",
                "timestamp": f"2026-{month:02}-15T12:00:00Z",
                "tenant_id": tenant,
                "dimension_id": "calls",
                "value": str(calls),
                "metadata": {"region": "eu" if tenant == "small" else "us"},
            }


def bill(pipeline: Pipeline) -> None:
    """Land a bill of 13 for the 15th of January: 400 of 1,300 calls are of the small one."""
    line = {
        "ChargePeriodStart": "2026-01-15T00:00:00Z",
        "ChargePeriodEnd": "2026-01-16T00:00:00Z",
        "BillingPeriodStart": "2026-01-01T00:00:00Z",
        "BillingPeriodEnd": "2026-02-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ServiceName": "EC2",
        "BilledCost": "13",
        "EffectiveCost": "13",
        "BillingCurrency": "USD",
        "Tags": {},
    }
    pull = Pull("pull of the bill", "aws", AS_OF)
    delivery = Delivery("2026-01", "1", lambda: iter([(1, line)]))
    land_costs(pipeline.warehouse, pull, [delivery], LandingReport())


@pytest.fixture(scope="module")
def built(
    postgres: EmbeddedPostgres, prepared_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The first quarter, finalised; April is open."""
    directory = tmp_path_factory.mktemp("backtest")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:
        publish(pipeline, CATALOG)
        pipeline.deliver("gateway", list(usage()))
        bill(pipeline)
        models = ("+jnl_delivery_counts", "+fct_line_margins", "+fct_invoice_lines")
        pipeline.build(AS_OF, *models)
        assert len(pipeline.close(RULES, AS_OF).finalised) == 6
        pipeline.build(AS_OF, *models)
        yield pipeline


def rehearsed(pipeline: Pipeline, candidate: str, window: Window = WINDOW) -> Backtest:
    catalogs = []
    for name, content in (("today", CATALOG), ("candidate", candidate)):
        folder = pipeline.directory / name
        folder.mkdir(exist_ok=True)
        (folder / "catalog.yml").write_text(content)
        catalogs.append(load_catalog(folder))
    return backtest(pipeline.warehouse, *catalogs, window, pipeline.directory / "dbt-backtest")


@pytest.fixture(scope="module")
def found(built: Pipeline) -> Backtest:
    """The candidate's back-test; nothing of the warehouse is touched by it."""
    before = state(built.warehouse)
    found = rehearsed(built, CANDIDATE)
    assert state(built.warehouse) == before
    return found


def test_history_is_rated_under_both_catalogs(found: Backtest) -> None:
    customers = {row["customer_id"]: row for row in found.marts["customers"]}
    small, large = customers["small"], customers["large"]
    # What is promotional lowers revenue, what was paid for does not: 40 + 60 - 5, and 16.
    assert (small["revenue_old"], small["revenue_new"]) == (95, 16)
    assert (small["contribution_margin_old"], small["gross_margin_new"]) == (91, 12)
    assert (small["outcome"], large["outcome"]) == ("pays_less", "pays_more")
    assert (large["revenue_old"], large["revenue_new"]) == (390, 464)
    assert (large["gross_margin_old"], large["gross_margin_change"]) == (381, 74)
    (plan,) = found.marts["plans"]
    assert (plan["plan_id"], plan["revenue_old"], plan["revenue_new"]) == ("payg", 485, 480)
    assert [(row["revenue_old"], row["revenue_new"]) for row in found.marts["months"]] == [
        (130, 64),
        (355, 416),
    ]


def test_bills_hold_tax_and_credits_and_the_biggest_shock_is_first(found: Backtest) -> None:
    bills = {(row["customer_id"], row["bill_month"].month): row for row in found.marts["bills"]}
    # Of 60 in February the credits pay 30 and 5; under the candidate all of 16.
    assert (bills["small", 2]["bill_old"], bills["small", 2]["bill_new"]) == (25, 0)
    assert bills["large", 1]["bill_change"] == Decimal("-32.5")
    shock = bills["large", 2]
    assert (shock["shock_rank"], shock["bill_old"], shock["bill_new"]) == (1, 375, 500)
    assert shock["bill_change_percent"] == Decimal("33.3333")


def test_under_the_same_catalog_nothing_changes_and_old_is_what_was_invoiced(
    built: Pipeline,
) -> None:
    found = rehearsed(built, CATALOG)
    assert {row["outcome"] for row in found.marts["customers"]} == {"pays_the_same"}
    assert {row["bill_change"] for row in found.marts["bills"]} == {0}
    bills = {
        (row["customer_id"], row["bill_month"]): row["bill_old"] for row in found.marts["bills"]
    }
    invoiced = built.rows(
        "select customer_id, period_start, total from billing.invoices"
        " where period_start < '2026-03-01'"
    )
    assert bills == {(row.customer_id, row.period_start): row.total for row in invoiced}


def test_usage_is_grouped_by_keys_that_only_the_candidate_names(built: Pipeline) -> None:
    found = rehearsed(built, BY_REGION)
    customers = {row["customer_id"]: row for row in found.marts["customers"]}
    assert customers["small"]["revenue_new"] == 2 * (400 + 600) - 5
    assert customers["large"]["revenue_new"] == 900 + 3000
    # The rules of the marts: their dbt unit tests, which no build runs.
    selection = ["test", "--select", "path:models/backtest,test_type:unit"]
    results = list(run_project(selection, built.directory / "dbt-backtest", "backtest"))
    assert len(results) == 8
    assert [result.message for result in results if not result.is_successful] == []
