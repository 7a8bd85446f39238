"""A small catalog that is right, and the writing of catalogs into a folder."""

from pathlib import Path
from textwrap import dedent

DIMENSIONS = """\
dimensions:
  - {id: data, name: Data processed, unit: gigabyte, aggregation: sum,
     convert: {divide: "1000000000"}, rounding: {decimals: 3, mode: up}}
  - {id: calls, aggregation: count}
  - {id: users, aggregation: count_distinct, distinct_on: user_id}
"""
PLANS = """\
plans:
  - id: payg
    currency: USD
    charges:
      - {id: data, dimension: data, price: {model: per_unit, unit_amount: "0.08"}}
      - {id: calls, dimension: calls, included: 10000,
         price: {model: package, package_size: "1000", package_amount: "0.01"}}
      - {id: platform, price: {model: flat, amount: "500", timing: advance}}
  - id: tokyo
    currency: JPY
    charges: [{id: data, dimension: data, price: {model: per_unit, unit_amount: 3}}]
"""
CUSTOMERS = """\
taxes: [{id: vat, name: VAT, percent: "19"}]
customers:
  - id: dumm
    tenants: [dumm-prod, 4711]
    tax: vat
    contracts:
      - id: dumm-2026
        plan: payg
        start: 2026-01-15
        discounts: [{percent: "15", charges: [data]}]
  - id: second
    timezone: Asia/Tokyo
    contracts: [{id: second-1, plan: tokyo, start: "2026-02-01", end: 2026-08-01}]
"""
RULES = """\
cost_rules:
  - {id: tagged, match: {source: aws, tag: {team: null}}, method: direct, tenant_tag: tenant}
  - {id: shared, match: {service: EC2}, method: proportional, dimension: data}
  - {id: support, method: fixed, weights: {dumm-prod: "2", second: "1"}, cost: fixed}
"""
ALL = {"dimensions": DIMENSIONS, "plans": PLANS, "customers": CUSTOMERS, "rules": RULES}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files of a catalog, and return their folder."""
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(dedent(text))
    return folder
