"""A stand-in for AWS: moto's S3, STS and Cost Explorer on a loopback port.

moto keeps everything in memory, so what lies in S3 is loaded from files at every start: the same
bytes, the same ETags. ``/_sandbox/...`` is ours: health, reload, restate, faults.
"""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sts.exceptions import STSClientError
from werkzeug.serving import make_server

from sandbox.cost_explorer import AnsweredRequests, Bill

REGION = "us-east-1"
PARTITION = "aws"

StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ReaderRole:
    """The role that reads the company's account, and the external id without which it does not."""

    arn: str = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/meterhouse-reader"
    external_id: str = "acumen-meterhouse-4711"


class AwsServer:
    """The stand-in, on the files below a directory: ``s3/<bucket>/<key>`` and ``cost_explorer``.

    moto's state belongs to the process: one of these per process.
    """

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.directory = directory
        self.role = ReaderRole()
        self._loaded: dict[Path, tuple[int, int]] = {}
        self._requests = AnsweredRequests(Bill(directory / "cost_explorer"))
        for service in ("s3", "sts", "ce"):
            for backend in _backends(service).values():
                backend.reset()
        self._seed()
        self._server: Any = make_server(
            "127.0.0.1", port, self._application(), threaded=True, request_handler=_SilentHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The address to give to clients as ``endpoint_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reload(self) -> int:
        """Load the files that are new or changed into S3; return how many."""
        s3 = _backends("s3")[PARTITION]
        root = self.directory / "s3"
        count = 0
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            status = file.stat()
            version = (status.st_mtime_ns, status.st_size)
            if self._loaded.get(file) == version:
                continue
            bucket, _, key = file.relative_to(root).as_posix().partition("/")
            if bucket not in s3.buckets:
                s3.create_bucket(bucket, REGION)
            stored = s3.put_object(bucket, key, file.read_bytes())
            # As old as the file: a restart changes nothing that a reader can see.
            stored.last_modified = datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None)
            self._loaded[file] = version
            count += 1
        return count

    def restate(self) -> list[str]:
        """Restate the days of the bill that are to be restated; return them."""
        return self._requests.bill.restate()

    def plan_faults(self, errors: list[str]) -> int:
        """Let the next requests to Cost Explorer fail with these errors; return how many."""
        self._requests.faults.extend(errors)
        return len(self._requests.faults)

    @property
    def cost_request_count(self) -> int:
        """How many requests Cost Explorer has answered: AWS asks a cent for each."""
        return self._requests.bill.request_count

    def _seed(self) -> None:
        self.reload()
        _backends("ce")[PARTITION].cost_usage_results = self._requests
        sts = _backends("sts")[PARTITION]
        sts.assume_role = self._asking_for_the_external_id(sts.assume_role)

    def _asking_for_the_external_id(self, assume_role: Callable[..., Any]) -> Callable[..., Any]:
        """Return what refuses strangers: moto itself lets anybody assume any role."""

        def assume(**asked: Any) -> Any:
            if (asked["role_arn"], asked["external_id"]) != (self.role.arn, self.role.external_id):
                raise STSClientError("AccessDenied", f"not authorized: {asked['role_arn']}")
            return assume_role(**asked)

        return assume

    def _application(self) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
        moto = DomainDispatcherApplication(create_backend_app)

        def application(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
            if not environ["PATH_INFO"].startswith("/_sandbox/"):
                answer: Iterable[bytes] = moto(environ, start)
                return answer
            status, content = self._control(environ)
            start(status, [("Content-Type", "application/json")])
            return [json.dumps(content).encode()]

        return application

    def _control(self, environ: dict[str, Any]) -> tuple[str, Any]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        actions: dict[str, Callable[[], Any]] = {
            "GET /_sandbox/health": lambda: "ok",
            "GET /_sandbox/cost_requests": lambda: self.cost_request_count,
            "POST /_sandbox/reload": self.reload,
            "POST /_sandbox/restate": self.restate,
            "POST /_sandbox/faults": lambda: self.plan_faults(json.loads(body)),
        }
        action = actions.get(request)
        if action is None:
            return "404 Not Found", f"there is no {request}"
        return "200 OK", action()


def _backends(service: Any) -> Any:
    """Return moto's backends of the account that every caller belongs to, by region."""
    backends: Any = get_backend(service)
    return backends[DEFAULT_ACCOUNT_ID]


class _SilentHandler(MotoRequestHandler):
    """moto's request handler without an access log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""
