from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.money import (
    CURRENCIES,
    MoneyError,
    decimals_of,
    from_minor,
    from_stripe,
    minor_units,
    round_half_away,
    to_minor,
    to_stripe,
)


@pytest.mark.parametrize(("currency", "units"), [("JPY", 0), ("USD", 2), ("EUR", 2), ("KWD", 3)])
def test_a_currency_knows_its_minor_units(currency: str, units: int) -> None:
    assert minor_units(currency) == units


@pytest.mark.parametrize("currency", ["usd", "XXX", "", "EURO"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(MoneyError, match="ISO 4217"):
        minor_units(currency)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("1.23", "USD", 123), ("1.230000", "USD", 123), ("-0.01", "EUR", -1), ("7", "JPY", 7)],
)
def test_an_amount_is_counted_in_minor_units(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("currency", "counted"),
    [("JPY", 500), ("USD", 50_000), ("ISK", 50_000), ("UGX", 50_000), ("KWD", 500_000)],
)
def test_stripe_counts_some_currencies_in_parts_that_are_not_paid(
    currency: str, counted: int
) -> None:
    assert to_stripe(Decimal(500), currency) == counted


@pytest.mark.parametrize(
    ("amount", "currency"), [("0.001", "USD"), ("0.5", "JPY"), ("0.5", "ISK"), ("0.5", "UGX")]
)
def test_a_fraction_of_a_minor_unit_is_refused_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(MoneyError, match="fraction"):
        to_minor(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("amount", "digits", "rounded"),
    [
        ("0.005", 2, "0.01"),
        ("-0.005", 2, "-0.01"),
        ("0.0049999999999", 2, "0.00"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("99999999999999999999999999.995", 2, "100000000000000000000000000.00"),
    ],
)
def test_halves_round_away_from_zero(amount: str, digits: int, rounded: str) -> None:
    assert str(round_half_away(Decimal(amount), digits)) == rounded


@given(st.integers(-(10**25), 10**25), st.sampled_from(sorted(CURRENCIES)))
def test_minor_units_survive_the_way_there_and_back(minor: int, currency: str) -> None:
    amount = from_minor(minor, currency)
    assert to_minor(amount, currency) == minor
    assert from_stripe(to_stripe(amount, currency), currency) == amount


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20
    )
)
def test_rounding_is_odd_and_never_moves_more_than_half_a_unit(amount: Decimal) -> None:
    rounded = round_half_away(amount, 2)
    assert round_half_away(-amount, 2) == -rounded
    assert abs(rounded - amount) <= Decimal("0.005")


def test_trailing_zeros_are_no_decimals() -> None:
    assert decimals_of(Decimal("1.500")) == 1
    assert decimals_of(Decimal("1E+3")) == 0
    assert decimals_of(Decimal("0.000")) == 0
