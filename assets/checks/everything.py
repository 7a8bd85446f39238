"""All asset checks that are not tests of dbt."""

import dagster as dg


def all_checks() -> list[dg.AssetChecksDefinition]:
    """Return the checks, in the order of the story."""
    return []
