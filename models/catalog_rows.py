"""A catalog as rows of the tables of the schema ``catalog``, with its defaults filled in."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from sqlalchemy import Table

from models.catalog import Catalog
from models.charge_rows import charge_rows
from models.contract_rows import contract_rows
from models.contracts import Customer
from models.customer_tree import CustomerTree
from models.dimensions import CostRule, Dimension
from models.manual_invoice_rows import manual_invoice_rows
from models.money import minor_units
from models.price_models import metadata_keys
from models.price_rows import Row, TableRow
from models.prices import Plan
from models.tables import catalog as tables
from models.tax_rows import customer_tax_rows, tax_rows


def catalog_rows(catalog: Catalog) -> list[tuple[Table, list[Row]]]:
    """Return the rows of a version, table by table; what tells of versions is the caller's."""
    rows: dict[str, tuple[Table, list[Row]]] = {
        table.name: (table, [])
        for table in tables.metadata.sorted_tables
        if table not in (tables.versions, tables.acceptances)
    }
    version = catalog.version
    for table, row in _all_rows(catalog):
        rows[table.name][1].append({"catalog_version": version, **row})
    return list(rows.values())


def _all_rows(catalog: Catalog) -> Iterator[TableRow]:
    plans = {plan.id: plan for plan in catalog.plans}
    names = {dimension.id: dimension.name or dimension.id for dimension in catalog.dimensions}
    for dimension in catalog.dimensions:
        yield tables.dimensions, _dimension_row(dimension)
    for plan in catalog.plans:
        yield from _plan_rows(plan, names)
    yield from _key_rows(catalog)
    tree = CustomerTree(catalog.customers)
    for customer in catalog.customers:
        yield tables.customers, _customer_row(customer, tree)
        yield from customer_tax_rows(customer, catalog.taxes)
        yield from manual_invoice_rows(customer)
        for tenant in customer.owned_tenants:
            yield (
                tables.tenants,
                {
                    "tenant_id": tenant,
                    "customer_id": customer.id,
                    "contract_customer_id": tree.contract_holder(customer).id,
                },
            )
        for contract in customer.contracts:
            yield from contract_rows(customer, contract, plans[contract.plan])
    yield from tax_rows(catalog.taxes)
    yield from _currency_rate_rows(catalog)
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
        "has_deltas": dimension.deltas,
        "percentile": dimension.percentile,
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
        name = charge.name or dimension_names.get(charge.dimension or "") or charge.id
        yield from charge_rows(plan, charge, position, name)


def _key_rows(catalog: Catalog) -> Iterator[TableRow]:
    """Yield the metadata keys of dimensions that charges, or prices of contracts, tell apart."""
    named = {(dimension, key) for dimension, keys in _keys_of_charges(catalog) for key in keys}
    for dimension_id, key in sorted(named):
        yield tables.dimension_keys, {"dimension_id": dimension_id, "metadata_key": key}


def _keys_of_charges(catalog: Catalog) -> Iterator[tuple[str, set[str]]]:
    plans = {plan.id: plan for plan in catalog.plans}
    for charge in (charge for plan in catalog.plans for charge in plan.charges):
        keys = {*(charge.where or {}), *(charge.group_by or ()), *metadata_keys(charge.price)}
        for dimension in charge.dimensions:
            yield dimension, keys
    for customer in catalog.customers:
        for contract in customer.contracts:
            for override in contract.overrides:
                overridden = plans[contract.plan].charge(override.charge)
                if overridden is not None and overridden.dimension is not None:
                    yield overridden.dimension, metadata_keys(override.price)


def _customer_row(customer: Customer, tree: CustomerTree) -> Row:
    return {
        "customer_id": customer.id,
        "parent_id": customer.parent,
        "billed_customer_id": tree.payer(customer).id,
        "has_consolidated_invoices": customer.consolidated_invoices,
        "name": customer.name or customer.id,
        "stripe_customer": customer.stripe_customer,
        "email": customer.email,
        "country": customer.country,
        "tax_id": customer.tax_id,
        "tax_exempt": customer.tax_exempt,
        "currency": customer.currency,
        "minor_units": minor_units(customer.currency or "USD"),
        "timezone": customer.timezone,
        "is_taxed_by_stripe": bool(customer.stripe_tax),
    }


def _currency_rate_rows(catalog: Catalog) -> Iterator[TableRow]:
    """Yield a row per rate, and one of the company's own currency, which is worth itself."""
    own = {"currency": catalog.reporting_currency, "valid_from": date.min, "rate": Decimal(1)}
    rates = [
        {"currency": rate.currency, "valid_from": rate.valid_from, "rate": rate.rate}
        for rate in catalog.currency_rates
    ]
    for row in (own, *rates):
        yield tables.currency_rates, {**row, "reporting_currency": catalog.reporting_currency}


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
