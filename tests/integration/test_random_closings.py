"""Random customers whose months are closed while usage is still to come, and some voided again.

What was invoiced, what was adjusted since and what waits to be: line by line, this is together what
the reference calculator says of all usage. Customers and seed are those of test_random_ratings.py.
"""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from assets.invoicing.approval import InvoiceStateError
from assets.invoicing.closing import ClosingRules
from tests.conftest import fresh_pipeline
from tests.pipeline import Pipeline, record_void
from tests.reference.calculator import expected_lines
from tests.reference.comparison import Difference, accepted
from tests.reference.dice import Dice
from tests.reference.drawn_customers import AS_OF, Case, drawn_case
from tests.reference.lines import Line
from tests.reference.shrinking import smallest

CUSTOMERS = int(os.environ.get("METERHOUSE_RANDOM_CUSTOMERS", "120"))
SEED = int(os.environ.get("METERHOUSE_RANDOM_SEED", "6"))
CLOSED_AT = [
    datetime(2024, 3, 5, tzinfo=UTC),
    datetime(2024, 5, 2, tzinfo=UTC),
    datetime(2024, 9, 9, 5, tzinfo=UTC),
    datetime(2024, 12, 3, tzinfo=UTC),
    datetime(2025, 2, 2, tzinfo=UTC),
    AS_OF,
]
RULES = ClosingRules(timedelta(days=1), ("random",), approves_itself=False)
SELECTION = (
    *("+jnl_delivery_counts", "+fct_invoices", "+fct_invoice_lines", "+int_adjustments"),
    "+fct_credit_entries",
)
# What credits and taxes come to is settled when an invoice is; the lines of these are adjusted.
KINDS = ("usage", "fee", "discount", "minimum", "commitment")
COME_TO = f"""
    with standing_lines as (

        select lines.*
        from billing.closed_lines as lines
        inner join rating.int_closed_invoices as invoices using (invoice_id)
        where not invoices.is_void

    ),

    lines as (

        select invoice_line_id, amount
        from standing_lines
        where kind in {KINDS}

        union all

        select reference_id as invoice_line_id, amount
        from standing_lines
        where kind = 'adjustment'

        union all

        select adjusted_line_id as invoice_line_id, amount
        from rating.int_adjustments

        union all

        select invoice_line_id, amount
        from rating.int_rated_lines
        where invoice_id not in (select invoice_id from rating.int_closed_invoices)

    )

    select invoice_line_id, sum(amount) as amount
    from lines
    group by invoice_line_id
    having sum(amount) <> 0
"""

BOOKED = "select count(*) as lines from billing.closed_lines where kind = 'adjustment'"
WAITING = "select count(*) as lines from rating.int_adjustments"
# Of no credit is more spent than there is, by what is closed and what is open together.
OVERSPENT = """
    select invoices.contract_id, lines.reference_id, sum(lines.amount) as spent
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    inner join rating.int_credit_grants as grants
        on
            invoices.contract_id = grants.contract_id
            and lines.reference_id = grants.grant_id
    where lines.kind = 'credit' and invoices.status <> 'void'
    group by invoices.contract_id, lines.reference_id
    having -sum(lines.amount) > min(grants.amount)
"""
# The ledger of credit adds up, and no balance was below zero at any instant.
UNBALANCED = """
    select transaction_id from marts.fct_credit_entries
    group by transaction_id having sum(amount) <> 0
    union all
    select entry_id from marts.fct_credit_entries where account <> 'granted' and balance < 0
"""
STANDING = """
    select invoice_id from rating.int_closed_invoices
    where not is_void
    order by invoice_sequence
"""
# What comes after the day in the id of an invoice that was made again, and the end of a line's.
REVISION = re.compile(r"(-\d\d(?::opening)?):\d+/")
BELOW_ZERO = "select invoice_id, total from marts.fct_invoices where total < 0"


def deliveries(case: Case) -> dict[int, list[dict]]:
    """Return which records come before which close; some come late, no correction too early."""
    rounds: dict[str, int] = {}
    found: dict[int, list[dict]] = defaultdict(list)
    for record in case.records:
        name = record["id"].removeprefix(case.customer_id)
        dice = Dice(f"{SEED}/{name}/{record['timestamp']}")
        at = datetime.fromisoformat(record["timestamp"])
        first = next(
            number for number, close in enumerate([*CLOSED_AT, None]) if not close or at < close
        )
        late = first + (dice.pick(1, 1, 2, 6) if dice.chance(40) else 0)
        known = max(late, rounds.get(record.get("corrects", ""), 0))
        rounds[record["id"]] = min(known, len(CLOSED_AT))
        found[rounds[record["id"]]].append(record)
    return found


def void_some(pipeline: Pipeline, number: int) -> int:
    """Void a few of the invoices that stood before a close; return how many could be."""
    voided = 0
    for row in pipeline.rows(STANDING):
        name = row.invoice_id.partition("-")[2]
        if Dice(f"{SEED}/{number}/{name}").chance(12):
            with suppress(InvoiceStateError):
                record_void(pipeline.warehouse, row.invoice_id, "ann", datetime.now(UTC))
                voided += 1
    return voided


def close_step_by_step(pipeline: Pipeline, cases: Sequence[Case]) -> tuple[int, int]:
    """Deliver, rate and close again and again; return how many were finalised, how many voided."""
    rounds = [deliveries(case) for case in cases]
    finalised = voided = 0
    for number, close in enumerate([*CLOSED_AT, None]):
        records = [record for of_case in rounds for record in of_case.get(number, [])]
        pipeline.deliver("random", records, f"round{number}")
        if close is None:
            # Everything, with what dbt tests of it.
            pipeline.build(AS_OF)
        else:
            pipeline.build(close, *SELECTION)
            finalised += len(pipeline.close(RULES, datetime.now(UTC)).finalised)
            voided += void_some(pipeline, number)
    return finalised, voided


def differences(pipeline: Pipeline, cases: Sequence[Case]) -> list[Difference]:
    found: dict[str, dict[str, Line]] = {case.customer_id: {} for case in cases}
    for row in pipeline.rows(COME_TO):
        # A line's id begins with that of its contract, and this with the customer's.
        of_customer = found[row.invoice_line_id.partition("-")[0]]
        key = REVISION.sub(r"\1/", row.invoice_line_id, count=1)
        before = of_customer.get(key)
        of_customer[key] = amount_of(key, row.amount + (before.amount if before else 0))
    compared = [
        Difference(
            case,
            {
                line.key: amount_of(line.key, line.amount)
                for line in expected_lines(case.catalog, case.records, AS_OF).values()
                if line.kind in KINDS and line.amount
            },
            {key: line for key, line in found[case.customer_id].items() if line.amount},
        )
        for case in cases
    ]
    differing = [difference for difference in compared if difference.expected != difference.found]
    return sorted(differing, key=lambda difference: difference.case.size)


def amount_of(key: str, amount) -> Line:
    """Return a line of which only the amount is known."""
    kind = key.partition("/")[2].partition("/")[0]
    return Line(key, kind, None, AS_OF.date(), AS_OF.date(), None, None, amount, amount)


@pytest.fixture
def compare(postgres, prepared_template, tmp_path):
    """Return what closes the months of cases in a fresh warehouse, and what it did."""
    folders, closed = count(), []

    def compared(cases):
        folder = tmp_path / str(next(folders))
        valid = accepted(cases, folder / "catalog")
        with fresh_pipeline(postgres, prepared_template, folder) as pipeline:
            pipeline.publish(folder / "catalog")
            finalised, voided = close_step_by_step(pipeline, valid)
            (booked,), (waiting,) = pipeline.rows(BOOKED), pipeline.rows(WAITING)
            closed.append((finalised, voided, booked.lines, waiting.lines))
            for wrong in (OVERSPENT, UNBALANCED, BELOW_ZERO):
                assert pipeline.rows(wrong) == []
            return differences(pipeline, valid)

    return compared, closed


def test_what_is_invoiced_and_adjusted_is_what_all_usage_comes_to(compare, capsys):
    compared, closed = compare
    differing = compared([drawn_case(SEED, position) for position in range(CUSTOMERS)])
    finalised, voided, booked, waiting = closed[0]
    told = f"{finalised} invoices closed, {voided} voided, {booked} lines adjusted, {waiting} to be"
    with capsys.disabled():
        print(f"\n{CUSTOMERS} random customers, {told}, {len(differing)} differ")  # noqa: T201
    assert finalised > CUSTOMERS
    assert voided
    assert booked
    assert waiting
    if differing:
        shrunk = smallest(differing[0], compared)
        pytest.fail(f"{len(differing)} customers differ\n{shrunk}", pytrace=False)
