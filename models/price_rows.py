"""Prices as rows: all in one shape, with tiers that know where they begin."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from models.price_models import (
    CapacityPrice,
    FlatPrice,
    PackagePrice,
    PercentagePrice,
    Price,
    SeatPrice,
)
from models.tables import catalog as tables

Row = dict[str, Any]
TableRow = tuple[Table, Row]


def price_rows(price_id: str, price: Price) -> Iterator[TableRow]:
    """Yield the row of a price and those of its tiers and rates."""
    package = price if isinstance(price, PackagePrice) else None
    flat = price if isinstance(price, FlatPrice) else None
    percentage = price if isinstance(price, PercentagePrice) else None
    seat = price if isinstance(price, SeatPrice) else None
    yield (
        tables.prices,
        {
            "price_id": price_id,
            "model": price.model,
            "package_size": package.package_size if package else None,
            "package_rounding": package.rounding if package else None,
            "flat_amount": flat.amount if flat else None,
            "timing": flat.timing if flat else seat.timing if seat else None,
            "is_prorated": flat.prorate if flat else seat.prorate == "day" if seat else None,
            "has_removal_credit": seat.on_removal == "credit" if seat else None,
            "fixed_amount": percentage.fixed_amount if percentage else None,
            "free_records": percentage.free_records if percentage else None,
            "free_amount": percentage.free_amount if percentage else None,
            "record_minimum": percentage.min_amount if percentage else None,
            "record_maximum": percentage.max_amount if percentage else None,
        },
    )
    yield from _tier_rows(price_id, price)
    yield from _rate_rows(price_id, price)
    yield from _limit_rows(price_id, price)


def meter_rows(price_id: str) -> Iterator[TableRow]:
    """Yield the row of a price that costs nothing: usage is measured for another charge."""
    nothing = {column.name: None for column in tables.prices.columns if column.nullable}
    yield tables.prices, {**nothing, "price_id": price_id, "model": "meter"}


def _tier_rows(price_id: str, price: Price) -> Iterator[TableRow]:
    begin = Decimal(0)
    for number, tier in enumerate(price.as_tiers(), start=1):
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


def _rate_rows(price_id: str, price: Price) -> Iterator[TableRow]:
    for number, (match, rate) in enumerate(price.as_rates(), start=1):
        yield (
            tables.price_rates,
            {"price_id": price_id, "rate_number": number, "match": match, "rate": rate},
        )


def _limit_rows(price_id: str, price: Price) -> Iterator[TableRow]:
    tiers = price.tiers if isinstance(price, CapacityPrice) else ()
    for number, tier in enumerate(tiers, start=1):
        for dimension, limit in tier.limits.items():
            yield (
                tables.price_limits,
                {
                    "price_id": price_id,
                    "tier_number": number,
                    "dimension_id": dimension,
                    "up_to": limit,
                },
            )
