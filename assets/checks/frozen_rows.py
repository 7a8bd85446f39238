"""What is written once stays as it is: the journal and finalised invoices."""

import dagster as dg
from sqlalchemy import text

from assets.invoicing.documents import document_hash, read_document
from assets.keys import DELIVERIES, INVOICES, USAGE_ENTRIES
from connectors.warehouse import Warehouse
from models.tables import raw

# The guards of a partitioned table stand on each of its partitions, too.
UNGUARDED = """
    with guarded as (
        select relations.oid, schemas.nspname || '.' || relations.relname as name
        from pg_class as relations
        inner join pg_namespace as schemas on relations.relnamespace = schemas.oid
        where
            schemas.nspname || '.' || relations.relname = any(:tables)
            or relations.oid in (
                select inhrelid
                from pg_inherits
                where inhparent = any(
                    select to_regclass(name) from unnest(cast(:tables as text[])) as names (name)
                )
            )
    )
    select guarded.name
    from guarded
    where not exists (
        select 1
        from pg_trigger
        inner join pg_proc on pg_trigger.tgfoid = pg_proc.oid
        where
            pg_trigger.tgrelid = guarded.oid
            and pg_trigger.tgenabled in ('O', 'A')
            and pg_proc.proname = 'refuse_change'
    )
    order by guarded.name
"""

COUNTS = """
    select
        (select count(*) from journal.jnl_usage_entries where not is_reversal) as entries,
        (select coalesce(sum(journaled_count), 0) from ops.journaled_deliveries) as journaled
"""

# Each is read and hashed again, so a night's check looks at the newest only.
INVOICES_HASHED = 200
NEWEST = """
    select invoice_id, invoice_number, content_hash
    from billing.invoices
    order by invoice_sequence desc
    limit :invoices
"""
NUMBERS = """
    select count(*) as invoices, coalesce(max(invoice_sequence), 0) as last_number
    from billing.invoices
"""


@dg.asset_check(
    asset=USAGE_ENTRIES,
    description="The journal has as many entries as its books say: none was taken away or added.",
)
def no_entry_was_taken_away(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare the journal with what each delivery brought into it."""
    with warehouse.begin() as connection:
        counts = connection.execute(text(COUNTS)).one()
    return dg.AssetCheckResult(
        passed=counts.entries == counts.journaled,
        metadata={"entries": int(counts.entries), "journaled": int(counts.journaled)},
    )


@dg.asset_check(
    asset=USAGE_ENTRIES,
    description="Every table of the journal refuses updates and deletes.",
)
def the_journal_is_guarded(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for the triggers that refuse changes."""
    return guarded(warehouse, ["journal.jnl_usage_entries", "journal.jnl_conflicting_records"])


@dg.asset_check(
    asset=DELIVERIES,
    description="The landing tables refuse updates and deletes.",
)
def landed_rows_are_guarded(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for the triggers that refuse changes."""
    return guarded(warehouse, [table.fullname for table in raw.metadata.sorted_tables])


@dg.asset_check(
    asset=INVOICES,
    description="Finalised invoices and their lines refuse updates and deletes.",
)
def finalised_invoices_are_guarded(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for the triggers that refuse changes."""
    return guarded(warehouse, ["billing.invoices", "billing.invoice_lines"])


@dg.asset_check(
    asset=INVOICES,
    description="Finalised invoices have the content hash that they were finalised with.",
)
def finalised_invoices_keep_their_content(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Hash the newest invoices again, header and lines."""
    changed = []
    with warehouse.begin() as connection:
        found = connection.execute(text(NEWEST), {"invoices": INVOICES_HASHED}).all()
        for invoice in found:
            document = read_document(connection, "billing", invoice.invoice_id)
            if document is None or document_hash(document) != invoice.content_hash:
                changed.append(invoice.invoice_number)
    return dg.AssetCheckResult(
        passed=not changed,
        metadata={"hashed": len(found), "changed": dg.MetadataValue.json(changed)},
    )


@dg.asset_check(asset=INVOICES, description="Invoices are numbered without a gap.")
def invoice_numbers_have_no_gap(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare the last number with the count."""
    with warehouse.begin() as connection:
        numbers = connection.execute(text(NUMBERS)).one()
    return dg.AssetCheckResult(
        passed=numbers.invoices == numbers.last_number,
        metadata={"invoices": int(numbers.invoices), "last_number": int(numbers.last_number)},
    )


def guarded(warehouse: Warehouse, tables: list[str]) -> dg.AssetCheckResult:
    """Return whether changes of tables and their partitions are refused."""
    with warehouse.begin() as connection:
        unguarded: list[str] = list(
            connection.execute(text(UNGUARDED), {"tables": tables}).scalars()
        )
    return dg.AssetCheckResult(
        passed=not unguarded, metadata={"unguarded": dg.MetadataValue.json(unguarded)}
    )
