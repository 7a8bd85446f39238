r"""Streams of bytes cut into blocks of whole lines, in bounded memory.

Lines end at ``\n`` only: U+2028 and the like are data.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from connectors.compression import BrokenCompression
from models.exact_json import storable

MAX_LINE_BYTES = 4 * 1024 * 1024
# Large enough that what is done once per block costs nothing, small enough that a few fit anywhere.
BLOCK_BYTES = 12 * 1024 * 1024
# Short lines make many rows: with more of them, a CSV file of 5 GB was landed in 560 MB.
BLOCK_LINES = 40_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IS_BLANK = np.isin(np.arange(256), list(b" \t\n\r\x0b\x0c"))


class Lines(NamedTuple):
    """Whole lines of a file with their ends, and the number of the first.

    ``strings`` are the lines as Arrow strings, which may be no UTF-8, and share memory with the
    data; line ``n`` is what lies between ``offsets[n]`` and ``offsets[n + 1]``.
    """

    first_number: int
    data: bytes
    strings: Any
    offsets: Any

    def line(self, index: int) -> bytes:
        """Return a line with its end."""
        return self.data[self.offsets[index] : self.offsets[index + 1]]


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
        elif data:
            for lines in _lines(number, data):
                yield lines
                number += len(lines.strings)


def _lines(first_number: int, data: bytes) -> Iterator[Lines]:
    """Yield some lines, not too many at a time: of the shortest ones, a block holds millions."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] < len(data):
        ends = np.append(ends, len(data))
    if len(ends) <= BLOCK_LINES:
        yield _with_offsets(first_number, data, ends)
        return
    for index in range(0, len(ends), BLOCK_LINES):
        some = ends[index : index + BLOCK_LINES]
        start = int(ends[index - 1]) if index else 0
        yield _with_offsets(first_number + index, data[start : some[-1]], some - start)


def _with_offsets(first_number: int, data: bytes, ends: Any) -> Lines:
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    buffers = (pa.py_buffer(offsets), pa.py_buffer(data))
    strings = pa.StringArray.from_buffers(len(ends), *buffers)
    return Lines(first_number, data, strings, offsets)


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


def blank_lines(lines: Lines) -> Any:
    """Return the places of lines that hold nothing but white space."""
    starts = lines.offsets[:-1]
    written = np.frombuffer(lines.data, np.uint8)
    is_blank = _IS_BLANK[written[starts]]
    if is_blank.any():
        is_blank &= ~np.logical_or.reduceat(~_IS_BLANK[written], starts)
    return np.flatnonzero(is_blank)


def broken_lines(lines: Lines) -> list[int]:
    """Return the places of lines that are not UTF-8."""
    try:
        lines.strings.validate(full=True)
    except pa.ArrowInvalid:
        return [index for index in range(len(lines.strings)) if not _is_utf8(lines.line(index))]
    return []


def lines_with(lines: Lines, what: bytes) -> list[int]:
    """Return the places of lines that hold some bytes."""
    if what[:1] not in lines.data:
        return []
    found = []
    at = lines.data.find(what)
    while at >= 0:
        index = int(np.searchsorted(lines.offsets, at, "right")) - 1
        found.append(index)
        at = lines.data.find(what, int(lines.offsets[index + 1]))
    return found


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def shown(line: bytes) -> str:
    """Return a line as text that can be stored, whatever its bytes are."""
    return storable(line.decode("utf-8", "backslashreplace"))
