"""Which lines are shown in Stripe each on its own where there are more than it takes."""

from dataclasses import replace
from decimal import Decimal

from assets.delivery.stripe_lines import BillLine, split, stripe_lines
from tests.unit.test_reductions import bill_line


def line(number: int, kind: str, amount: str) -> BillLine:
    return replace(bill_line(number, None, Decimal(amount)), kind=kind)


def test_taxes_stay_when_fees_are_put_together() -> None:
    """Each of 130 contracts has a fee, and a tax that is smaller than any fee."""
    lines = [
        made
        for contract in range(130)
        for made in (
            line(2 * contract + 1, "fee", f"{200 + contract}.00"),
            line(2 * contract + 2, "tax", "1.00"),
        )
    ]
    shown, folded = split(lines)
    assert [one.amount for one in folded] == [*range(210, 199, -1)]
    assert {one.kind for one in folded} == {"fee"}
    assert [one.line_number for one in shown] == [*range(2, 23, 2), *range(23, 261)]
    made = stripe_lines(lines, "UTC")
    assert len(made) == 250
    assert sum(one.amount for one in made) == sum(100 * int(one.amount) for one in lines)


def test_usage_is_put_together_before_fees_and_fees_before_taxes() -> None:
    kinds = ["tax"] * 100 + ["fee", "credit"] * 75 + ["usage"] * 5
    lines = [
        line(number, kind, "900.00" if kind == "usage" else "1.00")
        for number, kind in enumerate(kinds, start=1)
    ]
    shown, folded = split(lines)
    assert [one.kind for one in folded] == ["credit"] + ["usage"] * 5
    assert [one.line_number for one in shown] == [*range(1, 250)]
