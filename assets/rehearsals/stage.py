"""The stage of a rehearsal: schemas of a dbt target of its own, and nothing of the warehouse's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, select, text
from sqlalchemy.schema import CreateTable

from connectors.dbt import run_project
from connectors.schema import VIEWS
from models.catalog import Catalog
from models.catalog_rows import catalog_rows
from models.tables import billing, ops
from models.tables import catalog as catalog_tables

# All that a target may build or be given; the usage journal is shared unless a target has its own.
LAYERS = (
    "ops",
    "catalog",
    "billing",
    "staging",
    "journal",
    "rating",
    "cost",
    "reconciliation",
    "marts",
)
# What no rehearsal builds: the journal is read, and what has landed is not even that.
NEVER_BUILT = ("--exclude", "path:models/journal", "path:models/staging/raw")
# What decides how usage is grouped, by all versions.
GROUPING = (catalog_tables.versions, catalog_tables.dimensions, catalog_tables.dimension_keys)
FAILURES_SHOWN = 5


class RehearsalRefused(ValueError):  # noqa: N818 - what was asked for cannot be rehearsed.
    """Something is asked for that cannot be rated; the message says why."""


class RehearsalFailed(RuntimeError):  # noqa: N818
    """Models that rate in the warehouse did not in the rehearsal: a defect of ours."""


def staged(table: Table, target: str) -> Table:
    """Return a table of the warehouse as it stands on a target's stage."""
    return table.to_metadata(MetaData(), schema=f"{target}_{table.schema}")


def clear_stage(connection: Connection, target: str) -> None:
    """Drop what an earlier rehearsal left, and make the tables that this one is given, empty."""
    for layer in LAYERS:
        connection.execute(text(f"drop schema if exists {target}_{layer} cascade"))
    for layer in ("ops", "catalog", "billing"):
        connection.execute(text(f"create schema {target}_{layer}"))
    for table in catalog_tables.metadata.sorted_tables:
        connection.execute(CreateTable(staged(table, target)))
    for name in billing_relations():
        connection.execute(text(f"create table {target}_billing.{name} (like billing.{name})"))


def billing_relations() -> Iterator[str]:
    """Yield the names of what models read of finalised invoices: tables, and views of them."""
    yield from (table.name for table in billing.metadata.sorted_tables)
    yield from VIEWS


def set_parameters(connection: Connection, target: str, values: Mapping[str, Any]) -> None:
    """Tell the models of a target what to rate: they read one row, as the pipeline's do."""
    parameters = staged(ops.parameters, target)
    connection.execute(text(f"create schema if not exists {parameters.schema}"))
    connection.execute(text(f"drop table if exists {parameters.fullname} cascade"))
    connection.execute(CreateTable(parameters))
    connection.execute(
        insert(parameters), {"is_current": True, "rollup_definition": "none", **values}
    )


def last_finished_build(connection: Connection) -> int:
    """Return the last build whose journal entries are all there."""
    builds = ops.builds.c
    finished = select(func.max(builds.build_number)).where(builds.finished_at.is_not(None))
    number: int | None = connection.execute(finished).scalar()
    if number is None:
        raise RehearsalRefused("nothing has been rated yet: run `meterhouse run` first")
    return number


def copy_versions(
    connection: Connection,
    target: str,
    versions: Iterable[str],
    customers: Sequence[str] | None = None,
) -> None:
    """Copy what published versions of the catalog say, of some customers or of all.

    Of other published versions come the keys by which they group usage: the groups on the stage are
    the pipeline's own, and of archived months there are no others.
    """
    values = {
        "versions": list(versions),
        "is_all": customers is None,
        "customers": list(customers or ()),
    }
    for table in catalog_tables.metadata.sorted_tables:
        query = f"""
            insert into {target}_catalog.{table.name}
            select rows.*
            from {table.fullname} as rows
            where
                {"true" if table in GROUPING else "rows.catalog_version = any(:versions)"}
                and (:is_all or {of_customers(table)})
        """  # noqa: S608
        connection.execute(text(query), values)


def of_customers(table: Table) -> str:
    """Return the condition that a row of the catalog is of certain customers, or of nobody."""
    if "customer_id" in table.columns:
        return "rows.customer_id = any(:customers)"
    if "contract_id" in table.columns:
        return """
            (rows.catalog_version, rows.contract_id) in (
                select contracts.catalog_version, contracts.contract_id
                from catalog.contracts
                where contracts.customer_id = any(:customers)
            )
        """
    return "true"


def add_catalog(
    connection: Connection,
    target: str,
    catalog: Catalog,
    accepted_at: datetime,
    customers: Iterable[str] | None = None,
) -> None:
    """Put a version that was never published on the stage, of some customers or of all."""
    versions = staged(catalog_tables.versions, target)
    last = connection.execute(select(func.max(versions.c.version_number))).scalar()
    connection.execute(
        insert(versions),
        {
            "version_number": (last or 0) + 1,
            "catalog_version": catalog.version,
            "accepted_at": accepted_at,
            "content": {},
        },
    )
    chosen = None if customers is None else Chosen(catalog, frozenset(customers))
    for table, rows in catalog_rows(catalog):
        kept = [row for row in rows if chosen is None or chosen.has(row)]
        if kept:
            connection.execute(insert(staged(table, target)), kept)


class Chosen:
    """Tells the rows of some customers, and those of nobody, from those of the others."""

    def __init__(self, catalog: Catalog, customers: frozenset[str]) -> None:
        owners = [customer for customer in catalog.customers if customer.id in customers]
        self._ids = {
            "customer_id": customers,
            "tenant_id": {tenant for customer in owners for tenant in customer.owned_tenants},
            "contract_id": {contract.id for customer in owners for contract in customer.contracts},
        }

    def has(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is of these customers, or of nobody in particular."""
        for column, ids in self._ids.items():
            if column in row:
                return row[column] in ids
        return True


def rate(folder: Path, target: str, selection: Sequence[str], *exclude: str) -> None:
    """Run models on a stage; raises ``RehearsalFailed`` with what those say that failed."""
    arguments = ["run", "--select", *selection, *NEVER_BUILT, *exclude]
    failed = [
        f"{result.name}: {result.message.strip()}"
        for result in run_project(arguments, folder, target)
        if not result.is_successful and result.status != "skipped"
    ]
    if failed:
        raise RehearsalFailed("\n".join(failed[:FAILURES_SHOWN]))
