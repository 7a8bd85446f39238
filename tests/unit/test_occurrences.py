"""Rows that are counted as a dictionary would count them."""

from collections import Counter

from models.occurrences import CACHED_KIB, Occurrences


def test_each_row_knows_how_often_it_has_come() -> None:
    seen, occurrences = Counter[bytes](), Occurrences()
    for number in range(50_000):
        digest = (number**2 % 20_011).to_bytes(16)
        seen[digest] += 1
        assert occurrences.count(digest) == seen[digest]


def test_more_rows_than_memory_holds_are_counted() -> None:
    """Written behind one another, they are more bytes than stay in memory."""
    rows, occurrences = CACHED_KIB * 1024 // 64, Occurrences()
    digests = [number.to_bytes(100) for number in range(rows)]
    assert {occurrences.count(digest) for digest in digests} == {1}
    assert occurrences.count(digests[0]) == 2
