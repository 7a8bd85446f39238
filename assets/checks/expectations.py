"""The suites of Great Expectations for what has landed.

Importing this module takes seconds: only a verification imports it, when something has landed.
Every context is ephemeral, and what is said of a failure is names and counts, never values.
"""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.expectations import core
from great_expectations.expectations.expectation import Expectation

# It tells of every temporary folder it makes.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

Rows = Sequence[dict[str, Any]]
Broken = list[dict[str, Any]]

# The package does not say which names it exports; to a type checker it exports none.
expect: Any = core

BOOKS = [
    expect.ExpectColumnPairValuesToBeEqual(column_A="delivered_count", column_B="accounted_count"),
    expect.ExpectColumnPairValuesToBeEqual(column_A="landed_count", column_B="rows_in_table"),
    expect.ExpectColumnPairValuesToBeEqual(
        column_A="quarantined_count", column_B="rows_in_quarantine"
    ),
]
REQUIRED = {
    "usage": ("record_key", "tenant_id", "dimension_id", "occurred_at", "value"),
    "cost": ("charge_period_start", "charge_period_end", "service_name", "billing_currency"),
}
PER_KIND: dict[str, list[Expectation]] = {
    "usage": [
        expect.ExpectColumnValueLengthsToBeBetween(column="record_id", min_value=1, max_value=255),
        expect.ExpectColumnValueLengthsToBeBetween(column="tenant_id", min_value=1),
        expect.ExpectColumnValueLengthsToBeBetween(column="dimension_id", min_value=1),
    ],
    "cost": [
        expect.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="charge_period_end", column_B="charge_period_start", or_equal=True
        ),
        expect.ExpectColumnValueLengthsToEqual(column="billing_currency", value=3),
    ],
}


def broken_expectations(kind: str, deliveries: Rows, sample: Rows) -> Broken:
    """Return what does not hold of deliveries and their rows, and would falsify what follows."""
    rows = [
        expect.ExpectCompoundColumnsToBeUnique(column_list=["delivery_id", "row_number"]),
        *(expect.ExpectColumnValuesToNotBeNull(column=column) for column in REQUIRED[kind]),
        *PER_KIND[kind],
    ]
    return broken(deliveries, BOOKS) + (broken(sample, rows) if sample else [])


def broken(rows: Rows, suite: Sequence[Expectation]) -> Broken:
    """Return the expectations that rows do not meet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        variables: Any = context.variables
        variables.progress_bars = {"globally": False}
        batch = (
            context.data_sources.add_pandas("landed")
            .add_dataframe_asset("rows")
            .add_batch_definition_whole_dataframe("all")
            .get_batch(batch_parameters={"dataframe": pd.DataFrame(rows)})
        )
        outcomes = [batch.validate(expectation, result_format="SUMMARY") for expectation in suite]
    return [described(outcome) for outcome in outcomes if not outcome.success]


def described(outcome: Any) -> dict[str, Any]:
    """Return a broken expectation by name, columns and count."""
    config = outcome.expectation_config
    return {
        "expectation": config.type,
        "columns": [value for name, value in config.kwargs.items() if name.startswith("column")],
        "unexpected_count": outcome.result.get("unexpected_count"),
    }
