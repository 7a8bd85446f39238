"""Lines without reductions, as Stripe Tax takes them."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from assets.delivery.reductions import reduced_lines
from assets.delivery.stripe_lines import BillLine


def bill_line(number: int, charge_id: str | None, amount: Decimal) -> BillLine:
    return BillLine(
        invoice_line_id=f"i/{number}",
        line_number=number,
        kind="usage",
        charge_id=charge_id,
        period_start=date(2026, 9, 1),
        period_end=date(2026, 10, 1),
        quantity=None,
        unit=None,
        amount=amount,
        currency="USD",
        description="Hosting",
        catalog_version="v",
    )


def reduced(*lines: tuple[str | None, str]) -> list[tuple[int, str]]:
    given_lines = [
        bill_line(number, charge, Decimal(amount))
        for number, (charge, amount) in enumerate(lines, start=1)
    ]
    return [(line.line_number, str(line.amount)) for line in reduced_lines(given_lines)]


def test_a_discount_reduces_its_own_charge() -> None:
    assert reduced(("a", "100.000"), ("a", "-10.000"), ("b", "50.000")) == [
        (1, "90.00"),
        (3, "50.000"),
    ]


def test_a_credit_reduces_all_lines_by_largest_remainder() -> None:
    assert reduced(("a", "1.000"), ("b", "1.000"), (None, "1.000"), (None, "-1.000")) == [
        (1, "0.66"),
        (2, "0.67"),
        (3, "0.67"),
    ]


def test_what_a_charge_cannot_bear_reduces_the_others() -> None:
    assert reduced(("a", "10.000"), ("a", "-30.000"), ("b", "50.000")) == [
        (1, "0.00"),
        (3, "30.00"),
    ]


def test_a_line_says_what_it_was_reduced_from() -> None:
    [line] = reduced_lines(
        [bill_line(1, "a", Decimal("100.00")), bill_line(2, None, Decimal("-0.50"))]
    )
    assert line.words == (
        "Hosting (2026-09-01 to 2026-09-30); 100.00 less 0.50 of discounts and credits"
    )


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(-(10**6), 10**6)), min_size=1)
)
def test_reduced_lines_add_up_and_none_is_below_zero(lines: list[tuple[str | None, int]]) -> None:
    total = sum(amount for _, amount in lines)
    if total < 0:
        lines = [*lines, ("b", -total)]
    made = reduced_lines(
        [
            bill_line(number, charge, Decimal(amount).scaleb(-2))
            for number, (charge, amount) in enumerate(lines, start=1)
        ]
    )
    assert all(line.amount >= 0 for line in made)
    assert sum(line.amount for line in made) * 100 == max(total, 0)
