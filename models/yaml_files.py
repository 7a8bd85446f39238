"""YAML with line numbers, read strictly: no floats, no duplicate keys, no surprises of YAML 1.1.

``010`` is not read as 8, ``1:30`` not as 90 and ``NO`` not as false: the first two are refused
and the third is text. What cannot be read is a problem, and the rest of the file is still read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from models.problems import Problem
from models.variables import ProtectedText, UnknownVariableError, Variables

Steps = tuple[str | int, ...]

TAG = "tag:yaml.org,2002:"
PLAIN_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PLAIN_FLOAT = re.compile(r"[-+]?[0-9_]*\.[0-9_]*")
# Enough for a hundred thousand customers, and an end for files that multiply themselves by aliases.
MAX_NODES = 5_000_000
MAX_DEPTH = 60

# The parser written in C reads ten times faster; PyYAML may be installed without it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: a file, the path to it, and the lines of that file's paths.

    ``is_partial`` says that something at this place was left out because it could not be read.
    """

    file: str
    path: Steps = ()
    lines: Mapping[Steps, int] = field(default_factory=dict, repr=False, compare=False)
    is_partial: bool = False

    def at(self, *steps: str | int) -> "Place":
        """Return the place below this one."""
        return Place(self.file, (*self.path, *steps), self.lines)

    @property
    def line(self) -> int | None:
        """The line of this place, or of the nearest place above that the file has."""
        for length in range(len(self.path), -1, -1):
            line = self.lines.get(self.path[:length])
            if line is not None:
                return line
        return None

    def problem(self, message: str) -> Problem:
        """Return a problem at this place."""
        return Problem(self.file, self.line, path_text(self.path), message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Place("")


class LocatedMapping(dict[str, Any]):
    """A mapping that knows where it stands."""

    __slots__ = ("place",)
    place: Place

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file holds: None when empty or broken, and the problems met in reading it.

    ``unreadable`` is the text of a file that is broken as a whole.
    """

    place: Place
    value: Any
    problems: list[Problem]
    unreadable: str = ""


def path_text(path: Steps) -> str:
    """Return a path as people write it: ``plans[0].charges[1].id``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def read_yaml(path: Path, shown_as: str, variables: Variables | None = None) -> Document:
    """Return what a YAML file holds; without ``variables``, ``${NAME}`` is refused."""
    nowhere = Place(shown_as)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return Document(nowhere, None, [nowhere.problem(f"cannot be read: {error.strerror}")])
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        text = error.object.decode(errors="replace")
        problem = Problem(shown_as, line, "", "is not valid UTF-8")
        return Document(nowhere, None, [problem], text)
    return parse_yaml(text, shown_as, variables)


def parse_yaml(text: str, shown_as: str, variables: Variables | None = None) -> Document:
    """Return what a YAML text holds, as ``read_yaml`` does for a file."""
    protected = ProtectedText(text)
    try:
        nodes = list(yaml.compose_all(protected.text, Loader=LOADER))
    except yaml.YAMLError as error:
        return Document(Place(shown_as), None, [_broken(error, protected.text, shown_as)], text)
    except RecursionError:
        message = "is nested too deeply"
        return Document(Place(shown_as), None, [Problem(shown_as, None, "", message)], text)
    nodes = [node for node in nodes if node is not None]
    builder = _Builder(shown_as, protected, variables)
    if len(nodes) > 1:
        line = nodes[1].start_mark.line + 1
        message = "a second document begins here; leave out the line ---, or use a second file"
        builder.problems.append(Problem(shown_as, line, "", message))
    value = builder.value(nodes[0], ()) if nodes else None
    return Document(builder.root, value, builder.problems)


def _broken(error: yaml.YAMLError, text: str, shown_as: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = None if mark is None else mark.line + 1
    said = [getattr(error, "context", None), getattr(error, "problem", None)]
    reason = ", ".join(part for part in said if part) or str(error).splitlines()[0]
    reason = re.sub("\ue000[0-9]+\ue001", "${...}", reason)
    at_line = text.splitlines()[line - 1 : line] if line else []
    if at_line and re.match(r" *\t", at_line[0]):
        reason += "; indent with spaces, not with tabs"
    return Problem(shown_as, line, "", f"is not valid YAML: {reason}")


class _Builder:
    """Plain values from the nodes of one document, and the line of every path."""

    def __init__(self, file: str, protected: ProtectedText, variables: Variables | None) -> None:
        self._protected = protected
        self._variables = variables
        self._lines: dict[Steps, int] = {}
        self._open: list[yaml.Node] = []
        self._node_count = 0
        self.problems: list[Problem] = []
        self.root = Place(file, (), self._lines)

    def value(self, node: yaml.Node, path: Steps) -> Any:
        """Return the value of a node; None where it cannot be read, which is then a problem."""
        self._lines.setdefault(path, node.start_mark.line + 1)
        self._node_count += 1
        if any(node is other for other in self._open) or len(path) > MAX_DEPTH:
            return self._refuse(path, "contains itself, or is nested too deeply")
        if self._node_count > MAX_NODES:
            is_first = self._node_count == MAX_NODES + 1
            return self._refuse(path, "is too much for one file") if is_first else None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
                return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
        finally:
            self._open.pop()
        return self._refuse(path, f"the YAML tag {_short(node.tag)} is not allowed")

    def _refuse(self, path: Steps, message: str) -> Any:
        """Note a problem, and return the None that stands for the value."""
        self.problems.append(self.root.at(*path).problem(message))
        return None

    def _mapping(self, node: yaml.MappingNode, path: Steps) -> LocatedMapping:
        mapping = LocatedMapping(self.root.at(*path))
        inherited = LocatedMapping(mapping.place)
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{TAG}merge":
                self._inherit(inherited, value_node, path)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._lines[(*path, "?")] = line
                self._refuse((*path, "?"), "a key must be a plain text")
                continue
            key = self._protected.restored(key_node.value)
            if key in first_lines:
                self._repeated(mapping.place, key, first_lines[key], line)
                continue
            first_lines[key] = self._lines[(*path, key)] = line
            problem_count = len(self.problems)
            value = self.value(value_node, (*path, key))
            if value is None and len(self.problems) > problem_count:
                mapping.place = replace(mapping.place, is_partial=True)
            else:
                mapping[key] = value
        for key, value in inherited.items():
            mapping.setdefault(key, value)
        return mapping

    def _repeated(self, place: Place, key: str, first: int, second: int) -> None:
        path = path_text((*place.path, key))
        message = f"{key} is already written in line {first}; a key may stand only once"
        self.problems.append(Problem(place.file, second, path, message))

    def _inherit(self, inherited: LocatedMapping, node: yaml.Node, path: Steps) -> None:
        """Add the keys of ``<<: *anchor``; of several anchors, the first one counts."""
        parents = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for parent in parents:
            value = self.value(parent, path)
            if not isinstance(value, LocatedMapping):
                self._refuse(path, "<< must name a mapping")
                continue
            for key in value:
                inherited.setdefault(key, value[key])

    def _scalar(self, node: yaml.ScalarNode, path: Steps) -> Any:
        text, kind = node.value, node.tag.removeprefix(TAG)
        expressions = self._protected.expressions_in(text)
        if expressions:
            return self._variable(text, expressions, path)
        if kind == "bool":
            # `yes`, `no`, `on` and `off` stay text: NO is a country.
            return {"true": True, "false": False}.get(text.lower(), text)
        if kind == "null":
            return None
        if kind in ("int", "float", "timestamp"):
            return self._number_or_date(text, kind, path)
        if kind in ("str", "value"):
            return text
        return self._refuse(path, f"the YAML tag {_short(node.tag)} is not allowed")

    def _variable(self, text: str, expressions: list[str], path: Steps) -> Any:
        if self._variables is None:
            return self._refuse(
                path,
                f"${{{expressions[0]}}}: variables are read in meterhouse.yml only; "
                "a catalog says the same on every machine",
            )
        try:
            return self._protected.filled(text, self._variables)
        except UnknownVariableError as error:
            return self._refuse(path, str(error))

    def _number_or_date(self, text: str, kind: str, path: Steps) -> Any:
        if kind == "int":
            if PLAIN_INTEGER.fullmatch(text):
                return int(text) if len(text) <= 400 else text
            plain = text.replace("_", "")
            self._refuse(path, f'YAML may read {text} as another number; write "{plain}" in quotes')
            return text
        if kind == "float":
            exact = text.replace("_", "") if PLAIN_FLOAT.fullmatch(text) else ""
            advice = f'write "{exact}" with quotes' if exact else 'write digits as text: "0.08"'
            self._refuse(path, f"{text} is a YAML float, which is not exact; {advice}")
            # Read on with the text, so that what else is wrong with the entry is told as well.
            return exact or None
        if not PLAIN_DATE.fullmatch(text):
            return text
        try:
            return date.fromisoformat(text)
        except ValueError:
            return self._refuse(path, f"{text} is not a day of the calendar")


def _short(tag: str) -> str:
    return tag.replace(TAG, "!!")
