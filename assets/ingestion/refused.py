"""Records that the journal refuses, each beside the entry that stands instead.

They could be read, so they are landed and not in ``raw.quarantine``; what is asked of them is the
same. Before the first build there are none.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from assets.ingestion.replay import Choice
from connectors.database import relation_exists
from connectors.warehouse import Warehouse

REASONS = ("conflicting_id", "conflicting_correction", "archived_time", "archived_original")

OPEN = """
    from journal.jnl_conflicting_records as refused
    inner join raw.deliveries as deliveries on refused.delivery_id = deliveries.delivery_id
    left join raw.quarantine_resolutions as resolutions
        on
            refused.delivery_id = resolutions.delivery_id
            and refused.row_number = resolutions.row_number
    where
        resolutions.delivery_id is null
        and (cast(:source as text) is null or deliveries.source = :source)
        and (cast(:reason as text) is null or refused.reason = :reason)
        and (cast(:delivery_id as bigint) is null or refused.delivery_id = :delivery_id)
        and (cast(:row_number as bigint) is null or refused.row_number = :row_number)
"""
COUNTS = f"""
    select deliveries.source, refused.reason, count(*) as row_count
    {OPEN}
    group by deliveries.source, refused.reason
    order by deliveries.source, refused.reason
"""
KEYS = f"select refused.delivery_id, refused.row_number {OPEN}"
WAIVE = f"""
    insert into raw.quarantine_resolutions (delivery_id, row_number, resolution, resolved_at)
    select refused.delivery_id, refused.row_number, 'waived', :now {OPEN}
"""
# The few that are shown first, so that each is looked up by its day and the range of its delivery.
LATEST = f"""
    with shown as (
        select
            deliveries.source, deliveries.object, deliveries.landed_at,
            refused.delivery_id, refused.row_number, refused.reason, refused.record_key,
            refused.kept_delivery_id, refused.kept_row_number
        {OPEN}
        order by refused.delivery_id desc, refused.row_number
        limit :limit
    )

    select
        shown.source, shown.object, shown.delivery_id, shown.row_number, shown.reason,
        shown.kept_delivery_id, shown.kept_row_number, kept_deliveries.object as kept_object,
        records.record_id, records.tenant_id, records.dimension_id, records.occurred_at,
        records.value, cast(records.metadata as text) as metadata, records.corrects,
        entries.tenant_id as kept_tenant_id, entries.dimension_id as kept_dimension_id,
        entries.occurred_at as kept_occurred_at, entries.value as kept_value,
        cast(entries.metadata as text) as kept_metadata
    from shown
    left join lateral (
        select record_id, tenant_id, dimension_id, occurred_at, value, metadata, corrects
        from raw.usage_records
        where
            landed_on = (shown.landed_at at time zone 'UTC')::date
            and delivery_id = shown.delivery_id
            and row_number = shown.row_number
        union all
        select record_id, tenant_id, dimension_id, occurred_at, value, metadata, corrects
        from raw.refused_records
        where delivery_id = shown.delivery_id and row_number = shown.row_number
        limit 1
    ) as records
        on true
    left join journal.jnl_usage_entries as entries
        on
            shown.record_key = entries.record_key
            and shown.kept_delivery_id = entries.delivery_id
            and shown.kept_row_number = entries.row_number
            and not entries.is_reversal
    left join raw.deliveries as kept_deliveries
        on shown.kept_delivery_id = kept_deliveries.delivery_id
    order by shown.delivery_id desc, shown.row_number
"""  # noqa: S608 - of our own parts; what is asked for is bound.
FIELDS = ("tenant_id", "dimension_id", "occurred_at", "value", "metadata")


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that the journal has refused, and the entry that stands: what each of them says.

    ``record`` is empty where landing does not keep the row any more, ``stands`` where no single
    entry is in its way, or that one is archived.
    """

    source: str
    object: str
    delivery_id: int
    row_number: int
    reason: str
    record: dict[str, Any]
    stands: dict[str, Any]

    @property
    def detail(self) -> str:
        """What stands in its way, in words."""
        if not self.stands:
            return "archived, or corrected before"
        differing = [
            f"{name} {self.stands[name]}"
            for name in FIELDS
            if self.record and self.record[name] != self.stands[name]
        ]
        place = f"row {self.stands['row_number']} of delivery {self.stands['delivery_id']}"
        return f"{place} stands" + (f", with {', '.join(differing)}" if differing else "")


def count_refused(warehouse: Warehouse, choice: Choice) -> list[tuple[str, str, int]]:
    """Return how many records are refused and not waived, by source and reason."""
    with warehouse.begin() as connection:
        if not _has_journal(connection):
            return []
        found = connection.execute(text(COUNTS), asked(choice))
        return [(row.source, row.reason, row.row_count) for row in found]


def list_refused(warehouse: Warehouse, choice: Choice, limit: int = 100) -> list[RefusedRecord]:
    """Return refused records with what stands instead, the latest first."""
    with warehouse.begin() as connection:
        if not _has_journal(connection):
            return []
        found = connection.execute(text(LATEST), {**asked(choice), "limit": limit})
        return [_refused(row._mapping) for row in found]


def waive_refused(warehouse: Warehouse, choice: Choice) -> int:
    """Give up the chosen records, which are kept but asked about no more; return how many."""
    with warehouse.begin() as connection:
        if not _has_journal(connection):
            return 0
        given = asked(choice) | {"now": datetime.now(UTC)}
        return connection.execute(text(WAIVE), given).rowcount


def _has_journal(connection: Connection) -> bool:
    return relation_exists(connection, "journal.jnl_conflicting_records")


def asked(choice: Choice) -> dict[str, Any]:
    """Return what the queries of open records are asked for."""
    return {
        "source": choice.source,
        "reason": choice.reason,
        "delivery_id": choice.delivery_id,
        "row_number": choice.row_number,
    }


def _refused(row: Any) -> RefusedRecord:
    record, stands = {}, {}
    if row["record_id"] is not None:
        record = {name: row[name] for name in ("record_id", *FIELDS, "corrects")}
    if row["kept_tenant_id"] is not None:
        place = {name: row[f"kept_{name}"] for name in ("object", "delivery_id", "row_number")}
        stands = place | {name: row[f"kept_{name}"] for name in FIELDS}
    return RefusedRecord(
        row["source"],
        row["object"],
        row["delivery_id"],
        row["row_number"],
        row["reason"],
        record,
        stands,
    )
