"""Where the fields of usage records are in rows of typed columns, as SQL."""

import re
from collections.abc import Collection, Mapping

from models.exact_json import quote
from models.plain_usage import (
    Reading,
    Text,
    has_no_endless_number,
    is_flat_object,
    is_number,
    quoted,
)
from models.usage import MAX_WHOLE_DIGITS, STANDARD_NAMES, VALUE_DECIMALS

# A column of texts that are numbers, as a database writes them.
NUMBER_TEXT = "number"
# Of texts that are instants, as a database writes them: in UTC, or in the source's time zone.
INSTANT_TEXT, LOCAL_TEXT = "instant", "local instant"
# A column of JSON that a database found to be valid; the second kind it has also written itself.
JSON_TEXT, JSONB_TEXT = "json", "jsonb"
_JSON = frozenset({JSON_TEXT, JSONB_TEXT})
_TEXT_TYPES = frozenset({"string", "large_string", INSTANT_TEXT, LOCAL_TEXT, *_JSON})
_FORMED = frozenset({"timestamp", "value"})
# The fields that are empty in no plain row.
_NAMES = frozenset({"id", "tenant_id", "dimension_id"})
_FLOATS = frozenset({"halffloat", "float", "double"})
_ODD_LETTER = r'["\\\x00-\x1f]'
_NUMBER = r"(-?[1-9][0-9]{0,30}|0|-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30})"


def wanted_columns(columns: Collection[str], reading: Reading) -> list[str]:
    """Return those of the columns that a record may be read from."""
    wanted = {path for field in STANDARD_NAMES for path in reading.paths(field)}
    wanted |= set((reading.metadata_parts() or {}).values())
    wanted |= {path.partition(".")[0] for path in wanted} | {"specversion"}
    return [name for name in columns if name in wanted]


def column_texts(
    columns: Mapping[str, str], reading: Reading, *, have_nuls: bool = True
) -> dict[str, Text] | None:
    """Return the fields in rows of columns with these types; None if no row can be plain.

    In SQL the columns are ``c0``, ``c1`` and so on: to DuckDB, ``ID`` and ``id`` were one name.
    Unless they ``have_nuls``, no text holds the character NUL. A field that is one column as it
    stands, in every plain row, has the name of that column for its text.
    """
    texts = {
        field: _field(field, columns, reading, have_nuls=have_nuls) for field in STANDARD_NAMES
    }
    found = {field: text for field, text in texts.items() if text is not None}
    return found if len(found) == len(texts) else None


def _field(
    field: str, columns: Mapping[str, str], reading: Reading, *, have_nuls: bool
) -> Text | None:
    if field == "metadata" and (parts := reading.metadata_parts()) is not None:
        return _object(parts, columns)
    if isinstance(reading.fields.get(field), Mapping):
        return reading.constant(field)
    texts: list[str] = []
    conditions: list[str] = []
    whole: str | None = None
    for path in reading.paths(field):
        parent = path.partition(".")[0]
        if path in columns:
            kind, column = columns[path], _sql_name(columns, path)
            text, condition = _typed(field, kind, column, have_nuls=have_nuls)
            whole = None if texts else _whole(field, kind, column, is_utc=reading.is_utc)
            texts.append(text)
            conditions.append(condition)
        elif parent in columns:
            # What lies within a column counts only where the columns before it are empty.
            before = f"coalesce({', '.join([*texts, 'null'])}) is not null"
            conditions.append(f"({before} or {_sql_name(columns, parent)} is null)")
    is_cloudevent = "metadata" not in reading.fields and "specversion" in columns
    if field == "metadata" and is_cloudevent and columns.get("data", "string") not in _TEXT_TYPES:
        # Its metadata is what else is in the data.
        conditions.append("false")
    certain = " and ".join(conditions) or "true"
    if whole is not None:
        return Text(whole, certain, is_formed=field in _FORMED)
    text = f"coalesce({', '.join(texts)})" if texts else "null::varchar"
    return Text(text, certain)


def _whole(field: str, kind: str, column: str, *, is_utc: bool) -> str | None:
    """Return the column if it need not be made into a text that is tested; else None."""
    if field == "timestamp":
        is_instant = kind == INSTANT_TEXT or kind.startswith("timestamp[us, tz=")
        is_whole = is_instant or (is_utc and kind in (LOCAL_TEXT, "timestamp[us]"))
    elif field == "value":
        is_whole = kind == NUMBER_TEXT or _is_whole(kind) or _fits(kind)
    elif field == "metadata":
        is_whole = kind in _JSON
    else:
        is_whole = field in _NAMES and kind == "string"
    return column if is_whole else None


def _object(parts: Mapping[str, str], columns: Mapping[str, str]) -> Text:
    """Return metadata that is put together from columns, a missing one being null."""
    pieces: list[str] = []
    conditions: list[str] = []
    for name, path in parts.items():
        value = "null"
        if path in columns:
            column = _sql_name(columns, path)
            value, condition = _scalar(columns[path], column)
            conditions.append(f"({column} is null or {condition})")
        elif (parent := path.partition(".")[0]) in columns:
            conditions.append(f"{_sql_name(columns, parent)} is null")
        label = quoted(f"{',' if pieces else ''}{quote(name)}:")
        pieces.append(f"{label}, coalesce({value}, 'null')")
    whole = f"concat('{{', {', '.join([*pieces, quoted('}')])})"
    return Text(whole, " and ".join(conditions) or "true")


def _scalar(kind: str, column: str) -> tuple[str, str]:
    """Return a column as JSON text, and the condition under which Python writes the same."""
    if kind in _TEXT_TYPES:
        # Not by `concat`, to which null is an empty text.
        return f"'\"' || {column} || '\"'", f"not regexp_matches({column}, '{_ODD_LETTER}')"
    if kind == NUMBER_TEXT:
        return column, f"regexp_full_match({column}, '{_NUMBER}')"
    if kind in _FLOATS:
        text = f"{column}::double::varchar"
        return text, f"regexp_full_match({text}, '{_NUMBER}')"
    if kind == "bool" or _is_whole(kind):
        return f"{column}::varchar", "true"
    return "null", "false"


def _sql_name(columns: Mapping[str, str], name: str) -> str:
    return f"c{list(columns).index(name)}"


def _typed(field: str, kind: str, column: str, *, have_nuls: bool) -> tuple[str, str]:
    """Return a column as text, and the condition under which Python reads the same."""
    if field == "metadata" and kind in _TEXT_TYPES:
        text = column if kind in _JSON else f"nullif({column}, '')"
        is_flat = _is_flat(column) if kind == JSONB_TEXT else is_flat_object(column)
        return text, f"({text} is null or {is_flat})"
    if field == "value" and kind == NUMBER_TEXT:
        # So short a text has no room for digits that would be rounded.
        is_short = f"strlen({column}) <= {VALUE_DECIMALS + 1}"
        is_exact = f"case when {is_short} then true else {is_number(column)} end"
        return column, f"({column} is null or {is_exact})"
    if field != "metadata" and (kind in _TEXT_TYPES or kind == NUMBER_TEXT):
        has_no_nul = f"({column} is null or not contains({column}, chr(0)))"
        return f"nullif({column}, '')", has_no_nul if have_nuls else "true"
    if field == "value" and kind in _FLOATS:
        # The shortest digits that read back as the same double.
        return f"{column}::double::varchar", "true"
    if _is_read(field, kind):
        return f"{column}::varchar", "true"
    return "null::varchar", f"{column} is null"


def _is_flat(column: str) -> str:
    """Return the condition that JSON as Postgres writes it is an object of scalars."""
    is_object = f"{column} like '{{%' and {column} not like '_%{{%'"
    return f"({is_object} and not contains({column}, '[') and {has_no_endless_number(column)})"


def _is_read(field: str, kind: str) -> bool:
    if field == "timestamp":
        return kind.startswith("timestamp[us")
    if field == "value" and kind.startswith("decimal128"):
        return True
    return field != "metadata" and _is_whole(kind)


def _fits(kind: str) -> bool:
    """Return whether a type is of decimals that all are values as they are."""
    found = re.fullmatch(r"decimal128\((\d+), (\d+)\)", kind)
    if found is None:
        return False
    digits, decimals = map(int, found.groups())
    return decimals <= VALUE_DECIMALS and digits - decimals <= MAX_WHOLE_DIGITS


def _is_whole(kind: str) -> bool:
    return re.fullmatch(r"u?int\d+", kind) is not None
