"""Events of a Mixpanel project: exported by ranges of days, delivered by day, whole or not at all.

The export says nothing of its completeness: it may break off within a 200, at worst with the words
``terminated early`` as its last line. So every line must parse and the last one must end.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import httpx

from connectors.compression import BrokenCompression, decompressed
from connectors.deliveries import DeliveredRow, Delivery, SourceUnavailable
from connectors.line_blocks import MAX_LINE_BYTES
from models.exact_json import read_json
from models.settings import MixpanelEvent
from models.usage import Getter, field_getter

HOSTS = {
    "us": "https://data.mixpanel.com",
    "eu": "https://data-eu.mixpanel.com",
    "in": "https://data-in.mixpanel.com",
}
# 60 requests an hour are allowed: by the month, three years are 36.
DAYS_PER_REQUEST = 31
# Several days that bring more than this are asked for in halves: they lie on disk until they land.
MOST_BYTES_AT_ONCE = 4 * 1024**3
MAX_ATTEMPTS = 5
# A range that breaks off twice is too much at once, and is asked for in halves.
MAX_ATTEMPTS_FOR_A_RANGE = 2
LONGEST_WAIT_SECONDS = 120.0
# A history waits for its next 60 requests, also where the server does not say how long that takes.
LONGEST_WAIT_OF_A_HISTORY = 3_700.0
WAIT_FOR_A_LIMIT = 900.0
_TIMEOUT = httpx.Timeout(30, read=300)


class BrokenExport(ValueError):  # noqa: N818 - what happened, in the words of the message
    """An export that cannot be shown to be whole."""


class TooMuchAtOnce(BrokenExport):
    """An export of several days that is larger than the disk should have to hold."""


@dataclass(frozen=True, slots=True)
class MixpanelProject:
    """A project, how to reach it, and which of its events are usage.

    Projects from before 2023 store local times as if they were UTC; ``timezone`` is
    the one of the project, and corrects that.
    """

    source: str
    project_id: str
    username: str
    secret: str = field(repr=False)
    events: Mapping[str, MixpanelEvent]
    region: str = "us"
    timezone: str = "UTC"
    base_url: str | None = None
    sleep: Callable[[float], None] = time.sleep

    def today(self, now: datetime) -> date:
        """Return the project's running day, whose export is not complete yet."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def start_of(self, day: date) -> datetime:
        """Return the instant at which a day of the project begins."""
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.timezone))
        return local.astimezone(UTC)


def deliveries(
    project: MixpanelProject, first: date, last: date, *, is_history: bool = False
) -> Iterator[Delivery]:
    """Yield every day from first to last, both included; a day without events has no rows.

    A history that needs more requests than an hour allows waits for them, which any other pull
    leaves to the next one.
    """
    longest_wait = LONGEST_WAIT_OF_A_HISTORY if is_history else LONGEST_WAIT_SECONDS
    days = DAYS_PER_REQUEST
    with _client(project) as client:
        while first <= last:
            end = min(last, first + timedelta(days=days - 1))
            try:
                export = _exported(project, client, first, end, longest_wait)
            except BrokenExport as broken:
                if first == end:
                    raise _stays_broken(project, first, broken) from broken
                days = ((end - first).days + 1) // 2
                continue
            with closing(export):
                yield from export.deliveries()
            if export.size <= MOST_BYTES_AT_ONCE // 4:
                days = min(2 * days, DAYS_PER_REQUEST)
            first = end + timedelta(days=1)


def _stays_broken(project: MixpanelProject, day: date, broken: BrokenExport) -> SourceUnavailable:
    return SourceUnavailable(
        project.source,
        f"the export of {day} stays broken: {broken}",
        "Nothing of that day was kept; the next pull asks for it again",
    )


def check(project: MixpanelProject, now: datetime) -> None:
    """Ask for the running day, or raise ``SourceUnavailable``."""
    today = project.today(now)
    with (
        _client(project) as client,
        closing(_exported(project, client, today, today, LONGEST_WAIT_SECONDS)),
    ):
        pass


def _client(project: MixpanelProject) -> httpx.Client:
    return httpx.Client(
        base_url=project.base_url or HOSTS[project.region],
        auth=(project.username, project.secret),
        headers={"Accept-Encoding": "gzip"},
        timeout=_TIMEOUT,
    )


def _exported(
    project: MixpanelProject, client: httpx.Client, first: date, last: date, longest_wait: float
) -> "_Export":
    """Return a whole export, after as many attempts as its trouble is worth."""
    attempts = MAX_ATTEMPTS if first == last else MAX_ATTEMPTS_FOR_A_RANGE
    broken = 0
    for attempt in range(1, MAX_ATTEMPTS + 1):
        export = _Export(project, first, last)
        try:
            _download(project, client, export)
        except _Wait as wait:
            export.close()
            _wait(project, wait, attempt, longest_wait)
        except TooMuchAtOnce:
            export.close()
            raise
        except BrokenExport:
            export.close()
            broken += 1
            if broken >= attempts or attempt == MAX_ATTEMPTS:
                raise
            project.sleep(_backoff(attempt))
        except BaseException:
            export.close()
            raise
        else:
            return export
    raise AssertionError("the last attempt returns or raises")


class _Wait(Exception):  # noqa: N818 - a request to come back, no error
    """The server is busy or out of order for now, or allows no more requests."""

    def __init__(self, what: str, seconds: float | None, *, is_limit: bool = False) -> None:
        super().__init__(what)
        self.seconds = seconds
        self.is_limit = is_limit


def _wait(project: MixpanelProject, wait: _Wait, attempt: int, longest: float) -> None:
    seconds = wait.seconds
    if seconds is None:
        is_worth_it = wait.is_limit and longest > WAIT_FOR_A_LIMIT
        seconds = WAIT_FOR_A_LIMIT if is_worth_it else _backoff(attempt)
    if attempt == MAX_ATTEMPTS or seconds > longest:
        raise SourceUnavailable(
            project.source,
            f"{wait}, {attempt} attempts",
            "Days that are complete were kept, and the next pull tries again; `meterhouse run "
            "--from D` waits where a history needs more requests than an hour allows",
        ) from wait
    project.sleep(seconds)


def _backoff(attempt: int) -> float:
    return float(2**attempt)


def _download(project: MixpanelProject, client: httpx.Client, export: "_Export") -> None:
    parameters = {
        "project_id": project.project_id,
        "from_date": export.first.isoformat(),
        "to_date": export.last.isoformat(),
        "event": json.dumps(sorted(project.events), ensure_ascii=False),
    }
    try:
        with client.stream("GET", "/api/2.0/export", params=parameters) as response:
            _refuse_status(project, response)
            # Raw bytes, decompressed here: httpx does not mind a gzip stream that breaks off.
            export.fill(decompressed(response.iter_raw()))
    except BrokenCompression as broken:
        raise BrokenExport(str(broken)) from broken
    except httpx.RemoteProtocolError as broken:
        raise BrokenExport("the connection broke") from broken
    except httpx.TransportError as error:
        raise _Wait(
            f"{client.base_url} cannot be reached ({type(error).__name__})", None
        ) from error


def _refuse_status(project: MixpanelProject, response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.OK:
        return
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise _Wait("its limit of requests is spent (429)", _retry_after(response), is_limit=True)
    if status >= 500:
        raise _Wait(f"it answers {status}", _retry_after(response))
    if status in {401, 403}:
        raise SourceUnavailable(
            project.source,
            f"it refuses the service account ({status})",
            "Check username, secret and project_id, and that the account may export",
        )
    raise SourceUnavailable(
        project.source, f"it answers {status} to an export", "Check project_id, region and events"
    )


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait, given in seconds or as a date."""
    text = str(response.headers.get("retry-after", ""))
    if text.isdigit():
        return float(text)
    try:
        until: datetime = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


class _Export:
    """The lines of a range of days, sorted by day into temporary files."""

    def __init__(self, project: MixpanelProject, first: date, last: date) -> None:
        self.project = project
        self.first = first
        self.last = last
        self._files: dict[date, BinaryIO] = {}
        self._hashes: dict[date, int] = {}
        self._stack = ExitStack()
        self.size = 0

    def close(self) -> None:
        """Drop the files."""
        self._stack.close()

    def fill(self, chunks: Iterator[bytes]) -> None:
        """Sort every line into its day, or raise ``BrokenExport``."""
        rest = b""
        line_number = 0
        for chunk in chunks:
            self.size += len(chunk)
            if self.size > MOST_BYTES_AT_ONCE and self.first < self.last:
                raise TooMuchAtOnce(f"it is larger than {MOST_BYTES_AT_ONCE} bytes")
            # Split at line ends only: U+2028 and its like are data.
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                line_number += 1
                self._add(line, line_number)
            if len(rest) > MAX_LINE_BYTES:
                what = f"line {line_number + 1} is longer than {MAX_LINE_BYTES} bytes"
                self._refuse(rest, line_number + 1, what)
        if rest.strip():
            self._refuse(rest, line_number + 1, "its last line has no end")

    def deliveries(self) -> Iterator[Delivery]:
        """Yield the days, each with the hash of its lines in any order as its version."""
        day = self.first
        while day <= self.last:
            yield Delivery(f"day {day}", f"{self._hashes.get(day, 0):064x}", self._rows(day))
            day += timedelta(days=1)

    def _add(self, line: bytes, line_number: int) -> None:
        if not line.strip():
            return
        try:
            event = read_json(line.decode())
        except ValueError:
            event = None
        if not (
            isinstance(event, dict)
            and isinstance(event.get("event"), str)
            and isinstance(event.get("properties"), dict)
        ):
            self._refuse(line, line_number, f"line {line_number} is no event")
        elif event["event"] in self.project.events:
            day = min(max(_local_day(event, self.first), self.first), self.last)
            self._file(day).write(line + b"\n")
            digest = int.from_bytes(hashlib.sha256(line).digest())
            self._hashes[day] = (self._hashes.get(day, 0) + digest) % 2**256

    def _refuse(self, line: bytes, line_number: int, what: str) -> None:
        if b"terminated early" in line[:200]:
            what = f"line {line_number} says that the export was terminated early"
        raise BrokenExport(what)

    def _file(self, day: date) -> BinaryIO:
        if day not in self._files:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
            self._files[day] = self._stack.enter_context(file)
        return self._files[day]

    def _rows(self, day: date) -> Callable[[], Iterator[DeliveredRow]]:
        def rows() -> Iterator[DeliveredRow]:
            if day not in self._files:
                return
            file = self._files[day]
            file.seek(0)
            for row_number, line in enumerate(file, start=1):
                event = read_json(line.decode())
                if isinstance(event, dict):
                    yield row_number, usage_row(self.project, event, line)

        return rows


def _local_day(event: Mapping[str, Any], default: date) -> date:
    """Return the project's day of an event; one without a time cannot be placed, but is kept."""
    moment = _stored_time(event["properties"].get("time"))
    return default if moment is None else moment.date()


def _stored_time(seconds: Any) -> datetime | None:
    """Return an event's time as the project's own wall clock showed it."""
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def usage_row(
    project: MixpanelProject, event: Mapping[str, Any], line: bytes | None = None
) -> dict[str, Any]:
    """Return an event with the fields of a usage record beside it.

    The id is Mixpanel's own key of an event: name, distinct_id, time and $insert_id; very old
    events lack the last, and are known by their whole line.
    """
    properties = event["properties"]
    seconds = properties.get("time")
    moment = _stored_time(seconds)
    rule = project.events.get(event["event"])
    return {
        "event": event["event"],
        "properties": properties,
        "id": event.get("id") or _event_id(event, line),
        "timestamp": seconds if moment is None else _instant(project, moment),
        "dimension_id": rule and rule.dimension_id,
        "value": rule and _value(rule, event),
    }


def _instant(project: MixpanelProject, moment: datetime) -> datetime:
    return moment.replace(tzinfo=ZoneInfo(project.timezone)).astimezone(UTC)


def _event_id(event: Mapping[str, Any], line: bytes | None) -> str:
    properties = event["properties"]
    insert_id = properties.get("$insert_id")
    if insert_id is None:
        return hashlib.sha256(line or json.dumps(event, sort_keys=True).encode()).hexdigest()
    key = (event["event"], properties.get("distinct_id"), properties.get("time"), insert_id)
    return hashlib.sha256("\x1f".join(map(str, key)).encode()).hexdigest()


def _value(rule: MixpanelEvent, event: Mapping[str, Any]) -> Any:
    """Return a constant value, or what the path names in the event or in its properties."""
    get: Getter = field_getter("value", rule.value)
    value = get(event)
    return get(event["properties"]) if value is None else value
