"""Sums of the tables in which a person looks for a total, as metadata of their materialisation."""

from typing import Any

from sqlalchemy import text

from connectors.warehouse import Warehouse

# Table -> the expression that is summed, and what it is summed by.
SUMS = {
    ("journal", "jnl_cost_lines"): ("billed_cost", "billing_currency"),
    ("rating", "int_invoices"): ("total", "currency"),
    ("marts", "fct_usage_monthly"): ("quantity_sum", "dimension_id"),
    ("marts", "fct_invoices"): ("total", "currency"),
    ("marts", "fct_invoice_lines"): ("amount", "currency"),
}
GROUPS_SHOWN = 20


def sums_of(warehouse: Warehouse, table: tuple[str, ...]) -> dict[str, Any]:
    """Return the sums of a table by currency or dimension; nothing for most tables."""
    if len(table) != 2 or table not in SUMS:
        return {}
    summed, group = SUMS[table]
    statement = text(
        f"select {group} as name, sum({summed})::text as total"  # noqa: S608
        f" from {table[0]}.{table[1]} group by {group} order by {group} limit {GROUPS_SHOWN}"
    )
    with warehouse.begin() as connection:
        return {
            f"{summed}_{row.name}": row.total
            for row in connection.execute(statement)
            if row.total is not None
        }
