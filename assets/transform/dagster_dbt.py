"""What we use of dagster-dbt, imported as if there were no dbt.

It works without dbt, from 0.29.26 on, but imports what it finds of it, which takes longer than the
rest of the code location. Nothing here needs it: dbt runs in a process of its own.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """Have a module, unless it is imported already, not be found."""
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]


with hidden("dbt.version"):
    from dagster_dbt import (
        DagsterDbtTranslator,
        DagsterDbtTranslatorSettings,
        DbtProject,
        dbt_assets,
    )

__all__ = ["DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "DbtProject", "dbt_assets"]
