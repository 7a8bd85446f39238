"""One month of a cloud bill shared by hand, with the margins that come of it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from assets.ingestion.bookkeeping import LandingReport, Pull
from assets.ingestion.landing import land_costs
from connectors.dbt import run_project
from connectors.deliveries import Delivery

CATALOG = Path(__file__).parent / "shared_cost" / "catalog"
AS_OF = datetime(2026, 8, 20, tzinfo=UTC)

USAGE = [
    {"id": name, "timestamp": at, "tenant_id": tenant, "dimension_id": dimension, "value": value}
    for name, at, tenant, dimension, value in [
        ("d1", "2026-08-01T10:00:00Z", "acme-eu", "data", "1"),
        ("d2", "2026-08-01T11:00:00Z", "acme-us", "data", "2"),
        ("d3", "2026-08-01T23:59:59Z", "bolt", "data", "3"),
        # Nobody mapped this tenant: it has usage, and so cost, all the same.
        ("d4", "2026-08-02T00:00:00Z", "stray", "data", "4"),
        # On the 3rd there are calls, but no data.
        ("c1", "2026-08-03T00:00:00Z", "bolt", "calls", "1"),
    ]
]


def line(service, amount, start, end, category="Usage", **tags):
    return {
        "ChargePeriodStart": f"{start}T00:00:00Z",
        "ChargePeriodEnd": f"{end}T00:00:00Z",
        "BillingPeriodStart": "2026-08-01T00:00:00Z",
        "BillingPeriodEnd": "2026-09-01T00:00:00Z",
        "ChargeCategory": category,
        "ServiceName": service,
        "BilledCost": amount,
        "EffectiveCost": amount,
        "BillingCurrency": "USD",
        "Tags": tags,
    }


BILL = [
    line("EC2", "5", "2026-08-01", "2026-08-02", tenant="acme-us"),
    # Data of the 1st: 1, 2 and 3 of 6; of the 2nd: all stray's; of the 3rd: none.
    line("S3", "10", "2026-08-01", "2026-08-02"),
    line("S3", "-1", "2026-08-02", "2026-08-03", category="Credit"),
    line("S3", "2", "2026-08-03", "2026-08-04", tenant=""),
    # Three days, a third each; of every day one part of three is acme-eu's, two are bolt's.
    line("Support", "9", "2026-08-01", "2026-08-04"),
    # Three tenants on the 1st.
    line("Monitoring", "1", "2026-08-01", "2026-08-02"),
    line("Tax", "1.9", "2026-08-01", "2026-08-02", category="Tax"),
    line("Lambda", "0.5", "2026-08-01", "2026-08-02"),
]

COSTS = {
    ("acme-us", "EC2", "variable", None): "5",
    # 10 * 1/6, 2/6, 3/6: cut off at 12 decimals, the unit left over is acme-eu's, which lost most.
    ("acme-eu", "S3", "variable", None): "1.666666666667",
    ("acme-us", "S3", "variable", None): "3.333333333333",
    ("bolt", "S3", "variable", None): "5",
    ("stray", "S3", "variable", None): "-1",
    (None, "S3", "variable", "no_usage"): "2",
    ("acme-eu", "Support", "fixed", None): "3",
    ("bolt", "Support", "fixed", None): "6",
    ("acme-eu", "Monitoring", "fixed", None): "0.333333333334",
    ("acme-us", "Monitoring", "fixed", None): "0.333333333333",
    ("bolt", "Monitoring", "fixed", None): "0.333333333333",
    (None, "Tax", "fixed", "by_rule"): "1.9",
    (None, "Lambda", "fixed", "no_rule"): "0.5",
}

# Per tenant: revenue, variable cost, fixed cost, gross margin.
MARGINS = {
    # Data, half the fee, half the welcome credit: 10 + 50 - 5. What was prepaid is no discount.
    "acme-eu": ("55", "1.666666666667", "3.333333333334", "49.999999999999"),
    "acme-us": ("65", "8.333333333333", "0.333333333333", "56.333333333334"),
    "bolt": ("130", "5", "6.333333333333", "118.666666666667"),
    "stray": ("0", "-1", "0", "1"),
}

DAMAGE = {
    "days_of_a_cost_line_add_up_to_it": (
        "update cost.int_cost_days set billed_cost = billed_cost + 0.000000000001"
        " where cost_date = '2026-08-03'"
    ),
    "allocated_and_unallocated_cost_equal_the_bill": (
        "delete from marts.fct_tenant_costs_daily where tenant_id = 'bolt'"
    ),
    "tenant_margins_hold_all_revenue_and_allocated_cost": (
        "update marts.fct_tenant_margins_monthly set revenue = revenue + 0.000000000001"
        " where tenant_id = 'bolt'"
    ),
    "line_costs_never_exceed_allocated_cost": (
        "update cost.int_line_costs set fixed_cost = 2 * fixed_cost"
    ),
    "delivered_rows_are_journaled_duplicates_or_quarantined": (
        "update marts.fct_delivery_counts set duplicate_count = duplicate_count + 1"
    ),
    "rated_unassigned_and_excluded_usage_equal_the_journal": (
        "delete from rating.int_usage_pieces where tenant_id = 'stray'"
    ),
    "every_step_balances_or_says_why_it_waits": (
        "update marts.fct_reconciliation set is_balanced = false where subject = 'cost'"
    ),
}


def land_bill(pipeline, version, lines):
    pull = Pull(f"pull {version}", "aws", AS_OF)
    delivery = Delivery("2026-08", version, lambda: iter(enumerate(lines, start=1)))
    land_costs(pipeline.warehouse, pull, [delivery], LandingReport())


def costs_by_tenant(pipeline):
    return {
        (row.tenant_id, row.service_name, row.cost_kind, row.unallocated_reason): row.cost
        for row in pipeline.rows(
            "select tenant_id, service_name, cost_kind, unallocated_reason,"
            " sum(effective_cost) as cost from marts.fct_tenant_costs_daily group by 1, 2, 3, 4"
        )
    }


@pytest.fixture
def billed(pipeline):
    pipeline.publish(CATALOG)
    pipeline.deliver("gateway", USAGE)
    land_bill(pipeline, "first", BILL)
    pipeline.build(AS_OF)
    return pipeline


def test_cost_and_margins_are_what_was_worked_out_by_hand(billed):
    assert costs_by_tenant(billed) == {key: Decimal(cost) for key, cost in COSTS.items()}

    margins = {
        row.tenant_id: (row.revenue, row.variable_cost, row.fixed_cost, row.gross_margin)
        for row in billed.rows("select * from marts.fct_tenant_margins_monthly")
    }
    assert margins == {name: tuple(map(Decimal, row)) for name, row in MARGINS.items()}

    # 5 + 10 - 1 + 2 over 10 gigabytes: the 2 of the day without usage included.
    assert [
        tuple(row)
        for row in billed.rows(
            "select dimension_id, quantity, unit_cost, unallocated_cost"
            " from marts.fct_unit_costs_monthly"
        )
    ] == [("data", Decimal(10), Decimal("1.6"), Decimal(2))]


def test_a_restated_bill_replaces_the_first_and_may_return_to_it(pipeline):
    as_first = {key: Decimal(cost) for key, cost in COSTS.items()}
    as_second = {("bolt", "EC2", "variable", None): Decimal(7)}
    second = [line("EC2", "7", "2026-08-01", "2026-08-02", tenant="bolt")]
    pipeline.publish(CATALOG)
    pipeline.deliver("gateway", USAGE)
    for version, bill, costs in [
        ("first", BILL, as_first),
        ("second", second, as_second),
        ("first", BILL, as_first),
    ]:
        land_bill(pipeline, version, bill)
        pipeline.build(AS_OF, "+fct_tenant_costs_daily")
        assert costs_by_tenant(pipeline) == costs


def test_every_invariant_sees_its_damage(billed):
    with billed.warehouse.begin() as connection:
        for statement in DAMAGE.values():
            connection.execute(text(statement))

    results = run_project(["test", "--select", *DAMAGE], billed.directory / "dbt")
    outcomes = {result.unique_id.split(".")[2]: result.status for result in results}
    assert outcomes == dict.fromkeys(DAMAGE, "fail")
