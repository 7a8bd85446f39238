"""The dbt project: its manifest, and runs of it.

Nothing here imports dbt: it has a process of its own.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.dbt_process import DbtCommand, DbtProcess, NodeResult

PROJECT_DIRECTORY = Path(__file__).resolve().parents[1] / "dbt_project"
TARGET_DIRECTORY = PROJECT_DIRECTORY / "target"
MANIFEST = TARGET_DIRECTORY / "manifest.json"
PARSED = TARGET_DIRECTORY / "partial_parse.msgpack"
STAMP = TARGET_DIRECTORY / "parsed_project.sha256"
TARGET = "warehouse"
_process: DbtProcess | None = None


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
    if is_parsed(project_hash()):
        return MANIFEST
    TARGET_DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (TARGET_DIRECTORY / "parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = project_hash()
        if not is_parsed(current):
            # Parsed in part, after a change of a macro, dbt loses what is said of tests in YAML.
            _run_once(["parse", "--no-partial-parse"], TARGET_DIRECTORY)
            STAMP.write_text(current)
    return MANIFEST


def run_project(
    arguments: Sequence[str], target_directory: Path, target: str = TARGET
) -> Iterator[NodeResult]:
    """Run dbt and yield the result of each model and test as it finishes.

    Raises ``DbtError`` where dbt itself fails; failed models and tests are results like others.
    """
    prepare_manifest()
    # Nobody reads the manifest again after a run, and writing it costs a second.
    command = _command([*arguments, "--no-write-json"], target_directory, target)
    yield from start_dbt().run(command)


def start_dbt() -> DbtProcess:
    """Return dbt's process, which the first call starts: it is ready for a run some seconds later.

    One for each process of ours, and for one run at a time.
    """
    global _process
    if _process is None or not _process.is_running:
        _process = DbtProcess()
    return _process


def generate_docs(target_directory: Path) -> Path:
    """Write the documentation as one page and return its path."""
    prepare_manifest()
    _run_once(["docs", "generate", "--static"], target_directory)
    return target_directory / "static_index.html"


def is_parsed(current: str) -> bool:
    """Return whether the manifest is that of the project with this hash."""
    return MANIFEST.exists() and PARSED.exists() and STAMP.exists() and STAMP.read_text() == current


def _run_once(arguments: Sequence[str], target_directory: Path) -> None:
    with DbtProcess() as process:
        for _ in process.run(_command(arguments, target_directory, TARGET)):
            pass


def _command(arguments: Sequence[str], target_directory: Path, target: str) -> DbtCommand:
    return DbtCommand(tuple(arguments), target_directory, target, dict(os.environ))
