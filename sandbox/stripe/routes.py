"""Which function serves which operation, and what every operation has in common."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.problems import ApiError, invalid, missing
from sandbox.stripe.store import Store
from sandbox.stripe.validation import Route

Body = dict[str, Any]
Handler = Callable[["Desk", Body], Body]

DEFAULT_PAGE = 10


@dataclass(frozen=True, slots=True)
class Desk:
    """What a handler works with: the store, the present second, and the path's identifiers."""

    store: Store
    now: int
    path: dict[str, str]
    idempotency_key: str | None = None

    def find(self, kind: str, identifier: str, param: str = "id") -> Body:
        """Return an object or answer that there is none."""
        found = self.store.get(kind, identifier)
        if found is None:
            raise missing(kind, identifier, param)
        return found


_handlers: dict[tuple[str, str], tuple[Handler, frozenset[str]]] = {}


def serves(method: str, template: str, *parameters: str) -> Callable[[Handler], Handler]:
    """Make a function the handler of an operation, with the parameters it honours."""

    def register(handler: Handler) -> Handler:
        _handlers[method, template] = (handler, frozenset(parameters))
        return handler

    return register


def handle(desk: Desk, route: Route, parameters: Body) -> Body:
    """Return the answer of an operation.

    A parameter that Stripe knows and the sandbox does not honour is refused: ignoring it would let
    code pass that depends on it.
    """
    found = _handlers.get((route.method, route.template))
    if found is None:
        raise ApiError(501, f"The sandbox does not serve {route.method.upper()} {route.template}")
    handler, honoured = found
    parameters = dict(parameters)
    expand = parameters.pop("expand", [])
    unknown = sorted(set(parameters) - honoured)
    if unknown:
        raise invalid(f"The sandbox does not implement the parameter {unknown[0]}", unknown[0])
    return expanded(desk, handler(desk, parameters), expand)


def expanded(desk: Desk, answer: Body, paths: list[str]) -> Body:
    """Return the answer with the payments of its invoices, where asked for."""
    for path in paths:
        targets = answer["data"] if path.startswith("data.") else [answer]
        if path.removeprefix("data.") != "payments" or any(
            target["object"] != "invoice" for target in targets
        ):
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        for target in targets:
            payments = list(desk.store.oldest_first("invoice_payment", target["id"]))
            url = f"/v1/invoice_payments?invoice={target['id']}"
            target["payments"] = list_object(payments, url=url, has_more=False)
    return answer


def new_id(prefix: str) -> str:
    """Return an identifier of Stripe's form."""
    return f"{prefix}_{secrets.token_hex(12)}"


def list_object(data: list[Body], *, url: str, has_more: bool) -> Body:
    """Return one page of a list."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def page(objects: Iterable[Body], parameters: Body, url: str) -> Body:
    """Return the page of a list that ``limit`` and ``starting_after`` ask for."""
    limit = parameters.get("limit", DEFAULT_PAGE)
    rest = following(objects, parameters.get("starting_after"))
    data = [item for item, _ in zip(rest, range(limit + 1), strict=False)]
    return list_object(data[:limit], url=url, has_more=len(data) > limit)


def following(objects: Iterable[Body], after: str | None) -> Iterator[Body]:
    """Yield the objects behind the one that ``starting_after`` names."""
    is_behind = after is None
    for item in objects:
        if is_behind:
            yield item
        elif item["id"] == after:
            is_behind = True
    if not is_behind:
        raise missing("object", str(after), "starting_after")


def is_created_within(item: Body, created: int | Body | None) -> bool:
    """Whether an object's creation lies in the range of a ``created`` filter."""
    if created is None:
        return True
    if isinstance(created, int):
        return bool(item["created"] == created)
    second = int(item["created"])
    return bool(
        created.get("gte", second) <= second <= created.get("lte", second)
        and created.get("gt", second - 1) < second < created.get("lt", second + 1)
    )


def merged_metadata(present: Body, change: Body | str | None) -> Body:
    """Return metadata after an update: an empty value removes its key, an empty text them all."""
    if change is None:
        return present
    if isinstance(change, str):
        return {}
    return {key: value for key, value in {**present, **change}.items() if value != ""}
