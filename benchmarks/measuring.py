"""Measurements: work in a process of its own, its time and its memory, and their medians."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024
SAMPLE_SECONDS = 0.02
LINES_OF_TROUBLE = 15


def gist(output: str) -> str:
    """Return the line that says best what went wrong: the last that speaks of an error."""
    lines = [line.strip() for line in output.split(" / ") if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "defect" in line.lower()]
    return (telling or lines or ["nothing was said"])[-1]


class StepFailed(RuntimeError):  # noqa: N818 - what happened
    """A measured step that did not end well; the message is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one step; ``seconds`` are of the work alone where the step says so itself."""

    seconds: float
    peak_mib: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Series:
    """The runs of one way to do some work on a number of rows."""

    name: str
    rows: int
    runs: list[Measured] = field(default_factory=list)
    note: str = ""

    @property
    def seconds(self) -> float:
        """The median time."""
        return median(run.seconds for run in self.runs)

    @property
    def rate(self) -> float:
        """Rows per second, at the median."""
        return self.rows / self.seconds

    @property
    def spread(self) -> tuple[float, float]:
        """The shortest and the longest time."""
        seconds = [run.seconds for run in self.runs]
        return min(seconds), max(seconds)

    @property
    def peak_mib(self) -> float:
        """The most memory that any run's processes held at once."""
        return max(run.peak_mib for run in self.runs)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to do some work: what is run, on how many rows."""

    name: str
    rows: int
    run: Callable[[], Measured]
    note: str = ""


def side_by_side(ways: Sequence[Way], runs: int, say: Callable[[str], None]) -> dict[str, Series]:
    """Run all the ways once, then all of them again, so that a noisy minute falls on all alike.

    A way that fails is left out, and its series holds no run but what it said.
    """
    series = {way.name: Series(way.name, way.rows, note=way.note) for way in ways}
    for run in range(runs):
        for way in ways:
            if len(series[way.name].runs) < run:
                continue
            try:
                measured = way.run()
            except (StepFailed, OSError, psutil.Error) as error:
                series[way.name].note = f"failed: {gist(str(error))}"
                say(f"{way.name}: failed: {error}")
                continue
            series[way.name].runs.append(measured)
            say(f"{way.name}: {measured.seconds:.2f} s, {way.rows / measured.seconds:,.0f} rows/s")
    return series


def timed(work: Callable[[], Any]) -> Measured:
    """Measure work that another process does for us, such as the server."""
    began = time.perf_counter()
    work()
    return Measured(time.perf_counter() - began)


def run_step(module: str, verb: str, arguments: Mapping[str, Any], **environment: str) -> Measured:
    """Run a function of a module of ours in a new Python, as ``answer`` offers it.

    What the step returns is its result; ``seconds`` in it are the time of the work without imports.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", verb, json.dumps(arguments)]
    measured, output = run_command(command, environment)
    result = json.loads(output.splitlines()[-1])
    return Measured(result.get("seconds", measured.seconds), measured.peak_mib, result)


def run_command(
    command: Sequence[str], environment: Mapping[str, str], directory: Path = ROOT
) -> tuple[Measured, str]:
    """Run a command to its end and return what it cost and what it wrote."""
    began = time.perf_counter()
    process = psutil.Popen(
        list(command),
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watch = MemoryWatch(process)
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    peak = watch.stop()
    if process.returncode != 0:
        raise StepFailed(" / ".join(output.strip().splitlines()[-LINES_OF_TROUBLE:]))
    return Measured(seconds, peak), output


class MemoryWatch:
    """The resident memory of a process and its descendants, looked at again and again.

    Pages that several of them share count in each, so the sum never flatters.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._peak = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the highest sum that was seen, in MiB."""
        self._is_over.set()
        self._thread.join()
        return self._peak / MIB

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            with suppress(psutil.Error):
                family = [self._process, *self._process.children(recursive=True)]
                self._peak = max(self._peak, sum(map(_resident, family)))


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def answer(verbs: Iterable[Callable[..., Mapping[str, Any]]]) -> None:
    """Do what the command line of a step asks for, and print the result as the last line."""
    known = {verb.__name__: verb for verb in verbs}
    result = known[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(result, default=str)}\n")
