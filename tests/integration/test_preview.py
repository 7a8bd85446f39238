"""Previews: what a customer's open period comes to so far, and if the last week repeats itself."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from assets.catalog.refusals.errors import CatalogRefused
from assets.rehearsals.preview import Preview, preview
from assets.rehearsals.stage import RehearsalRefused
from connectors.dbt import run_project
from connectors.warehouse import Warehouse
from models.catalog import load_catalog
from tests.conftest import fresh_pipeline
from tests.integration.test_invoicing import INVOICES, RULES, publish
from tests.pipeline import Pipeline

CATALOG = """
dimensions:
  - {id: calls, aggregation: sum}
  - {id: seats, aggregation: latest, carry_over: true}
  - {id: users, aggregation: count_distinct, distinct_on: user}
plans:
  - id: payg
    currency: USD
    charges:
      - {id: calls, dimension: calls, price: {model: graduated, tiers: [
          {up_to: 300, unit_amount: "0.10"}, {up_to: null, unit_amount: "0.05"}]}}
      - {id: seats, dimension: seats, price: {model: per_unit, unit_amount: "3"}}
      - {id: users, dimension: users, price: {model: per_unit, unit_amount: "1"}}
customers:
  - id: acme
    contracts:
      - {id: acme, plan: payg, start: 2026-08-01, minimum: {amount: 45}}
  - id: other
    contracts: [{id: other, plan: payg, start: 2026-08-01}]
  - id: west
    timezone: America/Los_Angeles
    contracts: [{id: west, plan: payg, start: 2026-08-01}]
  - id: group
    contracts: [{id: group, plan: payg, start: 2026-08-01}]
  - {id: lab, parent: group, bill_to: parent}
"""
DEARER = CATALOG.replace('"0.05"', '"0.50"')
MOVED = CATALOG.replace("  - id: other\n", "  - id: other\n    tenants: [other, acme]\n").replace(
    "  - id: acme\n", "  - id: acme\n    tenants: [acme-new]\n", 1
)
AS_OF = datetime(2026, 9, 21, tzinfo=UTC)


def usage(dimension: str, moment: str, value: str, tenant: str = "acme", **metadata: str) -> dict:
    return {
        "id": f"{tenant} {dimension} {moment}",
        "timestamp": moment,
        "tenant_id": tenant,
        "dimension_id": dimension,
        "value": value,
        "metadata": metadata,
    }


def september() -> Iterator[dict]:
    """10 calls on each of 13 days, 20 on each of the next 7, and 999 that are still to come."""
    yield usage("calls", "2026-08-15T12:00:00Z", "50")
    for day in range(1, 14):
        yield usage("calls", f"2026-09-{day:02}T12:00:00Z", "10")
    for day in range(14, 21):
        yield usage("calls", f"2026-09-{day:02}T12:00:00Z", "20")
    yield usage("calls", "2026-09-21T00:00:00Z", "999")
    yield usage("calls", "2026-09-20T12:00:00Z", "7", tenant="other")
    yield usage("calls", "2026-09-10T03:00:00Z", "5", tenant="west")
    yield usage("calls", "2026-09-17T03:00:00Z", "8", tenant="west")
    yield usage("calls", "2026-09-10T03:00:00Z", "3", tenant="group")
    yield usage("calls", "2026-09-10T03:00:00Z", "4", tenant="lab")
    yield usage("seats", "2026-09-02T00:00:00Z", "4")
    yield usage("seats", "2026-09-18T00:00:00Z", "5")
    for hour, user in enumerate(("ann", "bob", "eve")):
        yield usage("users", f"2026-09-20T0{hour}:00:00Z", "1", user=user)


@pytest.fixture(scope="module")
def built(
    postgres: object, prepared_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """August is finalised, September is open, and everything of it is journaled."""
    directory = tmp_path_factory.mktemp("preview")
    with fresh_pipeline(postgres, prepared_template, directory) as pipeline:  # type: ignore[arg-type]
        publish(pipeline, CATALOG)
        pipeline.deliver("gateway", list(september()))
        pipeline.build(datetime(2026, 9, 3, tzinfo=UTC), *INVOICES)
        assert len(pipeline.close(RULES, datetime(2026, 9, 3, tzinfo=UTC)).finalised) == 4
        pipeline.build(AS_OF, *INVOICES)
        yield pipeline


def previewed(
    pipeline: Pipeline, customer: str = "acme", catalog: str = CATALOG, as_of: datetime = AS_OF
) -> Preview:
    folder = pipeline.directory / "rehearsed"
    folder.mkdir(exist_ok=True)
    (folder / "catalog.yml").write_text(catalog)
    return preview(
        pipeline.warehouse,
        load_catalog(folder),
        customer,
        as_of,
        "adjust",
        pipeline.directory / "dbt-preview",
    )


def state(warehouse: Warehouse) -> dict[str, str]:
    """Return a hash of every table that no preview may touch."""
    with warehouse.begin() as connection:
        names = connection.execute(
            text(
                "select format('%s.%s', schemaname, tablename) from pg_tables where schemaname in"
                " ('ops', 'catalog', 'billing', 'raw', 'journal', 'rating', 'marts')"
                " order by 1"
            )
        ).scalars()
        return {
            name: connection.execute(
                text(f"select md5(string_agg(t::text, ',' order by t::text)) from {name} as t")
            ).scalar()
            or ""
            for name in list(names)
        }


def test_a_preview_rates_what_there_is_and_projects_the_last_week(built: Pipeline) -> None:
    before = state(built.warehouse)
    found = previewed(built)
    assert state(built.warehouse) == before
    assert [invoice.header["invoice_id"] for invoice in found.invoices] == ["acme:2026-09-01"]
    lines = {line.charge_id: line for line in found.invoices[0].lines}
    # 13 x 10 + 7 x 20; ten days more, at 20 a day: 300 x 0.10 + 170 x 0.05.
    assert (lines["calls"].quantity, lines["calls"].amount) == (270, Decimal("27.00"))
    assert lines["calls"].projected_quantity == 470
    assert lines["calls"].projected_amount == Decimal("38.50")
    # A level stays, and the same users come again.
    assert (lines["seats"].amount, lines["seats"].projected_amount) == (15, 15)
    assert (lines["users"].amount, lines["users"].projected_amount) == (3, 3)
    # 45 - 27 - 15 - 3 = 0; in the end there is nothing missing either.
    assert found.invoices[0].header["total"] == 45
    assert found.invoices[0].projected_total == Decimal("56.50")
    assert found.projected_until == datetime(2026, 10, 1, tzinfo=UTC)


def test_a_preview_says_what_the_draft_of_the_next_build_says(built: Pipeline) -> None:
    """Of a customer without usage ahead of the instant."""
    found = previewed(built, "other").invoices[0].header
    (draft,) = built.rows("select * from rating.int_invoices where customer_id = 'other'")
    assert found["invoice_id"] == draft.invoice_id
    assert found["total"] == draft.total == Decimal("0.70")


def test_a_catalog_that_nobody_has_published_is_previewed(built: Pipeline) -> None:
    found = previewed(built, catalog=DEARER).invoices[0]
    assert found.header["total"] == 45
    assert found.projected_total == 30 + 85 + 15 + 3
    (count,) = built.rows("select count(*) from catalog.versions")
    assert count[0] == 1


def test_a_tenant_that_changes_hands_is_not_billed_twice(built: Pipeline) -> None:
    """Its August is invoiced to the customer it came from."""
    found = previewed(built, "other", MOVED).invoices
    assert [invoice.header["invoice_id"] for invoice in found] == ["other:2026-09-01"]
    lines = {line.charge_id: line for line in found[0].lines if line.kind == "usage"}
    assert lines["calls"].quantity == 277
    assert not [line for line in found[0].lines if line.kind == "adjustment"]


def test_usage_is_projected_into_a_month_that_the_journal_does_not_know(built: Pipeline) -> None:
    """In Los Angeles September ends at 07:00 UTC on the first of October."""
    found = previewed(built, "west")
    (line,) = (line for line in found.invoices[0].lines if line.charge_id == "calls")
    assert (line.quantity, line.projected_quantity) == (13, 13 + 8 + 8)
    assert found.projected_until == datetime(2026, 10, 1, 7, tzinfo=UTC)


def test_what_children_use_is_previewed_with_their_parent(built: Pipeline) -> None:
    (line,) = (
        line for line in previewed(built, "group").invoices[0].lines if line.charge_id == "calls"
    )
    assert line.quantity == 3 + 4


def test_an_unknown_customer_is_refused(built: Pipeline) -> None:
    with pytest.raises(RehearsalRefused, match="no customer acne; did you mean acme"):
        previewed(built, "acne")


def test_what_could_not_be_published_is_not_previewed(built: Pipeline) -> None:
    with pytest.raises(CatalogRefused, match="cannot change the currency"):
        previewed(built, catalog=CATALOG.replace("currency: USD", "currency: EUR"))


def test_nothing_is_previewed_before_the_first_build(pipeline: Pipeline) -> None:
    publish(pipeline, CATALOG)
    with pytest.raises(RehearsalRefused, match="meterhouse run"):
        previewed(pipeline)


def test_the_rules_of_projection_hold(built: Pipeline) -> None:
    """Their dbt unit tests, on the stage: the models are of this target only, and in no build."""
    previewed(built)
    folder = built.directory / "dbt-preview"
    selection = ["test", "--select", "path:models/projection,test_type:unit"]
    results = list(run_project(selection, folder, "preview"))
    assert len(results) == 6
    assert [result.message for result in results if not result.is_successful] == []
