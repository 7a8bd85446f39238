"""Checks every request and every response against the schema of the installed API version."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from sandbox.stripe import limits
from sandbox.stripe.annotations import REFERENCE, Schema
from sandbox.stripe.form_encoding import decode, typed
from sandbox.stripe.problems import ApiError, invalid
from sandbox.stripe.schema_from_sdk import stripe_schema

NO_PARAMETERS: Schema = {"type": "object", "additionalProperties": False}
PROBLEMS_SHOWN = 5

formats = FormatChecker(())


@formats.checks("decimal")
def is_decimal(value: object) -> bool:
    """Whether a text is a plain decimal: no exponent, at most twelve places."""
    return not isinstance(value, str) or limits.DECIMAL_PLACES.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API, and what the path says about its object."""

    method: str
    template: str
    path: dict[str, str]

    @property
    def collection(self) -> str:
        """The first part of the path after the version: ``invoices``."""
        return self.template.split("/")[2]

    @property
    def definition(self) -> dict[str, Any]:
        """The operation in the OpenAPI document."""
        found: dict[str, Any] = stripe_schema()["paths"][self.template][self.method]
        return found


def route_of(method: str, path: str) -> Route:
    """Return the operation that a request is for."""
    for pattern, template in path_patterns():
        match = pattern.fullmatch(path)
        if match and method.lower() in stripe_schema()["paths"][template]:
            return Route(method.lower(), template, match.groupdict())
    raise ApiError(404, f"Unrecognized request URL ({method}: {path}).", is_executed=False)


@cache
def path_patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return a pattern per path; fixed paths stand before those with an identifier."""
    templates = sorted(stripe_schema()["paths"], key=lambda template: template.count("{"))
    return [
        (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template)), template)
        for template in templates
    ]


def read_request(route: Route, text: str) -> dict[str, Any]:
    """Return the parameters of a request, or refuse what the API does not know."""
    name = route.definition["x-params"]
    schema = {"$ref": f"{REFERENCE}req.{name}"} if name else NO_PARAMETERS
    components = stripe_schema()["components"]
    parameters = typed(decode(text), schema, components)
    for error in validator(name).iter_errors(parameters):
        raise refusal_of(error)
    for param, message in limits.problems_of(route.collection, parameters):
        raise invalid(message, param=param)
    result: dict[str, Any] = parameters
    return result


def refusal_of(error: ValidationError) -> ApiError:
    """Return Stripe's refusal for what is wrong with the parameters."""
    place = [str(part) for part in error.absolute_path]
    given: Any = error.instance
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        unknown = sorted(set(given) - set(schema.get("properties", {})))
        param = bracketed([*place, unknown[0]])
        return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")
    if error.validator == "required":
        lacking = [name for name in schema["required"] if name not in given]
        param = bracketed([*place, lacking[0]])
        return invalid(f"Missing required param: {param}.", param, "parameter_missing")
    return invalid(shortened(error.message), bracketed(place))


def bracketed(place: list[str]) -> str:
    """Return a place in the parameters as a form writes it."""
    return "".join([*place[:1], *(f"[{part}]" for part in place[1:])])


def response_problems(route: Route, body: dict[str, Any]) -> list[str]:
    """Return how an answer of ours differs from what Stripe could have answered."""
    # The package types the answer to a deletion as the whole object; Stripe sends three fields.
    if route.method == "delete" and set(body) == {"id", "object", "deleted"}:
        return []
    errors = response_validator(route.method, route.template).iter_errors(body)
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {shortened(error.message)}"
        for error, _ in zip(errors, range(PROBLEMS_SHOWN), strict=False)
    ]


def shortened(message: str) -> str:
    """Return a message without the whole invoice in it."""
    return message if len(message) <= 300 else f"{message[:150]} ... {message[-150:]}"


@cache
def validator(parameters: str | None) -> Draft202012Validator:
    """Return the validator of a request's parameters."""
    schema = {"$ref": f"{REFERENCE}req.{parameters}"} if parameters else NO_PARAMETERS
    return Draft202012Validator(
        {**schema, "components": stripe_schema()["components"]}, format_checker=formats
    )


@cache
def response_validator(method: str, template: str) -> Draft202012Validator:
    """Return the validator of an operation's answer."""
    definition = stripe_schema()["paths"][template][method]
    schema = definition["responses"]["200"]["content"]["application/json"]["schema"]
    return Draft202012Validator(
        {**schema, "components": closed_components()}, format_checker=formats
    )


@cache
def closed_components() -> dict[str, Any]:
    """Return the schemas with nothing allowed but what they name.

    Stripe may add fields at any time, so its own schema is open. An answer of the sandbox must not
    hold a field that this version does not have, or code could come to depend on an invention.
    """
    return {
        "schemas": {
            name: {**schema, "additionalProperties": False} if "properties" in schema else schema
            for name, schema in stripe_schema()["components"]["schemas"].items()
        }
    }
