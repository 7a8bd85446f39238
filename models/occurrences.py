"""How often each row of a file has come: as exact as a dictionary, in bounded memory."""

import sqlite3

# What stays in memory; beyond it, the file is one that the system removes by itself.
CACHED_KIB = 32 * 1024

COUNTED = """
    insert into occurrences values (?, 1)
    on conflict (digest) do update set number = number + 1
    returning number
"""


class Occurrences:
    """The rows of one file, by their digests."""

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None

    def count(self, digest: bytes) -> int:
        """Return the how-manieth row with this digest the present one is, the first being 1."""
        if self._database is None:
            self._database = self._opened()
        number: int = self._database.execute(COUNTED, (digest,)).fetchone()[0]
        return number

    def _opened(self) -> sqlite3.Connection:
        # A file may be read by another thread than the one that opened it, but by one at a time.
        database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        database.execute(f"pragma cache_size = -{CACHED_KIB}")
        database.execute("pragma journal_mode = off")
        database.execute("begin")
        database.execute(
            "create table occurrences (digest blob primary key, number integer) without rowid"
        )
        return database
