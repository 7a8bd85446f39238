"""The company's two cloud bills, made of what its tenants used: every line adds up to the total.

Amounts are whole numbers of 10^-10 dollars until they are written, so nothing is ever rounded.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from sandbox.company.customers import DEDICATED_GPU_TENANTS, FIRST_DAY, tenants
from sandbox.company.formats import gzipped
from sandbox.company.records import Measurement, moment_of

DOLLAR = 10**10
COST_BUCKET = "acumen-billing"
EXPORT = "gpu-focus"

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
STORAGE = "Amazon Simple Storage Service"
DELIVERY = "Amazon CloudFront"
MONITORING = "AmazonCloudWatch"
SUPPORT = "AWS Support (Business)"
NETWORK = "EC2 - Other"

# In 10^-10 dollars: per API request, per 10^9 bytes, per GB stored and day, per GPU hour.
REQUEST_COST = 120_000
GIGABYTE_COST = 280_000_000
STORED_GIGABYTE_COST = 7_600_000
DELIVERED_GIGABYTE_COST = 20_000_000
GPU_HOUR_COST = 19 * DOLLAR // 10
DEDICATED_GPU_HOUR_COST = 6 * DOLLAR // 10

RESTATED_DAY = date(2026, 10, 17)
CORRECTED_DAY = date(2026, 9, 14)


def amount(units: int) -> str:
    """Return 10^-10 dollars as decimal text."""
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // DOLLAR}.{abs(units) % DOLLAR:010d}"


class UsageTotals:
    """What cost depends on: whole units per day and tenant, by dimension."""

    def __init__(self) -> None:
        self.by_day: dict[date, dict[str, dict[str, int]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(int))
        )

    def add(self, records: list[Measurement]) -> None:
        """Add a day's records; of a level, the highest counts.

        The first hours east of Greenwich lie before the first day that is billed at all.
        """
        for record in records:
            day = moment_of(record.at).date()
            if day < FIRST_DAY:
                continue
            units = int(record.value.partition(".")[0])
            of_tenant = self.by_day[day][record.tenant_id]
            if record.dimension_id == "storage_gb":
                units = max(0, units - of_tenant["storage_gb"])
            of_tenant[record.dimension_id] += units


@dataclass(frozen=True, slots=True)
class CloudLine:
    """One day's cost of a service, of a tenant or of nobody (an empty tag)."""

    day: date
    tenant_id: str
    service: str
    units: int


def aws_lines(totals: UsageTotals, seed: int) -> Iterator[CloudLine]:
    """Yield the AWS bill: tagged per tenant, and what is shared."""
    random = Random(f"{seed}/aws")  # noqa: S311 - repeatable on purpose
    burden = {tenant.tenant_id: int(tenant.burden * 100) for tenant in tenants()}
    for day in sorted(totals.by_day):
        delivered = 0
        for tenant_id, used in sorted(totals.by_day[day].items()):
            noise = 9_500 + random.randrange(1_001)
            byte_cost = used["data_processed"] * GIGABYTE_COST // 10**9
            compute = (used["api_requests"] * REQUEST_COST + byte_cost) * burden[tenant_id] // 100
            delivered += used["data_processed"]
            yield CloudLine(day, tenant_id, COMPUTE, compute * noise // 10_000)
            stored = used["storage_gb"] * STORED_GIGABYTE_COST
            if stored:
                yield CloudLine(day, tenant_id, STORAGE, stored * noise // 10_000)
        yield CloudLine(day, "", DELIVERY, delivered * DELIVERED_GIGABYTE_COST // 10**9)
        yield CloudLine(day, "", MONITORING, 95 * DOLLAR // 10 + random.randrange(DOLLAR))
        yield CloudLine(day, "", SUPPORT, 14 * DOLLAR)
        yield CloudLine(day, "", NETWORK, 21 * DOLLAR + random.randrange(5 * DOLLAR))


def write_aws_bill(
    directory: Path, totals: UsageTotals, seed: int, as_of: datetime
) -> dict[str, int]:
    """Write what Cost Explorer knows, and the day it will restate; return the sum per month."""
    lines = [line for line in aws_lines(totals, seed) if line.day < as_of.date()]
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[f"{line.day:%Y-%m}"] += line.units
    restated = [
        CloudLine(line.day, line.tenant_id, line.service, line.units * 103 // 100)
        for line in lines
        if line.day == RESTATED_DAY
    ]
    folder = directory / "cost_explorer"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bill.jsonl").write_text(_as_json(lines))
    (folder / "restated.jsonl").write_text(_as_json(restated))
    return dict(sums)


def _as_json(lines: list[CloudLine]) -> str:
    return "".join(
        json.dumps(
            {
                "date": line.day.isoformat(),
                "tenant": line.tenant_id,
                "service": line.service,
                "amount": amount(line.units),
            }
        )
        + "\n"
        for line in lines
    )


FOCUS_COLUMNS = (
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "ConsumedQuantity",
    "ConsumedUnit",
    "InvoiceIssuerName",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ResourceId",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SubAccountId",
    "Tags",
)


def focus_lines(totals: UsageTotals) -> Iterator[tuple[date, dict[str, str], int]]:
    """Yield the GPU provider's bill: day, the columns that differ, and the amount."""
    for day in sorted(totals.by_day):
        hours = {
            tenant_id: used["gpu_ms"] // 3_600_000
            for tenant_id, used in sorted(totals.by_day[day].items())
        }
        whole = sum(hours.values())
        for region, percent in (("fra1", 60), ("iad1", 40)):
            part = whole * percent // 100
            yield day, _cluster(region, f"shared-{region}", part, {}), part * GPU_HOUR_COST
        for tenant_id in DEDICATED_GPU_TENANTS:
            part = hours.get(tenant_id, 0)
            columns = _cluster("fra1", f"reserved-{tenant_id}", part, {"tenant": tenant_id})
            yield day, columns, part * DEDICATED_GPU_HOUR_COST
        if day == CORRECTED_DAY:
            columns = _cluster("fra1", "shared-fra1", 0, {}) | {"ChargeClass": "Correction"}
            yield day, columns, -(37 * DOLLAR + 4_321)
        if day.day == 1:
            yield day, _fee("Support", "Premium support", "Purchase"), 240 * DOLLAR
            yield day, _fee("Tax", "Digital services tax", "Tax"), 61 * DOLLAR + 25 * DOLLAR // 100


def _cluster(region: str, resource: str, hours: int, tags: dict[str, str]) -> dict[str, str]:
    return {
        "ChargeCategory": "Usage",
        "ChargeDescription": f"GPU hours of {resource}",
        "ConsumedQuantity": str(hours),
        "ConsumedUnit": "Hours",
        "RegionId": region,
        "ResourceId": f"cluster/{resource}",
        "ServiceCategory": "Compute",
        "ServiceName": "GPU Cluster",
        "SkuId": "gpu-hour",
        "Tags": json.dumps(tags, sort_keys=True),
    }


def _fee(service: str, description: str, category: str) -> dict[str, str]:
    return {
        "ChargeCategory": category,
        "ChargeDescription": description,
        "ServiceCategory": "Other",
        "ServiceName": service,
        "Tags": "{}",
    }


def write_focus_bill(directory: Path, totals: UsageTotals, as_of: datetime) -> dict[str, int]:
    """Write the FOCUS export as AWS Data Exports lays it out; return the sum per month."""
    months: dict[str, list[dict[str, str]]] = defaultdict(list)
    sums: dict[str, int] = defaultdict(int)
    for day, columns, units in focus_lines(totals):
        if day < as_of.date():
            months[f"{day:%Y-%m}"].append(_focus_row(day, columns, units))
            sums[f"{day:%Y-%m}"] += units
    root = directory / "s3" / COST_BUCKET / "exports" / EXPORT
    for month, rows in months.items():
        partition = f"BILLING_PERIOD={month}"
        name = f"data/{partition}/{EXPORT}-00001.csv.gz"
        _write(root / name, _focus_file(rows))
        key = f"exports/{EXPORT}/{name}"
        manifest = _manifest(month, key)
        _write(root / f"metadata/{partition}/{EXPORT}-Manifest.json", manifest)
    return dict(sums)


def _focus_row(day: date, columns: dict[str, str], units: int) -> dict[str, str]:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    cost = amount(units)
    return {
        "BillingAccountId": "cirrus-4711",
        "BillingAccountName": "Acumen",
        "BillingCurrency": "USD",
        "BillingPeriodStart": f"{first}T00:00:00Z",
        "BillingPeriodEnd": f"{following}T00:00:00Z",
        "ChargeFrequency": "Usage-Based" if columns["ChargeCategory"] == "Usage" else "Recurring",
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{day + timedelta(days=1)}T00:00:00Z",
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "ContractedCost": cost,
        "InvoiceIssuerName": "Cirrus GPU Cloud",
        "ProviderName": "Cirrus GPU Cloud",
        "PublisherName": "Cirrus GPU Cloud",
        "SubAccountId": "production",
    } | columns


def _focus_file(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, FOCUS_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return gzipped(text.getvalue().encode())


def _manifest(month: str, key: str) -> bytes:
    manifest = {
        "exportName": EXPORT,
        "billingPeriod": month,
        "columns": [{"name": name} for name in FOCUS_COLUMNS],
        "dataFiles": [f"s3://{COST_BUCKET}/{key}"],
    }
    return json.dumps(manifest, indent=2).encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
