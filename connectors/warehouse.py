"""The warehouse: the Postgres database that holds everything from landing to marts."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DBAPIError

from connectors import copying, database
from connectors.database import WarehouseBusy, WarehouseUnavailable, connected, open_engine, place

__all__ = ["Warehouse", "WarehouseBusy", "WarehouseUnavailable"]


class Warehouse(dg.ConfigurableResource):
    """The warehouse, as assets and commands use it."""

    url: str = Field(
        repr=False, description="Address: postgresql+psycopg2://user:password@host:5432/database"
    )

    _engine: Engine | None = PrivateAttr(default=None)

    @property
    def engine(self) -> Engine:
        """The pool of connections, made on first use."""
        if self._engine is None:
            self._engine = open_engine(self.url)
        return self._engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection in a transaction: committed at the end, rolled back on any error."""
        try:
            with connected(self.engine) as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise WarehouseUnavailable(
                f"the connection to the warehouse at {place(self.engine.url)} was lost; nothing "
                "of this transaction was written. Run the command again"
            ) from error

    def copy_rows(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
    ) -> int:
        """Append rows within the connection's transaction and return how many: see ``copying``."""
        return copying.copy_rows(connection, table, columns, rows)

    @contextmanager
    def locked(self, name: str, wait_seconds: float = 30) -> Iterator[None]:
        """Hold the lock of this name; ``WarehouseBusy`` if another process keeps it."""
        with database.locked(self.engine, name, wait_seconds):
            yield

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the pool when a run has ended: every run has a resource of its own."""
        del context
        self.close()

    def close(self) -> None:
        """Close the pool's connections; it opens again on the next use."""
        if self._engine is not None:
            self._engine.dispose()
