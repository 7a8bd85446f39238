"""How a pull tells what it is doing while it does it."""

from typing import Protocol


class Progress(Protocol):
    """Called now and then with the object being landed and the rows delivered so far."""

    def __call__(self, object_name: str, delivered_count: int, /) -> None:
        """Show it."""


def silent(object_name: str, delivered_count: int, /) -> None:
    """Show nothing."""
