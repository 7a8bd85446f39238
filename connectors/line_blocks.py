r"""Streams of bytes cut into blocks of whole lines, in bounded memory.

Lines end at ``\n`` only: U+2028 and the like are data.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from connectors.compression import BrokenCompression
from models.exact_json import storable

MAX_LINE_BYTES = 4 * 1024 * 1024
# Large enough that what is done once per block costs nothing, small enough that a few fit anywhere.
BLOCK_BYTES = 8 * 1024 * 1024
BLOCK_LINES = 200_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IS_BLANK = np.isin(np.arange(256), list(b" \t\n\r\x0b\x0c"))


class Lines(NamedTuple):
    """Whole lines of a file with their ends, and the number of the first."""

    first_number: int
    data: bytes


class CutLine(NamedTuple):
    """The beginning of a line that is too long to be a row."""

    number: int
    beginning: bytes


def line_blocks(chunks: Iterator[bytes]) -> Iterator[Lines | CutLine]:
    """Yield the lines of a stream, in order; a byte order mark before the first is none of it."""
    number = 1
    for data, is_cut in _cut(_without_mark(chunks)):
        if is_cut:
            yield CutLine(number, data)
            number += 1
        else:
            for part in _parts(data):
                yield Lines(number, part)
                number += part.count(b"\n")


def _parts(data: bytes) -> Iterator[bytes]:
    """Yield whole lines, not too many at a time: of the shortest ones, a block holds millions."""
    start = 0
    if data.count(b"\n") > BLOCK_LINES:
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))[
            BLOCK_LINES - 1 :: BLOCK_LINES
        ]
        for end in (ends + 1).tolist():
            yield data[start:end]
            start = end
    if start < len(data):
        yield data[start:]


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(BYTE_ORDER_MARK):
            break
    yield head.removeprefix(BYTE_ORDER_MARK)
    yield from chunks


def _cut(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield whole lines by the block, and what is kept of a line that is too long."""
    pending, size = [b""], 0
    try:
        for chunk in chunks:
            pending.append(chunk)
            size += len(chunk)
            if size < BLOCK_BYTES:
                continue
            whole, rest = _parted(pending)
            if whole:
                yield whole, False
            if len(rest) > MAX_LINE_BYTES:
                yield rest[:MAX_LINE_BYTES], True
                rest = _after_line(chunks)
            pending, size = [rest], len(rest)
    except BrokenCompression:
        yield _parted(pending)[0], False
        raise
    yield b"".join(pending), False


def _parted(pending: list[bytes]) -> tuple[bytes, bytes]:
    """Return the whole lines of some bytes, and the rest."""
    data = b"".join(pending)
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:]


def _after_line(chunks: Iterator[bytes]) -> bytes:
    """Skip to the end of a line, and return what has been read beyond it."""
    for chunk in chunks:
        _, end, rest = chunk.partition(b"\n")
        if end:
            return rest
    return b""


def as_strings(data: bytes) -> Any:
    """Return the lines of a block as Arrow strings with their ends, without copying them."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] < len(data):
        ends = np.append(ends, len(data))
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))


def offsets_of(lines: Any) -> Any:
    """Return where lines that ``as_strings`` made begin and end."""
    return np.frombuffer(lines.buffers()[1], np.int32)


def blank_lines(data: bytes, lines: Any) -> Any:
    """Return the places of lines that hold nothing but white space."""
    starts = offsets_of(lines)[:-1]
    written = np.frombuffer(data, np.uint8)
    is_blank = _IS_BLANK[written[starts]]
    if is_blank.any():
        is_blank &= ~np.logical_or.reduceat(~_IS_BLANK[written], starts)
    return np.flatnonzero(is_blank)


def broken_lines(data: bytes, lines: Any) -> Any:
    """Return the places of lines that are not UTF-8."""
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        offsets = offsets_of(lines).tolist()
        lines_at = enumerate(pairwise(offsets))
        return [index for index, (start, end) in lines_at if not _is_utf8(data[start:end])]
    return []


def lines_with(data: bytes, lines: Any, what: bytes) -> list[int]:
    """Return the places of lines that hold some bytes."""
    found, at = set(), data.find(what)
    offsets = offsets_of(lines)
    while at >= 0:
        index = int(np.searchsorted(offsets, at, "right")) - 1
        found.add(index)
        at = data.find(what, int(offsets[index + 1]))
    return sorted(found)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def shown(line: bytes) -> str:
    """Return a line as text that can be stored, whatever its bytes are."""
    return storable(line.decode("utf-8", "backslashreplace"))
