"""A catalog of twenty kinds of charges: every aggregation and price that usage can have."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.generator import Shape

Yaml = Mapping[str, Any]

# Where a customer's days begin decides how usage is cut; in Kolkata they begin at half past.
TIMEZONES = ("UTC", "UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata")
TIERS = [
    {"up_to": "10000", "unit_amount": "0.003", "flat_amount": "1"},
    {"up_to": "100000", "unit_amount": "0.002"},
    {"up_to": None, "unit_amount": "0.001"},
]
STAIRS = [{"up_to": "50000", "flat_amount": "10"}, {"up_to": None, "flat_amount": "90"}]
PERCENTS = [{"up_to": "20000", "percent": "2"}, {"up_to": None, "percent": "1"}]
PER_UNIT = {"model": "per_unit", "unit_amount": "0.0001"}
PACKAGE = {"model": "package", "package_size": "1000", "package_amount": "0.25"}
PERCENTAGE = {"model": "percentage", "percent": "1.5", "fixed_amount": "0.01"}
CREDITS = {
    "model": "credits",
    "rates": [{"match": {"size": "xl"}, "credits": "16"}, {"match": {"size": "l"}, "credits": "8"}],
    "default": "1",
    "credit_amount": "0.002",
}
MATRIX = {
    "model": "matrix",
    "by": ["region", "size"],
    "prices": [
        {"match": {"region": "eu-west-1", "size": "xl"}, "unit_amount": "0.004"},
        {"match": {"region": "eu-west-1"}, "unit_amount": "0.003"},
        {"match": {"size": "s"}, "unit_amount": "0.001"},
    ],
    "default": "0.002",
}
# What the dimension and the charge say beside their ids.
CHARGES: Sequence[tuple[Yaml, Yaml]] = (
    ({"aggregation": "sum"}, {"price": PER_UNIT}),
    ({"aggregation": "sum"}, {"price": PER_UNIT, "included": "10000"}),
    ({"aggregation": "sum"}, {"price": PACKAGE}),
    ({"aggregation": "sum"}, {"price": {"model": "graduated", "tiers": TIERS}}),
    ({"aggregation": "sum"}, {"price": {"model": "volume", "tiers": TIERS}}),
    ({"aggregation": "sum"}, {"price": {"model": "stairstep", "tiers": STAIRS}}),
    ({"aggregation": "sum"}, {"price": PERCENTAGE}),
    ({"aggregation": "sum"}, {"price": {"model": "graduated_percentage", "tiers": PERCENTS}}),
    ({"aggregation": "sum"}, {"price": {"model": "dynamic", "multiplier": "1.1"}}),
    ({"aggregation": "sum"}, {"price": CREDITS}),
    ({"aggregation": "sum"}, {"price": MATRIX}),
    ({"aggregation": "sum"}, {"price": PER_UNIT, "group_by": ["region"]}),
    ({"aggregation": "sum"}, {"price": PER_UNIT, "where": {"region": "eu-west-1"}}),
    ({"aggregation": "count"}, {"price": PER_UNIT, "minimum": "5", "maximum": "500"}),
    ({"aggregation": "max"}, {"price": PER_UNIT}),
    ({"aggregation": "latest", "carry_over": True}, {"price": PER_UNIT}),
    ({"aggregation": "count_distinct", "distinct_on": "user"}, {"price": PER_UNIT}),
    ({"aggregation": "time_weighted", "carry_over": True}, {"price": PER_UNIT}),
    ({"aggregation": "percentile", "percentile": "95"}, {"price": PER_UNIT}),
    ({"aggregation": "max"}, {"price": PER_UNIT, "bucket": {"every": "day", "then": "sum"}}),
)


def write_deals(directory: Path, shape: Shape) -> Path:
    """Write a catalog in which every dimension of a shape is charged in its own way.

    Each tenant is a customer of its own, in one of a few time zones; a fifth have a discount.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kinds = [CHARGES[number % len(CHARGES)] for number in range(shape.dimensions)]
    content = {
        "dimensions": [
            {"id": dimension, "unit": "unit", **said}
            for dimension, (said, _) in zip(shape.dimension_ids, kinds, strict=True)
        ],
        "plans": [
            {
                "id": "all",
                "name": "Everything",
                "currency": "USD",
                "charges": [
                    {"id": dimension, "name": dimension, "dimension": dimension, **said}
                    for dimension, (_, said) in zip(shape.dimension_ids, kinds, strict=True)
                ],
            }
        ],
        "customers": [_customer(*numbered) for numbered in enumerate(shape.tenant_ids)],
    }
    # JSON is YAML.
    (directory / "catalog.yml").write_text(json.dumps(content, indent=1))
    return directory


def _customer(number: int, tenant: str) -> Yaml:
    contract: dict[str, Any] = {"id": f"{tenant}-2026", "plan": "all", "start": "2026-10-01"}
    if number % len(TIMEZONES) == 0:
        contract["discounts"] = [{"percent": "10"}]
    return {
        "id": tenant,
        "name": tenant,
        "timezone": TIMEZONES[number // 3 % len(TIMEZONES)],
        "contracts": [contract],
    }
