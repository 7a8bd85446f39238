"""A catalog as rows of the tables of the schema ``catalog``: defaults filled in, one price shape.

``per_unit`` and ``package`` prices become one open tier, tiers learn where they begin, and a
discount becomes one row per charge it applies to.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from models.catalog import Catalog
from models.contracts import Contract, Customer
from models.dimensions import CostRule, Dimension, Tax
from models.money import minor_units
from models.prices import FlatPrice, PackagePrice, PerUnitPrice, Plan, Price, Tier
from models.tables import catalog as tables

Row = dict[str, Any]
TableRow = tuple[Table, Row]


def catalog_rows(catalog: Catalog) -> list[tuple[Table, list[Row]]]:
    """Return the rows of a version, table by table; ``versions`` itself is left to the caller."""
    rows: dict[str, tuple[Table, list[Row]]] = {
        table.name: (table, [])
        for table in tables.metadata.sorted_tables
        if table is not tables.versions
    }
    version = catalog.version
    for table, row in _all_rows(catalog):
        rows[table.name][1].append({"catalog_version": version, **row})
    return list(rows.values())


def _all_rows(catalog: Catalog) -> Iterator[TableRow]:
    plans = {plan.id: plan for plan in catalog.plans}
    taxes = {tax.id: tax for tax in catalog.taxes}
    names = {dimension.id: dimension.name or dimension.id for dimension in catalog.dimensions}
    for dimension in catalog.dimensions:
        yield tables.dimensions, _dimension_row(dimension)
    for plan in catalog.plans:
        yield from _plan_rows(plan, names)
    for customer in catalog.customers:
        yield tables.customers, _customer_row(customer, taxes)
        for tenant in customer.owned_tenants:
            yield tables.tenants, {"tenant_id": tenant, "customer_id": customer.id}
        for contract in customer.contracts:
            yield from _contract_rows(customer, contract, plans[contract.plan])
    for position, rule in enumerate(catalog.cost_rules, start=1):
        yield from _cost_rule_rows(position, rule)


def _dimension_row(dimension: Dimension) -> Row:
    return {
        "dimension_id": dimension.id,
        "name": dimension.name or dimension.id,
        "unit": dimension.unit,
        "aggregation": dimension.aggregation,
        "distinct_on": dimension.distinct_on,
        "convert_multiply": dimension.convert.multiply,
        "convert_divide": dimension.convert.divide,
        "rounding_decimals": dimension.rounding.decimals,
        "rounding_mode": dimension.rounding.mode,
        "carry_over": dimension.carry_over,
    }


def _plan_rows(plan: Plan, dimension_names: dict[str, str]) -> Iterator[TableRow]:
    yield (
        tables.plans,
        {
            "plan_id": plan.id,
            "name": plan.name or plan.id,
            "currency": plan.currency,
            "minor_units": minor_units(plan.currency),
            "interval": plan.interval,
        },
    )
    for position, charge in enumerate(plan.charges, start=1):
        price_id = f"plan/{plan.id}/{charge.id}"
        name = charge.name or dimension_names.get(charge.dimension or "") or charge.id
        yield (
            tables.charges,
            {
                "plan_id": plan.id,
                "charge_id": charge.id,
                "position": position,
                "name": name,
                "dimension_id": charge.dimension,
                "included_quantity": charge.included,
                "price_id": price_id,
            },
        )
        yield from _price_rows(price_id, charge.price)


def _price_rows(price_id: str, price: Price) -> Iterator[TableRow]:
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


def _customer_row(customer: Customer, taxes: dict[str, Tax]) -> Row:
    # A tax that is not charged is kept by name: the invoice says why its rate is 0.
    tax = taxes[customer.tax] if customer.tax else None
    is_taxed = tax is not None and customer.tax_exempt == "none"
    return {
        "customer_id": customer.id,
        "name": customer.name or customer.id,
        "stripe_customer": customer.stripe_customer,
        "email": customer.email,
        "country": customer.country,
        "tax_id": customer.tax_id,
        "tax_exempt": customer.tax_exempt,
        "currency": customer.currency,
        "timezone": customer.timezone,
        "tax_rate_id": tax.id if tax else None,
        "tax_name": (tax.name or tax.id) if tax else None,
        "tax_percent": tax.percent if tax and is_taxed else Decimal(0),
    }


def _contract_rows(customer: Customer, contract: Contract, plan: Plan) -> Iterator[TableRow]:
    yield (
        tables.contracts,
        {
            "contract_id": contract.id,
            "customer_id": customer.id,
            "plan_id": plan.id,
            "start_date": contract.start,
            "end_date": contract.end,
            "anchor_day": contract.period_anchor,
            "billing_start_date": contract.billing_start,
            "minimum_amount": contract.minimum.amount if contract.minimum else None,
        },
    )
    yield from _override_rows(contract)
    yield from _discount_rows(contract, plan)
    for credit in contract.credits:
        yield (
            tables.credit_grants,
            {
                "contract_id": contract.id,
                "credit_id": credit.id,
                "amount": credit.amount,
                "valid_from": credit.valid_from or contract.start,
                "expires_on": credit.expires,
                "priority": credit.priority,
                "is_paid": credit.paid,
            },
        )


def _override_rows(contract: Contract) -> Iterator[TableRow]:
    for override in contract.overrides:
        valid_from = override.valid_from or contract.start
        price_id = f"contract/{contract.id}/{override.charge}/{valid_from.isoformat()}"
        yield (
            tables.contract_overrides,
            {
                "contract_id": contract.id,
                "charge_id": override.charge,
                "valid_from": valid_from,
                "valid_to": override.valid_to,
                "price_id": price_id,
            },
        )
        yield from _price_rows(price_id, override.price)


def _discount_rows(contract: Contract, plan: Plan) -> Iterator[TableRow]:
    for number, discount in enumerate(contract.discounts, start=1):
        charges = discount.charges
        if charges is None:
            charges = tuple(charge.id for charge in plan.charges)
        for charge_id in dict.fromkeys(charges):
            yield (
                tables.contract_discounts,
                {
                    "contract_id": contract.id,
                    "discount_number": number,
                    "charge_id": charge_id,
                    "percent": discount.percent,
                    "valid_from": discount.valid_from or contract.start,
                    "valid_to": discount.valid_to,
                },
            )


def _cost_rule_rows(position: int, rule: CostRule) -> Iterator[TableRow]:
    tag_key, tag_value = next(iter((rule.match.tag or {}).items()), (None, None))
    yield (
        tables.cost_rules,
        {
            "rule_id": rule.id,
            "position": position,
            "source": rule.match.source,
            "service_name": rule.match.service,
            "charge_category": rule.match.category,
            "tag_key": tag_key,
            "tag_value": tag_value,
            "method": rule.method,
            "tenant_tag": rule.tenant_tag,
            "dimension_id": rule.dimension,
            "cost_kind": rule.cost,
        },
    )
    for tenant, weight in sorted((rule.weights or {}).items()):
        yield (
            tables.cost_rule_weights,
            {"rule_id": rule.id, "tenant_id": tenant, "weight": weight},
        )
