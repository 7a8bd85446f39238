"""The usage of a stage: the pipeline's own rollups, copied, where the stage asks for no others."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from assets.table_specs import manifest
from assets.transform.parameters import BUILD_LOCK, BUILD_WAIT_SECONDS
from connectors.dbt import rollup_hash
from connectors.warehouse import Warehouse

CHAPTER = "usage"
# What decides of which cells the rollups are made, besides the journal: see `metadata_keys`.
ASKED_FOR_MORE = """
    select exists (
        select dimension_id, metadata_key from {target}_catalog.dimension_keys
        except
        select dimension_id, metadata_key from catalog.dimension_keys
    ) or exists (
        select dimension_id, aggregation, distinct_on from {target}_catalog.dimensions
        except
        select dimension_id, aggregation, distinct_on from catalog.dimensions
    )
"""
BEHIND_OR_AHEAD = """
    select count(*) <> :rollup_count
    from ops.rollups
    where
        rollup = any(:rollups)
        and build_number = :watermark
        and starts_with(definition, :definition)
"""


def copy_usage(warehouse: Warehouse, target: str, watermark: int) -> bool:
    """Copy the usage rollups onto a stage and return whether they could be.

    Not where a catalog on the stage groups usage by more than was ever asked for, nor where they
    hold other builds than those that count. A build waits meanwhile: none is copied half.
    """
    with warehouse.locked(BUILD_LOCK, BUILD_WAIT_SECONDS), warehouse.begin() as connection:
        names = dict(rollups())
        if asked_for_more(connection, target) or not holds(connection, list(names), watermark):
            return False
        for schema in sorted(set(names.values())):
            connection.execute(text(f"create schema if not exists {target}_{schema}"))
        for name, schema in names.items():
            copied = f"{target}_{schema}.{name}"
            connection.execute(
                text(f"create table {copied} (like {schema}.{name} including indexes)")
            )
            connection.execute(text(f"insert into {copied} select * from {schema}.{name}"))  # noqa: S608
            connection.execute(text(f"analyze {copied}"))
    return True


def rollups() -> Iterator[tuple[str, str]]:
    """Yield the name and schema of every model that sums up usage."""
    for node in manifest()["nodes"].values():
        if node["resource_type"] == "model" and node["fqn"][1] == CHAPTER:
            yield node["name"], node["schema"]


def asked_for_more(connection: Connection, target: str) -> bool:
    """Return whether a catalog on the stage needs cells that the pipeline does not make."""
    return bool(connection.execute(text(ASKED_FOR_MORE.format(target=target))).scalar())


def holds(connection: Connection, names: list[str], watermark: int) -> bool:
    """Return whether all rollups hold the journal as one build left it, and mean what ours do."""
    values = {
        "rollups": names,
        "rollup_count": len(names),
        "watermark": watermark,
        "definition": rollup_hash(),
    }
    return not connection.execute(text(BEHIND_OR_AHEAD), values).scalar()
