"""The sandbox's own endpoints: what only a stand-in can be asked for."""

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from sandbox.stripe.faults import FAULT_KINDS, Fault
from sandbox.stripe.lifecycle import simulate_payment
from sandbox.stripe.problems import ApiError
from sandbox.stripe.routes import Desk
from sandbox.stripe.service import Answer, StripeService

KINDS = ("customer", "invoice", "line_item", "invoice_payment", "credit_note", "event")
PAY = "/_sandbox/pay/"


def control(service: StripeService, method: str, path: str, text: str) -> Answer:
    """Answer a request to one of the sandbox's own endpoints; bodies are JSON."""
    try:
        given = json.loads(text) if text else {}
        if not isinstance(given, dict):
            raise ApiError(400, "The body must be a JSON object")
        if method == "POST" and path.startswith(PAY):
            return Answer(200, pay(service, path.removeprefix(PAY), given))
        action = ACTIONS.get((method, path))
        if action is None:
            raise ApiError(404, f"The sandbox has no {method} {path}")
        return Answer(200, action(service, given))
    except ApiError as error:
        return Answer(error.status, error.body)
    except (TypeError, ValueError) as error:
        return Answer(400, ApiError(400, f"Cannot read the request: {error}").body)


def state(service: StripeService, _: dict[str, Any]) -> dict[str, Any]:
    """Return counts of objects and calls, the clock, and the sandbox's own defects."""
    with service.store.transaction():
        return {
            "now": service.clock.now(),
            "objects": {kind: service.store.count(kind) for kind in KINDS},
            "calls": dict(service.calls),
            "faults_pending": service.faults.pending(),
            "violations": service.violations,
        }


def add_fault(service: StripeService, given: dict[str, Any]) -> dict[str, Any]:
    """Plan a fault."""
    known = {item.name for item in fields(Fault)}
    if given.get("kind") not in FAULT_KINDS or set(given) - known:
        message = f"A fault has a kind of {FAULT_KINDS} and may have {sorted(known)}"
        raise ApiError(400, message)
    service.faults.add(Fault(**given))
    return {"faults_pending": service.faults.pending()}


def clear_faults(service: StripeService, _: dict[str, Any]) -> dict[str, Any]:
    """Forget the planned faults."""
    service.faults.clear()
    return {"faults_pending": 0}


def move_clock(service: StripeService, given: dict[str, Any]) -> dict[str, Any]:
    """Stop the clock at a second, or move it on by some."""
    if "stop_at" in given:
        service.clock.stop_at(int(given["stop_at"]))
    service.clock.advance(int(given.get("advance", 0)))
    return {"now": service.clock.now()}


def set_rate_limits(service: StripeService, given: dict[str, Any]) -> dict[str, Any]:
    """Switch Stripe's rate limits on or off."""
    service.rate_limits.is_on = bool(given["is_on"])
    return {"is_on": service.rate_limits.is_on}


def pay(service: StripeService, invoice_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Let the customer of an invoice pay, or fail to."""
    with service.store.transaction():
        desk = Desk(service.store, service.clock.now(), {"invoice": invoice_id})
        return simulate_payment(desk, given.get("outcome", "paid"))


Action = Callable[[StripeService, dict[str, Any]], dict[str, Any]]
ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "/_sandbox/state"): state,
    ("POST", "/_sandbox/faults"): add_fault,
    ("DELETE", "/_sandbox/faults"): clear_faults,
    ("POST", "/_sandbox/clock"): move_clock,
    ("POST", "/_sandbox/rate_limits"): set_rate_limits,
}
