"""Exact numbers: nothing is lost before it is rounded, and rounding is always named."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal, localcontext

ZERO = Decimal(0)
MODES = {"up": ROUND_UP, "down": ROUND_DOWN, "half_up": ROUND_HALF_UP}


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Calculate with so many digits that only a division can leave one out."""
    with localcontext() as context:
        context.prec = 200
        yield


def number(given: str | int | None, default: str = "0") -> Decimal:
    return Decimal(default if given is None else given)


def rounded(amount: Decimal, decimals: int, mode: str = "half_up") -> Decimal:
    # Minus zero is zero.
    return amount.quantize(Decimal(1).scaleb(-decimals), MODES[mode]) + ZERO


def quotient(dividend: Decimal, divisor: Decimal | int) -> Decimal:
    """Return a quantity with the eighteen decimals that are kept of it until it is rounded."""
    return rounded(dividend / divisor, 18)


def exact(amount: Decimal) -> Decimal:
    """Return an amount with the twelve decimals that are kept of it until the line."""
    return rounded(amount, 12)


def minor_units(currency: str) -> int:
    """Return the decimals of those currencies that are drawn."""
    return {"JPY": 0, "KRW": 0, "CLP": 0, "KWD": 3, "TND": 3}.get(currency, 2)


def split(amount: Decimal, weights: Sequence[Decimal], decimals: int) -> list[Decimal]:
    """Return the parts of an amount by largest remainder; of equals, the first part takes more."""
    whole = sum(weights, ZERO)
    if not whole:
        return [ZERO for _ in weights]
    units = abs(amount).scaleb(decimals)
    parts, left_over = zip(*(divmod(units * weight, whole) for weight in weights), strict=True)
    missing = int(units - sum(parts, ZERO))
    order = sorted(range(len(parts)), key=lambda n: (-left_over[n], n))
    more = [1 if n in order[:missing] else 0 for n in range(len(parts))]
    sign = 1 if amount >= 0 else -1
    return [sign * (part + one).scaleb(-decimals) for part, one in zip(parts, more, strict=True)]
