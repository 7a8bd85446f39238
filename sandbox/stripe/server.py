"""The sandbox as an HTTP server: ``python -m sandbox.stripe.server --port 12111 --state FILE``.

Stripe's API under ``/v1``; under ``/_sandbox`` what only a stand-in has: faults, the clock, the
customer who pays.
"""

import argparse
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from sandbox.stripe.control import control
from sandbox.stripe.faults import DroppedError
from sandbox.stripe.schema_from_sdk import stripe_schema
from sandbox.stripe.service import Answer, Request, StripeService

LOOPBACK = "127.0.0.1"
# How often a server that is asked to stop looks up.
POLL_SECONDS = 0.02
MAXIMUM_BODY = 4 * 1024 * 1024


class StripeSandbox:
    """A running sandbox; also a context manager that stops it."""

    def __init__(self, state: Path | None = None, port: int = 0) -> None:
        self.service = StripeService(state)
        self._server = SandboxServer((LOOPBACK, port), self.service)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to give to the client as its base address."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop serving and close the state file."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.service.store.close()

    def join(self) -> None:
        """Serve until interrupted."""
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class SandboxServer(ThreadingHTTPServer):
    """The server, which hands its service to every connection."""

    daemon_threads = True
    # Connections that are cut on purpose leave the port in TIME_WAIT.
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], service: StripeService) -> None:
        self.service = service
        super().__init__(address, Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that hang up; report any other error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Connection(BaseHTTPRequestHandler):
    """One connection of a caller, kept alive between its requests."""

    protocol_version = "HTTP/1.1"
    # One write per answer; without it each header is a packet and waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: SandboxServer

    def do_GET(self) -> None:
        """Answer a request without body."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a request with a form."""
        self._answer()

    def do_DELETE(self) -> None:
        """Answer a request without body."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Write no log: the service counts its calls."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAXIMUM_BODY:
            self.close_connection = True
            self._send(Answer(413, {"error": {"type": "invalid_request_error"}}))
            return
        body = self.rfile.read(length).decode("utf-8", errors="replace")
        target = urlsplit(self.path)
        if target.path.startswith("/_sandbox/"):
            self._send(control(self.server.service, self.command, target.path, body))
            return
        request = Request(
            method=self.command,
            path=target.path,
            text=body if self.command == "POST" else target.query,
            authorization=self.headers.get("Authorization", ""),
            idempotency_key=self.headers.get("Idempotency-Key"),
        )
        try:
            self._send(self.server.service.answer(request))
        except DroppedError:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        data = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Request-Id", f"req_{secrets.token_hex(7)}")
        self.send_header("Stripe-Version", stripe_schema()["info"]["version"])
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="sandbox.stripe.server", description=__doc__)
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--state", type=Path, help="file that outlives the process")
    given = parser.parse_args(arguments)
    sandbox = StripeSandbox(given.state, given.port)
    print(f"Stripe sandbox at {sandbox.url}", flush=True)  # noqa: T201 - a program of its own
    try:
        sandbox.join()
    except KeyboardInterrupt:
        sandbox.stop()


if __name__ == "__main__":
    main()
