"""Events: what happened, in the order in which it did."""

from sandbox.stripe import objects
from sandbox.stripe.routes import Body, Desk, is_created_within, page, serves
from sandbox.stripe.schema_from_sdk import stripe_schema

# Stripe lists the events of thirty days.
LISTED_SECONDS = 30 * 24 * 3600


def record(desk: Desk, kind: str, subject: Body) -> None:
    """Store an event about an object."""
    event = objects.event(
        kind,
        subject,
        now=desk.now,
        api_version=stripe_schema()["info"]["version"],
        key=desk.idempotency_key,
    )
    desk.store.add(event, desk.now)


@serves("get", "/v1/events", "created", "limit", "starting_after", "type", "types")
def list_events(desk: Desk, parameters: Body) -> Body:
    """Return events, newest first."""
    kinds = {*parameters.get("types", []), *filter(None, [parameters.get("type")])}
    found = (
        event
        for event in desk.store.newest_first("event")
        if event["created"] >= desk.now - LISTED_SECONDS
        and (not kinds or event["type"] in kinds)
        and is_created_within(event, parameters.get("created"))
    )
    return page(found, parameters, "/v1/events")


@serves("get", "/v1/events/{id}")
def retrieve_event(desk: Desk, _: Body) -> Body:
    """Return one event."""
    return desk.find("event", desk.path["id"])
