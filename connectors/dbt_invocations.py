"""Commands of dbt, run within this process; importing this module imports dbt."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from connectors.database import locked, open_engine
from connectors.dbt import PARSED, PROJECT_DIRECTORY, TARGET, is_parsed, project_hash
from connectors.dbt_connections import keep_connections
from connectors.dbt_process import DbtCommand, DbtError, NodeResult

# The console belongs to commands and their results; what dbt says is in its log file.
QUIETLY = (
    "--log-level",
    "none",
    "--log-level-file",
    "info",
    "--no-use-colors",
    "--no-send-anonymous-usage-stats",
)
# Commands that read and write no rows; all others have the warehouse to themselves.
OFFLINE = frozenset({"parse", "ls", "docs"})
SECONDS_FOR_ANOTHER_TO_END = 60


class Dbt:
    """What dbt needs for its next command, made ready before that comes."""

    def __init__(self) -> None:
        keep_connections()
        self._manifests = Manifests()

    def run(self, command: DbtCommand, tell: Callable[[NodeResult], None]) -> None:
        """Run a command, telling of each node that finishes, in any of dbt's threads.

        Raises ``DbtError`` where dbt itself fails; failed models and tests are results like others.
        """

        def listen(event: Any) -> None:
            if event.info.name == "NodeFinished":
                tell(node_result(event))

        os.environ.clear()
        os.environ.update(command.environment)
        with alone(command):
            invoke(command, self._manifests, listen)


def alone(command: DbtCommand) -> AbstractContextManager[None]:
    """Hold the lock of a run.

    Whoever asks for a run holds a lock that ends with its process; this one may end an instant
    later, and until then the next must not begin. What its last statement leaves to the server is
    rolled back, and the next run waits for its tables.
    """
    if command.arguments[0] in OFFLINE:
        return nullcontext()
    engine = open_engine(os.environ["METERHOUSE_WAREHOUSE_URL"])
    return locked(engine, f"a run of dbt, {command.target}", SECONDS_FOR_ANOTHER_TO_END)


def invoke(command: DbtCommand, manifests: "Manifests", listen: Any) -> None:
    """Have dbt do it; raises ``DbtError`` where dbt itself fails: failed nodes are results."""
    verb = command.arguments[0]
    # The manifest of another target has other schemas: dbt parses that one itself.
    manifest = manifests.take() if verb != "parse" and command.target == TARGET else None
    runner = dbtRunner(manifest=manifest, callbacks=[listen])
    outcome = runner.invoke([*QUIETLY, *command.arguments, *places(command)])
    # An exception is a defect or a dead server.
    if outcome.exception is not None:
        raise DbtError(str(outcome.exception)) from outcome.exception
    if not outcome.success and verb in OFFLINE:
        raise DbtError(f"dbt {verb} failed; see {command.target_directory / 'dbt.log'}")


def places(command: DbtCommand) -> list[str]:
    """Return the options that say where dbt reads, builds and writes."""
    named = {
        "--project-dir": PROJECT_DIRECTORY,
        "--profiles-dir": PROJECT_DIRECTORY,
        "--target": command.target,
        "--target-path": command.target_directory,
        "--log-path": command.target_directory,
    }
    return [str(word) for option in named.items() for word in option]


def node_result(event: Any) -> NodeResult:
    """Return what an event of dbt's says of a node."""
    run_result = event.data.run_result
    response = run_result.adapter_response
    # A protobuf Struct: it has no `get`.
    rows = response["rows_affected"] if "rows_affected" in response else None  # noqa: SIM401
    return NodeResult(
        unique_id=event.data.node_info.unique_id,
        status=run_result.status,
        message=run_result.message,
        rows_affected=None if rows is None or rows < 0 else int(rows),
        failure_count=run_result.num_failures,
        seconds=run_result.execution_time,
    )


class Manifests:
    """The parsed project, read before it is asked for: dbt writes into the one that it is given."""

    def __init__(self) -> None:
        self._spare: tuple[str, Manifest] | None = None
        if is_parsed(project_hash()):
            self.read()

    def read(self) -> None:
        """Read the parsed project ahead."""
        self._spare = (project_hash(), Manifest.from_msgpack(PARSED.read_bytes()))

    def take(self) -> Manifest:
        """Return the parsed project for the database at hand.

        Parsing writes the database's name into every node, and one project serves many warehouses.
        """
        if self._spare is None or self._spare[0] != project_hash():
            self.read()
        assert self._spare is not None
        (_, manifest), self._spare = self._spare, None
        database = os.environ.get("METERHOUSE_PG_DATABASE", "meterhouse")
        for node in (*manifest.nodes.values(), *manifest.sources.values()):
            if node.database != database:
                if node.relation_name:
                    node.relation_name = node.relation_name.replace(
                        f'"{node.database}"', f'"{database}"', 1
                    )
                node.database = database
        return manifest
