"""What every command has: the workspace, the warehouse, and a way to print."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orchestration.cli.printing import Printer

if TYPE_CHECKING:
    from connectors.warehouse import Warehouse
    from models.catalog import Catalog
    from models.workspace import Workspace
    from orchestration.running import JobRunner

WORKSPACE_VARIABLE = "METERHOUSE_WORKSPACE"


class Session:
    """One command on one workspace; everything is loaded when it is first asked for."""

    def __init__(self, directory: Path, *, is_json: bool = False) -> None:
        self.directory = directory
        self.printer = Printer(is_json=is_json)

    @cached_property
    def workspace(self) -> "Workspace":
        """The workspace, with valid settings."""
        from models.workspace import load_workspace

        return load_workspace(self.directory)

    @cached_property
    def catalog(self) -> "Catalog":
        """The catalog, valid."""
        from models.catalog import catalog_of

        return catalog_of(self.workspace)

    @cached_property
    def warehouse(self) -> "Warehouse":
        """The warehouse, running and prepared."""
        import os

        from connectors.warehouse import Warehouse
        from orchestration.environment import activate

        with self.printer.waiting("Opening the warehouse"):
            activate(self.workspace)
        return Warehouse(url=os.environ["METERHOUSE_WAREHOUSE_URL"])

    def now(self) -> datetime:
        """Return the instant as of which commands speak that name none."""
        import os

        fixed = os.environ.get("METERHOUSE_AS_OF") or None
        return read_instant(fixed, "METERHOUSE_AS_OF") or datetime.now(UTC)

    @contextmanager
    def jobs(self) -> Iterator["JobRunner"]:
        """Yield what runs Dagster jobs, with their progress on stderr."""
        # The catalog first: its errors are the user's, and cheap to find.
        _ = self.catalog, self.warehouse
        with self.printer.waiting("Loading the pipeline"):
            from orchestration.cli.progress import RunProgress
            from orchestration.running import JobRunner
        yield JobRunner(self.workspace, RunProgress(self.printer))


def session_of(context: typer.Context) -> Session:
    """Return the session of a command."""
    session: Any = context.obj
    assert isinstance(session, Session)
    return session


def read_instant(given: str | None, option: str) -> datetime | None:
    """Return an instant that an option names; a day is its first instant in UTC."""
    if given is None:
        return None
    try:
        instant = datetime.fromisoformat(given)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{given} is not a time such as 2026-10-01 or 2026-10-01T12:00:00Z", param_hint=option
        ) from None


def read_month(given: str, option: str = "PERIOD") -> date:
    """Return the first day of a month."""
    try:
        return date.fromisoformat(f"{given}-01")
    except ValueError:
        raise typer.BadParameter(
            f"{given} is not a month such as 2026-10", param_hint=option
        ) from None
