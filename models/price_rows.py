"""Prices as rows: all in one shape, with tiers that know where they begin."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from models.prices import FlatPrice, PackagePrice, PerUnitPrice, Price, Tier
from models.tables import catalog as tables

Row = dict[str, Any]
TableRow = tuple[Table, Row]


def price_rows(price_id: str, price: Price) -> Iterator[TableRow]:
    """Yield the row of a price and those of its tiers."""
    package = price if isinstance(price, PackagePrice) else None
    flat = price if isinstance(price, FlatPrice) else None
    yield (
        tables.prices,
        {
            "price_id": price_id,
            "model": price.model,
            "package_size": package.package_size if package else None,
            "package_rounding": package.rounding if package else None,
            "flat_amount": flat.amount if flat else None,
            "timing": flat.timing if flat else None,
            "is_prorated": flat.prorate if flat else None,
            "fixed_amount": None,
            "free_records": None,
            "free_amount": None,
            "record_minimum": None,
            "record_maximum": None,
        },
    )
    begin = Decimal(0)
    for number, tier in enumerate(_tiers(price), start=1):
        yield (
            tables.price_tiers,
            {
                "price_id": price_id,
                "tier_number": number,
                "from_quantity": begin,
                "up_to": tier.up_to,
                "unit_amount": tier.unit_amount,
                "flat_amount": tier.flat_amount,
            },
        )
        begin = tier.up_to or begin


def _tiers(price: Price) -> tuple[Tier, ...]:
    """Return the tiers of a price; a flat one has none."""
    if isinstance(price, FlatPrice):
        return ()
    if isinstance(price, PerUnitPrice):
        return (Tier(unit_amount=price.unit_amount),)
    if isinstance(price, PackagePrice):
        return (Tier(unit_amount=price.package_amount),)
    return price.tiers
