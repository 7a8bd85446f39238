"""Stripe's form encoding: ``lines[0][period][start]=1`` is a nested structure of texts."""

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.annotations import REFERENCE, Schema
from sandbox.stripe.problems import invalid

# Far more than any invoice needs, and little enough to keep a broken client from filling memory.
MAXIMUM_FIELDS = 20_000
KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
DIGITS = re.compile(r"-?\d+")
DECIMAL = re.compile(r"-?\d+(\.\d+)?")


def decode(text: str) -> dict[str, Any]:
    """Return the structure of a form or query string; all its leaves are text."""
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=MAXIMUM_FIELDS,
        )
    except ValueError as error:
        raise invalid(f"Invalid form encoding: {error}") from error
    root: dict[str, Any] = {}
    for key, value in pairs:
        put(root, key, value)
    return {key: with_lists(value) for key, value in root.items()}


def put(root: dict[str, Any], key: str, value: str) -> None:
    """Store a value under its bracketed key."""
    match = KEY.fullmatch(key)
    if match is None:
        raise invalid(f"Invalid parameter name: {key}", param=key)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    place = root
    for part in path[:-1]:
        place = place.setdefault(part or str(len(place)), {})
        if not isinstance(place, dict):
            raise invalid(f"Parameter given both as a text and as a hash: {key}", param=key)
    place[path[-1] or str(len(place))] = value


def with_lists(value: Any) -> Any:
    """Return the structure with hashes numbered from zero turned into lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: with_lists(item) for key, item in value.items()}
    if inner and all(key.isdecimal() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def typed(value: Any, schema: Schema, components: dict[str, Any]) -> Any:
    """Return the structure with the types its schema names; what fits none stays as it came."""
    for option in alternatives(schema, components):
        fits, result = read_as(value, option, components)
        if fits:
            return result
    return value


def alternatives(schema: Schema, components: dict[str, Any]) -> list[Schema]:
    """Return the schemas of which one is to hold, references followed."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return alternatives(components["schemas"][name], components)
    if "anyOf" in schema:
        return [inner for option in schema["anyOf"] for inner in alternatives(option, components)]
    return [schema]


def read_as(value: Any, schema: Schema, components: dict[str, Any]) -> tuple[bool, Any]:
    """Return whether the value has the schema's shape, and the value typed by it."""
    kind = schema.get("type")
    if isinstance(value, dict):
        if kind == "object":
            return True, read_object(value, schema, components)
        return False, value
    if isinstance(value, list):
        if kind == "array":
            return True, [typed(item, schema.get("items", {}), components) for item in value]
        # Metadata may have the keys 0, 1, 2: the form does not tell a hash from a list.
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return True, {str(index): item for index, item in enumerate(value)}
        return False, value
    return read_text(value, schema)


def read_object(value: dict[str, Any], schema: Schema, components: dict[str, Any]) -> Any:
    """Return the members typed, each by its own schema."""
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    rest = others if isinstance(others, dict) else {}
    return {key: typed(item, known.get(key, rest), components) for key, item in value.items()}


def read_text(value: str, schema: Schema) -> tuple[bool, Any]:
    """Return whether a text can be what the schema asks for, and that."""
    kind = schema.get("type")
    if "enum" in schema:
        return value in schema["enum"], value
    if kind == "integer" and DIGITS.fullmatch(value):
        return True, int(value)
    # The only numbers with a fraction are percentages, which Stripe's own JSON has as numbers.
    if kind == "number" and DECIMAL.fullmatch(value):
        return True, float(value)
    if kind == "boolean" and value in ("true", "false"):
        return True, value == "true"
    return kind in ("string", None), value
