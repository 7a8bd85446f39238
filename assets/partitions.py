"""Partitions shared by assets, and the instant and window that a run is about."""

from datetime import UTC, datetime

import dagster as dg

# The day and month that are not over yet are partitions too: their usage can be pulled again, and
# contracts with other intervals end in the middle of a month.
usage_days = dg.DailyPartitionsDefinition(start_date="2024-01-01", timezone="UTC", end_offset=1)
billing_months = dg.MonthlyPartitionsDefinition(
    start_date="2024-01-01", timezone="UTC", end_offset=1
)

AS_OF_TAG = "meterhouse/as_of"
FROM_TAG = "meterhouse/from"
TO_TAG = "meterhouse/to"


class Clock(dg.ConfigurableResource):
    """The instant as of which a run speaks: its tag, else a fixed one, else now."""

    fixed: str | None = None

    def as_of(self, run: dg.DagsterRun) -> datetime:
        """Return the instant of a run, in UTC."""
        given = run.tags.get(AS_OF_TAG)
        return datetime.fromisoformat(given).astimezone(UTC) if given else self.instant()

    def instant(self) -> datetime:
        """Return the instant of a run without the tag, in UTC."""
        return (
            datetime.fromisoformat(self.fixed).astimezone(UTC) if self.fixed else datetime.now(UTC)
        )


def window_of(run: dg.DagsterRun) -> tuple[datetime, datetime] | None:
    """Return the half-open window that a run was restricted to, or None."""
    if FROM_TAG not in run.tags or TO_TAG not in run.tags:
        return None
    return (
        datetime.fromisoformat(run.tags[FROM_TAG]).astimezone(UTC),
        datetime.fromisoformat(run.tags[TO_TAG]).astimezone(UTC),
    )
