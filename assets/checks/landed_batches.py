"""What must hold of a landed batch before anything is made of it: its books against its rows.

A batch is what the next build would be the first to see. These are plain queries of what is new,
as they stand in the way of every build; the suites of ``verification`` look closer, and at leisure.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from sqlalchemy import Connection, text

from assets.keys import table_key
from connectors.warehouse import Warehouse
from models.tables import raw

TABLES = {"usage": raw.usage_records, "cost": raw.cost_lines}
MOST_QUARANTINED = 0.5
SHOWN = 20

NEW_DELIVERIES = {
    "usage": """
        select deliveries.delivery_id, (deliveries.landed_at at time zone 'UTC')::date as landed_on
        from raw.deliveries
        left join ops.journaled_deliveries as journaled
            on deliveries.delivery_id = journaled.delivery_id
        where deliveries.kind = 'usage' and journaled.delivery_id is null
    """,
    "cost": """
        select deliveries.delivery_id, (deliveries.landed_at at time zone 'UTC')::date as landed_on
        from raw.deliveries
        where
            deliveries.kind = 'cost'
            and deliveries.landed_at > coalesce(
                (select max(started_at) from ops.builds where finished_at is not null),
                '-infinity'
            )
    """,
}
# The days are constants, so that only their partitions are looked at, and of these, by the ranges
# of ids, only what is new.
LANDED_ROWS = {
    "usage": """
        select delivery_id, count(*) as row_count
        from raw.usage_records
        where landed_on = any(cast(:days as date[])) and delivery_id between :first and :last
        group by delivery_id
    """,
    "cost": """
        select delivery_id, count(*) as row_count
        from raw.cost_lines
        where delivery_id between :first and :last
        group by delivery_id
    """,
}
# The books of each delivery beside what really lies in the tables.
BOOKS = """
    select
        deliveries.delivery_id,
        deliveries.source,
        deliveries.delivered_count,
        deliveries.landed_count,
        deliveries.quarantined_count,
        deliveries.landed_count + deliveries.quarantined_count as accounted_count,
        coalesce(landed.row_count, 0) as rows_in_table,
        coalesce(quarantined.row_count, 0) as rows_in_quarantine
    from raw.deliveries
    left join ({landed_rows}) as landed on deliveries.delivery_id = landed.delivery_id
    left join (
        select delivery_id, count(*) as row_count
        from raw.quarantine
        where delivery_id between :first and :last
        group by delivery_id
    ) as quarantined
        on deliveries.delivery_id = quarantined.delivery_id
    where deliveries.delivery_id = any(:ids)
    order by deliveries.delivery_id
"""
SUMMARY = """
    select
        count(*) as deliveries,
        coalesce(sum(landed_count), 0)::bigint as landed,
        coalesce(sum(quarantined_count), 0)::bigint as quarantined,
        (array_agg(delivery_id order by delivery_id) filter (
            where
                delivered_count <> accounted_count
                or landed_count <> rows_in_table
                or quarantined_count <> rows_in_quarantine
        ))[1 : :shown] as unsound,
        (array_agg(delivery_id order by delivery_id) filter (
            where quarantined_count > :most * delivered_count
        ))[1 : :shown] as implausible
    from ({books}) as books
"""


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
                "books say."
            ),
        ),
        dg.AssetCheckSpec(
            f"new_{kind}_is_plausible",
            asset=key,
            description=(
                "No new delivery is quarantined for the larger part: that would rather be a wrong "
                "mapping than bad rows."
            ),
        ),
    ]


@dg.multi_asset_check(name="landed_batches", specs=[*specs("usage"), *specs("cost")])
def landed_batches(warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    """Hold the new deliveries of usage and cost against their books."""
    for kind in TABLES:
        with warehouse.begin() as connection:
            found = connection.execute(text(NEW_DELIVERIES[kind])).all()
            batch = summary(connection, kind, [tuple(row) for row in found]) if found else None
        yield from results(kind, batch)


def summary(connection: Connection, kind: str, deliveries: list[tuple[Any, ...]]) -> Any:
    """Return the counts of a batch, and the deliveries that are not as they should be."""
    statement = text(SUMMARY.format(books=books(kind)))
    limits = {"shown": SHOWN, "most": MOST_QUARANTINED}
    return connection.execute(statement, parameters(deliveries) | limits).one()


def books(kind: str) -> str:
    """Return the query of the books of some deliveries, one row each: see ``parameters``."""
    return BOOKS.format(landed_rows=LANDED_ROWS[kind])


def parameters(deliveries: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return what the books are asked for: deliveries by id and day of landing."""
    ids = [delivery_id for delivery_id, _ in deliveries]
    days = sorted({landed_on for _, landed_on in deliveries})
    return {"ids": ids, "days": days, "first": min(ids), "last": max(ids)}


def results(kind: str, batch: Any) -> Iterator[dg.AssetCheckResult]:
    """Yield what the books say of a batch, or that there is none."""
    for spec, severity in zip(
        specs(kind), (dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN), strict=True
    ):
        if batch is None:
            yield dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=True,
                description="Nothing new has landed since the last build.",
            )
            continue
        wrong = batch.unsound if severity == dg.AssetCheckSeverity.ERROR else batch.implausible
        yield dg.AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=not wrong,
            severity=severity,
            metadata={
                "new_deliveries": int(batch.deliveries),
                "landed_rows": int(batch.landed),
                "quarantined_rows": int(batch.quarantined),
                "deliveries_in_question": dg.MetadataValue.json(wrong or []),
            },
        )
