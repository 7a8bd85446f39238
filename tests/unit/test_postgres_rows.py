"""What Postgres copies out in text comes back as it was, wherever the stream is cut."""

import itertools
from contextlib import closing, contextmanager
from typing import NamedTuple

import psycopg2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import postgres_rows
from connectors.deliveries import Unreadable
from connectors.native_rows import numbered
from connectors.postgres_rows import PostgresRows, RowFormat, RowTooLarge, copied_out
from models.exact_json import NumberText

ESCAPED = {
    "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip
TEXT, NUMERIC, BOOLEAN, BIGINT, INTEGERS, BYTES = 25, 1700, 16, 20, 1007, 17


class Column(NamedTuple):
    """What psycopg2 says of a column."""

    name: str
    type_code: int


def row_format(*types):
    columns = [Column(f"c{place}", oid) for place, oid in enumerate(types)]
    return RowFormat([*columns, Column("is_seen", BOOLEAN)])


def copied(rows):
    """Return what the server writes for rows of texts, all of them flagged as new."""
    lines = [
        "\t".join(
            "\\N" if cell is None else "".join(ESCAPED.get(c, c) for c in cell) for cell in row
        )
        for row in rows
    ]
    return "".join(f"{line}\tf\n" for line in lines).encode()


def read(found, text):
    table, _ = found.parsed(text)
    rows = PostgresRows(found, numbered(table, 1))
    return [row for _, row in rows.rows_at(range(table.num_rows))]


texts = st.text(
    st.one_of(
        st.sampled_from('\\bfnrtv.N\n\r\t\b\f\v",'),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    )
)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.none() | texts, st.none() | texts), min_size=1))
@example(rows=[("\ufeff", "\\N")])
def test_texts_come_back_as_they_were(rows):
    found = read(row_format(TEXT, TEXT), copied(rows))
    assert [(row["c0"], row["c1"]) for row in found] == rows


class Copy:
    """A connection whose ``COPY`` gives these rows, and then breaks if it is to."""

    def __init__(self, rows, failure=None):
        self.rows = rows
        self.failure = failure
        self.is_cancelled = False

    @contextmanager
    def cursor(self):
        yield self

    def copy_expert(self, _statement, file):
        for row in self.rows:
            file.write(row)
        if self.failure is not None:
            raise self.failure

    def cancel(self):
        self.is_cancelled = True


@settings(deadline=None)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1), size=st.integers(1, 40))
def test_a_stream_is_cut_between_rows(rows, size):
    lines = [copied([row]) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_rows, "BLOCK_BYTES", size)
        blocks = list(copied_out(Copy(lines), ""))
    assert b"".join(blocks) == b"".join(lines)
    assert all(block.endswith(b"\tf\n") for block in blocks)
    assert len(blocks) > sum(map(len, lines)) // (size + max(map(len, lines)))


def test_what_breaks_a_copy_is_raised_after_its_rows():
    read = copied_out(Copy([b"a\tf\n"], psycopg2.OperationalError("gone")), "")
    assert next(read) == b"a\tf\n"
    with pytest.raises(psycopg2.OperationalError, match="gone"):
        next(read)


def test_memory_is_bounded_whatever_a_row_holds(monkeypatch):
    monkeypatch.setattr(postgres_rows, "BLOCK_BYTES", 10)
    monkeypatch.setattr(postgres_rows, "MAX_ROW_BYTES", 100)
    with pytest.raises(RowTooLarge):
        list(copied_out(Copy([b"x" * 101]), ""))


def test_who_reads_no_further_ends_the_copy(monkeypatch):
    monkeypatch.setattr(postgres_rows, "BLOCK_BYTES", 10)
    copy = Copy(itertools.repeat(b"a\tf\n"))
    with closing(copied_out(copy, "")) as read:
        next(read)
    assert copy.is_cancelled


def test_values_have_the_types_of_their_columns():
    text = b"1.10\tt\t7\t{1,NULL}\t\\\\x6162\tf\n\\N\t\\N\t\\N\t\\N\t\\N\tf\n"
    first, second = read(row_format(NUMERIC, BOOLEAN, BIGINT, INTEGERS, BYTES), text)
    assert (first["c0"], first["c1"], first["c2"], first["c3"]) == ("1.10", True, 7, [1, None])
    assert type(first["c0"]) is NumberText
    assert bytes(first["c4"]) == b"ab"
    assert set(second.values()) == {None}


def test_a_text_that_is_not_utf8_breaks_its_own_row_only():
    good, bad = read(row_format(TEXT), b"a\tf\n\xff\tf\n")
    assert good == {"c0": "a"}
    assert isinstance(bad, Unreadable)
    assert bad.reason == "invalid_encoding"


def test_the_first_rows_are_flagged():
    assert row_format(TEXT).parsed(b"a\tt\nb\tt\nc\tf\n")[1] == 2
