"""Running a job in this process on the workspace's Dagster instance, as the UI would show it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import dagster as dg
from dagster import DagsterInstance

from models.workspace import Workspace
from orchestration.failures import MEANT_FOR_USERS
from orchestration.jobs import PULL
from orchestration.pulling import pulling_definitions

LOCATION = "meterhouse"
# With this tag the UI lists the run under its job.
REPOSITORY_TAGS = {".dagster/repository": f"__repository__@{LOCATION}"}
MOST_CONNECTIONS = 20
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
WRAPPERS = frozenset({"DagsterExecutionStepExecutionError", "DagsterExecutionHandleError"})
INTERRUPTED = "DagsterExecutionInterruptedError"


class Listener(Protocol):
    """What is told of a run while it goes on."""

    def waiting(self, message: str) -> AbstractContextManager[None]:
        """Show that something takes a moment."""

    def begin(self, job: dg.JobDefinition) -> None:
        """Take note of the steps to come."""

    def hear(self, entry: dg.EventLogEntry) -> None:
        """Take note of an event."""

    def end(self) -> None:
        """Take note that there is nothing more to come."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a step or check failed; ``is_defect`` where the message is not meant for users."""

    step: str
    message: str
    is_defect: bool


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that did not pass, and what it says about it."""

    asset: str
    name: str
    description: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a run."""

    run_id: str
    job_name: str
    is_successful: bool
    problems: tuple[Problem, ...]
    failed_checks: tuple[FailedCheck, ...]
    metadata: Mapping[str, Mapping[str, Any]]
    skipped: frozenset[str]
    log_file: Path | None

    def materialised(self, key: dg.AssetKey) -> Mapping[str, Any] | None:
        """Return the metadata of an asset that the run has materialised."""
        return self.metadata.get(key.to_user_string())


class JobRunner:
    """Runs jobs of a workspace; the environment must be active."""

    def __init__(self, workspace: Workspace, listener: Listener | None = None) -> None:
        self._workspace = workspace
        self._listener = listener

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The code location of the workspace, assembled once."""
        # Imported here: a pull needs no model, and the models' assets take a second to import.
        from orchestration.definitions import build_definitions

        return build_definitions(self._workspace)

    def job(self, name: str) -> dg.JobDefinition:
        """Return a job; the one that only pulls comes without the models around it."""
        with self._listener.waiting("Loading the pipeline") if self._listener else nullcontext():
            whole = pulling_definitions(self._workspace) if name == PULL else self.definitions
            return whole.resolve_job_def(name)

    def run(
        self,
        job_name: str,
        *,
        tags: Mapping[str, str] | None = None,
        partition_key: str | None = None,
        run_config: Mapping[str, Any] | None = None,
    ) -> RunOutcome:
        """Run a job to its end; failures are in the outcome, never raised.

        The run is recorded on the workspace's instance, like one that the UI has started. One that
        is interrupted is recorded as failed, and raises ``KeyboardInterrupt``.
        """
        job = self.job(job_name)
        run_id = str(uuid4())
        with open_instance() as instance, self._told_of(instance, job, run_id):
            result = job.execute_in_process(
                run_config={**QUIET, **(run_config or {})},
                instance=instance,
                partition_key=partition_key,
                raise_on_error=False,
                tags={**REPOSITORY_TAGS, **(tags or {})},
                run_id=run_id,
            )
        if was_interrupted(result):
            raise KeyboardInterrupt
        problems, tracebacks = problems_of(result)
        return RunOutcome(
            run_id=run_id,
            job_name=job_name,
            is_successful=result.success,
            problems=problems,
            failed_checks=failed_checks(result),
            metadata=materialised_metadata(result),
            skipped=frozenset(skipped_steps(result)),
            log_file=written_log(self._workspace, run_id, tracebacks),
        )

    @contextmanager
    def _told_of(
        self, instance: DagsterInstance, job: dg.JobDefinition, run_id: str
    ) -> Iterator[None]:
        if self._listener is None:
            yield
            return
        self._listener.begin(job)
        instance.add_event_listener(run_id, self._listener.hear)
        try:
            yield
        finally:
            self._listener.end()


@contextmanager
def open_instance() -> Iterator[DagsterInstance]:
    """Yield the workspace's instance, with its connections kept open.

    Its storage would open two connections for each event otherwise: a third of an idle run.
    """
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(
            statement_timeout=0, pool_recycle=-1, max_overflow=MOST_CONNECTIONS
        )
        remember_columns(instance.event_log_storage)
        yield instance


def remember_columns(storage: Any) -> None:
    """Have Dagster ask once which tables and columns its storage has.

    It asks before each event, over another connection, in case it has not been migrated.
    """
    # No setting of Dagster's does this; a method that another version lacks is left alone.
    for name in ("has_table", "_has_asset_key_col_on_connection"):
        ask = getattr(storage, name, None)
        if ask is not None:
            setattr(storage, name, remembered(ask))


def remembered(ask: Callable[..., bool]) -> Callable[..., bool]:
    """Return a question about a name, its last argument, that is asked until it is answered yes."""
    known: set[str] = set()

    def has(*arguments: Any) -> bool:
        if arguments[-1] not in known and ask(*arguments):
            known.add(arguments[-1])
        return arguments[-1] in known

    return has


def problems_of(result: dg.ExecuteInProcessResult) -> tuple[tuple[Problem, ...], list[str]]:
    """Return why steps failed, in words, and the tracebacks for the log."""
    problems, tracebacks = [], []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            problems.append(step_problem(event.step_key or "", data))
            tracebacks.append(data.error_display_string)
        elif event.is_job_failure and not problems:
            error = event.job_failure_data.first_step_failure_event or event.job_failure_data.error
            problems.append(
                Problem(event.job_name, str(getattr(error, "message", error)), is_defect=True)
            )
            tracebacks.append(str(event.job_failure_data.error))
    return tuple(problems), tracebacks


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether somebody has ended a run, as by Ctrl-C."""
    return any(
        innermost(event.step_failure_data.error).cls_name == INTERRUPTED
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.error is not None
    )


def innermost(error: Any) -> Any:
    """Return an error without what Dagster wraps it in."""
    while error.cause is not None and error.cls_name in WRAPPERS:
        error = error.cause
    return error


def step_problem(step: str, data: Any) -> Problem:
    """Return why a step failed: the innermost error's own words."""
    if data.user_failure_data is not None:
        return Problem(step, str(data.user_failure_data.description), is_defect=False)
    error = innermost(data.error)
    message = error.message.strip().removeprefix(f"{error.cls_name}: ")
    # The classes have their module's path in front where they are not built in.
    message = message.partition(f"{error.cls_name}: ")[2] or message
    return Problem(step, message, is_defect=error.cls_name not in MEANT_FOR_USERS)


def failed_checks(result: dg.ExecuteInProcessResult) -> tuple[FailedCheck, ...]:
    """Return the checks that did not pass."""
    return tuple(
        FailedCheck(
            asset=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            description=evaluation.description or "",
            is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
        )
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    )


def materialised_metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Return the metadata of every asset that was materialised, by its key."""
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key is not None
    }


def skipped_steps(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Yield the steps that had nothing to do."""
    for event in result.all_events:
        if event.is_step_skipped and event.step_key is not None:
            yield event.step_key


def written_log(workspace: Workspace, run_id: str, tracebacks: Sequence[str]) -> Path | None:
    """Write tracebacks where a person can find them, and return the file."""
    if not tracebacks:
        return None
    folder = workspace.state_directory / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"run-{run_id}.log"
    file.write_text("\n\n".join(tracebacks))
    return file
