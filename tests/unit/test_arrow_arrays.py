import subprocess
import sys

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors.arrow_arrays import flags, from_flags, may_hold, repeated, whole_numbers


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_become_an_arrow_array(numbers):
    assert whole_numbers(numbers).equals(pa.array(numbers, pa.int64()))


@given(st.dates() | st.integers(-(2**31), 2**31 - 1), st.integers(0, 3))
def test_a_value_is_repeated(value, count):
    kind = pa.int32() if isinstance(value, int) else pa.date32()
    assert repeated(value, count).equals(pa.array([value] * count, kind))


@given(st.lists(st.lists(st.booleans())), st.integers(0, 5))
def test_flags_go_to_arrow_and_back(chunks, start):
    parts = [flags(np.array(chunk, bool)) for chunk in chunks]
    column = pa.chunked_array(parts, pa.bool_()).slice(start)
    assert column.to_pylist() == [flag for chunk in chunks for flag in chunk][start:]
    assert from_flags(column).tolist() == column.to_pylist()


@given(st.lists(st.lists(st.sampled_from(["", "ab", "\\\\", "é"]), min_size=1)), st.integers(0, 2))
def test_a_byte_is_found_wherever_it_is(chunks, start):
    column = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
    is_there = any("\\" in text for chunk in chunks for text in chunk)
    assert may_hold(column, ord("\\")) == is_there
    assert may_hold(column.slice(start), ord("\\")) >= any(
        "\\" in text for text in column.slice(start).to_pylist()
    )


def test_a_file_is_read_natively_without_pandas():
    script = """
import sys
from datetime import UTC, datetime
from io import BytesIO
from zoneinfo import ZoneInfo
from assets.ingestion.plain_rows import PlainRows
from connectors.copying import binary_rows
from connectors.file_formats import read_blocks

data = {
    "jsonl": b'{"id":"a","timestamp":"2026-03-01T00:00:00Z","tenant_id":"t","dimension_id":"d",'
    b'"value":1}\\n' * 200,
    "csv": b"id,timestamp,tenant_id,dimension_id,value\\n"
    + b"a,2026-03-01T00:00:00Z,t,d,1\\n" * 200,
}
for file_format, content in data.items():
    reader = PlainRows("files", None, ZoneInfo("UTC"), datetime.now(UTC))
    for block in read_blocks(BytesIO(content), file_format):
        tables, left = reader.read(block.native)
        assert sum(table.num_rows for table in tables) == 200, left
        for table in tables:
            binary_rows(table)
print("pandas" in sys.modules)
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
