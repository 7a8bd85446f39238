"""Credits of several periods, of which some are closed, that a catalog would grant again."""

from sqlalchemy import Connection, select

from assets.catalog.refusals.errors import CatalogRefused
from assets.invoicing.standing import standing_invoices
from models.catalog import Catalog
from models.tables import catalog as tables


def refuse_moved_grants(connection: Connection, catalog: Catalog) -> None:
    """Raise where credit of several periods, of which some are closed, is counted otherwise now."""
    counted = {
        (contract.id, credit.id): (
            credit.every_periods,
            credit.valid_from or contract.start,
            contract.billing_start,
        )
        for contract in catalog.contracts.values()
        for credit in contract.credits
    }
    grants, contracts, standing = tables.credit_grants, tables.contracts, standing_invoices()
    closed = connection.execute(
        select(
            grants.c.contract_id,
            grants.c.credit_id,
            grants.c.every_periods,
            grants.c.valid_from,
            contracts.c.billing_start_date,
        )
        .join(
            contracts,
            (contracts.c.contract_id == grants.c.contract_id)
            & (contracts.c.catalog_version == grants.c.catalog_version),
        )
        .join(
            standing,
            (standing.c.contract_id == grants.c.contract_id)
            & (standing.c.catalog_version == grants.c.catalog_version),
        )
        .where(grants.c.every_periods.is_not(None), standing.c.kind == "period")
        .distinct()
        .order_by(grants.c.contract_id, grants.c.credit_id, grants.c.valid_from)
    )
    moved = []
    for row in closed:
        before = (row.every_periods, row.valid_from, row.billing_start_date)
        now = counted.get((row.contract_id, row.credit_id), before)
        # One that is granted with every period depends on no count.
        if now != before and {now[0], before[0]} != {1}:
            moved.append(
                f"{row.credit_id} of {row.contract_id} (every {before[0]} since {before[1]})"
            )
    if moved:
        raise CatalogRefused(
            f"credits that are granted for several periods are counted otherwise now: "
            f"{', '.join(moved)}. Periods of theirs are invoiced, and would be granted for again. "
            "Keep every_periods, from and the contract's start, or give the new terms another id"
        )
