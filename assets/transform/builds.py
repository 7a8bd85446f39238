"""Builds: one run of the dbt models over all there is, and what tells them what it is about."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by

from assets.invoicing.standing import voided_count
from connectors.dbt import rollup_hash
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
    delivery_count: int
    resolution_count: int
    invoice_event_count: int
    payment_states: str

    @property
    def fingerprint(self) -> str:
        """A hash of the inputs; of the instant only the hour counts."""
        document = [
            self.catalog_version,
            f"{self.as_of:%Y-%m-%dT%H}",
            self.late_usage,
            self.project_hash,
            self.delivery_count,
            self.resolution_count,
            self.invoice_event_count,
            self.payment_states,
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
    paid = billing.stripe_invoices
    payment_states = select(
        func.md5(
            func.string_agg(
                func.concat_ws(
                    " ",
                    paid.c.stripe_invoice_id,
                    paid.c.status,
                    paid.c.total,
                    paid.c.amount_due,
                    paid.c.amount_paid,
                    paid.c.attempt_count,
                ),
                aggregate_order_by(literal(","), paid.c.stripe_invoice_id),
            )
        )
    )
    return BuildInputs(
        catalog_version=catalog_version,
        as_of=as_of,
        late_usage=late_usage,
        project_hash=project_hash,
        # Counts of rows that are only ever added: unlike the highest number, a count also sees a
        # transaction that commits late.
        delivery_count=count_rows(connection, raw.deliveries),
        resolution_count=count_rows(connection, raw.quarantine_resolutions),
        invoice_event_count=count_rows(connection, billing.invoice_events),
        payment_states=connection.execute(payment_states).scalar() or "",
    )


def count_rows(connection: Connection, table: Table) -> int:
    """Return the number of rows of a table."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


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


def last_build_number(connection: Connection) -> int:
    """Return the number of the last build that began; 0 before the first."""
    return connection.execute(select(func.max(ops.builds.c.build_number))).scalar() or 0


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
            voided_count=voided_count(),
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
            "rollup_definition": rollup_hash(),
        },
    )
    return build_number


def start_models(connection: Connection, now: datetime, *, are_all: bool) -> int | None:
    """Return the number under which models may be built now; None before the first build.

    A number serves one run of models: rollups know the last build whose entries they hold, and an
    invoice the last one it counts, so nothing may be journaled under it later. A run that is
    repeated, or one of a part of the models, gets another. After a part, the next build builds all.
    """
    statement = (
        select(ops.builds)
        .join(ops.parameters, ops.parameters.c.build_number == ops.builds.c.build_number)
        .with_for_update(of=ops.builds)
    )
    current = connection.execute(statement).one_or_none()
    if current is None:
        return None
    builds = ops.builds
    if current.models_started_at is None and are_all:
        connection.execute(
            update(builds)
            .where(builds.c.build_number == current.build_number)
            .values(models_started_at=now)
        )
        return int(current.build_number)
    number: int = connection.execute(
        insert(builds)
        .values(
            fingerprint=current.fingerprint if are_all else "a part of the models",
            catalog_version=current.catalog_version,
            as_of=current.as_of,
            voided_count=voided_count(),
            started_at=now,
            models_started_at=now,
        )
        .returning(builds.c.build_number)
    ).scalar_one()
    connection.execute(update(ops.parameters).values(build_number=number))
    return number


def finish_build(connection: Connection, build_number: int, now: datetime) -> None:
    """Record that every model of a build was built."""
    connection.execute(
        update(ops.builds).where(ops.builds.c.build_number == build_number).values(finished_at=now)
    )


def forget_rollups(connection: Connection) -> None:
    """Have the next build make the usage rollups anew from the journal, and be stale until then."""
    connection.execute(delete(ops.rollups))
    last = select(func.max(ops.builds.c.build_number)).scalar_subquery()
    connection.execute(
        update(ops.builds).where(ops.builds.c.build_number == last).values(finished_at=None)
    )
