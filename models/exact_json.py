"""JSON whose numbers stay as they were written: a bill must never pass through a float."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from json.encoder import encode_basestring as _quote


class NumberText(str):
    """A JSON number with a fraction or an exponent (or ``NaN``), as its delivered text."""

    __slots__ = ()


# The text of a JSON string, quotes included; written in C.
quote = _quote

_decode = json.JSONDecoder(parse_float=NumberText, parse_constant=NumberText).decode


def read_json(text: str) -> object:
    """Return the value in a JSON text; fractions come back as ``NumberText``.

    Anything that is not JSON raises ``ValueError``, nesting too deep to read included.
    """
    try:
        return _decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def write_json(value: object) -> str:
    """Return a value as JSON, numbers exactly as they are; ``read_json`` brings them back."""
    try:
        return _write(value)
    except RecursionError:
        # Nested so deeply that only the encoder in C gets to the ground of it.
        return json.dumps(value, default=str)


def _write(value: object) -> str:
    if isinstance(value, str):
        return str(value) if isinstance(value, NumberText) else quote(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote(str(k))}: {_write(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_write, value)) + "]"
    return _write_scalar(value)


def _write_scalar(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else quote(str(value))
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else quote(repr(value))
    if isinstance(value, (datetime, date)):
        return quote(value.isoformat())
    if isinstance(value, (bytes, memoryview)):
        return quote(bytes(value).decode("utf-8", "backslashreplace"))
    return quote(str(value))


def storable(text: str) -> str:
    """Return text that a Postgres column can hold: no NUL, no half of a surrogate pair."""
    if "\x00" in text:
        text = text.replace("\x00", "\\u0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
