"""The process that dbt runs in, beside ours, and what goes between the two.

Starting dbt takes seconds: the process begins while there is other work to do, and is kept for the
next run. Python runs one thread at a time, so a process of its own also leaves dbt a processor.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

WORKER = "connectors.dbt_worker"
SUCCESSFUL = frozenset({"success", "pass", "warn"})
SECONDS_TO_END = 10


class DbtError(RuntimeError):
    """dbt could not parse or run the project."""


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
    environment: Mapping[str, str]


class DbtProcess:
    """A process that runs commands of dbt, one after the other, and ends with this one."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-m", WORKER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # An interrupt is for us to act on: this process ends when its pipe does.
                start_new_session=True,
            )

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
        """
        is_done = False
        try:
            self._pipe.send(command)
            while (answer := self._pipe.recv()) is not None:
                if isinstance(answer, BaseException):
                    is_done = True
                    raise answer
                yield answer
            is_done = True
        except (EOFError, OSError):
            raise DbtError(f"dbt's process has ended: {self.close()}") from None
        finally:
            if not is_done:
                self.close()

    def close(self) -> str:
        """End the process, whatever it does, and return how it ended."""
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
