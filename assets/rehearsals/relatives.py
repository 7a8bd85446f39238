"""Relatives: the customers whose invoices decide what is still billed to one of them."""

from sqlalchemy import Connection, text

from models.catalog import Catalog

OWNED = {"tenants": "tenant_id", "contracts": "contract_id"}


def relatives(connection: Connection, catalog: Catalog, customer_id: str) -> list[str]:
    """Return a customer and those it shares a tenant, a contract or a parent with, in any version.

    What is invoiced stays invoiced: a tenant or contract that came from another customer is billed
    from where that one's invoices end. A parent may pay, and its contracts rate, for all its
    children.
    """
    now = {table: owners_now(catalog, table) for table in OWNED}
    found = {customer_id}
    while True:
        wider = found | family(connection, catalog, found)
        for table, key in OWNED.items():
            owned = owned_ever(connection, table, key, found) | {
                name for name, owner in now[table].items() if owner in found
            }
            wider |= owners_ever(connection, table, key, owned)
            wider |= {owner for name, owner in now[table].items() if name in owned}
        if wider == found:
            return sorted(found)
        found = wider


def family(connection: Connection, catalog: Catalog, customers: set[str]) -> set[str]:
    """Return the parents and children of customers, today and in any published version."""
    query = """
        select distinct unnest(array[customer_id, parent_id])
        from catalog.customers
        where parent_id is not null and array[customer_id, parent_id] && :customers
    """
    ever: set[str] = set(
        connection.execute(text(query), {"customers": sorted(customers)}).scalars()
    )
    today = {
        name
        for customer in catalog.customers
        if customer.parent is not None and customers & {customer.id, customer.parent}
        for name in (customer.id, customer.parent)
    }
    return ever | today


def kinship(connection: Connection, catalog: Catalog) -> set[frozenset[str]]:
    """Return every parent and child that there is, or was in any published version."""
    query = """
        select distinct customer_id, parent_id
        from catalog.customers
        where parent_id is not null
    """
    ever = {
        frozenset((str(child), str(parent))) for child, parent in connection.execute(text(query))
    }
    now = {
        frozenset((customer.id, customer.parent))
        for customer in catalog.customers
        if customer.parent is not None
    }
    return ever | now


def owners_now(catalog: Catalog, table: str) -> dict[str, str]:
    """Return who owns each tenant, or contract, in the catalog at hand, published or not."""
    return {
        name: customer.id
        for customer in catalog.customers
        for name in (
            customer.owned_tenants
            if table == "tenants"
            else (contract.id for contract in customer.contracts)
        )
    }


def owned_ever(connection: Connection, table: str, key: str, customers: set[str]) -> set[str]:
    """Return what customers have owned in any published version."""
    query = f"select distinct {key} from catalog.{table} where customer_id = any(:customers)"  # noqa: S608
    return set(connection.execute(text(query), {"customers": sorted(customers)}).scalars())


def owners_ever(connection: Connection, table: str, key: str, owned: set[str]) -> set[str]:
    """Return who has owned any of these in any published version."""
    query = f"select distinct customer_id from catalog.{table} where {key} = any(:owned)"  # noqa: S608
    return set(connection.execute(text(query), {"owned": sorted(owned)}).scalars())
