"""The connections of dbt's threads, kept from one node to the next.

dbt closes its connection after each model and test: 300 log-ins in a build, each a process of the
server's own, which cost more than most of the nodes. Importing this module imports dbt.
"""

from dbt.adapters.contracts.connection import Connection, ConnectionState
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.adapters.postgres.impl import PostgresAdapter
from psycopg2 import Error

# A statement is ended with the process that asked for it, and whoever comes next need not wait.
# After connecting: some servers and proxies know no such setting, and refuse who connects with it.
CHECK_CLIENT = "set client_connection_check_interval = '2s'"


class KeptConnections(PostgresConnectionManager):
    """Connections that are given back in no transaction, and closed when dbt has ended."""

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """Return a connection, open."""
        opened: Connection = super().open(connection)  # type: ignore[no-untyped-call]
        try:
            with opened.handle.cursor() as cursor:
                cursor.execute(CHECK_CLIENT)
            opened.handle.commit()
        except Error:
            opened.handle.rollback()
        return opened

    def release(self) -> None:
        """Give this thread's connection back; what it has not committed is rolled back."""
        connection = self.get_if_exists()
        if connection is None or connection.state != ConnectionState.OPEN:
            return
        try:
            connection.handle.rollback()
            connection.transaction_open = False
        except Error:
            # It is lost: the next node opens another one.
            super().release()


def keep_connections() -> None:
    """Have dbt keep its connections in this process."""
    PostgresAdapter.ConnectionManager = KeptConnections
