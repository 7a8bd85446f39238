"""Numbers and flags between NumPy and Arrow.

Arrow's own conversions import pandas first, which costs a small run as long as landing its file.
"""

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_EPOCH = date(1970, 1, 1).toordinal()


def whole_numbers(values: npt.ArrayLike) -> Any:
    """Return numbers as an Arrow array of int64."""
    numbers = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def repeated(value: int | date, count: int) -> Any:
    """Return an Arrow array with one value in every place, of int32 or date32."""
    number, kind = (
        (value.toordinal() - _EPOCH, pa.date32())
        if isinstance(value, date)
        else (value, pa.int32())
    )
    numbers = np.full(count, number, np.int32)
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(numbers)])


def flags(values: npt.NDArray[np.bool_]) -> Any:
    """Return flags as an Arrow array of booleans."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def from_flags(column: Any) -> npt.NDArray[np.bool_]:
    """Return the flags of an Arrow column of booleans, none of which is null."""
    numbers = pc.cast(column, pa.uint8())
    chunks = numbers.chunks if isinstance(numbers, pa.ChunkedArray) else [numbers]
    parts = [
        np.frombuffer(chunk.buffers()[1], np.bool_, len(chunk), chunk.offset)
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate([np.zeros(0, np.bool_), *parts])


def may_hold(column: Any, byte: int) -> bool:
    """Return whether a byte is anywhere in the memory of a column of strings.

    Arrow's own search goes through the rows one by one, at twenty times the cost.
    """
    memory = [chunk.buffers()[2] for chunk in column.chunks if len(chunk)]
    return any((np.frombuffer(data, np.uint8) == byte).any() for data in memory if data)
