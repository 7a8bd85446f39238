"""Single values as sources deliver them: instants, exact numbers, names; and why one is refused."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from models.exact_json import NumberText, quote, read_json, write_json

# No line of a file holds more; jsonb, as which metadata are compared, ends at 256 MB.
MAX_METADATA_CHARACTERS = 4 * 1024 * 1024
MAX_ID_LENGTH = 255

_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
_is_number = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII).fullmatch
_is_timestamp = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?", re.ASCII
).fullmatch


class Reason(StrEnum):
    """Why a delivered row cannot be read; the list is closed."""

    BAD_CORRECTION = "bad_correction"
    BAD_FIELD = "bad_field"
    BAD_METADATA = "bad_metadata"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_VALUE = "bad_value"
    FUTURE_TIMESTAMP = "future_timestamp"
    ID_TOO_LONG = "id_too_long"
    INVALID_ENCODING = "invalid_encoding"
    MISSING_FIELD = "missing_field"
    UNREADABLE_FILE = "unreadable_file"
    UNREADABLE_ROW = "unreadable_row"


class Rejection(NamedTuple):
    """Why one delivered row is not a record."""

    reason: Reason
    detail: str


class RowError(ValueError):
    """A row that breaks a rule of its record; carries the rejection."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def read_instant(field: str, given: Any, timezone: tzinfo) -> datetime:
    """Return an RFC 3339 text or a datetime as UTC; beyond microseconds is cut off."""
    if isinstance(given, str):
        moment = _parsed(field, given)
    elif isinstance(given, datetime):
        moment = given
    elif given is None:
        raise missing(field)
    else:
        raise RowError(Reason.BAD_TIMESTAMP, f"{field} {shown(given)} is not an RFC 3339 timestamp")
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise RowError(Reason.BAD_TIMESTAMP, f"{field} {shown(given)} is out of range") from error


def _parsed(field: str, given: str) -> datetime:
    if not _is_timestamp(given):
        if not given.strip():
            raise missing(field)
        raise RowError(Reason.BAD_TIMESTAMP, f"{field} {shown(given)} is not an RFC 3339 timestamp")
    try:
        return datetime.fromisoformat(given.upper())
    except ValueError as error:
        raise RowError(Reason.BAD_TIMESTAMP, f"{field} {shown(given)}: {error}") from error


def read_number(
    field: str, given: Any, *, decimals: int, whole_digits: int
) -> tuple[Decimal, bool]:
    """Return an exact number, and whether digits were rounded (half-even) off its end."""
    value = _decimal(field, given)
    if not value.is_finite():
        raise RowError(Reason.BAD_VALUE, f"{field} {shown(given)} is not a finite number")
    if not value:
        # A zero may carry any sign and exponent (`-0e999999`), which Postgres would refuse.
        return Decimal(0), False
    rounded = value
    if value.as_tuple().exponent < -decimals and value.adjusted() < whole_digits:  # type: ignore[operator]
        rounded = value.quantize(Decimal((0, (1,), -decimals)), context=_EXACT)
    if rounded.adjusted() >= whole_digits:
        raise RowError(
            Reason.BAD_VALUE, f"{field} {shown(given)} has more than {whole_digits} whole digits"
        )
    return rounded, rounded != value


def _decimal(field: str, given: Any) -> Decimal:
    if isinstance(given, str):
        text = given.strip()
        if _is_number(text):
            return Decimal(text)
        if not text:
            raise missing(field)
    elif isinstance(given, (int, Decimal)) and not isinstance(given, bool):
        return Decimal(given)
    elif isinstance(given, float):
        # The shortest text that reads back as this double: what its producer saw.
        return Decimal(repr(given))
    elif given is None:
        raise missing(field)
    raise RowError(Reason.BAD_VALUE, f"{field} {shown(given)} is not a decimal number")


def read_name(field: str, given: Any) -> str:
    """Return an identifier that must be there."""
    name = read_optional_name(field, given)
    if name is None:
        raise missing(field)
    return name


def read_optional_name(field: str, given: Any) -> str | None:
    """Return an identifier as text; absent, empty and blank are None."""
    if given is None:
        return None
    text = given if type(given) is str else _as_text(field, given)
    if len(text) > MAX_ID_LENGTH:
        raise RowError(
            Reason.ID_TOO_LONG, f"{field} has {len(text)} characters, {MAX_ID_LENGTH} are allowed"
        )
    if "\x00" in text:
        refuse_nul(text)
    _refuse_surrogates(text)
    return text if text.strip() else None


def _as_text(field: str, given: Any) -> str:
    if isinstance(given, (bool, Mapping, list, tuple, float)):
        raise RowError(Reason.BAD_FIELD, f"{field} is not text: {shown(given)}")
    if isinstance(given, (bytes, memoryview)):
        return bytes(given).decode()
    return str(given)


def read_metadata(given: Any) -> str:
    """Return metadata as JSON text, as delivered."""
    if isinstance(given, str) and not isinstance(given, NumberText):
        try:
            given = read_json(given)
        except ValueError as error:
            raise RowError(Reason.BAD_METADATA, "metadata is not a JSON object") from error
    if not isinstance(given, Mapping):
        raise RowError(Reason.BAD_METADATA, "metadata is not a JSON object")
    delivered = []
    for name in given:
        label = quote(str(name))
        text = _metadata_scalar(given[name])
        if "\\u0000" in label or "\\u0000" in text:
            refuse_nul(str(name), str(given[name]))
        delivered.append(f"{label}:{text}")
    whole = "{" + ",".join(delivered) + "}"
    if len(whole) > MAX_METADATA_CHARACTERS:
        raise RowError(
            Reason.BAD_METADATA,
            f"metadata has {len(whole)} characters, {MAX_METADATA_CHARACTERS} are allowed",
        )
    _refuse_surrogates(whole)
    return whole


def _metadata_scalar(value: Any) -> str:
    if type(value) is str:
        return quote(value)
    if isinstance(value, (Mapping, list, tuple)):
        raise RowError(Reason.BAD_METADATA, "metadata holds an object or a list: not flat")
    text = write_json(value)
    if isinstance(value, (NumberText, Decimal, float)):
        number = Decimal(text.strip('"'))
        # jsonb would write 1e99999 out in full, and refuses 1e200000 outright.
        if not number.is_finite() or abs(number.adjusted()) > 1000:
            raise RowError(Reason.BAD_METADATA, f"{shown(value)} in metadata is out of range")
    return text


def refuse_nul(*texts: str) -> None:
    """Refuse a row one of whose texts holds NUL, which Postgres cannot store."""
    if any("\x00" in text for text in texts):
        raise RowError(Reason.INVALID_ENCODING, "a text of the row holds a NUL character")


def _refuse_surrogates(text: str) -> None:
    """Raise ``UnicodeError`` if a text holds half a pair, which is no character."""
    if not text.isascii():
        text.encode()


def missing(field: str) -> RowError:
    """Return the refusal of a row that lacks a field."""
    return RowError(Reason.MISSING_FIELD, f"there is no {field}")


def shown(given: Any) -> str:
    """Return a delivered value for a message, cut to a length that can be read."""
    text = repr(str(given))
    return text if len(text) <= 80 else f"{text[:77]}..."
