"""Stripe's documented limits on requests, which the types of its package do not carry."""

import re
from collections.abc import Iterator
from typing import Any

LINES_PER_INVOICE = 250
LINES_EMBEDDED = 10
KEY_CHARACTERS = 255
PAGE = 100

METADATA_KEYS = 50
METADATA_KEY_CHARACTERS = 40
METADATA_VALUE_CHARACTERS = 500

CHARACTERS = {
    ("invoices", "number"): 26,
    ("invoices", "description"): 1500,
    ("invoices", "footer"): 5000,
    ("invoices", "statement_descriptor"): 22,
    ("customers", "name"): 256,
    ("customers", "email"): 512,
    ("customers", "description"): 5000,
    ("tax_rates", "display_name"): 50,
    ("tax_rates", "jurisdiction"): 50,
}
LINE_CHARACTERS = 5000
CUSTOM_FIELDS = 4

# The least that can be charged; a smaller amount due goes to the customer's balance instead.
MINIMUM_CHARGE = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "chf": 50, "aud": 50, "cad": 50}

DECIMAL_PLACES = re.compile(r"-?\d+(\.\d{1,12})?")


def problems_of(collection: str, parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield parameter and message for every limit that the parameters exceed."""
    for (of, name), limit in CHARACTERS.items():
        value = parameters.get(name)
        if of == collection and isinstance(value, str) and len(value) > limit:
            yield name, f"Invalid string: {name} must be at most {limit} characters"
    for name in ("metadata", "invoice_metadata"):
        yield from metadata_problems(name, parameters.get(name))
    if len(parameters.get("custom_fields") or ()) > CUSTOM_FIELDS:
        yield "custom_fields", f"You can specify up to {CUSTOM_FIELDS} custom fields"
    if not 1 <= parameters.get("limit", 1) <= PAGE:
        yield "limit", f"Invalid limit: must be between 1 and {PAGE}"
    for index, line in enumerate(parameters.get("lines") or ()):
        yield from line_problems(f"lines[{index}]", line)


def line_problems(name: str, line: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with one line of a request."""
    yield from metadata_problems(f"{name}[metadata]", line.get("metadata"))
    if len(line.get("description") or "") > LINE_CHARACTERS:
        yield f"{name}[description]", f"Must be at most {LINE_CHARACTERS} characters"
    if line.get("quantity", 0) < 0:
        yield f"{name}[quantity]", "This value must be greater than or equal to 0"
    period = line.get("period")
    if period and period["end"] < period["start"]:
        yield f"{name}[period]", "The period's end must not be before its start"


def metadata_problems(name: str, metadata: Any) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a hash of metadata."""
    if not isinstance(metadata, dict):
        return
    if len(metadata) > METADATA_KEYS:
        yield name, f"Metadata can have up to {METADATA_KEYS} keys"
    for key, value in metadata.items():
        if len(key) > METADATA_KEY_CHARACTERS:
            yield name, f"Metadata keys can be up to {METADATA_KEY_CHARACTERS} characters: {key}"
        if len(value) > METADATA_VALUE_CHARACTERS:
            yield name, f"Metadata values can be up to {METADATA_VALUE_CHARACTERS} characters"
