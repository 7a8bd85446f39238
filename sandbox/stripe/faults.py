"""Faults on demand: what can go wrong between a caller and Stripe."""

import re
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal, get_args

FaultKind = Literal[
    "drop_before", "drop_after", "drop_late", "stored_500", "status_429", "lock_timeout", "delay"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

ENDPOINT_PER_SECOND = 25
ACCOUNT_PER_SECOND = 25


class DroppedError(Exception):
    """The connection is to be cut without an answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to go wrong, at the request after ``skip`` matching ones, ``times`` in a row."""

    kind: FaultKind
    method: str = "POST"
    path: str = r".*"
    skip: int = 0
    times: int = 1
    seconds: float = 0.0
    retry_after: str | None = None

    def concerns(self, method: str, path: str) -> bool:
        """Whether a request counts for this fault."""
        return method == self.method and re.fullmatch(self.path, path) is not None


class Faults:
    """The faults still to come, in the order of their making."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Plan a fault."""
        with self._lock:
            self._pending.append(fault)

    def clear(self) -> None:
        """Forget what was planned."""
        with self._lock:
            self._pending.clear()

    def pending(self) -> int:
        """Return how many faults are still to come."""
        with self._lock:
            return len(self._pending)

    def strike(self, method: str, path: str) -> Fault | None:
        """Return the fault that hits this request, if one does."""
        with self._lock:
            for index, fault in enumerate(self._pending):
                if not fault.concerns(method, path):
                    continue
                if fault.skip > 0:
                    self._pending[index] = replace(fault, skip=fault.skip - 1)
                    continue
                if fault.times > 1:
                    self._pending[index] = replace(fault, times=fault.times - 1)
                else:
                    del self._pending[index]
                return fault
        return None


class RateLimits:
    """Stripe's limits per second, for one endpoint and for the account; off until switched on."""

    def __init__(self) -> None:
        self.is_on = False
        self._recent: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def admits(self, endpoint: str) -> bool:
        """Whether one more request to an endpoint is within the limits; counts it if so."""
        if not self.is_on:
            return True
        with self._lock:
            now = time.monotonic()
            while self._recent and self._recent[0][0] <= now - 1:
                self._recent.popleft()
            same = sum(1 for _, other in self._recent if other == endpoint)
            if same >= ENDPOINT_PER_SECOND or len(self._recent) >= ACCOUNT_PER_SECOND:
                return False
            self._recent.append((now, endpoint))
            return True
