"""The demo's story in tables: what came in, what was billed, what it cost, what is odd."""

from typing import TYPE_CHECKING, Any

from connectors.warehouse import Warehouse
from orchestration.cli.printing import money
from orchestration.cli.summaries import is_built, rows

if TYPE_CHECKING:
    from orchestration.cli.session import Session

MONEY = frozenset(
    {
        "cost",
        "fixed_cost",
        "gross_margin",
        "list_value",
        "revenue",
        "total",
        "unallocated",
        "variable_cost",
    }
)
ADDED_TO = (
    "raw.deliveries",
    "raw.usage_records",
    "raw.cost_lines",
    "raw.quarantine",
    "journal.jnl_usage_entries",
    "ops.builds",
    "ops.pulls",
    "billing.invoices",
    "billing.invoice_lines",
    "billing.invoice_events",
    "billing.outbox",
    "billing.stripe_invoices",
    "catalog.versions",
)

SOURCES = """
    select
        source,
        kind,
        count(*)::bigint as deliveries,
        sum(delivered_count)::bigint as delivered,
        sum(journaled_count)::bigint as journaled,
        sum(duplicate_count)::bigint as duplicates,
        sum(quarantined_count)::bigint as quarantined
    from marts.fct_delivery_counts
    group by source, kind
    order by kind desc, source
"""

QUARANTINE = """
    select reason, count(*)::bigint as records
    from marts.fct_quarantined_records
    where resolution = 'open'
    group by reason
    order by records desc, reason
"""

INVOICES = """
    select
        to_char(period_start, 'YYYY-MM') as month,
        status,
        currency,
        count(*)::bigint as invoices,
        sum(total) as total
    from marts.fct_invoices
    group by month, status, currency
    order by month, status, currency
"""

LARGEST = """
    select invoice_number, customer_id, period_start, status, total, currency
    from marts.fct_invoices
    where invoice_number is not null
    order by total desc, invoice_number
    limit 5
"""

MARGINS = """
    select
        to_char(margin_month, 'YYYY-MM') as month,
        currency,
        sum(revenue) as revenue,
        sum(variable_cost) as variable_cost,
        sum(fixed_cost) as fixed_cost,
        sum(gross_margin) as gross_margin
    from marts.fct_customer_margins_monthly
    where is_comparable
    group by month, currency
    order by month, currency
"""

LOSING = """
    select
        customer_id,
        currency,
        sum(revenue) as revenue,
        sum(variable_cost + fixed_cost) as cost,
        sum(gross_margin) as gross_margin
    from marts.fct_customer_margins_monthly
    where is_comparable
    group by customer_id, currency
    having sum(gross_margin) < 0
    order by gross_margin, customer_id
    limit 8
"""

UNALLOCATED = """
    select currency, sum(billed_cost) as unallocated
    from marts.fct_tenant_costs_daily
    where not is_allocated
    group by currency
    order by currency
"""

UNASSIGNED = """
    select
        tenant_id,
        dimension_id,
        reason,
        sum(record_count)::bigint as records,
        sum(quantity) as quantity,
        sum(list_value) as list_value,
        currency
    from marts.fct_unassigned_usage
    group by tenant_id, dimension_id, reason, currency
    order by list_value desc nulls last, records desc, tenant_id, dimension_id
    limit 8
"""

UNBALANCED = """
    select
        count(*)::bigint as checked,
        count(*) filter (where not is_balanced and not is_pending)::bigint as unbalanced,
        count(*) filter (where not is_balanced and is_pending)::bigint as pending
    from marts.fct_reconciliation
"""


def added_to(warehouse: Warehouse) -> dict[str, int]:
    """Return the number of rows of the tables that are only added to."""
    return {
        name: int(rows(warehouse, f"select count(*) as found from {name}")[0]["found"])  # noqa: S608
        for name in ADDED_TO
        if is_built(warehouse, name)
    }


def tell_story(session: "Session", pulled: list[dict[str, Any]], *, is_unchanged: bool) -> None:
    """Print everything that a reader of the demo wants to see, and where to look on."""
    printer, warehouse = session.printer, session.warehouse
    parts = {
        "sources": rows(warehouse, SOURCES),
        "quarantine": rows(warehouse, QUARANTINE),
        "invoices": rows(warehouse, INVOICES),
        "largest_invoices": rows(warehouse, LARGEST),
        "margins": rows(warehouse, MARGINS),
        "losing_money": rows(warehouse, LOSING),
        "unallocated_cost": rows(warehouse, UNALLOCATED),
        "unassigned_usage": rows(warehouse, UNASSIGNED),
        "reconciliation": rows(warehouse, UNBALANCED),
    }
    printer.json({**parts, "this_run": pulled, "nothing_changed": is_unchanged})
    part(session, "What the sources delivered", parts["sources"])
    part(session, "What could not be read, and waits in quarantine", parts["quarantine"])
    part(session, "Invoices", parts["invoices"])
    part(session, "The largest of them", parts["largest_invoices"])
    part(session, "Revenue, cost and margin", parts["margins"])
    part(session, "Customers that lose money", parts["losing_money"])
    part(session, "Cost that no rule gives to a tenant", parts["unallocated_cost"])
    part(session, "Usage that nobody is billed for", parts["unassigned_usage"])
    balance = parts["reconciliation"][0]
    printer.line(
        f"Reconciled {balance['checked']:,} totals from source to Stripe: "
        f"{balance['unbalanced']:,} differ, {balance['pending']:,} are not due yet."
    )
    if is_unchanged:
        printer.heading("Nothing has changed: not a row was added, not an invoice made.")
    where_to_look(session)


def part(session: "Session", heading: str, found: list[dict[str, Any]]) -> None:
    """Print one part of the story."""
    session.printer.heading(heading)
    if not found:
        session.printer.line("  none")
        return
    session.printer.table(
        [name.replace("_", " ").capitalize() for name in found[0]],
        [
            [
                money(value, row["currency"]) if name in MONEY else value
                for name, value in row.items()
            ]
            for row in found
        ],
    )


def where_to_look(session: "Session") -> None:
    """Print how to open what the demo has made."""
    option = "" if str(session.directory) == "workspace" else f" -w {session.directory}"
    command = f"meterhouse{option}"
    session.printer.heading("Look on")
    for what, how in (
        ("Dagster UI", f"{command} ui"),
        ("Tables and columns (dbt docs)", f"{command} docs --open"),
        ("Marts in psql", f"{command} warehouse psql --reader"),
        ("Marts in a BI tool", f"{command} warehouse url --reader"),
        ("How an invoice came about", f"{command} explain INV-000001"),
    ):
        session.printer.line(f"  {what:<32}{how}")
