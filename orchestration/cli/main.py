"""The command line: ``meterhouse``. Heavy packages are imported by the commands that need them."""

import atexit
import gc
import os
import sys
import tempfile
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from orchestration.cli import (
    billing,
    demo,
    explaining,
    journal,
    landing,
    pipeline,
    quarantine,
    rehearsals,
    setup,
    ui,
    warehouse,
)
from orchestration.cli.session import WORKSPACE_VARIABLE, Session
from orchestration.failures import DefectInRun, speaks_to_user

# Typer has a click of its own, or the installed one, from version to version.
CLICK_ERROR: type[Any] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
DONE, USER_MUST_ACT, USAGE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 130
# What a command imports lives until its end: with Python's own threshold, of 700, a quarter of a
# short command is spent looking for garbage in it.
OBJECTS_BETWEEN_COLLECTIONS = 100_000

app = typer.Typer(
    name="meterhouse",
    help="Usage-based billing that lives in your own warehouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(is_asked: bool) -> None:
    """Print the version and end, where that is what was asked for."""
    if is_asked:
        from importlib.metadata import version

        sys.stdout.write(f"meterhouse {version('meterhouse')}\n")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    workspace: Annotated[
        Path,
        typer.Option(
            "-w",
            "--workspace",
            envvar=WORKSPACE_VARIABLE,
            help="The workspace: the folder with meterhouse.yml.",
        ),
    ] = Path("workspace"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print results as JSON, for programs.")
    ] = False,
    is_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Usage-based billing that lives in your own warehouse."""
    del is_version
    context.obj = Session(workspace, is_json=as_json)


app.command()(demo.demo)
app.command()(setup.init)
app.command()(setup.check)
app.command()(pipeline.run)
app.command()(pipeline.close)
app.command()(billing.invoices)
app.command()(explaining.explain)
app.command()(billing.approve)
app.command()(billing.post)
app.command()(billing.void)
app.command()(billing.recompute)
app.command()(rehearsals.preview)
app.command()(rehearsals.backtest)
app.command()(pipeline.sync)
app.command()(pipeline.verify)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(journal.app, name="journal")
app.add_typer(landing.app, name="landing")
app.add_typer(warehouse.app, name="warehouse")
app.command()(ui.ui)
app.command()(ui.docs)


def main() -> NoReturn:
    """Run a command and end the process with its exit code."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    status = run_command()
    sys.stdout.flush()
    sys.stderr.flush()
    # Python would take all modules and objects apart, for more than a second, before it ends.
    atexit._run_exitfuncs()
    os._exit(status)


def run_command() -> int:
    """Run what the arguments ask for and return its exit code; a traceback is never printed."""
    if not sys.warnoptions:
        # What packages have to say to us is not for users.
        warnings.simplefilter("ignore")
    try:
        code = app(standalone_mode=False)
        status = code if isinstance(code, int) else DONE
    except typer.Exit as finished:
        status = finished.exit_code
    except CLICK_ERROR as error:
        error.show()
        status = USAGE
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough, as `head` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = DONE
    except Exception as error:  # noqa: BLE001 - the last line of defence.
        status = report(error)
    if status == INTERRUPTED:
        say("Interrupted.")
    return status


def report(error: Exception) -> int:
    """Tell the user of an error and return the exit code."""
    if speaks_to_user(error):
        say(f"Error: {error}")
        return USER_MUST_ACT
    if isinstance(error, DefectInRun):
        say(f"This is a defect of Meterhouse: {error}")
        return DEFECT
    folder = Path(tempfile.mkdtemp(prefix="meterhouse-"))
    file = folder / f"defect-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    file.write_text("".join(traceback.format_exception(error)))
    say(
        f"This is a defect of Meterhouse: {type(error).__name__}: {first_line(error)}\n"
        f"Please report it with the details in {file}"
    )
    return DEFECT


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return next(iter(str(error).splitlines()), "")


def say(message: str) -> None:
    """Print a message for a person."""
    sys.stderr.write(f"{message}\n")
