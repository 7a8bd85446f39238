"""The reading of usage records as a query for DuckDB: the rules of ``UsageReader``, for plain rows.

A row is plain where the query is certain to read what ``UsageReader`` reads. Of any other row it
says only that it is not plain: each test here may be too strict, and none too lax.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from models.delivered import MAX_ID_LENGTH, MAX_METADATA_CHARACTERS
from models.usage import (
    MAX_AHEAD,
    MAX_WHOLE_DIGITS,
    STANDARD_NAMES,
    VALUE_DECIMALS,
    FieldPaths,
)

# The columns of the landing table that are texts, by the fields that they are read from.
COLUMNS = {
    "tenant_id": "tenant_id",
    "dimension_id": "dimension_id",
    "id": "record_id",
    "metadata": "metadata",
    "corrects": "corrects",
}
EARLIEST = "1900-01-01T00:00:00+00:00"
NUMBER = rf"-?[0-9]{{1,{MAX_WHOLE_DIGITS}}}(\.[0-9]{{1,{VALUE_DECIMALS}}})?"
INSTANT = (
    r"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?"
)
OFFSET = r"(Z|[+-](0[0-9]|1[0-4])(:[0-5][0-9])?)"
_TEXT = r'"([^"\\\x00-\x1f]|\\["\\bfnrt])*"'
_SCALAR = rf"({_TEXT}|true|false|null|0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]+)"
_FLAT_OBJECT = rf"\{{({_TEXT}: ?{_SCALAR}(, ?{_TEXT}: ?{_SCALAR})*)?\}}"
# So long at most are texts in which Python may read any number.
LONGEST_NUMBER = 1_000


class Text(NamedTuple):
    """A field as SQL: its text, null where there is none, and whether that is certain.

    What ``is_formed`` is an instant or a number, or the text that a database wrote for one.
    """

    sql: str
    is_certain: str = "true"
    is_formed: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the records of a source are read with."""

    source: str
    fields: FieldPaths
    is_utc: bool
    now: datetime

    def paths(self, field: str) -> tuple[str, ...]:
        """Return where a field is looked for, the first place first."""
        path = self.fields.get(field)
        if path is None:
            return STANDARD_NAMES[field]
        if isinstance(path, tuple):
            return path
        return (path,) if isinstance(path, str) else ()

    def metadata_parts(self) -> Mapping[str, str] | None:
        """Return where the parts of metadata are looked for, where they are mapped one by one."""
        path = self.fields.get("metadata")
        if path is None or isinstance(path, str) or set(path) == {"const"}:
            return None
        return {str(name): str(place) for name, place in path.items()}

    def constant(self, field: str) -> Text | None:
        """Return a field's constant; None if it has none, or one that SQL does not hold."""
        path: Any = self.fields.get(field)
        if not isinstance(path, Mapping) or set(path) != {"const"} or field == "metadata":
            return None
        value = path["const"]
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            return None
        return None if "\x00" in str(value) else Text(f"nullif({quoted(str(value))}, '')")


def quoted(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_flat_object(text: str) -> str:
    """Return the condition that a text is an object, not nested, of values as Python writes them.

    Of its numbers none is endless, and none is written with an exponent.
    """
    return f"({has_no_endless_number(text)} and regexp_full_match({text}, '{_FLAT_OBJECT}'))"


def is_number(text: str) -> str:
    """Return the condition that a text is a number that is a value as it is written."""
    return f"regexp_full_match({text}, '{NUMBER}')"


def has_no_endless_number(text: str) -> str:
    """Return the condition that a text holds no number that Python refuses for its length."""
    is_short = f"strlen({text}) <= {LONGEST_NUMBER}"
    # `or` would search the short ones, too.
    return f"case when {is_short} then true else not regexp_matches({text}, '[0-9.]{{300}}') end"


def records_query(
    rows: str, texts: Mapping[str, Text], reading: Reading, without: Collection[str] = ()
) -> str:
    """Return the query for the records in ``rows``, in which the texts of the fields are found.

    Its columns are those of the landing table, ``without`` some that need no query, and
    ``is_plain``, without which they mean nothing.
    """
    columns = ", ".join(f"{texts[name].sql} as {name}_text" for name in STANDARD_NAMES)
    certain = " and ".join(dict.fromkeys(text.is_certain for text in texts.values()))
    found = "".join(f"{name}_text as {COLUMNS[name]}, " for name in COLUMNS if name not in without)
    # Made of our own words; what users name is quoted.
    return f"""
        with texts as (
            select row_number, {columns}, {certain} as is_certain from {rows}
        ),
        cut as (
            select *, {_instant_text(texts["timestamp"])} as instant_text from texts
        ),
        read as (
            select
                *,
                try_cast(instant_text as timestamptz) as occurred_at,
                try_cast(value_text as decimal(38, {VALUE_DECIMALS})) as value
            from cut
        )
        select
            row_number::integer as row_number,
            md5_number(concat({quoted(reading.source + chr(31))}, id_text)) as record_key,
            occurred_at,
            value,
            {found}
            coalesce({_is_plain(reading, texts)}, false) as is_plain
        from read
    """  # noqa: S608


def _instant_text(text: Text) -> str:
    if text.is_formed:
        return "timestamp_text"
    return r"""
        case when strlen(timestamp_text) > 26
            then regexp_replace(timestamp_text, '(\.[0-9]{6})[0-9]+', '\1')
            else timestamp_text end
    """


def _is_plain(reading: Reading, texts: Mapping[str, Text]) -> str:
    latest = (reading.now + MAX_AHEAD).isoformat()
    offset = f"{OFFSET}?" if reading.is_utc else OFFSET
    is_instant = f"regexp_full_match(instant_text, '{INSTANT}{offset}')"
    formed = {"timestamp": is_instant, "value": is_number("value_text")}
    tests = [test for field, test in formed.items() if not texts[field].is_formed]
    return f"""
        is_certain
        and {_is_name("tenant_id_text")}
        and {_is_name("dimension_id_text")}
        and {_is_name("id_text")}
        and (corrects_text is null or {_is_name("corrects_text")})
        and corrects_text is distinct from id_text
        and (metadata_text is null or strlen(metadata_text) <= {MAX_METADATA_CHARACTERS})
        and occurred_at between timestamptz '{EARLIEST}' and timestamptz '{latest}'
        and value is not null
        {"".join(f" and {test}" for test in tests)}
    """


def _is_name(text: str) -> str:
    # What begins with a visible character of ASCII is not blank; bytes are at least characters.
    return f"({text} >= '!' and {text} < '~' and strlen({text}) <= {MAX_ID_LENGTH})"
