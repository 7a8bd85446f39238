"""The report of a back-test: one HTML file with tables and charts, and nothing from elsewhere."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from assets.rehearsals.backtest import Backtest
from assets.rehearsals.charts import Pair, bars, changes, columns, counts
from models.money import minor_units

Rows = Sequence[dict[str, Any]]
SHOWN = 15
LARGEST = Decimal("Infinity")
# Changes in percent, each up to and including its bound.
GRADES = (
    (Decimal(10), "up to 10 %"),
    (Decimal(20), "10-20 %"),
    (Decimal(50), "20-50 %"),
    (LARGEST, "over 50 %"),
)

STYLE = """
:root { --ink: #1a202c; --soft: #718096; --line: #e2e8f0; --old: #a0aec0; --new: #2b6cb0;
        --more: #c05621; --less: #2c7a7b; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 960px; padding: 32px 24px; color: var(--ink);
       font: 15px/1.45 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 21px; margin: 40px 0 8px; }
h3 { font-size: 16px; margin: 28px 0 6px; } p { margin: 4px 0; } .soft { color: var(--soft); }
.cards { display: flex; gap: 12px; margin: 16px 0; flex-wrap: wrap; }
.card { flex: 1 1 200px; border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
.card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } th.name, td.name { text-align: left; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--ink); }
svg line { stroke: var(--line); } .old { fill: var(--old); } .new { fill: var(--new); }
.more { fill: var(--more); color: var(--more); } .less { fill: var(--less); color: var(--less); }
.same { fill: var(--old); } .key i { display: inline-block; width: 12px; height: 12px;
border-radius: 2px; margin: 0 4px 0 12px; vertical-align: -1px; } i.old { background: var(--old); }
i.new { background: var(--new); } i.more { background: var(--more); }
i.less { background: var(--less); }
@media print { h3, svg, table { break-inside: avoid; } }
"""
SIDES = '<p class="key"><i class="old"></i>old<i class="new"></i>new</p>'
OUTCOMES = '<p class="key"><i class="more"></i>pays more<i class="less"></i>pays less</p>'


def report(backtest: Backtest) -> str:
    """Return the page: for each currency totals, months, plans, customers and bills."""
    window = backtest.window
    currencies = sorted({row["currency"] for row in backtest.marts["months"]})
    parts = [
        "<h1>Back-test</h1>",
        f"<p>Lines of {window.start} to {window.end} (exclusive), rated as of "
        f"{window.as_of:%Y-%m-%d %H:%M} UTC.</p>",
        f'<p class="soft">Old: catalog {escape(backtest.old_version)}. New: catalog '
        f"{escape(backtest.new_version)}. All history is rated under both, as if nothing had been "
        "invoiced; nothing in the warehouse has changed.</p>",
    ]
    if not currencies:
        parts.append("<p>No line begins in this window under either catalog.</p>")
    parts += together(backtest.marts) if len(currencies) > 1 else ()
    for currency in currencies:
        marts = {
            subject: [row for row in rows if row["currency"] == currency]
            for subject, rows in backtest.marts.items()
        }
        parts += section(currency, marts)
    return page("".join(parts))


def together(marts: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield the totals of all currencies in the company's, where every amount has a rate."""
    months = marts["months"]
    currency = max((row["reporting_currency"] or "" for row in months), default="")
    if currency:
        yield f"<h2>All currencies, in {escape(currency)}</h2>"
        yield totals(Money(currency), months, "reporting_")


def section(currency: str, marts: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield what there is to say in one currency."""
    money = Money(currency)
    yield f"<h2>{escape(currency)}</h2>"
    yield cards(money, marts["months"], marts["customers"])
    yield f"<h3>Revenue by month</h3>{SIDES}"
    yield columns(
        [pair(f"{row['margin_month']:%Y-%m}", row) for row in marts["months"]], money.short
    )
    if marts["plans"]:
        plans = sorted(marts["plans"], key=lambda row: -max(row["revenue_old"], row["revenue_new"]))
        yield f"<h3>Plans</h3>{SIDES}"
        yield bars([pair(row["plan_id"], row) for row in plans[:SHOWN]], money.short)
        yield margins_table(money, "plan_id", plans)
    yield from customers(money, marts["customers"])
    yield from shocks(money, marts["bills"])


def customers(money: "Money", rows: Rows) -> Iterator[str]:
    """Yield how customers fare: how many by how much, and who most."""
    known = [row for row in rows if row["revenue_change"] is not None]
    losers = sorted(known, key=lambda row: -row["revenue_change"])[:SHOWN]
    winners = sorted(known, key=lambda row: row["revenue_change"])[:SHOWN]
    losers = [row for row in losers if row["revenue_change"] > 0]
    winners = [row for row in winners if row["revenue_change"] < 0]
    yield f"<h3>Customers by change of what they pay</h3>{OUTCOMES}{counts(spread(known))}"
    for title, chosen in (("Losers: they pay more", losers), ("Winners: they pay less", winners)):
        if chosen:
            drawn = [(row["customer_id"], row["revenue_change"]) for row in chosen]
            yield f"<h3>{title}</h3>{changes(drawn, money.short)}"
            yield margins_table(money, "customer_id", chosen)


def shocks(money: "Money", rows: Rows) -> Iterator[str]:
    """Yield the bills that rise most."""
    shocked = sorted(
        (row for row in rows if row["shock_rank"] is not None), key=lambda row: row["shock_rank"]
    )
    if not shocked:
        return
    yield "<h3>Biggest bill shocks</h3>"
    yield '<p class="soft">What is to pay for the periods of a month, tax and credits included.</p>'
    yield table(
        ["Customer", "Month", "Old", "New", "Change", "%"],
        [
            [
                row["customer_id"],
                f"{row['bill_month']:%Y-%m}",
                money.exact(row["bill_old"]),
                money.exact(row["bill_new"]),
                money.exact(row["bill_change"]),
                percent(row["bill_change_percent"]),
            ]
            for row in shocked[:SHOWN]
        ],
    )


class Money:
    """Amounts of one currency as they are shown: rounded, to be read and not to be added up."""

    def __init__(self, currency: str) -> None:
        self._digits = minor_units(currency)

    def exact(self, amount: Decimal | None) -> str:
        """Return an amount in the currency's minor unit, nothing for none."""
        return "" if amount is None else f"{amount:,.{self._digits}f}"

    def signed(self, amount: Decimal) -> str:
        """Return a change in the currency's minor unit, with its sign."""
        return f"{amount:+,.{self._digits}f}"

    def short(self, amount: Decimal) -> str:
        """Return an amount for a chart, without the minor unit where it is large."""
        return f"{amount:,.0f}" if abs(amount) >= 1000 or amount == 0 else self.exact(amount)


def cards(money: Money, months: Rows, found: Rows) -> str:
    """Return the totals of a currency."""
    outcomes = [row["outcome"] for row in found]
    numbers = [
        f"{outcomes.count(outcome)} {outcome.replace('_', ' ').replace('pays', 'pay')}"
        for outcome in ("pays_more", "pays_less", "pays_the_same")
    ]
    count = (
        f'<div class="card">Customers<b>{len(found):,}</b>'
        f'<span class="soft">{", ".join(numbers)}</span></div>'
    )
    return totals(money, months, "", count)


def totals(money: Money, months: Rows, prefix: str, more: str = "") -> str:
    """Return what all months come to; the columns begin with a prefix."""
    shown = [
        card(money, name, *(total(months, f"{prefix}{column}_{side}") for side in ("old", "new")))
        for name, column in (("Revenue", "revenue"), ("Gross margin", "gross_margin"))
    ]
    return f'<div class="cards">{"".join(shown)}{more}</div>'


def total(rows: Rows, column: str) -> Decimal | None:
    """Return the sum of a column, or none where a part of it is not known."""
    amounts = [row[column] for row in rows]
    return None if None in amounts else sum(amounts, Decimal(0))


def card(money: Money, name: str, old: Decimal | None, new: Decimal | None) -> str:
    """Return a total under both catalogs and how it changes."""
    if old is None or new is None:
        text = "not known: a part has no rate, or carries cost in another currency"
        return f'<div class="card">{name}<span class="soft"><br>{text}</span></div>'
    change = money.signed(new - old) + (f" ({100 * (new - old) / old:+.2f} %)" if old > 0 else "")
    return (
        f'<div class="card">{name}<b>{money.exact(new)}</b>'
        f'<span class="soft">old {money.exact(old)}, {change}</span></div>'
    )


def margins_table(money: Money, key: str, rows: Rows) -> str:
    """Return revenue and gross margin of plans or customers under both catalogs."""
    head = ["", "Revenue old", "new", "change", "%", "Gross margin old", "new", "change"]
    body = [
        [
            row[key],
            *(money.exact(row[f"revenue_{side}"]) for side in ("old", "new", "change")),
            percent(row["revenue_change_percent"]),
            *(money.exact(row[f"gross_margin_{side}"]) for side in ("old", "new", "change")),
        ]
        for row in rows
    ]
    return table(head, body)


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return rows of text as a table; the first column is a name."""
    lines = [row_of("th", head), *(row_of("td", row) for row in body)]
    return f"<table>{''.join(lines)}</table>"


def row_of(tag: str, cells: Sequence[str]) -> str:
    """Return a row of a table."""
    first, *others = (escape(cell) for cell in cells)
    shown = "".join(f"<{tag}>{cell}</{tag}>" for cell in others)
    return f'<tr><{tag} class="name">{first}</{tag}>{shown}</tr>'


def percent(number: Decimal | None) -> str:
    """Return a percentage with its sign, nothing for none."""
    return "" if number is None else f"{number:+,.1f}"


def pair(label: str, row: dict[str, Any]) -> Pair:
    """Return the revenue of a row for a chart."""
    return Pair(label, row["revenue_old"], row["revenue_new"])


def spread(rows: Rows) -> list[tuple[str, int, str]]:
    """Return how many customers pay less, the same and more, by how many percent."""
    found = Counter((row["outcome"], grade(row["revenue_change_percent"])) for row in rows)
    names = [name for _, name in GRADES]
    return [
        *((f"{name} less", found["pays_less", name], "less") for name in reversed(names)),
        ("same", sum(row["outcome"] == "pays_the_same" for row in rows), "same"),
        *((f"{name} more", found["pays_more", name], "more") for name in names),
    ]


def grade(change: Decimal | None) -> str:
    """Return the name of a change in percent; one from nothing is as large as can be."""
    known = LARGEST if change is None else abs(change)
    return next(name for bound, name in GRADES if known <= bound)


def page(body: str) -> str:
    """Return a whole document."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Back-test</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
