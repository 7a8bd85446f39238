"""The bill behind moto's Cost Explorer: any range, tag and service grouping, pages, restated days.

moto answers ``GetCostAndUsage`` only with results seeded beforehand for each request, one after the
other. A real connector asks for ranges that nobody foresees, so the seeds are made when asked for.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from moto.core.exceptions import JsonRESTError

GROUPS_PER_PAGE = 2_000
METRICS = frozenset(
    {"AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "UnblendedCost"}
)
TENANT_TAG = "tenant"

Line = dict[str, str]


class Bill:
    """The daily lines of an account: tenant tag, service and amount.

    ``restate`` puts the other version of a day in place, as a provider does without a word.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._days = _by_day(directory / "bill.jsonl")
        if (directory / "restated").exists():
            self._days |= _by_day(directory / "restated.jsonl")
        self.request_count = 0

    def restate(self) -> list[str]:
        """Replace the days that are to be restated; they stay so after a restart."""
        (self._directory / "restated").touch()
        restated = _by_day(self._directory / "restated.jsonl")
        self._days |= restated
        return sorted(restated)

    def answer(self, body: str | bytes) -> dict[str, Any]:
        """Return one page of an answer to ``GetCostAndUsage``."""
        self.request_count += 1
        request: dict[str, Any] = json.loads(body)
        token = request.pop("NextPageToken", None)
        pages = list(_pages(self._results(request)))
        fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
        number = 0
        if token is not None:
            asked, _, position = str(token).partition(".")
            if not position.isdigit() or int(position) >= len(pages):
                raise JsonRESTError("InvalidNextTokenException", "The token is not one of ours")
            if asked != fingerprint:
                raise JsonRESTError("RequestChangedException", "The token is of another request")
            number = int(position)
        page: dict[str, Any] = {
            "ResultsByTime": pages[number],
            "GroupDefinitions": request.get("GroupBy", []),
            "DimensionValueAttributes": [],
        }
        if number + 1 < len(pages):
            page["NextPageToken"] = f"{fingerprint}.{number + 1}"
        return page

    def _results(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        first, end = _period(request)
        metrics = _metrics(request)
        grouping = _grouping(request)
        # A month is an estimate until it has ended and was closed.
        open_month = max(self._days)[:7]
        day = first
        while day < end:
            following = day + timedelta(days=1)
            sums: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
            for line in self._days.get(day.isoformat(), []):
                sums[tuple(_key(line, group) for group in grouping)] += Decimal(line["amount"])
            yield {
                "TimePeriod": {"Start": day.isoformat(), "End": following.isoformat()},
                "Total": {} if grouping else _amounts(sums.get((), Decimal(0)), metrics),
                "Groups": [
                    {"Keys": list(keys), "Metrics": _amounts(amount, metrics)}
                    for keys, amount in sorted(sums.items())
                    if grouping
                ],
                "Estimated": day.isoformat()[:7] >= open_month,
            }
            day = following


class AnsweredRequests(dict[str, Any]):
    """moto's results by request, all of which are there: each is made when it is looked up."""

    def __init__(self, bill: Bill) -> None:
        super().__init__()
        self.bill = bill
        self.faults: list[str] = []

    def __contains__(self, body: object) -> bool:
        return True

    def get(self, body: Any, default: Any = None) -> Any:  # noqa: ARG002 - there is no default
        """Return the answer, or fail with the error that was planned."""
        if self.faults:
            raise JsonRESTError(self.faults.pop(0), "planned by the sandbox")
        return self.bill.answer(body)


def _by_day(file: Path) -> dict[str, list[Line]]:
    days: dict[str, list[Line]] = defaultdict(list)
    for text in file.read_text().splitlines():
        line: Line = json.loads(text)
        days[line["date"]].append(line)
    return dict(days)


def _period(request: dict[str, Any]) -> tuple[date, date]:
    if request.get("Granularity") != "DAILY":
        raise JsonRESTError("ValidationException", "The stand-in answers DAILY only")
    period = request.get("TimePeriod", {})
    try:
        first, end = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
    except (KeyError, ValueError) as error:
        raise JsonRESTError("ValidationException", "TimePeriod needs Start and End") from error
    if end <= first:
        raise JsonRESTError("ValidationException", "Start date (and hour) should be before end")
    return first, end


def _metrics(request: dict[str, Any]) -> list[str]:
    metrics = request.get("Metrics") or []
    if not metrics or not METRICS.issuperset(metrics):
        raise JsonRESTError("ValidationException", f"Metrics must be of {sorted(METRICS)}")
    return list(metrics)


def _grouping(request: dict[str, Any]) -> list[tuple[str, str]]:
    groups = [(group["Type"], group["Key"]) for group in request.get("GroupBy", [])]
    if len(groups) > 2:
        raise JsonRESTError("ValidationException", "GroupBy takes two groups at most")
    for kind, key in groups:
        if kind != "TAG" and (kind, key) != ("DIMENSION", "SERVICE"):
            raise JsonRESTError("ValidationException", f"The stand-in cannot group by {key}")
    return groups


def _key(line: Line, group: tuple[str, str]) -> str:
    kind, key = group
    if kind == "DIMENSION":
        return line["service"]
    # What carries no such tag is billed under the tag with an empty value.
    return f"{key}${line['tenant'] if key == TENANT_TAG else ''}"


def _amounts(amount: Decimal, metrics: list[str]) -> dict[str, dict[str, str]]:
    return {metric: {"Amount": str(amount), "Unit": "USD"} for metric in metrics}


def _pages(results: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of so many groups; a day may begin on one page and end on the next."""
    page: list[dict[str, Any]] = []
    room = GROUPS_PER_PAGE
    for result in results:
        groups = result["Groups"]
        while len(groups) > room:
            page.append(result | {"Groups": groups[:room]})
            yield page
            groups, page, room = groups[room:], [], GROUPS_PER_PAGE
        page.append(result | {"Groups": groups})
        room -= len(groups)
    yield page
