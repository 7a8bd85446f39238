"""Approving and voiding finalised invoices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, select, text

from assets.invoicing.closing import approve_document, keep_from_closing, record_event
from connectors.warehouse import Warehouse
from models.tables import billing

# Which invoices have spent of the credit that an invoice gave, where less than that is left of it.
SPENDERS = text(
    """
    with standing as (
        select lines.contract_id, lines.reference_id, lines.kind, lines.amount, lines.invoice_id
        from billing.invoice_lines as lines
        where
            (lines.kind = 'top_up' or lines.kind = 'credit')
            and lines.invoice_id not in (
                select events.invoice_id from billing.invoice_events as events
                where events.event = 'voided'
            )
    ),

    given as (
        select contract_id, reference_id, amount
        from standing
        where invoice_id = :invoice_id and amount > 0
    ),

    -- A period's grants are named by its first day, as a top-up is by its own. Before its invoice,
    -- the opening one may have spent of them.
    granted as (
        select invoices.contract_id, invoices.period_start::text as granted_on
        from billing.invoices as invoices
        where invoices.invoice_id = :invoice_id and invoices.kind = 'period'
    ),

    spent_grants as (
        select distinct standing.invoice_id
        from standing
        inner join granted
            on
                standing.contract_id = granted.contract_id
                and split_part(standing.reference_id, ':', 2) = granted.granted_on
        where
            standing.invoice_id <> :invoice_id
            and standing.kind = 'credit'
            and standing.amount < 0
            and standing.invoice_id not in (
                select opening.invoice_id from billing.invoices as opening
                where opening.kind = 'opening'
            )
            and not exists (
                select 1 from standing as sold
                where
                    sold.kind = 'top_up'
                    and sold.contract_id = standing.contract_id
                    and sold.reference_id = standing.reference_id
            )
    )

    select string_agg(invoices.invoice_number, ', ' order by invoices.invoice_sequence)
    from spent_grants
    inner join billing.invoices as invoices using (invoice_id)
    having count(*) > 0

    union all

    select string_agg(invoices.invoice_number, ', ' order by invoices.invoice_sequence)
    from standing
    inner join given using (contract_id, reference_id)
    left join billing.invoices as invoices
        on standing.invoice_id = invoices.invoice_id and standing.amount < 0
    group by standing.contract_id, standing.reference_id, given.amount
    having sum(standing.amount) < given.amount
    """
)


class InvoiceStateError(ValueError):
    """An invoice is not in a state that allows what was asked."""


@dataclass(frozen=True, slots=True)
class DocumentState:
    """What has happened so far to a document: to the finalised invoices on it, all alike."""

    document_id: str
    # Ids and numbers, in the order of the document.
    numbers: Mapping[str, str]
    events: frozenset[str]


def waiting_for_approval(warehouse: Warehouse) -> list[str]:
    """Return the documents that nobody has approved or voided, oldest first, by their ids."""
    invoices, events = billing.invoices, billing.invoice_events
    decided = select(events.c.invoice_id).where(events.c.event.in_(("approved", "voided")))
    with warehouse.begin() as connection:
        return list(
            connection.execute(
                select(invoices.c.invoice_id)
                .where(invoices.c.invoice_id == invoices.c.document_id)
                .where(invoices.c.invoice_id.not_in(decided))
                .order_by(invoices.c.invoice_sequence)
            ).scalars()
        )


def approve(
    warehouse: Warehouse, references: Sequence[str], actor: str, now: datetime
) -> list[str]:
    """Approve finalised invoices, named by id or number, and return the documents newly approved.

    With an invoice, all that is on a document with it is approved. All or none: raises
    ``InvoiceStateError`` for one that is not finalised or was voided. One that is approved already
    stays as it is.
    """
    approved = []
    with warehouse.begin() as connection:
        for reference in references:
            state = document_state(connection, reference)
            if "voided" in state.events:
                raise InvoiceStateError(f"invoice {reference} is void: it cannot be approved")
            if "approved" not in state.events:
                approve_document(connection, state.document_id, actor, now)
                approved.append(state.document_id)
    return approved


def voidable(connection: Connection, reference: str) -> DocumentState:
    """Return the state of a document that may be voided; no close spends of it meanwhile."""
    keep_from_closing(connection)
    state = document_state(connection, reference)
    refuse_spent_credit(connection, state)
    return state


def note_void(connection: Connection, state: DocumentState, actor: str, now: datetime) -> None:
    """Write down that a document is void, unless it was; the periods of its invoices open again."""
    if "voided" not in state.events:
        last = connection.execute(select(func.max(billing.invoices.c.invoice_sequence)))
        record_event(
            connection,
            list(state.numbers),
            "voided",
            actor,
            now,
            {"invoice_sequence": last.scalar_one()},
        )


def refuse_spent_credit(connection: Connection, state: DocumentState) -> None:
    """Raise where other invoices have spent what an invoice sold, granted or carried on."""
    for invoice_id, number in state.numbers.items():
        spenders: Sequence[str] = (
            connection.execute(SPENDERS, {"invoice_id": invoice_id}).scalars().all()
        )
        if spenders:
            first, *others = state.numbers.values()
            beside = f", which is on the same document {first}," if others else ""
            raise InvoiceStateError(
                f"the credit of {number}{beside} is spent by {', '.join(spenders)}: "
                "void what has spent it first"
            )


def finalised_invoice(connection: Connection, reference: str) -> Row:
    """Return the row of a finalised invoice, by its id or number."""
    invoices = billing.invoices
    found = connection.execute(
        select(invoices).where(
            (invoices.c.invoice_id == reference) | (invoices.c.invoice_number == reference)
        )
    ).one_or_none()
    if found is None:
        raise InvoiceStateError(
            f"there is no finalised invoice {reference}; `meterhouse invoices` lists them"
        )
    return found


def document_state(connection: Connection, reference: str) -> DocumentState:
    """Return the state of the document that a finalised invoice is on, by its id or number."""
    invoices, events = billing.invoices, billing.invoice_events
    document_id = finalised_invoice(connection, reference).document_id
    # What is decided on this state is written while nobody else decides. The row itself cannot be
    # locked: nobody may change it.
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(document_id))))
    members = connection.execute(
        select(invoices.c.invoice_id, invoices.c.invoice_number)
        .where(invoices.c.document_id == document_id)
        .order_by(invoices.c.invoice_sequence)
    )
    happened: Iterable[str] = connection.execute(
        select(events.c.event).where(events.c.invoice_id == document_id)
    ).scalars()
    numbers = {row.invoice_id: row.invoice_number for row in members}
    return DocumentState(document_id, numbers, frozenset(happened))
