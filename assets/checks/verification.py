"""What is looked at in depth once a day, and on demand: too slow to stand in the way of a build.

The suites of Great Expectations take seconds to import, so nothing else imports them. The job of
these checks, ``verify``, also runs the tests of dbt that read all of history.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from sqlalchemy import Connection, CursorResult, text

from assets.checks.landed_batches import TABLES, books, parameters
from assets.keys import USAGE_ENTRIES, table_key
from connectors.warehouse import Warehouse

VERIFIED_UNTIL = "verified_until"
# The newest deliveries, and rows from all over them: both bounded, however much has landed.
DELIVERIES_HELD = 5_000
ROWS_HELD = 5_000

LANDED_SINCE = """
    select delivery_id, (landed_at at time zone 'UTC')::date as landed_on
    from raw.deliveries
    where
        kind = :kind
        and landed_at >= :since
        and (
            kind <> 'usage'
            or (landed_at at time zone 'UTC')::date not in (select landed_on from ops.dropped_days)
        )
    order by delivery_id desc
    limit :deliveries
"""
SAMPLES = {
    "usage": """
        select
            delivery_id, row_number, record_key::text as record_key, record_id, tenant_id,
            dimension_id, occurred_at, value
        from raw.usage_records
        where
            landed_on = any(cast(:days as date[]))
            and delivery_id between :first and :last
            and delivery_id = any(:ids)
        order by hashint8extended(row_number, delivery_id), delivery_id, row_number
        limit :rows
    """,
    "cost": """
        select
            delivery_id, row_number, charge_period_start, charge_period_end, service_name,
            billing_currency
        from raw.cost_lines
        where delivery_id = any(:ids)
        order by hashint8extended(row_number, delivery_id), delivery_id, row_number
        limit :rows
    """,
}
JOURNAL = """
    select
        (select count(*) from journal.jnl_usage_entries where not is_reversal)
        + (select count(*) from ops.archived_entries) as entries,
        (select count(*) from journal.jnl_conflicting_records) as refused,
        coalesce(sum(journaled_count), 0) as entries_booked,
        coalesce(sum(conflicting_count), 0) as refused_booked
    from ops.journaled_deliveries
"""


class Since(dg.Config):
    """From when on to look; not said, from where the last verification that passed has got to."""

    since: str | None = None


def suite_spec(kind: str) -> dg.AssetCheckSpec:
    """Return the check that holds what has landed of a kind against its suite."""
    return dg.AssetCheckSpec(
        f"landed_{kind}_meets_its_suite",
        asset=table_key(TABLES[kind]),
        # In a job of its own this holds back nothing, but fails the run, which is then told of.
        blocking=True,
        description=(
            "What has landed since the last verification that passed meets its suite of Great "
            "Expectations: the books of its deliveries, and a sample of its rows."
        ),
        metadata={"suite": "Great Expectations"},
    )


@dg.multi_asset_check(name="landed_suites", specs=[suite_spec("usage"), suite_spec("cost")])
def landed_suites(
    context: dg.AssetCheckExecutionContext, config: Since, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult]:
    """Hold the deliveries since the last verification that passed against their suites."""
    for kind in TABLES:
        key = suite_spec(kind).key
        given = datetime.fromisoformat(config.since).astimezone(UTC) if config.since else None
        since = given or last_passed(context.instance, key)
        # What commits late was begun before: each goes back to where the last one began.
        until = datetime.now(UTC)
        with warehouse.begin() as connection:
            deliveries, sample = landed_since(connection, kind, since)
        yield result(kind, deliveries, sample, until)


@dg.asset_check(
    asset=USAGE_ENTRIES,
    blocking=True,
    description=(
        "The whole journal has as many entries and refused records as its books say: none was "
        "taken away or added."
    ),
)
def no_entry_was_taken_away(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare the journal with what each delivery brought into it."""
    with warehouse.begin() as connection:
        counts = connection.execute(text(JOURNAL)).one()
    return dg.AssetCheckResult(
        passed=counts.entries == counts.entries_booked and counts.refused == counts.refused_booked,
        metadata={name: int(count) for name, count in counts._mapping.items()},
    )


def last_passed(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> datetime:
    """Return until when what has landed was verified and found sound; long ago before the first."""
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    records = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status={AssetCheckExecutionRecordStatus.SUCCEEDED}
    )
    for record in records:
        evaluation = record.evaluation
        if evaluation is not None and VERIFIED_UNTIL in evaluation.metadata:
            return datetime.fromtimestamp(
                float(str(evaluation.metadata[VERIFIED_UNTIL].value)), UTC
            )
    return datetime.min.replace(tzinfo=UTC)


Rows = list[dict[str, Any]]


def landed_since(connection: Connection, kind: str, since: datetime) -> tuple[Rows, Rows]:
    """Return the books of what has landed since, and rows from all over it."""
    found = connection.execute(
        text(LANDED_SINCE), {"kind": kind, "since": since, "deliveries": DELIVERIES_HELD}
    ).all()
    if not found:
        return [], []
    asked = parameters([tuple(row) for row in found])
    deliveries = rows_of(connection.execute(text(books(kind)), asked))
    return deliveries, rows_of(connection.execute(text(SAMPLES[kind]), asked | {"rows": ROWS_HELD}))


def rows_of(found: CursorResult[Any]) -> Rows:
    """Return the rows of a query by column."""
    return [dict(row) for row in found.mappings()]


def result(kind: str, deliveries: Rows, sample: Rows, until: datetime) -> dg.AssetCheckResult:
    """Return what the suite says of what has landed."""
    broken = []
    if deliveries:
        from assets.checks.expectations import broken_expectations

        broken = broken_expectations(kind, deliveries, sample)
    spec = suite_spec(kind)
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not broken,
        metadata={
            "deliveries": len(deliveries),
            "sampled_rows": len(sample),
            "broken_expectations": dg.MetadataValue.json(broken),
            VERIFIED_UNTIL: dg.MetadataValue.timestamp(until),
        },
    )
