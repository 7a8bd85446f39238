"""A clock that tests and the demo can move."""

import time

from sandbox.stripe.store import Store


class Clock:
    """Seconds since 1970: the machine's own time, moved by a stored offset, or standing still."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> int:
        """Return the present second."""
        stopped_at = self._store.setting("clock_stopped_at")
        if stopped_at is not None:
            return int(stopped_at)
        return int(time.time()) + int(self._store.setting("clock_offset") or 0)

    def stop_at(self, second: int) -> None:
        """Stand still at a second, until moved."""
        with self._store.transaction():
            self._store.set_setting("clock_stopped_at", str(second))

    def advance(self, seconds: int) -> None:
        """Move on by so many seconds."""
        with self._store.transaction():
            stopped_at = self._store.setting("clock_stopped_at")
            if stopped_at is not None:
                self._store.set_setting("clock_stopped_at", str(int(stopped_at) + seconds))
            else:
                offset = int(self._store.setting("clock_offset") or 0)
                self._store.set_setting("clock_offset", str(offset + seconds))
