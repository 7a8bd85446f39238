"""Lines without reductions: each less its part of the discounts and credits of an invoice.

Stripe Tax does not take lines below zero.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from assets.delivery.stripe_lines import BillLine
from models.money import from_minor, to_minor


def reduced_lines(lines: Sequence[BillLine]) -> list[BillLine]:
    """Return the lines that are not below zero, reduced by those that are; the sum stays.

    What is below zero reduces the lines of its own charge as far as they go, then all lines, each
    by its part of them. The sum of all lines must not be below zero.
    """
    amounts = {line.line_number: to_minor(line.amount, line.currency) for line in lines}
    left = {number: amount for number, amount in amounts.items() if amount >= 0}
    owed = 0
    for members in by_charge(lines).values():
        reduction = -sum(amounts[number] for number in members if amounts[number] < 0)
        own = {number: left[number] for number in members if number in left}
        taken = min(reduction, sum(own.values()))
        left |= reduced(own, taken)
        owed += reduction - taken
    left = reduced(left, owed)
    return [line_with(line, left[line.line_number]) for line in lines if line.line_number in left]


def by_charge(lines: Sequence[BillLine]) -> dict[str | None, list[int]]:
    """Return the numbers of the lines of each charge; of no charge, they stand under None."""
    found: dict[str | None, list[int]] = defaultdict(list)
    for line in lines:
        if line.charge_id is not None or line.amount < 0:
            found[line.charge_id].append(line.line_number)
    return found


def reduced(amounts: Mapping[int, int], by: int) -> dict[int, int]:
    """Return amounts less their parts of a reduction, shared by largest remainder."""
    total = sum(amounts.values())
    if not by:
        return dict(amounts)
    parts = {number: divmod(amount * by, total) for number, amount in amounts.items()}
    missing = by - sum(part for part, _ in parts.values())
    losers = sorted(parts, key=lambda number: (-parts[number][1], number))[:missing]
    return {
        number: amount - parts[number][0] - (number in losers) for number, amount in amounts.items()
    }


def line_with(line: BillLine, amount: int) -> BillLine:
    """Return a line with another amount, which says what it is made of."""
    before = to_minor(line.amount, line.currency)
    if amount == before:
        return line
    less = from_minor(before - amount, line.currency)
    return replace(
        line,
        amount=from_minor(amount, line.currency),
        note=f"{from_minor(before, line.currency):f} less {less:f} of discounts and credits",
    )
