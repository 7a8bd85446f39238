"""Files of any format: every row comes exactly, or with the reason why it cannot."""

import gzip
import io
import zlib
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import file_formats, line_blocks
from connectors.deliveries import Unreadable
from connectors.file_formats import format_of, read_rows
from models.delivered import Reason
from models.exact_json import NumberText

LINES = b'{"id": "a", "n": 1.10}\n{"id": "b", "n": 2}\n'
ROWS = [(1, {"id": "a", "n": "1.10"}), (2, {"id": "b", "n": 2})]


def rows_of(data, file_format="jsonl"):
    return list(read_rows(io.BytesIO(data), file_format))


def zst(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def reasons(rows):
    return [(number, row.reason) for number, row in rows if isinstance(row, Unreadable)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.jsonl", "jsonl"),
        ("b.ndjson.gz", "jsonl"),
        ("B.JSON", "jsonl"),
        ("x.csv.zst", "csv"),
        ("x.snappy.parquet", "parquet"),
        ("x.txt", None),
        ("x.gz", None),
        ("x", None),
    ],
)
def test_the_suffix_tells_the_format(name, expected):
    assert format_of(name) == expected


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zst])
def test_the_first_bytes_tell_the_compression(pack):
    assert rows_of(pack(LINES)) == ROWS
    assert isinstance(rows_of(pack(LINES))[0][1]["n"], NumberText)


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_a_compressed_file_may_have_several_parts(pack):
    first, second = LINES.splitlines(keepends=True)
    assert rows_of(pack(first) + pack(second)) == ROWS


def test_lines_end_at_line_feeds_only():
    rows = rows_of('{"a": "x\u2028y\x85z"}\r\n{"a": 1}\n'.encode())
    assert [row for _, row in rows] == [{"a": "x\u2028y\x85z"}, {"a": 1}]


def test_a_byte_order_mark_and_blank_lines_are_no_rows():
    assert rows_of(b"\xef\xbb\xbf\n" + LINES) == [(2, ROWS[0][1]), (3, ROWS[1][1])]
    assert rows_of(b"\xef\xbb\xbf" + LINES) == ROWS
    assert rows_of(b"") == []


def test_a_last_line_without_end_is_a_row_if_it_can_be_read():
    assert rows_of(LINES[:-1]) == ROWS
    assert reasons(rows_of(LINES[:-3])) == [(2, Reason.UNREADABLE_ROW)]


def test_bad_lines_are_told_apart_and_the_good_ones_still_come():
    rows = rows_of(b'{"a": 1}\n{oops\n[1]\n\xff\xfe\n{"a": 2}\n')
    assert [number for number, row in rows if isinstance(row, dict)] == [1, 5]
    assert reasons(rows) == [
        (2, Reason.UNREADABLE_ROW),
        (3, Reason.UNREADABLE_ROW),
        (4, Reason.INVALID_ENCODING),
    ]
    assert rows[1][1].text == "{oops"
    assert rows[3][1].text == "\\xff\\xfe"


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(line_blocks, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(line_blocks, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(file_formats, "CHUNK_BYTES", 300)
    rows = rows_of(b"x" * 50_000 + b"\n" + LINES)
    assert reasons(rows) == [(1, Reason.UNREADABLE_ROW)]
    assert rows[1:] == [(2, ROWS[0][1]), (3, ROWS[1][1])]


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_a_compressed_file_that_breaks_off_yields_what_came_before(pack, monkeypatch):
    monkeypatch.setattr(file_formats, "CHUNK_BYTES", 2_000)
    lines = b"".join(
        b'{"id": "%d", "x": %d}\n' % (number, zlib.crc32(b"%d" % number))
        for number in range(30_000)
    )
    packed = pack(lines)
    rows = rows_of(packed[: len(packed) // 2])
    assert reasons(rows) == [(0, Reason.UNREADABLE_FILE)]
    assert "breaks off" in rows[-1][1].detail
    assert 5_000 < len(rows) < 25_000


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_a_damaged_compressed_file_is_told(pack):
    packed = bytearray(pack(LINES * 1_000))
    packed[len(packed) // 2] ^= 0xFF
    assert (0, Reason.UNREADABLE_FILE) in reasons(rows_of(bytes(packed)))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(["jsonl", "csv"]), st.sampled_from([bytes, gzip.compress, zst]))
def test_no_damage_stops_the_reading(data, file_format, pack):
    plain = LINES * 20 if file_format == "jsonl" else b"id,n\n" + b'a,"1\n2"\nb,2\n' * 20
    packed = bytearray(pack(plain))
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(packed)))
    rows = rows_of(bytes(packed[:cut]), file_format)
    numbers = [number for number, _ in rows]
    assert len(set(numbers)) == len(numbers)


def test_csv_rows_have_the_names_of_the_header_and_the_numbers_of_their_lines():
    rows = rows_of(b'\xef\xbb\xbfid,note\r\na,"x, ""y""\nz"\r\n\r\nb,\n', "csv")
    assert rows == [(2, {"id": "a", "note": 'x, "y"\nz'}), (5, {"id": "b", "note": ""})]


def test_ragged_and_broken_csv_rows_are_told_apart():
    rows = rows_of(b'id,n\na,1\nb\nc,1,2\nd,"x"y\ne,\xff\nf,a\x00b\ng,2\n', "csv")
    assert [number for number, row in rows if isinstance(row, dict)] == [2, 8]
    assert reasons(rows) == [
        (3, Reason.UNREADABLE_ROW),
        (4, Reason.UNREADABLE_ROW),
        (5, Reason.UNREADABLE_ROW),
        (6, Reason.INVALID_ENCODING),
        (7, Reason.INVALID_ENCODING),
    ]
    assert rows[1][1].text == "b\n"


def test_a_csv_file_that_ends_within_quotes_is_told():
    assert reasons(rows_of(b'id,n\na,1\nb,"never closed\nc,2\n', "csv")) == [
        (3, Reason.UNREADABLE_ROW)
    ]


def test_a_csv_row_without_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(line_blocks, "MAX_LINE_BYTES", 1_000)
    # Each line closes a cell and opens another one.
    rows = rows_of(b'id,n\na,1\n"x\n' + b'y","z\n' * 1_000 + b'"\nb,2\n', "csv")
    assert [row for _, row in rows if isinstance(row, dict)] == [
        {"id": "a", "n": "1"},
        {"id": "b", "n": "2"},
    ]
    assert len(reasons(rows)) > 5
    assert max(len(row.text) for _, row in rows if isinstance(row, Unreadable)) <= 1_000


@pytest.mark.parametrize("first", [b"a,2026-03-01T00:00:00Z,1", b"a,b,1.5", b"id,id,n", b"id,,n"])
def test_csv_without_a_header_loses_no_row(first):
    rows = rows_of(first + b"\nx,y,z\n", "csv")
    assert reasons(rows) == [(1, Reason.UNREADABLE_ROW), (2, Reason.UNREADABLE_ROW)]
    assert "no header" in rows[1][1].detail


@pytest.mark.parametrize("first", [b"\x00" * 50, b"id,\xff", b"x" * 5_000])
def test_what_cannot_be_a_header_is_no_header(first, monkeypatch):
    monkeypatch.setattr(line_blocks, "MAX_LINE_BYTES", 1_000)
    assert [number for number, _ in reasons(rows_of(first + b"\na,b\n", "csv"))] == [1, 2]


def parquet(table, **options):
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def test_parquet_values_are_exact():
    instant = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    table = pa.table(
        {
            "d": pa.array([Decimal("12345678901234567890.123456789")], pa.decimal128(38, 9)),
            "ns": pa.array([1772366400123456789], pa.timestamp("ns", tz="UTC")),
            "naive": pa.array([instant.replace(tzinfo=None)], pa.timestamp("us")),
            "f": pa.array([0.1], pa.float64()),
            "m": pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())),
            "s": pa.array([{"a": 1}]),
            "none": pa.array([None], pa.string()),
        }
    )
    [(number, row)] = rows_of(parquet(table), "parquet")
    assert number == 1
    assert row["d"] == Decimal("12345678901234567890.123456789")
    assert row["ns"] == instant
    assert row["naive"] == instant.replace(tzinfo=None)
    assert (row["f"], row["m"], row["s"], row["none"]) == (0.1, {"k": "v"}, {"a": 1}, None)


def test_parquet_comes_in_batches(monkeypatch):
    monkeypatch.setattr(file_formats, "PARQUET_BATCH_ROWS", 10)
    rows = rows_of(gzip.compress(parquet(pa.table({"n": list(range(35))}))), "parquet")
    assert [number for number, _ in rows] == list(range(1, 36))
    assert rows[34] == (35, {"n": 34})


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda _: b"PAR1", lambda _: b"id,n"])
def test_a_broken_parquet_file_is_told(damage):
    data = parquet(pa.table({"n": list(range(1000))}))
    assert reasons(rows_of(damage(data), "parquet")) == [(0, Reason.UNREADABLE_FILE)]


def test_a_parquet_file_with_a_damaged_page_yields_the_rows_before_it(monkeypatch):
    monkeypatch.setattr(file_formats, "PARQUET_BATCH_ROWS", 100)
    table = pa.table({"n": [f"{n:040d}" for n in range(1000)]})
    data = bytearray(
        parquet(table, row_group_size=100, use_dictionary=False, write_page_checksum=False)
    )
    middle = len(data) // 2
    data[middle : middle + 400] = b"\xff" * 400
    rows = rows_of(bytes(data), "parquet")
    assert reasons(rows) == [(0, Reason.UNREADABLE_FILE)]
    assert 100 <= len(rows) - 1 < 900
