"""Charts as SVG: columns, lying bars and counts; coordinates are decimals, as the amounts are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from html import escape

WIDTH, LEFT, LINE = 880, 190, 26
TOP, PLOT = 16, 200
ZERO = Decimal(0)
Shown = Callable[[Decimal], str]


@dataclass(frozen=True, slots=True)
class Pair:
    """A label with two amounts: what it was, and what it would be."""

    label: str
    old: Decimal
    new: Decimal


def columns(pairs: Sequence[Pair], shown: Shown) -> str:
    """Return two columns for each label, on a scale from zero or from the lowest amount."""
    amounts = [amount for pair in pairs for amount in (pair.old, pair.new)]
    top, bottom = nice(max(ZERO, *amounts)), -nice(-min(ZERO, *amounts))
    scale = PLOT / ((top - bottom) or Decimal(1))
    step = Decimal(WIDTH - LEFT) / len(pairs)
    width = min(step * Decimal("0.36"), Decimal(46))
    base = TOP + top * scale
    parts = [grid(TOP + (top - level) * scale, shown(level)) for level in levels(bottom, top)]
    for position, pair in enumerate(pairs):
        middle = LEFT + step * position + step / 2
        for kind, amount, x in (("old", pair.old, middle - width), ("new", pair.new, middle)):
            y = base - max(amount, ZERO) * scale
            title = f"{pair.label}, {kind}: {shown(amount)}"
            parts.append(rectangle(x, y, width - 2, abs(amount) * scale, kind, title))
        if position % (1 + len(pairs) // 14) == 0:
            parts.append(words(middle, TOP + PLOT + 18, pair.label, "middle"))
    return figure(TOP + PLOT + 28, parts)


def bars(pairs: Sequence[Pair], shown: Shown) -> str:
    """Return two lying bars for each label, the new one below the old one."""
    amounts = [amount for pair in pairs for amount in (pair.old, pair.new)]
    place = Axis(min(ZERO, *amounts), max(ZERO, *amounts))
    parts = []
    for position, pair in enumerate(pairs):
        y = Decimal(position * 2 * LINE)
        parts.append(words(LEFT - 10, y + 30, pair.label, "end"))
        for kind, amount, offset in (("old", pair.old, 6), ("new", pair.new, 26)):
            parts.append(place.bar(amount, y + offset, 18, kind, pair.label, shown(amount)))
    return figure(len(pairs) * 2 * LINE + 4, parts)


def changes(rows: Sequence[tuple[str, Decimal]], shown: Shown) -> str:
    """Return one bar for each label, to the right where it rises and to the left where it falls."""
    amounts = [amount for _, amount in rows]
    place = Axis(min(ZERO, *amounts), max(ZERO, *amounts))
    parts = []
    for position, (label, amount) in enumerate(rows):
        y = Decimal(position * LINE)
        parts.append(words(LEFT - 10, y + 18, label, "end"))
        kind = "more" if amount > 0 else "less"
        parts.append(place.bar(amount, y + 4, 18, kind, label, shown(amount)))
    return figure(len(rows) * LINE + 4, parts)


def counts(rows: Sequence[tuple[str, int, str]]) -> str:
    """Return a column for each label, with its number above; the third value is its kind."""
    highest = max([number for _, number, _ in rows] + [1])
    step = Decimal(WIDTH) / len(rows)
    parts = []
    for position, (label, number, kind) in enumerate(rows):
        height = Decimal(number * (PLOT - 40)) / highest
        x, y = step * position + 6, PLOT - height
        parts.append(rectangle(x, y, step - 12, height, kind, f"{label}: {number} customers"))
        parts.append(words(x + step / 2 - 6, y - 6, f"{number:,}" if number else "", "middle"))
        parts.append(words(x + step / 2 - 6, PLOT + 18, label, "middle"))
    return figure(PLOT + 28, parts)


class Axis:
    """A lying scale with room for the amounts at the ends of its bars."""

    def __init__(self, lowest: Decimal, highest: Decimal) -> None:
        room = 100
        before = room if lowest < 0 else 0
        width = WIDTH - LEFT - room - before
        self._scale = width / ((highest - lowest) or Decimal(1))
        self._zero = LEFT + before - lowest * self._scale

    def bar(
        self, amount: Decimal, y: Decimal, height: int, kind: str, label: str, shown: str
    ) -> str:
        """Return a bar from zero to an amount, with the amount at its end."""
        length = abs(amount) * self._scale
        x = self._zero - (length if amount < 0 else 0)
        end = x - 5 if amount < 0 else x + length + 5
        anchor = "end" if amount < 0 else "start"
        drawn = rectangle(x, y, max(length, Decimal(1)), Decimal(height), kind, f"{label}: {shown}")
        return drawn + words(end, y + 14, shown, anchor)


def nice(amount: Decimal) -> Decimal:
    """Return the next larger amount that is 1, 2, 2.5 or 5 with zeros behind it."""
    if amount <= 0:
        return ZERO
    unit = Decimal(1).scaleb(amount.adjusted())
    for factor in ("1", "2", "2.5", "5", "10"):
        if unit * Decimal(factor) >= amount:
            return unit * Decimal(factor)
    return unit * 10


def levels(bottom: Decimal, top: Decimal) -> list[Decimal]:
    """Return where lines are drawn across: some five, zero among them."""
    step = nice((top - bottom) / 5) or Decimal(1)
    first = (bottom / step).to_integral_value(ROUND_CEILING)
    return [step * (first + number) for number in range(int((top - bottom) / step) + 1)]


def figure(height: int, parts: Sequence[str]) -> str:
    """Return a drawing of a height, as wide as the page."""
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'


def rectangle(
    x: Decimal, y: Decimal, width: Decimal, height: Decimal, kind: str, title: str
) -> str:
    """Return a rectangle that says what it is when pointed at."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'class="{kind}"><title>{escape(title)}</title></rect>'
    )


def words(x: Decimal | int, y: Decimal | int, text: str, anchor: str) -> str:
    """Return a short text; a long one is cut."""
    cut = text if len(text) <= 28 else f"{text[:27]}…"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(cut)}</text>'


def grid(y: Decimal, label: str) -> str:
    """Return a line across, with what it stands for."""
    line = f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + words(LEFT - 10, y + 4, label, "end")
