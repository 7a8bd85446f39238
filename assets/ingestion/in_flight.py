"""Several deliveries on their way at once, each in a thread and a transaction of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

# A delivery takes up to 300 MB: a few blocks of 12 MiB, what DuckDB and Arrow make of one, and what
# they keep for the next. With 150 MB for the program, two stay well below a gigabyte. Each of them
# decompresses, reads and writes at the same time, so two keep four cores busy.
MOST_IN_FLIGHT = 2


class Interrupted(Exception):  # noqa: N818 - a state, no error of ours
    """The pull is being ended; the delivery at hand is rolled back."""


class InFlight:
    """Pieces of work in threads, settled one after the other in the thread that started them."""

    def __init__(self, settle: Callable[[Future[Any]], None]) -> None:
        self._settle = settle
        self._pool = ThreadPoolExecutor(MOST_IN_FLIGHT, "delivery")
        self._running: set[Future[Any]] = set()
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all that runs, which an interruption cuts short; raise what broke first."""
        if error is not None and not isinstance(error, Exception):
            self._is_over.set()
        self._pool.shutdown(wait=True)
        failures = [failure for future in self._running if (failure := self._failure(future))]
        self._running.clear()
        if error is None and failures:
            raise failures[0]

    def check(self) -> None:
        """Raise ``Interrupted`` if the pull is being ended; called by the work, now and then."""
        if self._is_over.is_set():
            raise Interrupted

    def make_room(self, *, alone: bool) -> None:
        """Wait until one more piece may run, or until none runs."""
        most = 0 if alone else MOST_IN_FLIGHT - 1
        while len(self._running) > most:
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                # One at a time: should it raise, the others are still there to be settled.
                self._running.discard(future)
                self._settle(future)

    def run(self, work: Callable[[], Any], *, alone: bool) -> Future[Any] | None:
        """Start some work and return it, or do it now if it must be alone."""
        if not alone:
            started = self._pool.submit(work)
            self._running.add(started)
            return started
        future: Future[Any] = Future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is raised where it is settled
            future.set_exception(error)
        self._settle(future)
        return None

    def _failure(self, future: Future[Any]) -> Exception | None:
        try:
            self._settle(future)
        except Exception as error:  # noqa: BLE001 - the others are settled first
            return error
        return None
