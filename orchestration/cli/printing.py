"""Printing: tables for people on stdout, JSON for programs, progress on stderr."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Cell = object


class Printer:
    """Where a command's words go."""

    def __init__(self, *, is_json: bool = False) -> None:
        self.is_json = is_json
        # A descriptor of our own: a run's steps have their output captured meanwhile.
        self._error_stream = os.fdopen(os.dup(2), "w", buffering=1)
        self._error_console: Console | None = None

    @property
    def is_interactive(self) -> bool:
        """Whether somebody watches stderr."""
        return self._error_stream.isatty()

    @property
    def errors(self) -> "Console":
        """The console for progress and remarks."""
        if self._error_console is None:
            from rich.console import Console

            self._error_console = Console(file=self._error_stream, highlight=False)
        return self._error_console

    def remark(self, message: str) -> None:
        """Print a line about what is going on."""
        self._error_stream.write(f"{message}\n")

    def line(self, message: str = "") -> None:
        """Print a line of a result, for people only."""
        if not self.is_json:
            sys.stdout.write(f"{message}\n")

    def heading(self, message: str) -> None:
        """Print the heading of a part of a result, for people only."""
        if self.is_json:
            return
        from rich.console import Console

        Console(highlight=False).print(f"\n[bold]{message}[/bold]")

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str | None = None
    ) -> None:
        """Print rows as a table, for people only."""
        if self.is_json:
            return
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
        for position, column in enumerate(columns):
            is_number = bool(rows) and all(
                isinstance(row[position], int | Decimal | Money) or row[position] is None
                for row in rows
            )
            table.add_column(column, justify="right" if is_number else "left", overflow="fold")
        for row in rows:
            # As plain text: what customers and files are called is not markup.
            table.add_row(*(Text(shown(cell)) for cell in row))
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=200)
        console.print(table)

    def json(self, result: object) -> None:
        """Print a result as JSON, for programs only."""
        if self.is_json:
            sys.stdout.write(json.dumps(result, default=plain, ensure_ascii=False, indent=2) + "\n")

    @contextmanager
    def waiting(self, message: str) -> Iterator[None]:
        """Show that something takes a moment, to whoever watches."""
        if not self.is_interactive:
            yield
            return
        with self.errors.status(message):
            yield


def shown(cell: Cell) -> str:
    """Return a value as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, Decimal):
        return shown_amount(cell)
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M}"
    return str(cell)


def shown_amount(amount: Decimal) -> str:
    """Return an exact number without the zeros of its column's scale."""
    exact = f"{amount:,f}"
    return exact.rstrip("0").rstrip(".") if "." in exact else exact


def money(amount: Decimal | None, currency: str) -> "Money | None":
    """Return an amount to be shown in its currency's minor unit."""
    return None if amount is None else Money(amount, currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its currency; shown rounded, which what is payable never needs."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        from models.money import minor_units

        return f"{self.amount:,.{minor_units(self.currency)}f}"


def plain(value: object) -> object:
    """Return a value as JSON has it; amounts stay exact, as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Money):
        return f"{value.amount:f}"
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
