"""How our own tables look in the asset graph: description, columns and owner of each."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import dagster as dg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from assets.keys import table_key
from connectors.dbt import prepare_manifest

DATA_TEAM = "team:data"
FINANCE_TEAM = "team:finance"


@cache
def manifest() -> Mapping[str, Any]:
    """Return the manifest of the dbt project."""
    content: Mapping[str, Any] = json.loads(prepare_manifest().read_text())
    return content


def table_spec(
    table: Table,
    *,
    group: str,
    kinds: Iterable[str] = (),
    owner: str = DATA_TEAM,
    deps: Iterable[dg.AssetKey] = (),
    skippable: bool = False,
) -> dg.AssetSpec:
    """Return the spec of a table that Python writes; its columns are described as dbt source."""
    return dg.AssetSpec(
        key=table_key(table),
        description=table.comment,
        group_name=group,
        kinds={"postgres", *kinds},
        owners=[owner],
        deps=list(deps),
        skippable=skippable,
        metadata={
            "dagster/table_name": table.fullname,
            "dagster/column_schema": dg.TableSchema(
                columns=[table_column(table, column) for column in table.columns]
            ),
        },
    )


def table_column(table: Table, column: Column[Any]) -> dg.TableColumn:
    """Return a column with its type, constraints and description."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return dg.TableColumn(
        name=column.name,
        type=column.type.compile(dialect=dialect).lower(),
        description=column_descriptions(str(table.schema), table.name).get(column.name),
        constraints=dg.TableColumnConstraints(
            nullable=bool(column.nullable),
            unique=bool(column.unique),
            other=["primary key"] if column.primary_key else [],
        ),
    )


def column_descriptions(schema: str, name: str) -> dict[str, str]:
    """Return the descriptions of a dbt source's columns."""
    for source in manifest()["sources"].values():
        if (source["schema"], source["name"]) == (schema, name):
            return {name: column["description"] for name, column in source["columns"].items()}
    return {}


def external_spec(schema: str, name: str, group: str) -> dg.AssetSpec:
    """Return the spec of a relation that nobody materialises: what a build sees of a table."""
    for source in manifest()["sources"].values():
        if (source["schema"], source["name"]) == (schema, name):
            return dg.AssetSpec(
                key=[schema, name],
                description=source["description"],
                group_name=group,
                kinds={"postgres", "view"},
                owners=[DATA_TEAM],
                metadata={
                    "dagster/table_name": f"{schema}.{name}",
                    "dagster/column_schema": dg.TableSchema(
                        columns=[
                            dg.TableColumn(name=column["name"], description=column["description"])
                            for column in source["columns"].values()
                        ]
                    ),
                },
            )
    raise LookupError(f"dbt has no source {schema}.{name}")
