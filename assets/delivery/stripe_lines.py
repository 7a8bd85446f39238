"""The lines of finalised invoices as Stripe gets them: whole amounts, at most 250."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.stripe_records import StripeLine
from models.money import to_stripe

LINES_PER_INVOICE = 250
DESCRIPTION_CHARACTERS = 500
METADATA_CHARACTERS = 500
DAY = timedelta(days=1)
# What is put together last comes first; fees, credits and the like are in between.
WEIGHTS = {"tax": 0, "usage": 2}
OTHER = 1


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a finalised invoice, numbered over all of its document."""

    invoice_line_id: str
    line_number: int
    kind: str
    charge_id: str | None
    period_start: date
    period_end: date
    quantity: Decimal | None
    unit: str | None
    amount: Decimal
    currency: str
    description: str
    catalog_version: str
    # What is said before and behind the line in Stripe alone.
    about: str = ""
    note: str = ""

    @property
    def words(self) -> str:
        """What the customer reads: of what, the description, the quantity, the days it covers."""
        quantity = "" if self.quantity is None else f": {plain(self.quantity)} {self.unit or ''}"
        days = f" ({days_covered(self.period_start, self.period_end)})"
        days += f"; {self.note}" if self.note else ""
        room = DESCRIPTION_CHARACTERS - len(quantity.rstrip()) - len(days)
        return (self.about + self.description)[:room] + quantity.rstrip() + days

    @property
    def metadata(self) -> dict[str, str]:
        """What leads from Stripe back to our line."""
        quantity = {} if self.quantity is None else {"quantity": f"{self.quantity:f}"}
        return limited(
            {
                "invoice_line_id": self.invoice_line_id,
                "kind": self.kind,
                "catalog_version": self.catalog_version,
                **quantity,
            }
        )


def stripe_lines(lines: Sequence[BillLine], timezone: str) -> list[StripeLine]:
    """Return the lines of an invoice for Stripe; their amounts add up to the same total.

    Above Stripe's 250 lines the smallest are put together into one, which says how many they are:
    of usage first, then of fees and the like, and of taxes only where they alone are too many. The
    warehouse keeps them all.
    """
    shown, folded = split(lines)
    made = [stripe_line(line, timezone) for line in shown]
    return [*made, *([folded_line(folded, timezone)] if folded else [])]


def split(lines: Sequence[BillLine]) -> tuple[list[BillLine], list[BillLine]]:
    """Return the lines to show each on its own, and those to put together."""
    if len(lines) <= LINES_PER_INVOICE:
        return list(lines), []
    by_weight = sorted(
        lines,
        key=lambda line: (WEIGHTS.get(line.kind, OTHER), -abs(line.amount), line.line_number),
    )
    shown, folded = by_weight[: LINES_PER_INVOICE - 1], by_weight[LINES_PER_INVOICE - 1 :]
    return sorted(shown, key=lambda line: line.line_number), folded


def stripe_line(line: BillLine, timezone: str) -> StripeLine:
    """Return one line."""
    return StripeLine(
        amount=to_stripe(line.amount, line.currency),
        product_name=line.description,
        description=line.words,
        period_start=second_of(line.period_start, timezone),
        # Stripe's periods include their last second, ours do not.
        period_end=second_of(line.period_end, timezone) - 1,
        metadata=line.metadata,
    )


def folded_line(lines: Sequence[BillLine], timezone: str) -> StripeLine:
    """Return one line in the place of many."""
    first, last = min(line.period_start for line in lines), max(line.period_end for line in lines)
    invoice_id = lines[0].invoice_line_id.split("/")[0]
    return StripeLine(
        amount=sum(to_stripe(line.amount, line.currency) for line in lines),
        product_name="Further lines",
        description=f"{len(lines)} further lines ({days_covered(first, last)})",
        period_start=second_of(first, timezone),
        period_end=second_of(last, timezone) - 1,
        metadata=limited(
            {
                "invoice_line_id": f"{invoice_id}/further-lines",
                "kind": "further_lines",
                "line_count": str(len(lines)),
                "catalog_version": lines[0].catalog_version,
            }
        ),
    )


def limited(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata within Stripe's limit; our ids are far below it."""
    return {name: str(value)[:METADATA_CHARACTERS] for name, value in metadata.items()}


def second_of(day: date, timezone: str) -> int:
    """Return the second at which a day begins in a time zone."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).timestamp())


def days_covered(start: date, end: date) -> str:
    """Return a half-open period as people write it, with its last day."""
    last = end - DAY
    return start.isoformat() if last <= start else f"{start.isoformat()} to {last.isoformat()}"


def plain(quantity: Decimal) -> str:
    """Return a quantity without trailing zeros, with thousands separated."""
    text = f"{quantity:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
