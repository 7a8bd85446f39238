"""Closing: drafts whose period is over and complete become finalised invoices."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Row, func, insert, literal, select, text

from assets.invoicing.documents import document_hash, read_document
from assets.invoicing.standing import IN_ORDER, voided_since
from connectors.warehouse import Warehouse
from models.invoice import invoice_number
from models.tables import billing, ops, raw

CLOSING_LOCK = 7_001_001


@dataclass(frozen=True, slots=True)
class ClosingRules:
    """What must be true before an invoice is finalised, and what happens then."""

    grace: timedelta
    usage_sources: tuple[str, ...]
    approves_itself: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A draft that could not be finalised, and why."""

    invoice_id: str
    reason: str


@dataclass(slots=True)
class CloseReport:
    """What a close did: ids and numbers of finalised invoices, and the drafts it held back."""

    finalised: list[tuple[str, str]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Build:
    """The build whose drafts are frozen."""

    number: int
    as_of: datetime
    late_usage: str


class StaleDraftsError(RuntimeError):
    """The drafts were not rated by the latest build, so they must not be frozen."""


def close_period(
    warehouse: Warehouse, rules: ClosingRules, month: date | None, now: datetime
) -> CloseReport:
    """Finalise the drafts whose last day lies in the given month (any month, if None).

    Freezes the drafts of the latest build with their lines, in order of period, each document with
    the next number. A draft is held back, with the reason, while its period and grace are not over
    at the build's instant, a usage source is not complete past its end, or an earlier period of the
    same contract is open; so are all that are to be on a document with it. Opening invoices and
    those outside of the periods wait for nothing, and top-ups, which are due at once, not even for
    their month. A second call finds nothing left to do.
    """
    report = CloseReport()
    with warehouse.begin() as connection:
        keep_from_closing(connection)
        # In this order: what a source had delivered when it was complete is seen by the build, or
        # found missing from it.
        watermarks = source_watermarks(connection)
        build = latest_build(connection)
        carried = carried_on(connection, build)
        still_open: set[str] = set()
        number = last_document_number(connection)
        for document in documents(drafts(connection)):
            first = document[0]
            contracts = {draft.contract_id for draft in document}
            if (
                month is not None
                and first.kind != "top_up"
                and not in_month(first.period_end, month)
            ):
                if first.period_end <= month and first.kind in IN_ORDER:
                    still_open |= contracts
                continue
            reasons = {
                draft.invoice_id: gate(draft, rules, watermarks, build.as_of)
                or predecessor_gate(draft, still_open, carried)
                for draft in document
            }
            if any(reasons.values()):
                still_open |= contracts
                report.held += held_together(reasons)
                continue
            number += 1
            report.finalised += finalise_document(connection, document, number, build, now)
            carried |= {draft.contract_id for draft in document if draft.carries_credit_on}
            if rules.approves_itself:
                approve_document(connection, first.invoice_id, "auto", now)
    return report


def keep_from_closing(connection: Connection) -> None:
    """Let nobody else finalise drafts until this transaction ends; wait for whoever does."""
    connection.execute(select(func.pg_advisory_xact_lock(literal(CLOSING_LOCK))))


def in_month(period_end: date, month: date) -> bool:
    """Return whether a period that ends before ``period_end`` has its last day in the month."""
    last_day = period_end - timedelta(days=1)
    return (last_day.year, last_day.month) == (month.year, month.month)


def latest_build(connection: Connection) -> Build:
    """Return the build that rated the drafts; raise where a later one has not finished."""
    parameters = connection.execute(select(ops.parameters)).one_or_none()
    if parameters is None:
        raise StaleDraftsError("nothing has been rated yet: run `meterhouse run` first")
    unfinished = connection.execute(
        select(ops.builds.c.build_number)
        .where(ops.builds.c.build_number >= parameters.build_number)
        .where(ops.builds.c.finished_at.is_(None))
    ).first()
    if unfinished is not None:
        raise StaleDraftsError(
            f"build {unfinished.build_number} did not finish: `meterhouse run` again, then close"
        )
    refuse_unjournaled(connection)
    refuse_voided_since(connection, parameters.build_number)
    return Build(parameters.build_number, parameters.as_of, parameters.late_usage)


def carried_on(connection: Connection, build: Build) -> set[str]:
    """Return the contracts with drafts of this build that were finalised and carry credit on.

    Their later drafts were rated before that credit existed.
    """
    return set(
        connection.execute(
            select(billing.invoices.c.contract_id)
            .join(
                billing.invoice_lines,
                billing.invoices.c.invoice_id == billing.invoice_lines.c.invoice_id,
            )
            .where(billing.invoices.c.journal_watermark == build.number)
            .where(billing.invoice_lines.c.kind == "credit")
            .where(billing.invoice_lines.c.amount > 0)
        ).scalars()
    )


def refuse_voided_since(connection: Connection, build_number: int) -> None:
    """Raise where an invoice was voided after the drafts began to be rated beside it."""
    voided = voided_since(connection, build_number)
    if voided is not None:
        raise StaleDraftsError(
            f"invoice {voided} was voided since the drafts were rated: `meterhouse run` again, "
            "then close"
        )


def refuse_unjournaled(connection: Connection) -> None:
    """Raise where usage has landed that the drafts do not know."""
    journaled = select(ops.journaled_deliveries.c.delivery_id)
    missing = connection.execute(
        select(raw.deliveries.c.source, raw.deliveries.c.object)
        .where(raw.deliveries.c.kind == "usage")
        .where(raw.deliveries.c.delivery_id.not_in(journaled))
        .limit(1)
    ).one_or_none()
    if missing is not None:
        raise StaleDraftsError(
            f"usage has landed since the drafts were rated ({missing.source}: {missing.object}): "
            "`meterhouse run` again, then close"
        )


def source_watermarks(connection: Connection) -> dict[str, datetime | None]:
    """Return, per source, the instant until which it is known to be complete."""
    rows = connection.execute(
        select(ops.source_states.c.source, ops.source_states.c.complete_until)
    )
    return {row.source: row.complete_until for row in rows}


def drafts(connection: Connection) -> list[Row]:
    """Return the drafts of the latest build that are not finalised yet, earliest period first.

    Each says whether whoever pays it wants what ends on a day on one document, and whether it is
    below zero and carries credit on.
    """
    return list(
        connection.execute(
            text(
                """
                select
                    drafts.*, payers.has_consolidated_invoices,
                    drafts.invoice_id in (
                        select lines.invoice_id from rating.int_invoice_lines as lines
                        where lines.kind = 'credit' and lines.amount > 0
                    ) as carries_credit_on
                from rating.int_invoices as drafts
                left join billing.invoices as finalised
                    on drafts.invoice_id = finalised.invoice_id
                left join catalog.customers as payers
                    on
                        drafts.catalog_version = payers.catalog_version
                        and drafts.customer_id = payers.customer_id
                where finalised.invoice_id is null
                order by
                    drafts.period_end, drafts.contract_id, drafts.period_start,
                    array_position(array['manual', 'top_up', 'opening', 'period'], drafts.kind),
                    drafts.invoice_id
                """
            )
        )
    )


def documents(drafts: Sequence[Row]) -> list[list[Row]]:
    """Return the drafts that are to be on a document each, in the order of their first ones.

    Of a payer with consolidated invoices, those of billing periods that end on the same day are on
    one. Every other draft is a document of its own.
    """
    found: dict[tuple[object, ...], list[Row]] = {}
    for draft in drafts:
        is_consolidated = draft.kind == "period" and draft.has_consolidated_invoices
        together = (draft.customer_id, draft.currency, draft.period_end)
        key = together if is_consolidated else (draft.invoice_id,)
        found.setdefault(key, []).append(draft)
    return list(found.values())


def held_together(reasons: dict[str, str | None]) -> list[Held]:
    """Return what holds each draft of a document: a reason of its own, or another draft's."""
    holder, reason = next((invoice_id, why) for invoice_id, why in reasons.items() if why)
    waits = f"it is to be on a document with {holder}: {reason}"
    return [Held(invoice_id, why or waits) for invoice_id, why in reasons.items()]


def predecessor_gate(draft: Row, still_open: set[str], carried: set[str]) -> str | None:
    """Return why the invoices of a contract before a draft keep it from being finalised."""
    if draft.kind in IN_ORDER and draft.contract_id in still_open:
        return "an earlier period of the contract is still open"
    if draft.kind in IN_ORDER and draft.contract_id in carried:
        return "the invoice before it carries credit on: rate again, then close"
    return None


def gate(
    draft: Row,
    rules: ClosingRules,
    watermarks: dict[str, datetime | None],
    as_of: datetime,
) -> str | None:
    """Return what keeps a draft from being finalised at an instant, or None.

    What is invoiced outside of the periods counts no usage, and waits for none. An opening invoice
    counts the seats that are known by then: its first period is rated by all of them.
    """
    if draft.kind != "period":
        return None
    may_close_at = draft.period_end_at + rules.grace
    if may_close_at > as_of:
        return f"the period and its grace end at {may_close_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    for source in rules.usage_sources:
        complete_until = watermarks.get(source)
        if complete_until is None:
            return f"source {source} has never been read completely"
        if complete_until < draft.period_end_at:
            return (
                f"source {source} is complete only until "
                f"{complete_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            )
    return None


def last_document_number(connection: Connection) -> int:
    """Return how many documents there are: they are numbered without gaps."""
    invoices = billing.invoices.c
    return connection.execute(
        select(func.count()).where(invoices.invoice_id == invoices.document_id)
    ).scalar_one()


def finalise_document(
    connection: Connection, drafts: Sequence[Row], number: int, build: Build, now: datetime
) -> list[tuple[str, str]]:
    """Freeze the drafts of a document with their lines and return their ids and numbers."""
    finalised = []
    for position, draft in enumerate(drafts, start=1):
        known_as = {
            "document_id": drafts[0].invoice_id,
            "invoice_number": invoice_number(number, position),
        }
        finalise(connection, draft, known_as, build, now)
        finalised.append((draft.invoice_id, known_as["invoice_number"]))
    return finalised


def finalise(
    connection: Connection, draft: Row, known_as: dict[str, str], build: Build, now: datetime
) -> None:
    """Freeze a draft with its lines."""
    document = read_document(connection, "rating", draft.invoice_id)
    if document is None:
        raise StaleDraftsError(f"draft {draft.invoice_id} vanished while it was being closed")
    sequence = (
        connection.execute(select(func.max(billing.invoices.c.invoice_sequence))).scalar() or 0
    ) + 1
    frozen = {name: value for name, value in draft._mapping.items() if name in billing.invoices.c}
    connection.execute(
        insert(billing.invoices),
        frozen
        | known_as
        | {
            "invoice_sequence": sequence,
            "journal_watermark": build.number,
            "late_usage": build.late_usage,
            "as_of": build.as_of,
            "finalised_at": now,
            "content_hash": document_hash(document),
        },
    )
    columns = ", ".join(column.name for column in billing.invoice_lines.c)
    connection.execute(
        text(
            f"insert into billing.invoice_lines ({columns})"  # noqa: S608
            f" select {columns} from rating.int_invoice_lines where invoice_id = :invoice_id"
        ),
        {"invoice_id": draft.invoice_id},
    )
    record_event(connection, [draft.invoice_id], "finalised", "close", now)


def approve_document(connection: Connection, document_id: str, actor: str, now: datetime) -> None:
    """Approve the invoices of a document and, where there is something to pay, queue it."""
    invoices = billing.invoices.c
    due = connection.execute(
        select(invoices.invoice_id, invoices.amount_due)
        .where(invoices.document_id == document_id)
        .order_by(invoices.invoice_sequence)
    ).all()
    record_event(connection, [invoice.invoice_id for invoice in due], "approved", actor, now)
    if sum(invoice.amount_due for invoice in due) > 0:
        connection.execute(
            insert(billing.outbox),
            {"invoice_id": document_id, "state": "pending", "attempt": 0, "updated_at": now},
        )


def record_event(
    connection: Connection,
    invoice_ids: Sequence[str],
    event: str,
    actor: str,
    now: datetime,
    details: dict[str, int] | None = None,
) -> None:
    """Add a step to the history of invoices."""
    connection.execute(
        insert(billing.invoice_events),
        [
            {
                "invoice_id": invoice_id,
                "event": event,
                "actor": actor,
                "happened_at": now,
                "details": details or {},
            }
            for invoice_id in invoice_ids
        ],
    )
