"""The progress of a Dagster run: bars where somebody watches, lines elsewhere."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import dagster as dg
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from orchestration.cli.printing import Printer

# Steps as a person calls them; others by their own name.
NAMES = {
    "raw_tables": "Counting what has landed",
    "catalog_tables": "Publishing the catalog",
    "landed_batches": "Checking what has landed",
    "landed_suites": "Holding what has landed against its suites",
    "parameters": "Looking for changes",
    "dbt_models": "Journal, rating, cost, marts",
    "finalise_invoices": "Finalising invoices",
    "approve_invoices": "Approving invoices",
    "post_to_stripe": "Posting to Stripe",
    "sync_with_stripe": "Reading payments from Stripe",
}
WIDTH = 40


@dataclass(slots=True)
class Step:
    """A step under way: how much of it is done."""

    task: TaskID | None
    name: str
    total: int
    done: int = 0


class RunProgress:
    """Shows each step of a run with its latest news."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._progress: Progress | None = None
        self._totals: dict[str, int] = {}
        self._steps: dict[str, Step] = {}

    def waiting(self, message: str) -> AbstractContextManager[None]:
        """Show that something takes a moment."""
        return self._printer.waiting(message)

    def begin(self, job: dg.JobDefinition) -> None:
        """Take note of the steps to come."""
        self._steps.clear()
        self._totals = {node.name: len(node.definition.output_defs) for node in job.nodes}
        if self._printer.is_interactive:
            self._progress = Progress(
                SpinnerColumn(finished_text="[green]✓"),
                TextColumn("{task.description}", table_column=one_line(width=WIDTH)),
                BarColumn(bar_width=16),
                TimeElapsedColumn(),
                TextColumn("{task.fields[news]}", markup=False, table_column=one_line(ratio=1)),
                console=self._printer.errors,
                expand=True,
            )
            self._progress.start()

    def hear(self, entry: dg.EventLogEntry) -> None:
        """Take note of an event."""
        key = entry.step_key
        if key is None:
            return
        kind = entry.dagster_event_type.value if entry.dagster_event_type else "LOG"
        if kind == "STEP_START" and key not in self._steps:
            self._start(key)
        step = self._steps.get(key)
        if step is None:
            return
        if kind in ("ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"):
            step.done += 1
            self._show(step, None)
        elif kind == "LOG":
            self._show(step, entry.user_message)
        elif kind in ("STEP_SUCCESS", "STEP_FAILURE"):
            self._finish(step, has_failed=kind == "STEP_FAILURE")

    def end(self) -> None:
        """Take note that there is nothing more to come."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _start(self, key: str) -> None:
        name = step_name(key)
        total = self._totals.get(key, 1)
        task = None
        if self._progress is not None:
            task = self._progress.add_task(name, total=total, news="")
        self._steps[key] = Step(task, name, total)

    def _show(self, step: Step, news: str | None) -> None:
        if self._progress is None or step.task is None:
            return
        fields = {} if news is None else {"news": Text(news.splitlines()[0][:80]).plain}
        self._progress.update(step.task, completed=step.done, **fields)  # type: ignore[arg-type]

    def _finish(self, step: Step, *, has_failed: bool) -> None:
        if self._progress is not None and step.task is not None:
            self._progress.update(
                step.task,
                completed=step.done if has_failed else step.total,
                **({"news": "failed"} if has_failed else {}),  # type: ignore[arg-type]
            )
            self._progress.stop_task(step.task)
        elif self._progress is None:
            self._printer.remark(f"{step.name}: {'failed' if has_failed else 'done'}")


def one_line(*, width: int | None = None, ratio: int | None = None) -> Column:
    """Return a column that cuts what does not fit."""
    return Column(width=width, ratio=ratio, no_wrap=True, overflow="ellipsis")


def step_name(key: str) -> str:
    """Return what a person calls a step."""
    if key.startswith("sources__"):
        return f"Pulling {key.removeprefix('sources__')}"
    # Not before there is a check: a pull has none, and need not wait for their imports.
    from assets.checks.everything import all_checks

    for check in all_checks():
        if check.node_def.name == key and key not in NAMES:
            names = " and ".join(spec.name for spec in check.check_specs)
            return f"Checking that {names.replace('_', ' ')}"
    return NAMES.get(key, key.replace("__", ": ").replace("_", " "))
