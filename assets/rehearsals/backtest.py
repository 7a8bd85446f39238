"""Back-tests: all history rated under today's catalog and under another one, and compared."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from assets.catalog.publishing import is_published
from assets.rehearsals.stage import (
    add_catalog,
    clear_stage,
    copy_versions,
    last_finished_build,
    rate,
    set_parameters,
)
from assets.rehearsals.usage import copy_usage
from assets.transform.builds import EVERYTHING
from connectors.schema import READER
from connectors.warehouse import Warehouse
from models.catalog import Catalog

TARGET = "backtest"
LOCK = "backtest"
WAIT_SECONDS = 600
RATED = ("+fct_line_margins", "+fct_invoices")
COMPARED = ("path:models/backtest",)
# What is kept of the old side while the new one is rated in its place.
KEPT = ("fct_line_margins", "fct_invoices")
# The usage is the same for both: its groups are those that either catalog asks for.
USAGE = "path:models/usage"
MARTS = {
    "customers": "fct_backtest_customers",
    "plans": "fct_backtest_plans",
    "months": "fct_backtest_months",
    "bills": "fct_backtest_bills",
}

COMPARISON = """
    create table backtest_ops.comparison as
    select
        cast(:old_version as text) as old_version,
        cast(:new_version as text) as new_version,
        cast(:window_start as date) as window_start,
        cast(:window_end as date) as window_end,
        cast(:as_of as timestamptz) as as_of
"""


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open days of which lines are compared, and the instant of the rating."""

    start: date
    end: date
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a back-test came to: rows of its marts, by the mart's subject."""

    old_version: str
    new_version: str
    window: Window
    marts: dict[str, list[dict[str, Any]]]


def backtest(
    warehouse: Warehouse, old: Catalog, new: Catalog, window: Window, folder: Path
) -> Backtest:
    """Rate all history under two catalogs and compare them in a window.

    Reads what the last finished build has journaled. Writes nothing but the schemas ``backtest_*``,
    where the result stays until the next back-test.
    """
    with warehouse.locked(LOCK, WAIT_SECONDS):
        with warehouse.begin() as connection:
            watermark = last_finished_build(connection)
            prepare(connection, old, new, window)
            tell(connection, old.version, watermark, window)
        rate(folder, TARGET, RATED, *([USAGE] if copy_usage(warehouse, TARGET, watermark) else []))
        with warehouse.begin() as connection:
            keep(connection)
            tell(connection, new.version, watermark, window)
        rate(folder, TARGET, RATED, USAGE)
        rate(folder, TARGET, COMPARED)
        with warehouse.begin() as connection:
            let_read(connection)
            marts = {subject: rows_of(connection, name) for subject, name in MARTS.items()}
    return Backtest(old.version, new.version, window, marts)


def prepare(connection: Connection, old: Catalog, new: Catalog, window: Window) -> None:
    """Set the stage: both catalogs, and no finalised invoice."""
    clear_stage(connection, TARGET)
    connection.execute(text("drop schema if exists backtest_old cascade"))
    connection.execute(text("create schema backtest_old"))
    published = {
        catalog.version: is_published(connection, catalog.version) for catalog in (old, new)
    }
    copy_versions(connection, TARGET, [name for name, is_there in published.items() if is_there])
    for version, catalog in {old.version: old, new.version: new}.items():
        if not published[version]:
            add_catalog(connection, TARGET, catalog, window.as_of)
    connection.execute(
        text(COMPARISON),
        {
            "old_version": old.version,
            "new_version": new.version,
            "window_start": window.start,
            "window_end": window.end,
            "as_of": window.as_of,
        },
    )


def tell(connection: Connection, version: str, watermark: int, window: Window) -> None:
    """Set the catalog to rate with: every period is open, as if nothing had been invoiced."""
    set_parameters(
        connection,
        TARGET,
        {
            "build_number": watermark,
            "catalog_version": version,
            "as_of": window.as_of,
            "journal_watermark": watermark,
            "invoices_before": EVERYTHING,
            "late_usage": "adjust",
        },
    )


def keep(connection: Connection) -> None:
    """Put away what the old side came to."""
    for name in KEPT:
        connection.execute(text(f"alter table {TARGET}_marts.{name} set schema backtest_old"))


def let_read(connection: Connection) -> None:
    """Let the reader of the marts read the result, where there is one."""
    has_reader = "select exists (select 1 from pg_roles where rolname = :name)"
    if connection.execute(text(has_reader), {"name": READER}).scalar():
        connection.execute(text(f"grant usage on schema {TARGET}_marts to {READER}"))
        for name in MARTS.values():
            connection.execute(text(f"grant select on {TARGET}_marts.{name} to {READER}"))


def rows_of(connection: Connection, name: str) -> list[dict[str, Any]]:
    """Return the rows of a mart, in the order of its first columns."""
    query = text(f"select * from {TARGET}_marts.{name} order by 1, 2, 3")  # noqa: S608
    return [dict(row) for row in connection.execute(query).mappings()]
