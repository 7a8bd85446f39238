"""The folder that a user edits: ``meterhouse.yml``, ``catalog/`` and ``.env``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.entries import read_entry
from models.problems import ConfigurationError, Problem
from models.settings import Settings
from models.variables import Variables
from models.yaml_files import LocatedMapping, read_yaml

SETTINGS_FILE = "meterhouse.yml"
CATALOG_FOLDER = "catalog"
STATE_FOLDER = ".meterhouse"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder and what its ``meterhouse.yml`` says."""

    directory: Path
    settings: Settings

    @property
    def state_directory(self) -> Path:
        """Where the embedded database, Dagster's home and the PDFs lie."""
        return self.directory / STATE_FOLDER

    @property
    def catalog_directory(self) -> Path:
        """Where the catalog's files lie."""
        return self.directory / CATALOG_FOLDER


def load_workspace(directory: Path, environment: Mapping[str, str] | None = None) -> Workspace:
    """Return a workspace; all that is wrong with its settings is one ``ConfigurationError``."""
    directory = Path(directory).expanduser().resolve()
    file = directory / SETTINGS_FILE
    if not file.is_file():
        message = (
            f"there is no {SETTINGS_FILE}; name the workspace with -w DIR or METERHOUSE_WORKSPACE, "
            "or make one with: meterhouse init DIR"
        )
        raise ConfigurationError([Problem(str(directory), None, "", message)])
    variables = Variables(os.environ if environment is None else environment, directory / ".env")
    document = read_yaml(file, SETTINGS_FILE, variables)
    problems = list(document.problems)
    settings: Settings | None = None
    if document.value is not None or not problems:
        given = LocatedMapping(document.place) if document.value is None else document.value
        settings = read_entry(Settings, given, document.place, problems)
    if settings is not None:
        problems += _repeated_names(settings)
    if problems or settings is None:
        raise ConfigurationError(problems)
    return Workspace(directory, settings)


def _repeated_names(settings: Settings) -> list[Problem]:
    first: dict[str, str] = {}
    problems = []
    for source in settings.sources:
        if source.name in first:
            message = f"the name {source.name} is already taken in {first[source.name]}"
            problems.append(source.place.at("name").problem(message))
        first.setdefault(source.name, str(source.place.at("name")))
    return problems
