"""The process that dbt runs in, beside ours, and what goes between the two.

Starting dbt takes seconds: the process begins while there is other work to do, and is kept for the
next run. Python runs one thread at a time, so a process of its own also leaves dbt a processor.
"""

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

WORKER = "connectors.dbt_worker"
# Where this code stands: its own worker must run beside it, whatever else is installed.
ROOT = Path(__file__).resolve().parents[1]
SUCCESSFUL = frozenset({"success", "pass", "warn"})
SECONDS_TO_END = 10


class DbtError(RuntimeError):
    """dbt could not parse or run the project."""


class DbtDefect(RuntimeError):  # noqa: N818 - it is about our code, not about a command
    """Something went wrong in dbt's process that nobody has foreseen."""


class WithinDbt(Exception):  # noqa: N818 - where an error comes from, never raised by itself
    """The traceback, in words, of an error that was raised in dbt's process."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one model or test."""

    unique_id: str
    status: str
    message: str
    rows_affected: int | None
    failure_count: int
    seconds: float

    @property
    def name(self) -> str:
        """The node's own name."""
        return self.unique_id.split(".")[2]

    @property
    def is_successful(self) -> bool:
        """Whether nothing stands in the way of what comes after."""
        return self.status in SUCCESSFUL


@dataclass(frozen=True, slots=True)
class DbtCommand:
    """What dbt is to do, where it writes, and the environment that its profile reads."""

    arguments: tuple[str, ...]
    target_directory: Path
    target: str
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a command has raised, and where."""

    error: Exception
    traceback: str


class DbtProcess:
    """A process that runs commands of dbt, one after the other, and ends with this one."""

    def __init__(self) -> None:
        self._in_use = threading.Lock()
        self._pipe, theirs = Pipe()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with theirs:
            self._process = subprocess.Popen(
                # Its warnings are not for users.
                [sys.executable, "-P", "-W", "ignore", "-m", WORKER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                # Ours is for results.
                stdout=subprocess.DEVNULL,
                # An interrupt is for us to act on: this process ends when its pipe does.
                start_new_session=True,
            )
        # Whoever asked for a process also waits for its end: nobody else may do so.
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """The number that the system knows it by."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it can be given a command."""
        return self._process.poll() is None

    def run(self, command: DbtCommand) -> Iterator[NodeResult]:
        """Yield the result of each node as it finishes; raises what dbt could not do.

        A caller that stops listening ends the process, and with it what the command still does.
        Raises ``RuntimeError`` where the results of another command are not all read yet.
        """
        if not self._in_use.acquire(blocking=False):
            raise RuntimeError("dbt's process is still busy with another run of this process")
        is_done = False
        try:
            self._pipe.send(command)
            while (answer := self._pipe.recv()) is not None:
                if isinstance(answer, Failure):
                    is_done = True
                    raise answer.error from WithinDbt(answer.traceback)
                yield answer
            is_done = True
        except (EOFError, OSError):
            raise DbtError(f"dbt's process has ended: {self.close()}") from None
        finally:
            self._in_use.release()
            if not is_done:
                self.close()

    def close(self) -> str:
        """End the process, whatever it does, and return how it ended."""
        atexit.unregister(self.close)
        self._pipe.close()
        try:
            status = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        return f"exit code {status}" if status >= 0 else f"signal {-status}"

    def __enter__(self) -> "DbtProcess":
        """Return the process, to be ended with the block."""
        return self

    def __exit__(self, *_: Any) -> None:
        """End the process."""
        self.close()
