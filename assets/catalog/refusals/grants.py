"""Credits of several periods, of which some are closed, that a catalog would count otherwise."""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, select

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.standing import IN_ORDER, standing_invoices
from models.catalog import Catalog
from models.period_days import MONTHS
from models.tables import catalog as tables
from models.tables.common import same

# What decides which periods a grant is for, by the names that are told to the user.
Counting = dict[str, int | str | date | None]


def refuse_moved_grants(connection: Connection, catalog: Catalog) -> None:
    """Raise where credit of several periods, of which some are closed, is counted otherwise now."""
    intervals = {plan.id: plan.interval for plan in catalog.plans}
    counted = {
        (contract.id, credit.id): _counting(
            credit.every_periods,
            credit.valid_from or contract.start,
            contract.billing_start,
            intervals[contract.plan],
            contract.period_anchor,
        )
        for contract in catalog.contracts.values()
        for credit in contract.credits
    }
    moved = []
    for contract_id, credit_id, before in _countings_of_closed_periods(connection):
        now = counted.get((contract_id, credit_id), before)
        changed = [f"{name} was {was}" for name, was in before.items() if now.get(name) != was]
        # One that is granted with every period depends on no count.
        if changed and {now["every_periods"], before["every_periods"]} != {1}:
            moved.append(f"{credit_id} of {contract_id} ({', '.join(changed)})")
    if moved:
        raise CatalogRefused(
            "credits that are granted for several periods are counted otherwise now: "
            f"{'; '.join(moved)}. Periods of theirs are invoiced, and would be granted for again. "
            "Keep what they are counted by, or give the new terms another id"
        )


def _counting(
    every_periods: int | None,
    valid_from: date,
    first_day: date,
    interval: str,
    anchor_day: int,
) -> Counting:
    counting: Counting = {
        "every_periods": every_periods,
        "from": valid_from,
        "the first day billed": first_day,
        "interval": interval,
    }
    # Periods of days begin on any day of a month.
    return counting | {"anchor_day": anchor_day} if interval in MONTHS else counting


def _countings_of_closed_periods(connection: Connection) -> Iterator[tuple[str, str, Counting]]:
    """Yield contract, credit and how it was counted in the versions of periods that stand."""
    grants, contracts, plans = tables.credit_grants, tables.contracts, tables.plans
    standing = standing_invoices()
    closed = connection.execute(
        select(
            grants.c.contract_id,
            grants.c.credit_id,
            grants.c.every_periods,
            grants.c.valid_from,
            contracts.c.billing_start_date,
            plans.c.interval,
            contracts.c.anchor_day,
        )
        .join(contracts, same(contracts, grants, "contract_id", "catalog_version"))
        .join(plans, same(plans, contracts, "plan_id", "catalog_version"))
        .join(standing, same(standing, grants, "contract_id", "catalog_version"))
        .where(grants.c.every_periods.is_not(None), standing.c.kind.in_(IN_ORDER))
        .distinct()
        .order_by(grants.c.contract_id, grants.c.credit_id, grants.c.valid_from)
    )
    for row in closed:
        yield (
            row.contract_id,
            row.credit_id,
            _counting(
                row.every_periods,
                row.valid_from,
                row.billing_start_date,
                row.interval,
                row.anchor_day,
            ),
        )
