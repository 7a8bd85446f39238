"""What the tenants do all day: every usage record of the demo company, from a seed.

Only integer draws of ``random.Random`` are used, whose sequence Python keeps stable, so that the
same seed gives the same records on every machine.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sandbox.company.customers import FIRST_DAY, Tenant, tenants
from sandbox.company.records import Measurement, days, milliseconds

DAY = 86_400_000
HOUR = 3_600_000

REGIONS = ("eu-central-1", "us-east-1", "us-west-2", "ap-south-1")
GPU_KINDS = ("L4", "A100", "H100")

Parts = Iterator[tuple[int, str, str]]
Values = Callable[["Flow", Tenant, Random, int], Parts]


class Flow(NamedTuple):
    """One dimension as one source reports it: so many records a day, adding up to so much.

    ``values`` yields the offset in the day, the value and the metadata of each record.
    """

    dimension_id: str
    records: int
    daily: int
    values: Values


def usage_of(
    source: str, seed: int, as_of: datetime
) -> Iterator[tuple[datetime, list[Measurement]]]:
    """Yield a source's records of each day (UTC), in the order of tenants."""
    random = Random(f"{seed}/{source}")  # noqa: S311 - the same numbers again is the point
    prefix, flows = FLOWS[source]
    everyone = [(tenant, *_lifetime(tenant, as_of)) for tenant in tenants()]
    number = 0
    for day in days(datetime.combine(FIRST_DAY, time(), as_of.tzinfo) - timedelta(days=1), as_of):
        records = []
        start = milliseconds(day)
        for tenant, first, last in everyone:
            if last <= start or start + DAY <= first:
                continue
            for flow in flows:
                if not _uses(tenant, flow.dimension_id):
                    continue
                for offset, value, metadata in flow.values(flow, tenant, random, _day_index(day)):
                    if first <= start + offset < last:
                        number += 1
                        records.append(
                            Measurement(
                                f"{prefix}-{number:07d}",
                                start + offset,
                                tenant.tenant_id,
                                flow.dimension_id,
                                value,
                                metadata,
                            )
                        )
        yield day, records


def _lifetime(tenant: Tenant, as_of: datetime) -> tuple[int, int]:
    """Return the first and the last instant of a tenant, whose days are its own time zone's."""
    zone = ZoneInfo(tenant.timezone)
    first = milliseconds(datetime.combine(tenant.first_day, time(), zone))
    if tenant.last_day is None:
        return first, milliseconds(as_of)
    return first, milliseconds(datetime.combine(tenant.last_day, time(), zone))


def _uses(tenant: Tenant, dimension_id: str) -> bool:
    if dimension_id == "gpu_ms" and not tenant.gpu:
        return False
    # A beta that two customers are in; billing has not heard of it.
    if dimension_id == "vector_queries":
        return tenant.tenant_id in ("granite-search", "opal-media")
    return dimension_id in tenant.dimensions or dimension_id == "workflow_runs"


def _day_index(day: datetime) -> int:
    return (day.date() - FIRST_DAY).days


def _share(flow: Flow, size: float, random: Random, day_index: int) -> int:
    """Return one record's part of a day: growing by the day, less at the weekend."""
    percent = (100 + day_index // 4) * (55 if (day_index + 5) % 7 >= 5 else 100)
    base = int(flow.daily * size) * percent // (10_000 * flow.records)
    return max(1, base * (512 + random.getrandbits(10)) // 1024)


def _requests(flow: Flow, tenant: Tenant, random: Random, day_index: int) -> Parts:
    region = REGIONS[len(tenant.tenant_id) % 4]
    for _ in range(flow.records):
        value = _share(flow, tenant.size, random, day_index)
        node = 1 + random.getrandbits(2)
        yield random.randrange(DAY), str(value), f'{{"region":"{region}","node":"gw-{node}"}}'


def _gpu_time(flow: Flow, tenant: Tenant, random: Random, day_index: int) -> Parts:
    for _ in range(flow.records):
        value = _share(flow, tenant.gpu, random, day_index)
        # The meter counts nanoseconds; about every second job ends between two milliseconds.
        part = f".{random.randrange(10**6):06d}" if random.getrandbits(1) else ""
        kind = GPU_KINDS[random.getrandbits(8) % 3]
        yield random.randrange(DAY), f"{value}{part}", f'{{"gpu":"{kind}"}}'


def _stored(flow: Flow, tenant: Tenant, random: Random, day_index: int) -> Parts:
    level = int(flow.daily * tenant.size) * (1000 + 4 * day_index) // 1000
    for number in range(flow.records):
        value = f"{level + random.randrange(1 + level // 50)}.{random.randrange(10**9):09d}"
        offset = number * DAY // flow.records + random.randrange(HOUR)
        yield offset, value, f'{{"bucket":"{tenant.tenant_id}"}}'


def _seats(_: Flow, tenant: Tenant, random: Random, day_index: int) -> Parts:
    # A seat more every three weeks or so; the count is taken once a day.
    seats = tenant.seats + max(0, day_index) // 20
    yield 7 * HOUR + random.randrange(HOUR), str(seats), '{"edition":"workplace"}'


def _runs(flow: Flow, tenant: Tenant, random: Random, day_index: int) -> Parts:
    for number in range(flow.records):
        value = _share(flow, tenant.size, random, day_index)
        yield random.randrange(DAY), str(value), f'{{"workflow":"wf-{number + 1}"}}'


def _sessions(_: Flow, tenant: Tenant, random: Random, day_index: int) -> Parts:
    is_weekend = (day_index + 5) % 7 >= 5
    for user in range(tenant.seats):
        if random.randrange(100) < (8 if is_weekend else 62):
            offset = 6 * HOUR + random.randrange(12 * HOUR)
            yield offset, "1", f'{{"user_id":"{tenant.tenant_id}-u{user + 1:03d}"}}'


def _reports(flow: Flow, tenant: Tenant, random: Random, _: int) -> Parts:
    for _number in range(random.randrange(flow.records + int(2 * tenant.size))):
        user = 1 + random.getrandbits(3)
        yield random.randrange(DAY), "1", f'{{"user_id":"{tenant.tenant_id}-u{user:03d}"}}'


GB = 10**9
GPU_HOUR = HOUR

# What each source reports; the first word starts the ids of its records.
FLOWS: dict[str, tuple[str, tuple[Flow, ...]]] = {
    "gateway": (
        "gw",
        (
            Flow("api_requests", 10, 300_000, _requests),
            Flow("data_processed", 10, 250 * GB, _requests),
            Flow("gpu_ms", 6, 6 * GPU_HOUR, _gpu_time),
            Flow("vector_queries", 4, 20_000, _requests),
        ),
    ),
    "logs": ("st", (Flow("storage_gb", 8, 4_000, _stored),)),
    "app_db": (
        "ev",
        (
            Flow("seats", 1, 1, _seats),
            Flow("gpu_ms", 3, 2 * GPU_HOUR, _gpu_time),
            Flow("workflow_runs", 2, 40, _runs),
        ),
    ),
    "product": (
        "mp",
        (
            Flow("active_users", 1, 1, _sessions),
            Flow("exports", 6, 1, _reports),
        ),
    ),
}
