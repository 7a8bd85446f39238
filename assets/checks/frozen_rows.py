"""What is written once stays as it is: the journal and finalised invoices."""

import dagster as dg
from sqlalchemy import text

from assets.invoicing.documents import document_hash, read_document
from assets.keys import DELIVERIES, INVOICES, USAGE_ENTRIES
from connectors.warehouse import Warehouse
from models.tables import raw

# The guards of a partitioned table stand on each of its partitions, too: a trigger that refuses,
# and no privilege, for the owner either. The bits are those of delete, update and truncate.
UNGUARDED = """
    with recursive asked as (
        select name, to_regclass(name) as oid
        from unnest(cast(:tables as text[])) as names (name)
    ),

    guarded as (
        select cast(oid as oid) as oid from asked
        union
        select pg_inherits.inhrelid
        from pg_inherits
        inner join guarded on pg_inherits.inhparent = guarded.oid
    ),

    refused as (
        select pg_trigger.tgrelid as oid, bit_or(pg_trigger.tgtype) & 56 as events
        from pg_trigger
        inner join pg_proc on pg_trigger.tgfoid = pg_proc.oid
        where pg_trigger.tgenabled in ('O', 'A') and pg_proc.proname = 'refuse_change'
        group by pg_trigger.tgrelid
    )

    select name from asked where oid is null
    union all
    select schemas.nspname || '.' || relations.relname as name
    from guarded
    inner join pg_class as relations on guarded.oid = relations.oid
    inner join pg_namespace as schemas on relations.relnamespace = schemas.oid
    left join refused on guarded.oid = refused.oid
    where
        refused.events is distinct from 56
        or exists (
            select 1
            from aclexplode(
                coalesce(relations.relacl, acldefault('r', relations.relowner))
            ) as granted
            where
                granted.privilege_type in ('DELETE', 'TRUNCATE')
                or (
                    granted.privilege_type = 'UPDATE'
                    and schemas.nspname || '.' || relations.relname <> :completed
                )
        )
    order by name
"""
# The transaction that lands a delivery completes its row: updates by others meet the trigger.
COMPLETED = raw.deliveries.fullname

# By delivery, not by build: what a build that died has journaled is counted by the next one.
NEW_ENTRIES = """
    with counted as (
        select counts.delivery_id, counts.journaled_count
        from ops.journaled_deliveries as counts
        inner join ops.parameters on counts.build_number = parameters.build_number
    ),

    journaled as (
        select delivery_id, count(*) as entry_count
        from journal.jnl_usage_entries
        where
            not is_reversal
            and delivery_id between
            (select min(counted.delivery_id) from counted)
            and (select max(counted.delivery_id) from counted)
        group by delivery_id

        union all

        select archived.delivery_id, archived.entry_count
        from ops.archived_deliveries as archived
        inner join counted on archived.delivery_id = counted.delivery_id
    ),

    entries as (
        select delivery_id, sum(entry_count) as entry_count
        from journaled
        group by delivery_id
    )

    select
        count(*) as deliveries,
        coalesce(sum(counted.journaled_count), 0)::bigint as booked,
        coalesce(sum(entries.entry_count), 0)::bigint as entries,
        count(*) filter (where counted.journaled_count <> coalesce(entries.entry_count, 0)) as wrong
    from counted
    left join entries on counted.delivery_id = entries.delivery_id
"""

# Each is read and hashed again, so a night's check looks at the newest only.
INVOICES_HASHED = 200
NEWEST = """
    select invoice_id, invoice_number, content_hash
    from billing.invoices
    order by invoice_sequence desc
    limit :invoices
"""
# An invoice that is not the first on its document has the number of that one, and its position.
NUMBERS = """
    select
        count(*) as invoices,
        coalesce(max(invoice_sequence), 0) as last_invoice,
        count(*) filter (where invoice_id = document_id) as documents,
        coalesce(max(split_part(invoice_number, '-', 2)::bigint), 0) as last_number
    from billing.invoices
"""


@dg.asset_check(
    asset=USAGE_ENTRIES,
    description="Of what this build has journaled, each delivery has the entries it is booked for.",
)
def new_entries_are_as_booked(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare the newest part of the journal with its books; a verification compares all of it."""
    with warehouse.begin() as connection:
        counts = connection.execute(text(NEW_ENTRIES)).one()
    return dg.AssetCheckResult(
        passed=not counts.wrong,
        metadata={name: int(count) for name, count in counts._mapping.items()},
    )


@dg.asset_check(
    asset=USAGE_ENTRIES,
    description="Every table of the journal refuses updates and deletes.",
)
def the_journal_is_guarded(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for what refuses changes."""
    return guarded(warehouse, ["journal.jnl_usage_entries", "journal.jnl_conflicting_records"])


@dg.asset_check(
    asset=DELIVERIES,
    description="The landing tables refuse updates and deletes.",
)
def landed_rows_are_guarded(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for what refuses changes."""
    return guarded(warehouse, [table.fullname for table in raw.metadata.sorted_tables])


@dg.asset_check(
    asset=INVOICES,
    description="Finalised invoices and their lines refuse updates and deletes.",
)
def finalised_invoices_are_guarded(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for what refuses changes."""
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


@dg.asset_check(asset=INVOICES, description="Invoices and documents are numbered without a gap.")
def invoice_numbers_have_no_gap(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare the last numbers with the counts."""
    with warehouse.begin() as connection:
        numbers = connection.execute(text(NUMBERS)).one()
    return dg.AssetCheckResult(
        passed=(numbers.invoices, numbers.documents) == (numbers.last_invoice, numbers.last_number),
        metadata={name: int(count) for name, count in numbers._mapping.items()},
    )


def guarded(warehouse: Warehouse, tables: list[str]) -> dg.AssetCheckResult:
    """Return whether triggers and privileges refuse changes of tables and their partitions."""
    asked = {"tables": tables, "completed": COMPLETED}
    with warehouse.begin() as connection:
        unguarded: list[str] = list(connection.execute(text(UNGUARDED), asked).scalars())
    return dg.AssetCheckResult(
        passed=not unguarded, metadata={"unguarded": dg.MetadataValue.json(unguarded)}
    )
