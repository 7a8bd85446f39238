"""What Postgres copies out in text comes back as it was, wherever the stream is cut."""

from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors import postgres_rows
from connectors.deliveries import Unreadable
from connectors.native_rows import numbered
from connectors.postgres_rows import PostgresRows, RowFormat, RowTooLarge, whole_rows
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


@settings(deadline=None)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1), size=st.integers(1, 40))
def test_a_stream_is_cut_between_rows(rows, size):
    text = copied(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_rows, "BLOCK_BYTES", 20)
        blocks = list(whole_rows(text[at : at + size] for at in range(0, len(text), size)))
    assert b"".join(blocks) == text
    assert all(block.endswith(b"\tf\n") for block in blocks)


def test_the_beginning_of_a_row_is_no_row():
    assert list(whole_rows(iter([b"a\tf\nb"]))) == [b"a\tf\n"]


def test_memory_is_bounded_whatever_a_row_holds(monkeypatch):
    monkeypatch.setattr(postgres_rows, "MAX_ROW_BYTES", 100)
    with pytest.raises(RowTooLarge):
        list(whole_rows(b"x" * 10 for _ in range(1000)))


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
