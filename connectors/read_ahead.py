"""Work done ahead in a thread, so that two stages of a stream overlap."""

import queue
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

_END = object()


@contextmanager
def read_ahead(items: Iterator[Any], depth: int = 1) -> Iterator[Iterator[Any]]:
    """Yield an iterator over the same items, ``depth`` of which are made before they are asked for.

    What breaks while they are made is raised where they are taken. At the end of the context the
    thread has ended, and the generator behind ``items`` is closed.
    """
    made: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(depth)
    is_over = threading.Event()
    thread = threading.Thread(target=_make, args=(items, made, is_over), daemon=True)
    thread.start()
    try:
        yield _taken(made)
    finally:
        is_over.set()
        while thread.is_alive():
            _take_one(made)
            thread.join(0.01)


def _make(items: Iterator[Any], made: queue.Queue, is_over: threading.Event) -> None:
    failure: BaseException | None = None
    try:
        with closing(items):  # type: ignore[type-var]
            for item in items:
                made.put((item, None))
                if is_over.is_set():
                    return
    except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that takes
        failure = error
    made.put((_END, failure))


def _taken(made: queue.Queue) -> Iterator[Any]:
    while True:
        item, failure = made.get()
        if failure is not None:
            raise failure
        if item is _END:
            return
        yield item


def _take_one(made: queue.Queue) -> None:
    try:
        made.get_nowait()
    except queue.Empty:
        return
