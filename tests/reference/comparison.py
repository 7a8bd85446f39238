"""Many cases in one warehouse: what the project makes of them, beside the calculator's lines."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.catalog import load_catalog
from models.problems import ConfigurationError
from tests.pipeline import Pipeline
from tests.reference.calculator import expected_lines
from tests.reference.drawn_customers import AS_OF, Case
from tests.reference.lines import Line

LINES = """
    select
        invoice_line_id, kind, customer_id, charge_id, period_start, period_end,
        quantity, billable_quantity, exact_amount, amount
    from rating.int_invoice_lines
"""
# How a line is broken down by metadata never changes what it comes to.
BROKEN_DOWN = """
    select groups.invoice_id, groups.charge_id, groups.part_number
    from (
        select invoice_id, charge_id, part_number, sum(amount) as amount, sum(quantity) as quantity
        from rating.int_line_groups
        group by invoice_id, charge_id, part_number
    ) as groups
    inner join rating.int_charge_lines as lines using (invoice_id, charge_id, part_number)
    where
        lines.kind = 'usage'
        and (groups.amount <> lines.amount or groups.quantity <> lines.quantity)
"""

ROLLUPS = (
    "+fct_usage_monthly",
    "+int_usage_groups_monthly",
    "+int_usage_values_daily",
    "+int_usage_moments",
)

# The ledger of credit: every transaction adds up to zero, no balance is below it, and what is spent
# is what the lines say.
UNBALANCED = """
    select transaction_id from marts.fct_credit_entries
    group by transaction_id having sum(amount) <> 0
    union all
    select entry_id from marts.fct_credit_entries where account <> 'granted' and balance < 0
    union all
    select invoice_id from (
        select invoice_id, amount from rating.int_invoice_lines where kind = 'credit'
        union all
        select invoice_id, amount from marts.fct_credit_entries
        where account in ('spent', 'granted') and invoice_id is not null
    ) as both_sides
    group by invoice_id having sum(amount) <> 0
"""


@dataclass(frozen=True)
class Difference:
    """A case of which the project and the calculator say different things."""

    case: Case
    expected: dict[str, Line]
    found: dict[str, Line]

    @property
    def signature(self) -> str:
        """What differs, without figures: differences of one cause have mostly the same."""
        says = set()
        for key in self.expected.keys() | self.found.keys():
            one, other = self.expected.get(key), self.found.get(key)
            if one is None or other is None:
                says.add(f"{(one or other).kind} {'missing' if other is None else 'unexpected'}")
                continue
            fields = [name for name in Line.__slots__ if getattr(one, name) != getattr(other, name)]
            says |= {f"{one.kind} {name}" for name in fields[:1]}
        return min(says, key=lambda said: (ORDER.index(said.split()[0]), said))

    def __str__(self) -> str:
        keys = sorted(self.expected.keys() | self.found.keys())
        lines = []
        for key in keys:
            one, other = self.expected.get(key), self.found.get(key)
            if one == other:
                lines.append(f"    same        {_shown(one)}")
            else:
                lines += [f"  ! calculator  {_shown(one)}", f"  ! project     {_shown(other)}"]
        return "\n".join(
            [
                f"customer {self.case.customer_id}: {self.signature}",
                *(
                    f"  {kind}: {json.dumps(entry)}"
                    for kind, entries in self.case.catalog.items()
                    for entry in entries
                ),
                *(f"  record: {json.dumps(record)}" for record in self.case.records),
                *lines,
            ]
        )


ORDER = [
    "usage",
    "fee",
    "discount",
    "minimum",
    "commitment",
    "credit",
    "tax",
    "adjustment",
    "top_up",
]


def accepted(cases: Sequence[Case], directory: Path) -> list[Case]:
    """Write each case as a file, take away those that validation refuses, and return the rest."""
    directory.mkdir(parents=True, exist_ok=True)
    for case in cases:
        (directory / f"{case.customer_id}.yml").write_text(json.dumps(case.catalog, indent=1))
    try:
        load_catalog(directory)
    except ConfigurationError as error:
        refused = {Path(problem.file).stem for problem in error.problems}
        for customer_id in refused:
            (directory / f"{customer_id}.yml").unlink()
        return [case for case in cases if case.customer_id not in refused]
    return list(cases)


def differences(pipeline: Pipeline, cases: Sequence[Case], catalog: Path) -> list[Difference]:
    """Rate accepted cases with the project, and return those that the calculator rates otherwise.

    The smallest comes first. Usage comes in three parts, each as late as the one before: the first
    is rolled up when no catalog names a key or an aggregation yet, the last one added to what is
    there.
    """
    records = [record for case in cases for record in case.records]
    pipeline.deliver("random", records[0::3], "first")
    pipeline.build(AS_OF, *ROLLUPS)
    pipeline.publish(catalog)
    pipeline.deliver("random", records[1::3], "second")
    pipeline.build(AS_OF, *ROLLUPS)
    pipeline.deliver("random", records[2::3], "third")
    pipeline.build(AS_OF, "+int_invoice_lines", "+int_line_groups", "+fct_credit_entries")
    assert pipeline.rows(BROKEN_DOWN) == []
    assert pipeline.rows(UNBALANCED) == []
    found: dict[str, dict[str, Line]] = {case.customer_id: {} for case in cases}
    for row in pipeline.rows(LINES):
        key, of_customer = row.invoice_line_id, found[row.customer_id]
        of_customer[key if key not in of_customer else f"{key} once more"] = Line(
            key,
            row.kind,
            row.charge_id,
            row.period_start,
            row.period_end,
            row.quantity,
            row.billable_quantity,
            row.exact_amount,
            row.amount,
        )
    compared = [
        Difference(case, expected_lines(case.catalog, case.records, AS_OF), found[case.customer_id])
        for case in cases
    ]
    differing = [difference for difference in compared if difference.expected != difference.found]
    return sorted(differing, key=lambda difference: difference.case.size)


def _shown(line: Line | None) -> str:
    if line is None:
        return "no line"
    used = "" if line.quantity is None else f"{line.quantity:f} ({line.billable:f} billable) "
    return f"{line.key} {line.start}..{line.end} {used}{line.exact:f} -> {line.amount:f}"
