"""Builds: one run of the dbt models over all there is, and what tells them what it is about."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from models.tables import billing, ops, raw

# Larger than any build or invoice: nothing is left out.
EVERYTHING = 2**63 - 1


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """All that decides what the models come to; with the same inputs a build changes nothing."""

    catalog_version: str
    as_of: datetime
    late_usage: str
    project_hash: str
    last_delivery_id: int
    last_invoice_event_id: int
    last_payment_sync: str

    @property
    def fingerprint(self) -> str:
        """A hash of the inputs; of the instant only the hour counts."""
        document = [
            self.catalog_version,
            f"{self.as_of:%Y-%m-%dT%H}",
            self.late_usage,
            self.project_hash,
            self.last_delivery_id,
            self.last_invoice_event_id,
            self.last_payment_sync,
        ]
        return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def build_inputs(
    connection: Connection,
    catalog_version: str,
    as_of: datetime,
    late_usage: str,
    project_hash: str,
) -> BuildInputs:
    """Return the inputs a build would have now."""
    last_delivery = connection.execute(select(func.max(raw.deliveries.c.delivery_id))).scalar()
    last_event = connection.execute(select(func.max(billing.invoice_events.c.event_id))).scalar()
    last_sync = connection.execute(select(func.max(billing.stripe_invoices.c.synced_at))).scalar()
    return BuildInputs(
        catalog_version=catalog_version,
        as_of=as_of,
        late_usage=late_usage,
        project_hash=project_hash,
        last_delivery_id=last_delivery or 0,
        last_invoice_event_id=last_event or 0,
        last_payment_sync=str(last_sync),
    )


def is_up_to_date(connection: Connection, inputs: BuildInputs) -> bool:
    """Return whether the last build began with these inputs and finished."""
    last = connection.execute(
        select(ops.builds.c.fingerprint, ops.builds.c.finished_at)
        .order_by(ops.builds.c.build_number.desc())
        .limit(1)
    ).one_or_none()
    return (
        last is not None and last.finished_at is not None and last.fingerprint == inputs.fingerprint
    )


def begin_build(connection: Connection, inputs: BuildInputs, now: datetime) -> int:
    """Number a build and set the parameters that its models read; returns the number.

    Entries that the build journals carry the number, so it must be larger than any before it: the
    caller holds the lock on builds.
    """
    build_number: int = connection.execute(
        insert(ops.builds)
        .values(
            fingerprint=inputs.fingerprint,
            catalog_version=inputs.catalog_version,
            as_of=inputs.as_of,
            started_at=now,
        )
        .returning(ops.builds.c.build_number)
    ).scalar_one()
    connection.execute(delete(ops.parameters))
    connection.execute(
        insert(ops.parameters),
        {
            "is_current": True,
            "build_number": build_number,
            "catalog_version": inputs.catalog_version,
            "as_of": inputs.as_of,
            "journal_watermark": EVERYTHING,
            "invoices_before": EVERYTHING,
            "late_usage": inputs.late_usage,
        },
    )
    return build_number


def finish_build(connection: Connection, build_number: int, now: datetime) -> None:
    """Record that every model of a build was built."""
    connection.execute(
        update(ops.builds).where(ops.builds.c.build_number == build_number).values(finished_at=now)
    )
