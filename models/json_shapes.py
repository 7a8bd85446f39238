"""The shapes of JSON lines: what is the same text in many lines, and the tokens between.

A producer writes its lines by one template, or by a few. A line that is equal, byte for byte, to
the template with the line's own tokens put in has no key twice, no key besides, no comma too many,
and its numbers are written as they were read: nothing was overlooked and nothing changed.
"""

import json
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from models.exact_json import NumberText

Path = tuple[str, ...]

# Names that can stand between quotes in a path of DuckDB's, where a star alone means every name.
_is_plain_name = re.compile(r'(?!\*$)[^"\\\x00-\x1f]+').fullmatch
_blank = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder(parse_float=NumberText, parse_constant=NumberText)


class Token(NamedTuple):
    """A value in a line.

    ``first`` is its first character, that of a number being ``0``. In an object or list that is
    spaced, blanks follow colons and commas.
    """

    path: Path
    first: str
    is_spaced: bool = False


class Shape(NamedTuple):
    """The parts of a line, and which of its objects were taken apart for that."""

    parts: tuple[str | Token, ...]
    names: frozenset[str]
    objects: frozenset[Path]

    @property
    def tokens(self) -> dict[Path, Token]:
        """Return the tokens by their paths, in their order."""
        return {part.path: part for part in self.parts if isinstance(part, Token)}


class _NoShape(Exception):  # noqa: N818 - a finding, no error
    """A line that the quick way of reading cannot be certain about."""


def shape_of(line: str, opened: Callable[[Collection[str]], set[Path]]) -> Shape | None:
    """Return the shape of the JSON object in a line, or None where it has none.

    ``opened`` tells which objects of a row with these keys are taken apart; others are one token.
    """
    try:
        row = _decoder.decode(line)
        if not isinstance(row, dict):
            return None
        scan = _Scan(line, opened(row.keys()))
        return Shape(tuple(scan.parts()), frozenset(row), frozenset(scan.objects))
    except (ValueError, RecursionError, _NoShape):
        return None


class _Scan:
    """One walk through a line that is known to be a JSON object."""

    def __init__(self, line: str, opened: set[Path]) -> None:
        self._line = line
        self._opened = opened
        self._at = 0
        self._fixed_from = 0
        self._parts: list[str | Token] = []
        self.objects: set[Path] = set()

    def parts(self) -> list[str | Token]:
        """Return the parts of the line."""
        self._skip_blanks()
        self._object(())
        self._parts.append(self._line[self._fixed_from :])
        return self._parts

    def _object(self, path: Path) -> None:
        names: set[str] = set()
        self._step()
        while self._line[self._at] != "}":
            name = self._decoded()
            if name in names or not _is_plain_name(name):
                raise _NoShape
            names.add(name)
            self._step()
            self._value((*path, name))
            if self._line[self._at] == ",":
                self._step()
        self._step()

    def _value(self, path: Path) -> None:
        first, start = self._line[self._at], self._at
        if first == "{" and path in self._opened:
            self.objects.add(path)
            self._object(path)
            return
        self._parts.append(self._line[self._fixed_from : start])
        self._decoder_to_end()
        text = self._line[start : self._fixed_from]
        kind = "0" if first in "-0123456789" else first
        self._parts.append(Token(path, kind, first in "{[" and '": ' in text))

    def _decoder_to_end(self) -> None:
        _, self._fixed_from = _decoder.raw_decode(self._line, self._at)
        self._at = self._fixed_from
        self._skip_blanks()

    def _decoded(self) -> Any:
        value, self._at = _decoder.raw_decode(self._line, self._at)
        self._skip_blanks()
        return value

    def _step(self) -> None:
        """Go beyond one character and the blanks after it."""
        self._at += 1
        self._skip_blanks()

    def _skip_blanks(self) -> None:
        found = _blank.match(self._line, self._at)
        self._at = found.end() if found else self._at
