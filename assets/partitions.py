"""Partitions shared by assets, and the instant and window that a run is about."""

from datetime import UTC, datetime

import dagster as dg

FIRST_DAY = "2020-01-01"
AS_OF_TAG = "meterhouse/as_of"
FROM_TAG = "meterhouse/from"
TO_TAG = "meterhouse/to"


def usage_days(as_of: datetime | None, now: datetime) -> dg.DailyPartitionsDefinition:
    """Return the days whose usage can be pulled again: until today, or the day of an instant ahead.

    The day that is not over yet is one of them.
    """
    ahead = max(0, ((as_of or now).date() - now.date()).days)
    return dg.DailyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=1 + ahead)


def billing_months(as_of: datetime | None, now: datetime) -> dg.MonthlyPartitionsDefinition:
    """Return the months that can be closed: until this one, or that of an instant ahead.

    The month that is not over yet is one of them: contracts may end periods in the middle of it.
    """
    last = as_of or now
    ahead = max(0, (last.year - now.year) * 12 + last.month - now.month)
    return dg.MonthlyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=1 + ahead)


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
