"""Commands that open something to look at: the Dagster UI, and the documentation of the tables."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.session import Session, session_of
from orchestration.failures import ActionNeeded

CODE_LOCATION = Path(__file__).resolve().parents[2] / "workspace.yaml"
SECONDS_TO_START = 120
SECONDS_TO_STOP = 15


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the Dagster UI and run its daemon, until interrupted."""
    session = session_of(context)
    _ = session.catalog, session.warehouse
    if is_taken(host, port):
        raise ActionNeeded(f"port {port} on {host} is taken: name another with --port")
    with session.printer.waiting("Parsing the dbt project"):
        from connectors.dbt import prepare_manifest

        prepare_manifest()
    with started(session, host, port) as processes:
        session.printer.remark(f"The UI is at http://{host}:{port} - Ctrl-C ends it.")
        wait_for(processes)


def docs(
    context: typer.Context,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write the documentation of every table and column as one page, and say where it is."""
    from connectors.dbt import generate_docs

    session = session_of(context)
    _ = session.warehouse
    with session.printer.waiting("Reading the warehouse's catalog"):
        page = generate_docs(session.workspace.state_directory / "docs")
    session.printer.json({"page": str(page)})
    session.printer.line(str(page))
    if is_opened:
        import webbrowser

        webbrowser.open(page.as_uri())


@contextlib.contextmanager
def started(session: Session, host: str, port: int) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start webserver and daemon as children, and end them at the end, however it comes."""
    programs = Path(sys.executable).parent
    logs = session.workspace.state_directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    location = ["-w", str(CODE_LOCATION)]
    commands = {
        "dagster-webserver": [*location, "--host", host, "--port", str(port)],
        "dagster-daemon": ["run", *location],
    }
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in commands.items():
            with (logs / f"{name}.log").open("ab") as log:
                processes[name] = subprocess.Popen(
                    [str(programs / name), *arguments],
                    # A folder of our own: modules of the current one must not shadow packages.
                    cwd=session.workspace.state_directory,
                    stdout=log,
                    stderr=log,
                )
        with session.printer.waiting("Starting Dagster"):
            wait_until_serving(processes, host, port, logs)
        yield processes
    finally:
        end(processes)


def wait_until_serving(
    processes: dict[str, subprocess.Popen[bytes]], host: str, port: int, logs: Path
) -> None:
    """Wait until the UI answers."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not is_taken(host, port):
        for name, process in processes.items():
            if process.poll() is not None:
                raise ActionNeeded(f"{name} ended at once; see {logs / f'{name}.log'}")
        if time.monotonic() > deadline:
            raise ActionNeeded(f"the UI did not start within {SECONDS_TO_START} s; see {logs}")
        time.sleep(0.2)


def wait_for(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait until a child ends by itself, or we are interrupted or told to end."""
    told_to_end = threading.Event()
    # Set anew, as a shell lets its background jobs ignore interrupts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    while all(process.poll() is None for process in processes.values()):
        if told_to_end.wait(0.5):
            return


def end(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """End children gently, then not."""
    for process in processes.values():
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + SECONDS_TO_STOP
    for process in processes.values():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


def is_taken(host: str, port: int) -> bool:
    """Return whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        reachable = "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104
        try:
            return probe.connect_ex((reachable, port)) == 0
        except OSError as error:
            raise ActionNeeded(f"host {host} is not known here: {error.strerror}") from None
