"""What one would write by hand in the same Postgres: the least that a design can cost here.

Statements without corrections, conflicts, counts, archives or bookkeeping, and without a command
around them. What ours costs more is what these give.
"""

from functools import partial

from benchmarks.measuring import Measured, timed
from benchmarks.server import Server

JOURNAL = "hand.journal"
PARTITIONS = 16
# Nobody who wants each id once, for ever, can do without a unique index of all keys.
CREATED = (
    "drop schema if exists hand cascade",
    "create schema hand",
    f"create table {JOURNAL} (like journal.jnl_usage_entries) partition by hash (record_key)",
    *(
        f"create table {JOURNAL}_{number} partition of {JOURNAL} "
        f"for values with (modulus {PARTITIONS}, remainder {number})"
        for number in range(PARTITIONS)
    ),
    f"create unique index on {JOURNAL} (record_key)",
    "create table hand.conflicts (delivery_id integer, row_number integer, record_key uuid)",
)
RECORDS = "(select * from raw.usage_records where delivery_id = {delivery_id} order by record_key)"
ENTRIES = """
    occurred_at, record_key, delivery_id, row_number, delivery_id, 1, false, tenant_id,
    dimension_id, value, record_id, metadata, null
"""
# The first of an id stays, and nobody hears of the others.
EACH_ID_ONCE = f"""
    insert into {JOURNAL} select {ENTRIES} from {RECORDS} as records on conflict do nothing
"""
# What says something else under an id that stands is kept apart, but for two in one batch.
CONFLICTS_FOUND = f"""
    with found as materialized (
        select
            records.*,
            kept.record_key as kept_key,
            (kept.occurred_at, kept.tenant_id, kept.dimension_id, kept.value, kept.metadata::jsonb)
            is not distinct from (
                records.occurred_at, records.tenant_id, records.dimension_id, records.value,
                records.metadata::jsonb
            ) as is_same
        from {RECORDS} as records
        left join lateral (
            select * from {JOURNAL} as kept where kept.record_key = records.record_key limit 1
        ) as kept on true
    ),
    conflicts as (
        insert into hand.conflicts
        select delivery_id, row_number, record_key
        from found
        where kept_key is not null and not is_same
    )
    insert into {JOURNAL} select {ENTRIES} from found where kept_key is null on conflict do nothing
"""
VALUES = """
    sum({value}) as quantity_sum, sum({count}) as record_count, min({low}) as quantity_min,
    max({high}) as quantity_max, max({moment}) as last_recorded_at,
    (max(array[extract(epoch from {moment}), {last}]))[2] as quantity_last
"""
OF_ENTRIES = VALUES.format(
    value="value", count="sign", low="value", high="value", last="value", moment="occurred_at"
)
OF_CELLS = VALUES.format(
    value="quantity_sum",
    count="record_count",
    low="quantity_min",
    high="quantity_max",
    last="quantity_last",
    moment="last_recorded_at",
)
# The journal's own table is read, whose rows are the same and lie in the order of days.
ROLLED_UP = (
    "create schema if not exists hand",
    f"""
    create table hand.hourly as
    select
        tenant_id, dimension_id, date_bin('1 hour', occurred_at, 'epoch') as usage_hour,
        {OF_ENTRIES}
    from journal.jnl_usage_entries group by 1, 2, 3
    """,
    "create unique index on hand.hourly (tenant_id, dimension_id, usage_hour)",
    f"""
    create table hand.daily as
    select tenant_id, dimension_id, (usage_hour at time zone 'UTC')::date as usage_date, {OF_CELLS}
    from hand.hourly group by 1, 2, 3
    """,
    "create unique index on hand.daily (tenant_id, dimension_id, usage_date)",
    f"""
    create table hand.monthly as
    select tenant_id, dimension_id, date_trunc('month', usage_date) as usage_month, {OF_CELLS}
    from hand.daily group by 1, 2, 3
    """,
    "create unique index on hand.monthly (tenant_id, dimension_id, usage_month)",
)


def journal_in_batches(server: Server, name: str, statement: str) -> Measured:
    """Insert what has landed into a plain journal; the result has the seconds of each delivery."""
    server.execute(name, *CREATED)
    deliveries = server.execute(name, "select delivery_id from raw.deliveries order by 1")
    batches = [
        timed(partial(server.execute, name, statement.format(delivery_id=delivery)))
        for (delivery,) in deliveries
    ]
    seconds = [batch.seconds for batch in batches]
    return Measured(sum(seconds), result={"batches": seconds})


def rollups(server: Server, name: str) -> Measured:
    """Make hours, days and months of the journal, each as one statement."""
    return timed(lambda: server.execute(name, *ROLLED_UP))
