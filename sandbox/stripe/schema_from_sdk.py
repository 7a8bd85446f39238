"""Stripe's API as an OpenAPI document, derived from the installed ``stripe`` package.

Only what the sandbox serves is derived, in memory and in under a second, so that the sandbox always
speaks the version of the API that the installed package speaks. Lengths and ranges are not in the
package; ``limits.py`` adds those that matter here.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import stripe
from stripe._api_version import _ApiVersion

from sandbox.stripe.annotations import AnnotationReader, Schema, arguments, is_generic, unquoted

PACKAGE = Path(stripe.__file__).parent

SERVICES = (
    "_credit_note_service",
    "_customer_service",
    "_customer_tax_id_service",
    "_event_service",
    "_invoice_item_service",
    "_invoice_line_item_service",
    "_invoice_payment_service",
    "_invoice_service",
    "_tax_rate_service",
)
RESOURCES = (
    "_credit_note",
    "_credit_note_line_item",
    "_customer",
    "_customer_balance_transaction",
    "_discount",
    "_event",
    "_invoice",
    "_invoice_item",
    "_invoice_line_item",
    "_invoice_payment",
    "_payment_intent",
    "_price",
    "_product",
    "_tax_id",
    "_tax_rate",
)
# Options of the client, which sit among the parameters in the types but are never sent.
CLIENT_OPTIONS = {
    "api_key",
    "content_type",
    "headers",
    "idempotency_key",
    "max_network_retries",
    "stripe_account",
    "stripe_context",
    "stripe_version",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of the API, as a method of a service class states it."""

    operation: str
    method: str
    path: str
    parameters: str | None
    parameters_module: str | None
    returns: ast.expr


@cache
def stripe_schema() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the installed version."""
    resources = {
        name: found for module in RESOURCES for name, found in resource_classes(module).items()
    }
    responses = AnnotationReader({name: name for name in resources})
    schemas = {
        name: response_schema(found, responses, name.split("."))
        for name, found in resources.items()
    }

    calls = [call for module in SERVICES for call in service_calls(module)]
    modules = sorted({call.parameters_module for call in calls if call.parameters_module})
    parameters = {found.name: found for module in modules for found in classes(parsed(module))}
    requests = AnnotationReader({name: f"req.{name}" for name in parameters})
    for name, found in parameters.items():
        schemas[f"req.{name}"] = request_schema(found, requests)

    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = operation(call, responses)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The part of Stripe's API that the sandbox serves",
            "version": _ApiVersion.CURRENT,
            "x-derived-from": f"stripe-python {stripe.VERSION}",
            "x-unresolved": sorted(responses.unresolved | requests.unresolved),
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def parsed(module: str) -> ast.Module:
    """Return the syntax tree of a module of the package, without running it."""
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def classes(tree: ast.Module | ast.ClassDef) -> list[ast.ClassDef]:
    """Return the classes directly inside a module or a class."""
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def resource_classes(module: str) -> dict[str, ast.ClassDef]:
    """Return the resource of a module and the classes nested in it, by dotted name."""
    resource = classes(parsed(module))[0]

    def nested(found: ast.ClassDef, name: str) -> Iterator[tuple[str, ast.ClassDef]]:
        yield name, found
        for inner in classes(found):
            yield from nested(inner, f"{name}.{inner.name}")

    return dict(nested(resource, resource.name))


def fields(found: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and annotation of every annotated attribute."""
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            if name != "OBJECT_NAME" and not name.startswith("_inner"):
                yield name, node.annotation


def response_schema(found: ast.ClassDef, reader: AnnotationReader, scope: list[str]) -> Schema:
    """Return the schema of a resource: what is not optional must be there."""
    annotations = dict(fields(found))
    return {
        "type": "object",
        "properties": {name: reader.read(value, scope) for name, value in annotations.items()},
        "required": sorted(
            name for name, value in annotations.items() if not is_generic(value, "Optional")
        ),
    }


def request_schema(found: ast.ClassDef, reader: AnnotationReader) -> Schema:
    """Return the schema of a request: nothing but what is named may be there."""
    has_options = any(
        isinstance(base, ast.Name) and base.id == "RequestOptions" for base in found.bases
    )
    annotations = {
        name: value for name, value in fields(found) if not (has_options and name in CLIENT_OPTIONS)
    }
    return {
        "type": "object",
        "properties": {name: reader.read(value) for name, value in annotations.items()},
        "required": sorted(
            name for name, value in annotations.items() if not is_generic(value, "NotRequired")
        ),
        "additionalProperties": False,
    }


def service_calls(module: str) -> Iterator[Call]:
    """Yield the operations of a service; its ``async`` twins say nothing new."""
    tree = parsed(module)
    modules = {
        alias.name: node.module.removeprefix("stripe.").replace(".", "/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and "params" in node.module
        for alias in node.names
    }
    for service in classes(tree):
        for function in service.body:
            if not isinstance(function, ast.FunctionDef) or function.returns is None:
                continue
            request = request_of(function)
            if request is None:
                continue
            parameters = parameters_of(function)
            yield Call(
                operation=function.name,
                method=str(ast.literal_eval(request.args[0])),
                path=path_of(request.args[1]),
                parameters=parameters,
                parameters_module=modules.get(parameters) if parameters else None,
                returns=function.returns,
            )


def request_of(function: ast.FunctionDef) -> ast.Call | None:
    """Return the call of ``self._request`` inside a method of a service."""
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "_request"
        ):
            return node
    return None


def path_of(argument: ast.expr) -> str:
    """Return the path template, given as text or as ``"...".format(...)``."""
    if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute):
        argument = argument.func.value
    return str(ast.literal_eval(argument))


def parameters_of(function: ast.FunctionDef) -> str | None:
    """Return the class of the parameter ``params``."""
    for argument in function.args.args:
        if argument.arg == "params" and argument.annotation is not None:
            annotation = unquoted(argument.annotation)
            if isinstance(annotation, ast.Subscript):
                annotation = unquoted(arguments(annotation)[0])
            return annotation.id if isinstance(annotation, ast.Name) else None
    return None


def operation(call: Call, reader: AnnotationReader) -> dict[str, Any]:
    """Return the OpenAPI operation of a call."""
    answer = reader.read(call.returns)
    return {
        "operationId": call.operation,
        "x-params": call.parameters,
        "x-path-parameters": re.findall(r"{(\w+)}", call.path),
        "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
    }
