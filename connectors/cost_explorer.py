"""The AWS bill by day, tenant tag and service, from Cost Explorer: a cent for every request."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from connectors.aws_session import aws_client, explain
from connectors.deliveries import DeliveredRow, Delivery, SourceUnavailable
from models.exact_json import write_json
from models.settings import AwsAccess, CostExplorerSource

# Cost Explorer answers only here, wherever the resources are.
REGION = "us-east-1"
AMORTIZED = {"NetUnblendedCost": "NetAmortizedCost", "NetAmortizedCost": "NetAmortizedCost"}
COLUMNS = {"SERVICE": "ServiceName", "REGION": "RegionId", "LINKED_ACCOUNT": "SubAccountId"}


class CostExplorer:
    """Requests to Cost Explorer, no more of them than a run may pay for."""

    def __init__(self, settings: CostExplorerSource, client: Any | None = None) -> None:
        self.settings = settings
        self.request_count = 0
        access = AwsAccess(
            region=REGION,
            endpoint_url=settings.endpoint_url,
            role_arn=settings.role_arn,
            external_id=settings.external_id,
        )
        self._client = client or aws_client("ce", access, settings.name)

    def deliveries(self, first: date, end: date) -> Iterator[Delivery]:
        """Yield every day of the half-open range that the bill speaks of.

        A day's version is the hash of its lines: one that is restated comes anew, one that says
        the same as before has landed already.
        """
        while first < end:
            next_month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
            last = min(next_month, end)
            for day, lines in sorted(self._days(first, last).items()):
                yield Delivery(f"day {day}", _version(lines), _numbered(lines))
            first = last

    def _days(self, first: date, end: date) -> dict[str, list[dict[str, Any]]]:
        """Return the lines of every day, once all pages are there: a day may span two."""
        days: dict[str, list[dict[str, Any]]] = {}
        for page in self._pages(first, end):
            for result in page["ResultsByTime"]:
                lines = days.setdefault(result["TimePeriod"]["Start"][:10], [])
                lines.extend(self._line(result, group) for group in result.get("Groups", []))
        return days

    def _pages(self, first: date, end: date) -> Iterator[dict[str, Any]]:
        settings = self.settings
        groups = [{"Type": "DIMENSION", "Key": settings.group_by}]
        if settings.tenant_tag:
            groups.insert(0, {"Type": "TAG", "Key": settings.tenant_tag})
        request: dict[str, Any] = {
            "TimePeriod": {"Start": first.isoformat(), "End": end.isoformat()},
            "Granularity": "DAILY",
            "Metrics": sorted({settings.metric, self._effective_metric()}),
            "GroupBy": groups,
        }
        while True:
            page = self._ask(request)
            yield page
            if not page.get("NextPageToken"):
                return
            request = {**request, "NextPageToken": page["NextPageToken"]}

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        budget = self.settings.max_requests_per_run
        if self.request_count >= budget:
            raise SourceUnavailable(
                self.settings.name,
                f"its {budget} requests for one run are spent before the bill was read to its end",
                "Raise max_requests_per_run (a request costs 0.01 USD), or pull a shorter time",
            )
        self.request_count += 1
        try:
            answer: dict[str, Any] = self._client.get_cost_and_usage(**request)
        except (BotoCoreError, ClientError) as error:
            raise SourceUnavailable(
                self.settings.name,
                f"Cost Explorer: {explain(error)}",
                "Check the credentials or role, and its right to ce:GetCostAndUsage",
            ) from error
        return answer

    def _effective_metric(self) -> str:
        return AMORTIZED.get(self.settings.metric, "AmortizedCost")

    def _line(self, result: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
        """Return one group of one day as a cost line in FOCUS columns; amounts stay text."""
        day = date.fromisoformat(result["TimePeriod"]["Start"][:10])
        month = day.replace(day=1)
        *tags, dimension = group["Keys"]
        billed = group["Metrics"][self.settings.metric]
        effective = group["Metrics"].get(self._effective_metric(), billed)
        return {
            "ChargePeriodStart": _midnight(day),
            "ChargePeriodEnd": _midnight(day + timedelta(days=1)),
            "BillingPeriodStart": _midnight(month),
            "BillingPeriodEnd": _midnight((month + timedelta(days=32)).replace(day=1)),
            "ChargeCategory": "Usage",
            "ProviderName": "AWS",
            "ServiceName": "AWS",
            COLUMNS.get(self.settings.group_by, "ServiceName"): dimension,
            "BilledCost": billed["Amount"],
            "EffectiveCost": effective["Amount"],
            "BillingCurrency": billed["Unit"],
            "Tags": self._tags(tags),
            "x_Estimated": bool(result.get("Estimated")),
        }

    def _tags(self, keys: list[str]) -> dict[str, str]:
        """Return a tag written as ``key$value``; without a value the cost is untagged."""
        tag = self.settings.tenant_tag
        value = keys[0].removeprefix(f"{tag}$") if keys else ""
        return {tag: value} if tag and value else {}


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _version(lines: list[dict[str, Any]]) -> str:
    canonical = "\n".join(sorted(write_json(line) for line in lines))
    return hashlib.sha256(canonical.encode("utf-8", "backslashreplace")).hexdigest()


def _numbered(lines: list[dict[str, Any]]) -> Callable[[], Iterator[DeliveredRow]]:
    return lambda: iter(enumerate(lines, start=1))
