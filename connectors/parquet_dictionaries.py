"""How large rows of Parquet may get: a dictionary says a value once, for any number of them."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BUFFER_BYTES = 64 * 1024


def rows_within(file: Any, metadata: Any, groups: Sequence[int], row_count: int, size: int) -> int:
    """Return how many rows of some row groups, at most ``row_count``, are no larger than a size.

    Whatever rows they are: each may have the longest text of each dictionary.
    """
    longest = 0
    for group in groups:
        chunks = metadata.row_group(group)
        columns = [chunks.column(index) for index in range(chunks.num_columns)]
        # No value of a dictionary is longer than all its pages: many columns need no look.
        paths = [
            chunk.path_in_schema
            for chunk in columns
            if _has_texts(chunk) and chunk.total_uncompressed_size * row_count > size
        ]
        if paths:
            longest = max(longest, _longest_texts(file, metadata, group, paths))
    return max(1, min(row_count, size // max(1, longest)))


def _has_texts(chunk: Any) -> bool:
    is_text = chunk.physical_type == "BYTE_ARRAY"
    return is_text and any("DICTIONARY" in encoding for encoding in chunk.encodings)


def _longest_texts(file: Any, metadata: Any, group: int, paths: list[str]) -> int:
    parquet = pq.ParquetFile(
        file, metadata=metadata, read_dictionary=paths, buffer_size=BUFFER_BYTES
    )
    # With the first row comes the whole dictionary.
    batches = parquet.iter_batches(batch_size=1, row_groups=[group], columns=paths)
    first = next(batches, None)
    return 0 if first is None else sum(map(_longest_of, first.columns))


def _longest_of(array: Any) -> int:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return pc.max(pc.binary_length(array.dictionary)).as_py() or 0
    parts: Sequence[Any] = ()
    if pa.types.is_struct(kind):
        parts = array.flatten()
    elif pa.types.is_map(kind):
        parts = (array.keys, array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        parts = (array.values,)
    return max(map(_longest_of, parts), default=0)
