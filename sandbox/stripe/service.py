"""From a request to its answer: key, limits, faults, idempotency, execution, check."""

import hashlib
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox.stripe import credit_notes, customers, events, invoices, lifecycle, limits, taxes
from sandbox.stripe.clock import Clock
from sandbox.stripe.faults import DroppedError, Fault, Faults, RateLimits
from sandbox.stripe.problems import ApiError, invalid
from sandbox.stripe.routes import Desk, handle
from sandbox.stripe.store import Store, StoredAnswer
from sandbox.stripe.validation import Route, read_request, response_problems, route_of

# Importing these modules registers what they serve.
SERVED = (credit_notes, customers, events, invoices, lifecycle, taxes)

KEY_LIFETIME = 24 * 3600
TEST_KEY = re.compile(r"Bearer (sk|rk)_test_\w+")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; ``text`` is the body, or the query where there is no body."""

    method: str
    path: str
    text: str = ""
    authorization: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be sent back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class StripeService:
    """The sandbox behind its HTTP server: state, clock, faults, and a record of what was asked."""

    def __init__(self, state: Path | None = None) -> None:
        self.store = Store(state)
        self.clock = Clock(self.store)
        self.faults = Faults()
        self.rate_limits = RateLimits()
        # How answers differed from Stripe's schema: a defect of the sandbox, for tests to see.
        self.violations: list[str] = []
        self.calls: Counter[str] = Counter()
        self._in_flight: set[str] = set()
        self._in_flight_lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request to Stripe's API, or cut the connection."""
        try:
            return self._answer(request)
        except ApiError as error:
            return Answer(error.status, error.body)

    def _answer(self, request: Request) -> Answer:
        if not TEST_KEY.fullmatch(request.authorization):
            shown = request.authorization[-4:]
            raise ApiError(401, f"Invalid API Key provided: *****{shown}", is_executed=False)
        route = route_of(request.method, request.path)
        endpoint = f"{request.method} {route.template}"
        with self._in_flight_lock:
            self.calls[endpoint] += 1
        if not self.rate_limits.admits(endpoint):
            return rate_limited()
        fault = self.faults.strike(request.method, request.path)
        early = self._struck_before(fault)
        if early is not None:
            return early
        if request.method != "POST":
            pause(fault)
            return self._executed(request, route, fault)
        if fault is not None and fault.kind == "drop_late":
            self._execute_later(request, route, fault)
            raise DroppedError
        answer = self._exactly_once(request, route, fault)
        if fault is not None and fault.kind == "drop_after":
            raise DroppedError
        return answer

    def _struck_before(self, fault: Fault | None) -> Answer | None:
        """Let a fault strike in front of the idempotency layer."""
        if fault is None:
            return None
        if fault.kind == "drop_before":
            raise DroppedError
        if fault.kind == "status_429":
            return rate_limited(fault.retry_after)
        if fault.kind == "lock_timeout":
            return rate_limited(fault.retry_after, code="lock_timeout")
        return None

    def _exactly_once(self, request: Request, route: Route, fault: Fault | None) -> Answer:
        """Execute a POST, unless its idempotency key has an answer or is being executed."""
        key = request.idempotency_key
        if key is None:
            pause(fault)
            return self._executed(request, route, fault)
        if len(key) > limits.KEY_CHARACTERS:
            raise invalid(f"Idempotency keys may have {limits.KEY_CHARACTERS} characters")
        with self._in_flight_lock:
            if key in self._in_flight:
                raise ApiError(
                    409,
                    f"There is another in-progress request using this idempotency key: {key}",
                    kind="idempotency_error",
                    code="idempotency_key_in_use",
                )
            self._in_flight.add(key)
        try:
            pause(fault)
            return self._replayed(request, key) or self._first(request, route, key, fault)
        finally:
            with self._in_flight_lock:
                self._in_flight.discard(key)

    def _execute_later(self, request: Request, route: Route, fault: Fault) -> None:
        """Execute a request whose caller has given up; its key is taken from now on."""
        late = threading.Thread(
            target=self._exactly_once,
            args=(request, route, replace(fault, kind="delay")),
            daemon=True,
        )
        late.start()
        while request.idempotency_key not in self._in_flight and late.is_alive():
            time.sleep(0.001)

    def _replayed(self, request: Request, key: str) -> Answer | None:
        """Return the stored answer of a key that is younger than a day."""
        with self.store.transaction():
            stored = self.store.answer(key)
            if stored is None or self.clock.now() - stored.stored_at >= KEY_LIFETIME:
                return None
        if stored.fingerprint != fingerprint(request):
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were"
                f" first used with. Try using a key other than '{key}'.",
                kind="idempotency_error",
            )
        return Answer(stored.status, stored.body, {"Idempotent-Replayed": "true"})

    def _first(self, request: Request, route: Route, key: str, fault: Fault | None) -> Answer:
        """Execute a request and store its answer with its effect, or neither."""
        with self.store.transaction():
            try:
                answer = self._executed(request, route, fault)
            except ApiError as error:
                if not error.is_executed:
                    raise
                answer = Answer(error.status, error.body)
            self.store.keep_answer(
                key,
                StoredAnswer(fingerprint(request), answer.status, answer.body, self.clock.now()),
            )
        return answer

    def _executed(self, request: Request, route: Route, fault: Fault | None) -> Answer:
        """Do what a request asks for, whole or not at all."""
        parameters = read_request(route, request.text)
        if fault is not None and fault.kind == "stored_500":
            raise ApiError(500, "An unknown error occurred", kind="api_error")
        with self.store.transaction():
            desk = Desk(self.store, self.clock.now(), route.path, request.idempotency_key)
            body = handle(desk, route, parameters)
            self._check(route, body)
            return Answer(200, body)

    def _check(self, route: Route, body: dict[str, Any]) -> None:
        """Refuse to give an answer that Stripe could not have given."""
        problems = response_problems(route, body)
        if not problems:
            return
        self.violations.extend(f"{route.method} {route.template}: {text}" for text in problems)
        message = f"The sandbox made an answer unlike Stripe's: {problems}"
        raise ApiError(500, message, kind="api_error")


def pause(fault: Fault | None) -> None:
    """Let a delay strike: the request is being executed, and its key is taken."""
    if fault is not None and fault.kind == "delay":
        time.sleep(fault.seconds)


def fingerprint(request: Request) -> str:
    """Return what makes two requests the same to the idempotency layer."""
    return hashlib.sha256(f"{request.method} {request.path}\n{request.text}".encode()).hexdigest()


def rate_limited(retry_after: str | None = None, code: str = "rate_limit") -> Answer:
    """Return the answer to one request too many."""
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    if code == "lock_timeout":
        headers["Stripe-Should-Retry"] = "true"
    error = ApiError(429, "Request rate limit exceeded", code=code, is_executed=False)
    return Answer(429, error.body, headers)
