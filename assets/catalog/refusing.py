"""Refusing: a catalog that contradicts what is finalised is not published."""

from sqlalchemy import Connection

from assets.catalog.refusals.contracts import refuse_lost_ends, refuse_vanished_contracts
from assets.catalog.refusals.grants import refuse_moved_grants
from assets.catalog.refusals.instalments import refuse_lost_instalments
from assets.catalog.refusals.invoices import (
    refuse_changed_currencies,
    refuse_changed_invoices,
    refuse_moved_starts,
)
from assets.catalog.refusals.seats import refuse_lowered_discounts
from models.catalog import Catalog

RULES = (
    refuse_vanished_contracts,
    refuse_changed_currencies,
    refuse_changed_invoices,
    refuse_lost_instalments,
    refuse_lost_ends,
    refuse_lowered_discounts,
    refuse_moved_grants,
    refuse_moved_starts,
)


def refuse_unpublishable(connection: Connection, catalog: Catalog) -> None:
    """Raise ``CatalogRefused`` where a catalog contradicts what is finalised.

    That is where a contract that is being invoiced has left it, or has changed its currency,
    where an invoice that is finalised is written otherwise, where what was paid in instalments
    would be asked for again, where more would be given back than was paid, and where what was
    granted for some periods would be granted again, and where a contract would begin on another
    day than its opening invoice says.
    """
    for refuse in RULES:
        refuse(connection, catalog)
