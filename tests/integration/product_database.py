"""A product's own database, here a schema of the warehouse's own server, and its source."""

from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import select, text

from models.settings import PostgresSource
from models.tables import raw

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)


@contextmanager
def product_database(warehouse):
    """Yield a warehouse that holds the product's tables, too."""
    with warehouse.begin() as connection:
        connection.execute(text("drop schema if exists app cascade"))
        connection.execute(text("create schema app"))
        connection.execute(
            text(
                "create table app.usage_events (id text, at timestamptz, tenant text, dim text,"
                " amount numeric, info jsonb, updated_at timestamptz)"
            )
        )
    yield warehouse
    with warehouse.begin() as connection:
        connection.execute(text("drop schema app cascade"))


def add(app, *rows):
    with app.begin() as connection:
        insert(connection, *rows)


def insert(connection, *rows):
    for record_id, updated_at, amount in rows:
        connection.execute(
            text(
                "insert into app.usage_events values (:id, '2026-03-01 12:00+02', 'acme', 'calls',"
                " cast(:amount as numeric), '{\"n\": 1.10}', cast(:updated_at as timestamptz))"
            ),
            {"id": record_id, "amount": amount, "updated_at": updated_at},
        )


def source(app, **settings):
    fields = {
        "timestamp": "at",
        "tenant_id": "tenant",
        "dimension_id": "dim",
        "value": "amount",
        "metadata": "info",
    }
    settings = {
        "table": "app.usage_events",
        "cursor": "updated_at",
        "key": "id",
        "fields": fields,
        "overlap": "10m",
        **settings,
    }
    url = app.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return PostgresSource(name="app_db", type="postgres", url=url, **settings)


def records(app):
    table = raw.usage_records.c
    with app.begin() as connection:
        return list(connection.execute(select(table.record_id).order_by(table.record_id)).scalars())


@contextmanager
def other_session(app):
    connection = app.engine.connect()
    try:
        yield connection
    finally:
        connection.close()
