"""Rows of JSON lines, as Python objects."""

from typing import Any

from connectors.deliveries import Unreadable
from connectors.line_blocks import MAX_LINE_BYTES, shown
from models.delivered import Reason
from models.exact_json import read_json, storable

SHOWN_CHARACTERS = 1_000


def json_row(line: bytes) -> dict[str, Any] | Unreadable:
    """Return the object in a line, or why there is none."""
    try:
        row = read_json(line.decode())
    except UnicodeDecodeError as error:
        return unreadable(Reason.INVALID_ENCODING, f"not UTF-8: {error.reason}", line)
    except ValueError as error:
        return unreadable(Reason.UNREADABLE_ROW, f"not JSON: {error}", line)
    if not isinstance(row, dict):
        return unreadable(Reason.UNREADABLE_ROW, "not a JSON object, one of which is a row", line)
    return row


def unreadable(reason: Reason, detail: str, line: bytes) -> Unreadable:
    """Return what stands for a line that is no row."""
    return Unreadable(reason, storable(detail), shown(line))


def too_long(line: bytes) -> Unreadable:
    """Return what stands for a line that is too long to be a row."""
    detail = f"the line is longer than {MAX_LINE_BYTES} bytes; its beginning is kept"
    return unreadable(Reason.UNREADABLE_ROW, detail, line[:SHOWN_CHARACTERS])
