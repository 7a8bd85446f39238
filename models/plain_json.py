"""Where the fields of usage records are in JSON lines of one shape, as SQL."""

from collections.abc import Collection, Iterable, Mapping
from typing import NoReturn

from models.exact_json import quote
from models.json_shapes import Path, Shape, Token
from models.plain_usage import LONGEST_NUMBER, Reading, Text, is_flat_object, quoted
from models.usage import STANDARD_NAMES

# What Python reads otherwise than DuckDB: exponents, endless digits, NaN and the like.
_ODD_NUMBER = ":-?([0-9.]+[eE]|[0-9.]{40}|[nN][aA]|[iI])"
_ODD_VALUE = r"[:,\[]-?([0-9.]{300}|[nN][aA]|[iI])"
_SCALAR = "-?[0-9][-+0-9.eE]*|true|false|null"
_PLAIN_SCALAR = "-?[0-9.]+|true|false|null"
_WHOLE_NUMBER = "0|-?[1-9][0-9]*"
# Python reads what is nested less deep than this, wherever it is called from.
_MAX_CLOSERS = 100


def opened_paths(reading: Reading, names: Collection[str]) -> set[Path]:
    """Return the objects of a row with these keys in which fields are looked for."""
    places: list[str] = []
    for name in STANDARD_NAMES:
        for place in reading.paths(name):
            places.append(place)
            if place in names:
                break
    places += (reading.metadata_parts() or {}).values()
    steps = [tuple(place.split(".")) for place in places if place not in names]
    opened = {path[:end] for path in steps for end in range(1, len(path))}
    if "metadata" not in reading.fields and "specversion" in names:
        opened.add(("data",))
    return opened


def json_texts(
    shape: Shape, reading: Reading, *, are_valid: bool = False, have_escapes: bool = True
) -> tuple[str, dict[str, Text]] | None:
    """Return the rows of a shape as SQL, and the fields in them; None if no row can be plain.

    Unless the lines ``are_valid``, some may be no JSON, and have no tokens. Unless they
    ``have_escapes``, no line holds a backslash.
    """
    lines = _Lines(shape, reading, have_escapes=have_escapes)
    try:
        texts = {name: lines.field(name) for name in STANDARD_NAMES}
    except _NotPlain:
        return None
    texts["id"] = Text(texts["id"].sql, f"{texts['id'].is_certain} and {lines.nothing_else()}")
    return lines.rows(are_valid=are_valid), texts


class _NotPlain(Exception):  # noqa: N818 - a finding, no error
    """A shape of which no row can be read with certainty."""


class _Lines:
    """The lines of one shape."""

    def __init__(self, shape: Shape, reading: Reading, *, have_escapes: bool) -> None:
        self._shape = shape
        self._reading = reading
        self._tokens = shape.tokens
        self._places = {path: f"j[{place}]" for place, path in enumerate(self._tokens, start=1)}
        self._used: set[Path] = set()
        self._texts: set[Path] = set()
        self._literal = self._number_of_the_value()
        self._have_escapes = have_escapes

    def rows(self, *, are_valid: bool) -> str:
        """Return the lines with their tokens in ``j``."""
        paths = [quoted("$" + "".join(f'."{name}"' for name in path)) for path in self._tokens]
        # Without escapes a string's text is what is written between its quotes.
        extract = "json_extract" if self._have_escapes else "json_extract_string"
        tokens = f"{extract}(line, [{', '.join(paths)}]::varchar[])"
        guarded = tokens if are_valid else f"try({tokens})"
        return f"(select row_number, line, {guarded}::varchar[] as j from lines)"  # noqa: S608

    def field(self, name: str) -> Text:
        """Return a field of these lines."""
        reading = self._reading
        if name == "metadata":
            return self._metadata()
        if isinstance(reading.fields.get(name), Mapping):
            return reading.constant(name) or _not_plain()
        return self._first(name)

    def nothing_else(self) -> str:
        """Return the condition that the lines are made of their tokens and the fixed text."""
        before, after = self._composed()
        tokens = self._tokens.items()
        unused = [_is_any(self._raw(token)) for path, token in tokens if path not in self._used]
        if self._literal is None:
            whole = f"line = {before}"
        else:
            size = f"strlen({before}) + strlen({after})"
            whole = (
                f"starts_with(line, {before}) and suffix(line, {after}) and strlen(line) > {size}"
            )
        return " and ".join([whole, *unused])

    def _metadata(self) -> Text:
        reading, shape = self._reading, self._shape
        if (parts := reading.metadata_parts()) is not None:
            if any(self._is_beyond(place) for place in parts.values()):
                _not_plain()
            return self._object((name, self._find(place)) for name, place in parts.items())
        if isinstance(reading.fields.get("metadata"), Mapping):
            _not_plain()
        is_cloudevent = "metadata" not in reading.fields and "specversion" in shape.names
        if not is_cloudevent:
            return self._first("metadata")
        if "metadata" in shape.names:
            text = self._first("metadata")
            return Text(text.sql, f"{text.is_certain} and {text.sql} is not null")
        if ("data",) not in shape.objects:
            return Text("null::varchar", self._is_no_object(("data",)))
        return self._content(("data",), without="value")

    def _is_no_object(self, path: Path) -> str:
        """Return the condition that what is no object in this line is none in others."""
        token = self._tokens.get(path)
        return "true" if token is None else f"not starts_with({self._raw(token)}, '{{')"

    def _number_of_the_value(self) -> Path | None:
        """Return where the value is if it is a number, which is read as it is written."""
        for place in self._reading.paths("value"):
            if (token := self._find(place)) is not None:
                return token.path if token.first == "0" else None
        return None

    def _find(self, place: str) -> Token | None:
        if place in self._shape.names:
            return self._tokens.get((place,))
        return self._tokens.get(tuple(place.split(".")))

    def _is_beyond(self, place: str) -> bool:
        """Return whether a place is an object, or may lie within a text that holds JSON."""
        if place in self._shape.names:
            return (place,) in self._shape.objects
        steps = tuple(place.split("."))
        within = any(steps[:end] in self._tokens for end in range(1, len(steps)))
        return within or steps in self._shape.objects

    def _first(self, field: str) -> Text:
        texts: list[str] = []
        conditions: list[str] = []
        for place in self._reading.paths(field):
            if (text := self._at(field, place)) is not None:
                texts.append(text.sql)
                conditions.append(text.is_certain)
            elif self._find(place) is not None or self._is_beyond(place):
                # It cannot be read, which does not matter where one before it counts.
                conditions.append(f"coalesce({', '.join(texts)}) is not null" if texts else "false")
        sql = f"coalesce({', '.join(texts)})" if texts else "null::varchar"
        return Text(sql, " and ".join(conditions) or "true")

    def _at(self, field: str, place: str) -> Text | None:
        path = (place,) if place in self._shape.names else tuple(place.split("."))
        if field == "metadata" and path in self._shape.objects:
            return self._content(path)
        token = self._find(place)
        if token is None:
            return None
        text = self._text(field, token)
        if text is not None:
            self._used.add(token.path)
            self._texts.add(token.path)
        return text

    def _text(self, field: str, token: Token) -> Text | None:
        sql = self._sql(token.path)
        if token.first == "n":
            return Text("null::varchar", f"{sql} = 'null'" if self._have_escapes else "true")
        if token.first == '"':
            text = f"nullif({self._unquoted(sql)}, '')"
            is_flat = f"({text} is null or {is_flat_object(text)})"
            # The line is compared with its tokens, which without escapes says what is a text.
            is_text = f"starts_with({sql}, '\"')" if self._have_escapes else "true"
            return Text(text, f"{is_text} and {is_flat}" if field == "metadata" else is_text)
        if token.first == "{" and field == "metadata":
            return Text(sql, _is_flat(sql))
        if token.first == "0" and field not in ("metadata", "timestamp"):
            # Of the value it is tested in any case.
            is_whole = f"regexp_full_match({sql}, '{_WHOLE_NUMBER}')"
            return Text(sql, "true" if field == "value" else is_whole)
        return None

    def _unquoted(self, sql: str) -> str:
        if not self._have_escapes:
            return sql
        text = f"substr({sql}, 2, length({sql}) - 2)"
        return f"case when contains({sql}, '\\') then {sql}::json->>'$' else {text} end"

    def _content(self, path: Path, without: str | None = None) -> Text:
        if any(inner[:-1] == path for inner in self._shape.objects):
            _not_plain()
        children = [token for token in self._tokens.values() if token.path[:-1] == path]
        named = [(token.path[-1], token) for token in children]
        return self._object(part for part in named if part[0] != without)

    def _object(self, parts: Iterable[tuple[str, Token | None]]) -> Text:
        """Return the JSON text of an object with these tokens; a missing one is null."""
        pieces: list[str] = []
        conditions: list[str] = []
        for name, token in parts:
            pieces.append(quoted(f"{',' if pieces else ''}{quote(name)}:"))
            if token is None:
                pieces.append("'null'")
                continue
            self._used.add(token.path)
            sql = self._raw(token)
            pieces.append(sql)
            conditions.append(f"(starts_with({sql}, '\"') or {_is_scalar(sql, _PLAIN_SCALAR)})")
        return Text(
            f"concat('{{', {', '.join([*pieces, chr(39) + '}' + chr(39)])})",
            " and ".join(conditions) or "true",
        )

    def _raw(self, token: Token) -> str:
        """Return a token as JSON. A text of this shape may be null in other lines."""
        sql = self._sql(token.path)
        if self._have_escapes or token.path == self._literal:
            return sql
        if token.first in '"n':
            return f"coalesce('\"' || {sql} || '\"', 'null')"
        return f"coalesce({sql}, 'null')"

    def _sql(self, path: Path) -> str:
        if path != self._literal:
            return self._places[path]
        before, after = self._composed()
        length = f"length(line) - length({before}) - length({after})"
        return f"substr(line, length({before}) + 1, {length})"

    def _written(self, token: Token) -> list[str]:
        """Return a token as it is written in lines of this shape, as SQL to be put together."""
        if not self._have_escapes and token.path in self._texts:
            if token.first == "n":
                return ["'null'"]
            if token.first == '"':
                # Of a null nothing is put between the quotes: the line differs.
                return ["'\"'", self._places[token.path], "'\"'"]
        sql = self._raw(token)
        if not token.is_spaced:
            return [sql]
        return [f"replace(replace({sql}, '\":', '\": '), ',\"', ', \"')"]

    def _composed(self) -> tuple[str, str]:
        """Return the line put together from its parts: before the literal, and after it."""
        pieces: tuple[list[str], list[str]] = ([], [])
        side = 0
        for part in self._shape.parts:
            if isinstance(part, str):
                pieces[side].append(quoted(part))
            elif part.path == self._literal:
                side = 1
            else:
                pieces[side].extend(self._written(part))
        before, after = (
            f"concat({', '.join(side_pieces or [chr(39) * 2])})" for side_pieces in pieces
        )
        return before, after


def _is_flat(sql: str) -> str:
    return (
        f"starts_with({sql}, '{{') and not contains({sql}, ':{{') and not contains({sql}, ':[')"
        f" and not regexp_matches({sql}, '{_ODD_NUMBER}')"
    )


def _is_scalar(sql: str, pattern: str) -> str:
    return f"(strlen({sql}) <= {LONGEST_NUMBER} and regexp_full_match({sql}, '{pattern}'))"


def _is_any(sql: str) -> str:
    """Return the condition that Python reads some value without trouble."""
    closers = f"strlen({sql}) - strlen(translate({sql}, '}}]', ''))"
    is_nested = f"({sql} >= '{{' or starts_with({sql}, '['))"
    is_shallow = f"(strlen({sql}) < {_MAX_CLOSERS} or {closers} < {_MAX_CLOSERS})"
    return (
        f"(starts_with({sql}, '\"') or {_is_scalar(sql, _SCALAR)}"
        f" or ({is_nested} and {is_shallow} and not regexp_matches({sql}, '{_ODD_VALUE}')))"
    )


def _not_plain() -> NoReturn:
    raise _NotPlain
