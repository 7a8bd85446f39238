"""Relatives: the customers whose invoices decide what is still billed to one of them."""

from sqlalchemy import Connection, text

from models.catalog import Catalog

OWNED = {"tenants": "tenant_id", "contracts": "contract_id"}


def relatives(connection: Connection, catalog: Catalog, customer_id: str) -> list[str]:
    """Return a customer and those it shares a tenant or a contract with, in any version.

    What is invoiced stays invoiced: a tenant or contract that came from another customer is billed
    from where that one's invoices end.
    """
    now = {table: owners_now(catalog, table) for table in OWNED}
    found = {customer_id}
    while True:
        wider = set(found)
        for table, key in OWNED.items():
            owned = owned_ever(connection, table, key, found) | {
                name for name, owner in now[table].items() if owner in found
            }
            wider |= owners_ever(connection, table, key, owned)
            wider |= {owner for name, owner in now[table].items() if name in owned}
        if wider == found:
            return sorted(found)
        found = wider


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
