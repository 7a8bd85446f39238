"""The connections of dbt's threads, kept from one node to the next.

dbt closes its connection after each model and test: 300 log-ins in a build, each a process of the
server's own, which cost more than most of the nodes. Importing this module imports dbt.
"""

from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.adapters.postgres.impl import PostgresAdapter
from psycopg2 import Error


class KeptConnections(PostgresConnectionManager):
    """Connections that are given back in no transaction, and closed when dbt has ended."""

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
