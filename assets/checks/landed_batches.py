"""What must hold of a landed batch before anything is made of it: suites of Great Expectations.

A batch is what the next build would be the first to see. Without one nothing is checked, and
nothing is imported: Great Expectations alone takes seconds to load.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import dagster as dg
from sqlalchemy import Connection, CursorResult, text

from assets.keys import table_key
from connectors.warehouse import Warehouse
from models.tables import raw

# Values are looked at in a sample; rows are counted in full.
SAMPLE_ROWS = 5_000

NEW_DELIVERIES = {
    "usage": """
        select deliveries.delivery_id
        from raw.deliveries
        left join ops.journaled_deliveries as journaled
            on deliveries.delivery_id = journaled.delivery_id
        where deliveries.kind = 'usage' and journaled.delivery_id is null
        order by deliveries.delivery_id
    """,
    "cost": """
        select deliveries.delivery_id
        from raw.deliveries
        where
            deliveries.kind = 'cost'
            and deliveries.landed_at > coalesce(
                (select max(started_at) from ops.builds where finished_at is not null),
                '-infinity'
            )
        order by deliveries.delivery_id
    """,
}

# The books of each delivery beside what really lies in the tables.
DELIVERIES = """
    select
        deliveries.source,
        deliveries.delivered_count,
        deliveries.landed_count,
        deliveries.quarantined_count,
        deliveries.landed_count + deliveries.quarantined_count as accounted_count,
        coalesce(landed.row_count, 0) as rows_in_table,
        coalesce(quarantined.row_count, 0) as rows_in_quarantine
    from raw.deliveries
    left join (
        select delivery_id, count(*) as row_count
        from {table}
        where delivery_id = any(:ids)
        group by delivery_id
    ) as landed
        on deliveries.delivery_id = landed.delivery_id
    left join (
        select delivery_id, count(*) as row_count
        from raw.quarantine
        where delivery_id = any(:ids)
        group by delivery_id
    ) as quarantined
        on deliveries.delivery_id = quarantined.delivery_id
    where deliveries.delivery_id = any(:ids)
"""

SAMPLES = {
    "usage": """
        select
            delivery_id, row_number, record_key::text as record_key, record_id, tenant_id,
            dimension_id, occurred_at, content_hash::text as content_hash
        from raw.usage_records
        where delivery_id = any(:ids)
        order by delivery_id desc, row_number
        limit :rows
    """,
    "cost": """
        select
            delivery_id, row_number, charge_period_start, charge_period_end, service_name,
            billing_currency
        from raw.cost_lines
        where delivery_id = any(:ids)
        order by delivery_id desc, row_number
        limit :rows
    """,
}
TABLES = {"usage": raw.usage_records, "cost": raw.cost_lines}


class Batch(NamedTuple):
    """What is new of one kind: its deliveries, and a sample of their rows."""

    deliveries: list[dict[str, Any]]
    sample: list[dict[str, Any]]


def specs(kind: str) -> list[dg.AssetCheckSpec]:
    """Return the checks on the landing table of a kind."""
    key = table_key(TABLES[kind])
    return [
        dg.AssetCheckSpec(
            f"new_{kind}_is_sound",
            asset=key,
            blocking=True,
            description=(
                "Every delivered row of the new deliveries landed or is in quarantine, as their "
                "books say, and every landed row has what the models rely on."
            ),
            metadata={"suite": "Great Expectations"},
        ),
        dg.AssetCheckSpec(
            f"new_{kind}_is_plausible",
            asset=key,
            description=(
                "No new delivery is quarantined for the larger part: that would rather be a wrong "
                "mapping than bad rows."
            ),
            metadata={"suite": "Great Expectations"},
        ),
    ]


@dg.multi_asset_check(name="landed_batches", specs=[*specs("usage"), *specs("cost")])
def landed_batches(warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Hold the new deliveries of usage and cost against their suites."""
    for kind in TABLES:
        with warehouse.begin() as connection:
            batch = new_batch(connection, kind)
        yield from results(kind, batch)


def new_batch(connection: Connection, kind: str) -> Batch | None:
    """Return what no build has seen yet, or None."""
    ids: list[int] = list(connection.execute(text(NEW_DELIVERIES[kind])).scalars())
    if not ids:
        return None
    deliveries = text(DELIVERIES.format(table=TABLES[kind].fullname))
    return Batch(
        rows_of(connection.execute(deliveries, {"ids": ids})),
        rows_of(connection.execute(text(SAMPLES[kind]), {"ids": ids, "rows": SAMPLE_ROWS})),
    )


def rows_of(result: CursorResult[Any]) -> list[dict[str, Any]]:
    """Return the rows of a query by column."""
    return [dict(row) for row in result.mappings()]


def results(kind: str, batch: Batch | None) -> Iterator[dg.AssetCheckResult]:
    """Yield what the suites say of a batch."""
    key = table_key(TABLES[kind])
    if batch is None:
        for spec in specs(kind):
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=spec.name,
                passed=True,
                description="Nothing new has landed since the last build.",
            )
        return
    from assets.checks.expectations import broken_plausibility, broken_soundness

    for name, severity, broken in (
        ("sound", dg.AssetCheckSeverity.ERROR, broken_soundness(kind, *batch)),
        ("plausible", dg.AssetCheckSeverity.WARN, broken_plausibility(batch.deliveries)),
    ):
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=f"new_{kind}_is_{name}",
            passed=not broken,
            severity=severity,
            metadata={
                "new_deliveries": len(batch.deliveries),
                "sampled_rows": len(batch.sample),
                "broken_expectations": dg.MetadataValue.json(broken),
            },
        )
