"""What the tables of every schema share: naming of constraints, and column shorthands."""

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    MetaData,
    Numeric,
    Text,
    and_,
)

NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

QUANTITY = Numeric(38, 9)
EXACT_AMOUNT = Numeric(38, 12)
# Payable amounts: the minor unit has at most three digits; the currency says how many count.
AMOUNT = Numeric(20, 3)


def schema(name: str) -> MetaData:
    """Return the metadata of one schema, with our constraint names."""
    return MetaData(schema=name, naming_convention=NAMING)


def instant(name: str, *, nullable: bool = False) -> Column:
    """Return a ``timestamptz`` column."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def words(name: str, *, nullable: bool = False, key: bool = False) -> Column:
    """Return a ``text`` column."""
    return Column(name, Text, nullable=nullable, primary_key=key)


def same(one: FromClause, other: FromClause, *names: str) -> ColumnElement[bool]:
    """Return the condition that two tables say the same in the columns of these names."""
    return and_(*(one.c[name] == other.c[name] for name in names))
