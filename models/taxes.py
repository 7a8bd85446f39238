"""Taxes: their rates, and for how long and on what they are charged."""

from models.entries import Entry
from models.fields import Identifier, Percent, Words


class Tax(Entry):
    """One rate of one tax."""

    id: Identifier
    name: Words | None = None
    percent: Percent
