"""Wallets: the invoices of their top-ups, and the grants that these are."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.reference.credits import Credits, Grant
from tests.reference.deal import Deal
from tests.reference.lines import Line
from tests.reference.numbers import ZERO, number
from tests.reference.periods import Period, begun_periods, day, start_of
from tests.reference.taxes import tax_lines
from tests.reference.terms import whole

DAY = timedelta(days=1)


def top_up_grants(deal: Deal) -> Iterator[Grant]:
    """Yield what wallets have bought on the days that have begun."""
    for wallet in deal.contract.get("wallets", []):
        for top_up in wallet.get("top_ups", []):
            since = date.fromisoformat(top_up["date"])
            if start_of(since, deal.zone) < deal.as_of:
                days = wallet.get("valid_days")
                yield Grant(
                    f"{wallet['id']}:{since}",
                    number(top_up["amount"]),
                    since,
                    None if days is None else since + days * DAY,
                    wallet.get("priority", 0),
                    wallet.get("applies_to"),
                )


def top_up_lines(deal: Deal, credit: Credits) -> Iterator[Line]:
    """Yield the lines of all top-ups; of an automatic one, after all periods have been paid."""
    for wallet in deal.contract.get("wallets", []):
        for top_up in wallet.get("top_ups", []):
            since = day(top_up["date"])
            if since and start_of(since, deal.zone) < deal.as_of:
                yield from _invoice(deal, wallet, since, str(since), number(top_up["amount"]))
        today = deal.as_of.astimezone(ZoneInfo(deal.zone)).date()
        bought = _missing(deal, wallet, credit, today) if "automatic" in wallet else ZERO
        if bought > 0:
            yield from _invoice(deal, wallet, today, "automatic:1", bought)


def _missing(deal: Deal, wallet: dict, credit: Credits, today: date) -> Decimal:
    """Return what is to be bought, so that no less is left than should be."""
    begun = list(begun_periods(deal.contract, deal.interval, deal.zone, deal.as_of))
    running = [period for period in begun if start_of(period.end, deal.zone) > deal.as_of]
    # What an earlier draft carries on pays before the wallet does, once that one is closed.
    if not running or not credit.unpaid.keys() >= set(begun) - set(running):
        return ZERO
    scope, size = wallet.get("applies_to"), number(wallet["automatic"]["amount"])
    bought = number(wallet["automatic"]["below"])
    for grant in credit.grants:
        if grant.name.split(":")[0] == wallet["id"] and (not grant.until or grant.until > today):
            bought -= credit.left[grant.name]
    for charge, need in credit.unpaid.get(running[0], {}).items():
        if scope is None or charge in scope:
            bought += need
    times = ZERO
    while times * size < bought:
        times += 1
    return times * size


def _invoice(deal: Deal, wallet: dict, issued: date, name: str, amount: Decimal) -> Iterator[Line]:
    contract_id = f"{deal.contract['id']}:top_up:{wallet['id']}"
    # The id of an invoice ends with what tells it apart: here a day as well, or a number.
    seller = replace(deal, contract=deal.contract | {"id": contract_id})
    period = Period(issued, issued + DAY, 1)
    lines = [whole(seller, period, f"top_up/{wallet['id']}", amount)]
    lines += tax_lines(seller, period, lines, [])
    own = seller.invoice_id(period)
    for line in lines:
        yield replace(line, key=f"{contract_id}:{name}{line.key.removeprefix(own)}")
