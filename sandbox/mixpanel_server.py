"""A stand-in for Mixpanel's raw export: real protocol, events from files, faults on demand.

``GET /api/2.0/export`` answers like the real one: Basic auth of a service account, ``project_id``,
inclusive days, an event filter, seconds unless ``time_in_ms``, gzip where it is accepted and worth
it, a chunked stream. ``/_sandbox/...`` is ours: health, faults, limits.
"""

import base64
import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, urlsplit

FaultKind = Literal[
    "terminated_early", "cut_line", "drop", "status_401", "status_429", "status_500"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

# As documented: a smaller body is not worth compressing.
SMALLEST_GZIPPED_BODY = 1_400
MOST_EVENTS = 100_000
PER_HOUR = 60
PER_SECOND = 3
CHUNK_BYTES = 64 * 1024


class Refusal(Exception):  # noqa: N818 - an answer of the server, not an error of ours
    """An answer other than 200."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass
class MixpanelProject:
    """The one project of the stand-in: its service account, its events, what is to go wrong."""

    events_directory: Path
    project_id: str = "2603115"
    username: str = "meterhouse.2603115.mp-service-account"
    secret: str = "sandbox-mixpanel-secret"  # noqa: S105 - opens the stand-in only
    has_limits: bool = False
    faults: deque[FaultKind] = field(default_factory=deque)
    _asked_at: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self) -> FaultKind | None:
        """Return what is to go wrong with this request."""
        with self._lock:
            return self.faults.popleft() if self.faults else None

    def refuse_stranger(self, authorization: str) -> None:
        """Let only the service account in."""
        account = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        if authorization != f"Basic {account}":
            raise Refusal(401, "Invalid service account credentials")

    def refuse_haste(self) -> None:
        """Hold to the documented limits, where they are switched on."""
        now = time.monotonic()
        with self._lock:
            while self._asked_at and now - self._asked_at[0] > 3_600:
                self._asked_at.popleft()
            in_second = sum(now - asked < 1 for asked in self._asked_at)
            if self.has_limits and (len(self._asked_at) >= PER_HOUR or in_second >= PER_SECOND):
                seconds = 1 if len(self._asked_at) < PER_HOUR else 3_600
                raise Refusal(429, "rate limit exceeded", **{"Retry-After": str(seconds)})
            self._asked_at.append(now)

    def set_limits(self, *, are_on: bool) -> None:
        """Switch the limits, and forget what was asked."""
        with self._lock:
            self.has_limits = are_on
            self._asked_at.clear()

    def export(self, parameters: dict[str, str]) -> bytes:
        """Return the lines of the days and events that are asked for."""
        if parameters.get("project_id") != self.project_id:
            raise Refusal(400, "project_id is missing, or not a project of this service account")
        first, last = _day(parameters, "from_date"), _day(parameters, "to_date")
        if last < first:
            raise Refusal(400, "to_date lies before from_date")
        wanted = _events(parameters)
        limit = _limit(parameters)
        lines: list[bytes] = []
        for line in self._lines(first, last):
            event = json.loads(line)
            if wanted is not None and event["event"] not in wanted:
                continue
            if parameters.get("time_in_ms") != "true":
                event["properties"]["time"] //= 1_000
                line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
            lines.append(line)
            if len(lines) == limit:
                break
        return b"".join(line + b"\n" for line in lines)

    def _lines(self, first: date, last: date) -> Iterator[bytes]:
        day = first
        while day <= last:
            file = self.events_directory / f"{day}.jsonl"
            if file.is_file():
                # Split at line ends only: U+2028 is data.
                yield from filter(None, file.read_bytes().split(b"\n"))
            day += timedelta(days=1)


def _day(parameters: dict[str, str], name: str) -> date:
    try:
        return date.fromisoformat(parameters[name])
    except (KeyError, ValueError) as error:
        raise Refusal(400, f"{name} must be a day, yyyy-mm-dd") from error


def _events(parameters: dict[str, str]) -> set[str] | None:
    if "event" not in parameters:
        return None
    try:
        names = json.loads(parameters["event"])
    except ValueError as error:
        raise Refusal(400, "event must be a JSON array of names") from error
    if not isinstance(names, list):
        raise Refusal(400, "event must be a JSON array of names")
    return {str(name) for name in names}


def _limit(parameters: dict[str, str]) -> int:
    limit = parameters.get("limit", "0")
    if not limit.isdigit() or int(limit) > MOST_EVENTS:
        raise Refusal(400, f"limit must be a number up to {MOST_EVENTS}")
    return int(limit)


class _Handler(BaseHTTPRequestHandler):
    """One request to the project of the server it belongs to."""

    protocol_version = "HTTP/1.1"
    # One write per answer; without it each header is a packet that waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        """Answer an export or a question about health."""
        url = urlsplit(self.path)
        parameters = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            if url.path == "/_sandbox/health":
                self._send(200, b"ok")
            elif url.path == "/api/2.0/export":
                self._export(parameters)
            else:
                raise Refusal(404, f"there is no {url.path}")
        except Refusal as refusal:
            self._refuse(refusal)

    def do_POST(self) -> None:
        """Plan faults, given as a list of kinds; or switch the limits on and off."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        project = self.server.project
        if self.path == "/_sandbox/faults" and set(body) <= set(FAULT_KINDS):
            project.faults.extend(body)
            self._send(200, b"planned")
        elif self.path == "/_sandbox/limits":
            project.set_limits(are_on=bool(body))
            self._send(200, b"set")
        else:
            self._refuse(Refusal(404, f"{self.path}: no such control, or an unknown fault"))

    def _export(self, parameters: dict[str, str]) -> None:
        project = self.server.project
        project.refuse_stranger(self.headers.get("Authorization", ""))
        project.refuse_haste()
        fault = project.next_fault()
        if fault is not None and fault.startswith("status_"):
            raise Refusal(int(fault.removeprefix("status_")), "planned by the sandbox")
        body = project.export(parameters)
        if fault == "terminated_early":
            body = body[: len(body) // 2].rpartition(b"\n")[0] + b"\nterminated early\n"
        elif fault == "cut_line":
            body = body[: len(body) * 2 // 3].rstrip(b"\n}")
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        accepted = self.headers.get("Accept-Encoding", "")
        if "gzip" in accepted and len(body) > SMALLEST_GZIPPED_BODY:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1, mtime=0)
        self._stream(body, headers, drops=fault == "drop")

    def _stream(self, body: bytes, headers: dict[str, str], *, drops: bool) -> None:
        """Send a chunked body; one that drops is closed before its end."""
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = body[: len(body) // 2] if drops else body
        for start in range(0, len(sent), CHUNK_BYTES):
            chunk = sent[start : start + CHUNK_BYTES]
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        if drops:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, refusal: Refusal) -> None:
        content = json.dumps({"error": str(refusal), "status": "error"}).encode()
        self._send(refusal.status, content, **refusal.headers)

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
        """Write no access log: it would hold what was asked of a customer's project."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], project: MixpanelProject) -> None:
        super().__init__(address, _Handler)
        self.project = project


class MixpanelServer:
    """The stand-in on a loopback port; port 0 takes a free one."""

    def __init__(self, project: MixpanelProject, port: int = 0) -> None:
        self.project = project
        self._server = _Server(("127.0.0.1", port), project)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
