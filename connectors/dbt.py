"""The dbt project: its manifest, and runs of it within this process.

Starting the dbt executable costs some seconds each time; an invocation in a process that has
imported dbt already, with the manifest reused, costs a fraction of one.
"""

import fcntl
import hashlib
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT_DIRECTORY = Path(__file__).resolve().parents[1] / "dbt_project"
TARGET_DIRECTORY = PROJECT_DIRECTORY / "target"
MANIFEST = TARGET_DIRECTORY / "manifest.json"
PARSED = TARGET_DIRECTORY / "partial_parse.msgpack"
STAMP = TARGET_DIRECTORY / "parsed_project.sha256"
# The console belongs to commands and their results; what dbt says is in its log file.
QUIETLY = (
    "--log-level",
    "none",
    "--log-level-file",
    "info",
    "--no-use-colors",
    "--no-send-anonymous-usage-stats",
)
FROM_PROJECT = (
    "--project-dir",
    str(PROJECT_DIRECTORY),
    "--profiles-dir",
    str(PROJECT_DIRECTORY),
)

SUCCESSFUL = frozenset({"success", "pass", "warn"})


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


def project_hash() -> str:
    """Return a hash of every file that dbt reads."""
    return _hash_of(PROJECT_DIRECTORY)


def rollup_hash() -> str:
    """Return a hash of what the usage rollups are made by: with another, their cells may differ."""
    return _hash_of(PROJECT_DIRECTORY / "macros", PROJECT_DIRECTORY / "models" / "usage")


def _hash_of(*folders: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.suffix in {".sql", ".yml", ".md", ".csv"} and TARGET_DIRECTORY not in path.parents:
            digest.update(str(path.relative_to(PROJECT_DIRECTORY)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare_manifest() -> Path:
    """Return the path of the manifest, parsing the project where its files have changed."""
    if _is_parsed(project_hash()):
        return MANIFEST
    TARGET_DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (TARGET_DIRECTORY / "parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = project_hash()
        if not _is_parsed(current):
            # Parsed in part, after a change of a macro, dbt loses what is said of tests in YAML.
            _invoke(["parse", "--no-partial-parse"], TARGET_DIRECTORY)
            STAMP.write_text(current)
    return MANIFEST


def run_project(
    arguments: Sequence[str], target_directory: Path, target: str = "warehouse"
) -> Iterator[NodeResult]:
    """Run dbt and yield the result of each model and test as it finishes.

    Raises ``DbtError`` where dbt itself fails; failed models and tests are results like others.
    """
    results: queue.SimpleQueue[NodeResult | BaseException | None] = queue.SimpleQueue()

    def listen(event: Any) -> None:
        if event.info.name == "NodeFinished":
            results.put(_node_result(event))

    def work() -> None:
        try:
            # Nobody reads the manifest again after a run, and writing it costs a second.
            command = [*arguments, "--no-write-json", "--target", target]
            _invoke(command, target_directory, listen, target=target)
            results.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits.
            results.put(error)

    thread = threading.Thread(target=work, name="dbt", daemon=True)
    thread.start()
    while (result := results.get()) is not None:
        if isinstance(result, BaseException):
            raise result
        yield result
    thread.join()


def generate_docs(target_directory: Path) -> Path:
    """Write the documentation as one page and return its path."""
    _invoke(["docs", "generate", "--static"], target_directory)
    return target_directory / "static_index.html"


def _is_parsed(current: str) -> bool:
    return MANIFEST.exists() and PARSED.exists() and STAMP.exists() and STAMP.read_text() == current


def _invoke(
    arguments: Sequence[str],
    target_directory: Path,
    listen: Any = None,
    target: str = "warehouse",
) -> None:
    from dbt.cli.main import dbtRunner

    from connectors.dbt_connections import keep_connections

    keep_connections()
    runner = dbtRunner(
        # The manifest of another target has other schemas: dbt parses that one itself.
        manifest=None if arguments[0] == "parse" or target != "warehouse" else _manifest(),
        callbacks=[listen] if listen else [],
    )
    outcome = runner.invoke([*QUIETLY, *arguments, *FROM_PROJECT, *folders_in(target_directory)])
    # An exception is a defect or a dead server; failed nodes are results, and no exception.
    if outcome.exception is not None:
        raise DbtError(str(outcome.exception)) from outcome.exception
    if not outcome.success and listen is None:
        raise DbtError(f"dbt {arguments[0]} failed; see {target_directory / 'dbt.log'}") from None


def folders_in(target_directory: Path) -> list[str]:
    """Return the options that make dbt write into a folder."""
    return ["--target-path", str(target_directory), "--log-path", str(target_directory)]


def _manifest() -> Any:
    """Return the parsed project for the database at hand.

    Parsing writes the database's name into every node, and the same project serves many warehouses.
    """
    from dbt.contracts.graph.manifest import Manifest

    prepare_manifest()
    manifest = Manifest.from_msgpack(PARSED.read_bytes())
    database = os.environ.get("METERHOUSE_PG_DATABASE", "meterhouse")
    for node in (*manifest.nodes.values(), *manifest.sources.values()):
        if node.database != database:
            if node.relation_name:
                node.relation_name = node.relation_name.replace(
                    f'"{node.database}"', f'"{database}"', 1
                )
            node.database = database
    return manifest


def _node_result(event: Any) -> NodeResult:
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
