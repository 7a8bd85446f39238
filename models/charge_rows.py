"""Charges as rows. A capacity has one for each dimension: usage is measured by charge."""

from collections.abc import Iterator, Mapping, Sequence

from models.price_rows import Row, TableRow, meter_rows, price_rows
from models.prices import Charge, Plan
from models.tables import catalog as tables


def charge_rows(plan: Plan, charge: Charge, position: int, name: str) -> Iterator[TableRow]:
    """Yield the row of a charge, those of what is measured for it, and those of their prices."""
    price_id = f"plan/{plan.id}/{charge.id}"
    row = {
        "plan_id": plan.id,
        "charge_id": charge.id,
        "position": position,
        "name": name,
        "dimension_id": next(iter(charge.dimensions), None),
        "included_quantity": charge.included,
        "price_id": price_id,
        "usage_filter": _as_json(charge.where),
        "group_by": list(charge.group_by) if charge.group_by else None,
        "bucket_every": charge.bucket.every if charge.bucket else None,
        "bucket_then": charge.bucket.then if charge.bucket else None,
        "minimum_amount": charge.minimum,
        "maximum_amount": charge.maximum,
        "tiers_span": charge.tiers_span,
    }
    yield tables.charges, row
    yield from price_rows(price_id, charge.price)
    for meter in meters(plan, charge):
        bounds: Row = {"minimum_amount": None, "maximum_amount": None}
        yield tables.charges, {**row, **bounds, **meter}
        yield from meter_rows(meter["price_id"])


def meters(plan: Plan, charge: Charge) -> list[Row]:
    """Return what tells the meters beside a charge from it: ``capacity/users`` and the like."""
    return [
        {
            "charge_id": f"{charge.id}/{dimension}",
            "dimension_id": dimension,
            "price_id": f"plan/{plan.id}/{charge.id}/{dimension}",
        }
        for dimension in charge.dimensions[1:]
    ]


def _as_json(where: Mapping[str, Sequence[str]] | None) -> dict[str, list[str]] | None:
    return {key: list(values) for key, values in where.items()} if where else None
