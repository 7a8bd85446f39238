"""Whether a source can be reached, and whether its role lets nobody else in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from assets.ingestion.plans import (
    focus_store,
    mixpanel_project,
    postgres_table,
    usage_store,
)
from connectors import mixpanel, postgres
from connectors.aws_session import explain, open_doors
from connectors.cost_explorer import CostExplorer
from connectors.deliveries import SourceUnavailable
from connectors.object_store import S3Bucket, Store
from models.settings import (
    AnySource,
    AwsAccess,
    CostExplorerSource,
    FileSource,
    FocusSource,
    MixpanelSource,
    PostgresSource,
    S3Source,
)


def check_source(source: AnySource, directory: Path) -> list[str]:
    """Return what is wrong with a source; nothing is landed. A bill's check costs a cent."""
    problems: list[str] = []
    try:
        _reach(source, directory)
    except SourceUnavailable as unavailable:
        problems.append(str(unavailable))
    if isinstance(source, AwsAccess):
        try:
            problems += [
                f"source {source.name}: {door}" for door in open_doors(source, source.name)
            ]
        except (BotoCoreError, ClientError) as error:
            problems.append(f"source {source.name}: STS: {explain(error)}")
    return problems


def _reach(source: AnySource, directory: Path) -> None:
    now = datetime.now(UTC)
    match source:
        case S3Source() | FileSource():
            _require_objects(usage_store(source, directory))
        case PostgresSource():
            postgres.check(postgres_table(source))
        case MixpanelSource():
            mixpanel.check(mixpanel_project(source), now)
        case CostExplorerSource():
            today = now.date()
            next(CostExplorer(source).deliveries(today - timedelta(days=1), today), None)
        case FocusSource():
            _require_objects(focus_store(source, directory))


def _require_objects(store: Store) -> None:
    """Refuse a place with nothing in it: most often it is not the one that was meant."""
    if next(store.objects(), None) is not None:
        return
    what, place = (
        ("bucket and prefix", f"s3://{store.bucket}/{store.prefix}")
        if isinstance(store, S3Bucket)
        else ("path", store.pattern)
    )
    raise SourceUnavailable(
        store.source,
        f"there is nothing in {place}",
        f"Check {what}; a run takes it for a source without news",
    )
