"""All stand-ins in one process of their own: ``python -m sandbox.start --state DIR``.

The process outlives the command that started it, so that the demo's Dagster can go on using it. It
writes its addresses to ``DIR/sandbox.json`` once they answer, and holds ``DIR/sandbox.lock`` for as
long as it lives. Started again, it serves the same data on the same ports, if they are still free.
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from sandbox.company import GENERATION

ADDRESSES = "sandbox.json"
LOCK = "sandbox.lock"
LOG = "sandbox.log"
PORTS = "ports.json"
COMPANY = "company"

STARTING_SECONDS = 120.0
STOPPING_SECONDS = 20.0


class SandboxFailed(Exception):  # noqa: N818 - what happened, in the words of the message
    """The stand-ins could not be started."""


@dataclass(frozen=True, slots=True)
class SandboxAddresses:
    """Where the stand-ins are, and what opens them."""

    pid: int
    generation: int
    company_directory: str
    aws_url: str
    role_arn: str
    external_id: str
    mixpanel_url: str
    mixpanel_project: str
    mixpanel_user: str
    mixpanel_secret: str
    stripe_url: str
    stripe_key: str

    def environment(self) -> dict[str, str]:
        """Return the variables that the demo workspace needs, all but those of Postgres."""
        return {
            "METERHOUSE_DEMO_AWS": self.aws_url,
            "METERHOUSE_DEMO_ROLE": self.role_arn,
            "METERHOUSE_DEMO_EXTERNAL_ID": self.external_id,
            "METERHOUSE_DEMO_DATA": self.company_directory,
            "METERHOUSE_DEMO_MIXPANEL": self.mixpanel_url,
            "METERHOUSE_DEMO_MIXPANEL_PROJECT": self.mixpanel_project,
            "METERHOUSE_DEMO_MIXPANEL_USER": self.mixpanel_user,
            "METERHOUSE_DEMO_MIXPANEL_SECRET": self.mixpanel_secret,
            "METERHOUSE_DEMO_STRIPE": self.stripe_url,
            "STRIPE_API_KEY": self.stripe_key,
            # boto3 signs every request, even one that only asks to assume a role.
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
        }


class SandboxServers:
    """The stand-ins of one state directory, from outside."""

    def __init__(self, state_directory: Path) -> None:
        self.directory = state_directory.resolve()

    def ensure_running(self) -> SandboxAddresses:
        """Return the addresses of the running stand-ins, starting them if there are none.

        The company's files must have been written to ``company`` below, or are written now.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + STARTING_SECONDS
        process: subprocess.Popen[bytes] | None = None
        while time.monotonic() < deadline:
            addresses = self.running()
            if addresses is not None:
                return addresses
            if self._is_of_another_generation():
                self.stop()
            if process is not None and process.poll() not in (None, 0):
                raise SandboxFailed(f"the stand-ins did not start; {self._end_of_log()}")
            if (process is None or process.poll() == 0) and not self._is_locked():
                process = self._spawn()
            time.sleep(0.1)
        raise SandboxFailed(f"the stand-ins do not answer; {self._end_of_log()}")

    def running(self) -> SandboxAddresses | None:
        """Return the addresses if the stand-ins live and answer."""
        if not self._is_locked() or self._is_of_another_generation():
            return None
        content = self._written()
        addresses = SandboxAddresses(**content) if content else None
        return addresses if addresses and _answers(addresses) else None

    def stop(self) -> None:
        """End the stand-ins, if they run; what they know stays."""
        content = self._written()
        # The lock says that the process is still ours: its number alone may belong to another.
        if not content or not self._is_locked():
            return
        pid = int(content["pid"])
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOPPING_SECONDS
        while self._is_locked():
            if time.monotonic() > deadline:
                raise SandboxFailed(f"the stand-ins (process {pid}) do not end")
            time.sleep(0.05)

    def _written(self) -> dict[str, Any]:
        """Return what the process has written of itself; nothing before it is ready."""
        return _json_of(self.directory / ADDRESSES)

    def _is_of_another_generation(self) -> bool:
        """Whether an older version of ourselves may serve files that were written anew since."""
        content = self._written()
        return bool(content) and content.get("generation") != GENERATION

    def _spawn(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "sandbox.start", "--state", str(self.directory)]
        with (self.directory / LOG).open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=Path(__file__).resolve().parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_locked(self) -> bool:
        path = self.directory / LOCK
        if not path.exists():
            return False
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _end_of_log(self) -> str:
        log = self.directory / LOG
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"{log} ends: {lines[-1] if lines else 'nothing'}"


def _answers(addresses: SandboxAddresses) -> bool:
    health = (
        f"{addresses.aws_url}/_sandbox/health",
        f"{addresses.mixpanel_url}/_sandbox/health",
        f"{addresses.stripe_url}/_sandbox/state",
    )
    try:
        return all(httpx.get(url, timeout=5, trust_env=False).is_success for url in health)
    except httpx.HTTPError:
        return False


class SandboxProcess:
    """The stand-ins from inside: started, written down, and stopped with the process."""

    def __init__(self, state_directory: Path) -> None:
        self.directory = state_directory
        self._ports: dict[str, int] = _json_of(state_directory / PORTS)
        self._stops: list[Callable[[], None]] = []

    def start(self) -> SandboxAddresses:
        """Start every stand-in on its port of last time, or on a free one."""
        # Heavy imports: the class above is for commands that only ask whether anything runs.
        from sandbox.aws_server import AwsServer
        from sandbox.company.company import write_company
        from sandbox.mixpanel_server import MixpanelProject, MixpanelServer
        from sandbox.stripe.server import StripeSandbox

        company = self.directory / COMPANY
        write_company(company)
        project = MixpanelProject(company / "mixpanel")
        aws: AwsServer = self._on_a_port("aws", lambda port: AwsServer(company, port))
        mixpanel: MixpanelServer = self._on_a_port(
            "mixpanel", lambda port: MixpanelServer(project, port)
        )
        stripe: StripeSandbox = self._on_a_port(
            "stripe", lambda port: StripeSandbox(self.directory / "stripe.sqlite", port)
        )
        aws.start()
        mixpanel.start()
        self._stops = [aws.stop, mixpanel.stop, stripe.stop]
        _write(self.directory / PORTS, self._ports)
        addresses = SandboxAddresses(
            pid=os.getpid(),
            generation=GENERATION,
            company_directory=str(company),
            aws_url=aws.url,
            role_arn=aws.role.arn,
            external_id=aws.role.external_id,
            mixpanel_url=mixpanel.url,
            mixpanel_project=project.project_id,
            mixpanel_user=project.username,
            mixpanel_secret=project.secret,
            stripe_url=stripe.url,
            stripe_key="sk_test_meterhouse_sandbox",
        )
        _write(self.directory / ADDRESSES, asdict(addresses))
        return addresses

    def stop(self) -> None:
        """Stop every stand-in."""
        for stop in self._stops:
            stop()

    def _on_a_port(self, name: str, server_on: Callable[[int], Any]) -> Any:
        try:
            server = server_on(self._ports.get(name, 0))
        except (OSError, SystemExit):
            # Taken by another program meanwhile; werkzeug leaves the process when that happens.
            server = server_on(0)
        self._ports[name] = int(server.url.rpartition(":")[2])
        return server


def _json_of(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write a file that other users cannot read, whole or not at all."""
    building = file.with_suffix(".partial")
    building.touch(mode=0o600)
    building.write_text(json.dumps(content, indent=2) + "\n")
    building.replace(file)


def _own_the_lock(file: IO[bytes]) -> bool:
    """Take the lock, unless another process serves this directory already."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # It may be one that only looks whether the lock is taken.
            time.sleep(0.05)
        else:
            return True
    return False


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to end, or until the state directory is deleted."""
    parser = argparse.ArgumentParser(prog="sandbox.start", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory of the state")
    directory: Path = parser.parse_args(arguments).state.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("ab") as lock:
        if not _own_the_lock(lock):
            return
        (directory / ADDRESSES).unlink(missing_ok=True)
        end = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: end.set())
        signal.signal(signal.SIGINT, lambda *_: end.set())
        process = SandboxProcess(directory)
        process.start()
        while not end.wait(2) and (directory / ADDRESSES).exists():
            pass
        process.stop()


if __name__ == "__main__":
    main()
