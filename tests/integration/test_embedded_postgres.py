"""The embedded server: started once by whoever comes first, and never losing what was committed."""

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from connectors.embedded_databases import OWNER, READER, SUPERUSER
from connectors.embedded_postgres import BINARIES, EmbeddedPostgres, EmbeddedPostgresError
from connectors.postgres_settings import GIB, MIB, Machine, server_settings
from connectors.system_user import SystemUser, SystemUserError, system_user

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(server_directory):
    """One durable server for all tests here; each finds it running, stopped or killed."""
    server = EmbeddedPostgres(server_directory / "embedded")
    yield server
    server.stop()


@pytest.fixture
def directory(server_directory):
    return Path(tempfile.mkdtemp(dir=server_directory))


@pytest.fixture
def new_server(directory):
    server = EmbeddedPostgres(directory / "state")
    yield server
    server.stop()


def connect(address, **changes):
    named = {
        "host": address.host,
        "port": address.port,
        "dbname": address.database,
        "user": address.user,
        "password": address.password,
    }
    return psycopg2.connect(**{**named, **changes})


def query(address, statement):
    with closing(connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def postmaster_pid(server):
    return int((server.data / "postmaster.pid").read_text().split()[0])


def test_the_first_caller_starts_it_and_the_next_finds_it(server):
    address = server.ensure_running()
    pid = postmaster_pid(server)
    assert EmbeddedPostgres(server.directory.parent).ensure_running() == address
    assert postmaster_pid(server) == pid
    assert query(address, "select current_user || '@' || current_database()") == (
        "meterhouse_owner@meterhouse"
    )
    assert query(server.address(OWNER, "meterhouse_dagster"), "select 1") == 1


def test_it_keeps_every_promise_about_durability(server):
    address = server.ensure_running()
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert query(address, f"show {setting}") == "on"
    assert query(address, "show data_checksums") == "on"
    assert query(address, "show jit") == "off"
    assert query(address, "show timezone") == "UTC"


def test_nobody_gets_in_without_the_password(server):
    address = server.ensure_running()
    for user in (OWNER, READER, SUPERUSER):
        with pytest.raises(psycopg2.OperationalError):
            connect(address, user=user, password="wrong")
    assert query(server.address(READER), "select current_user::text") == READER
    with pytest.raises(psycopg2.OperationalError):
        connect(server.address(READER, "meterhouse_dagster"))
    for file in server.directory.glob("*.password"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "Address" in repr(address)
    assert address.password not in repr(address)


def test_passwords_stand_nowhere_but_in_their_files(server):
    server.ensure_running()
    query(server.address(OWNER), "select 1")
    secrets = [file.read_text().strip() for file in server.directory.glob("*.password")]
    for file in [server.log, server.directory / "server.conf", *server.data.glob("*.conf")]:
        content = file.read_text()
        assert not any(secret in content for secret in secrets)
    arguments = Path(f"/proc/{postmaster_pid(server)}/cmdline").read_text()
    assert not any(secret in arguments for secret in secrets)


def test_it_listens_on_this_machine_only(server):
    server.ensure_running()
    superuser = server.address(SUPERUSER, "postgres")
    assert query(superuser, "show listen_addresses") == "127.0.0.1"
    assert query(superuser, "show unix_socket_directories") == ""


def test_it_survives_the_interruption_of_the_command_that_started_it(server):
    # Where the tests run in the background of a shell, they inherit that Ctrl-C is ignored.
    program = (
        "import signal, sys, time; from pathlib import Path;"
        "from connectors.embedded_postgres import EmbeddedPostgres;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "EmbeddedPostgres(Path(sys.argv[1])).ensure_running(); print('up', flush=True);"
        "time.sleep(60)"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", program, str(server.directory.parent)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert command.stdout.readline() == b"up\n"
    pid = postmaster_pid(server)
    # What Ctrl-C does: the signal goes to the whole process group.
    os.killpg(command.pid, signal.SIGINT)
    command.wait(60)
    command.stdout.close()
    assert query(server.ensure_running(), "select 1") == 1
    assert postmaster_pid(server) == pid


def test_commands_that_come_at_once_share_one_new_server(new_server):
    program = (
        "import sys; from pathlib import Path;"
        "from connectors.embedded_postgres import EmbeddedPostgres;"
        "print(EmbeddedPostgres(Path(sys.argv[1])).ensure_running().port)"
    )
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(new_server.directory.parent)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    ports = {command.communicate(timeout=60)[0].strip() for command in commands}
    assert [command.returncode for command in commands] == [0] * 4
    assert ports == {str(new_server.ensure_running().port).encode()}


def insert_until_killed(address, committed):
    with closing(connect(address)) as connection, connection.cursor() as cursor:
        try:
            for number in range(1_000_000):
                cursor.execute("insert into numbers values (%s)", (number,))
                connection.commit()
                committed.append(number)
        except psycopg2.Error:
            return


def test_killed_while_rows_are_committed_it_comes_back_with_all_of_them(server):
    address = server.ensure_running()
    with closing(connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute("create table numbers (number bigint primary key)")
        connection.commit()
    for _ in range(3):
        committed = []
        writer = threading.Thread(target=insert_until_killed, args=(address, committed))
        with closing(connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute("truncate numbers")
            connection.commit()
        writer.start()
        while len(committed) < 200:
            time.sleep(0.01)
        os.kill(postmaster_pid(server), signal.SIGKILL)
        writer.join(30)
        address = server.ensure_running()
        found = query(address, "select array_agg(number order by number) from numbers")
        # The one in flight may have been committed without our hearing of it.
        assert found[: len(committed)] == committed
        assert len(found) - len(committed) in (0, 1)


def test_threads_that_find_it_killed_start_it_once(server):
    address = server.ensure_running()
    os.kill(postmaster_pid(server), signal.SIGKILL)
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: server.ensure_running(), range(4)))
    assert found == {address}
    assert query(address, "select 1") == 1


def test_a_recycled_process_number_does_not_pass_for_the_server(server):
    server.ensure_running()
    content = (server.data / "postmaster.pid").read_text()
    server.stop()
    # After a reboot the number in the file belongs to a stranger: to this test, say.
    stale = "\n".join([str(os.getpid()), *content.splitlines()[1:]]) + "\n"
    (server.data / "postmaster.pid").write_text(stale)
    assert not server.is_running()
    assert not server.stop()
    assert query(server.ensure_running(), "select 1") == 1


def test_stopped_it_stays_stopped_until_someone_needs_it(server):
    address = server.ensure_running()
    assert server.is_running()
    assert server.stop()
    assert not server.is_running()
    assert not server.stop()
    assert server.ensure_running() == address


def test_another_port_is_chosen_when_the_remembered_one_is_taken(server):
    first = server.ensure_running()
    server.stop()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((first.host, first.port))
        stranger.listen()
        second = server.ensure_running()
        assert second.port != first.port
        assert query(second, "select 1") == 1


def test_a_creation_that_broke_off_is_begun_anew(new_server):
    left_over = new_server.directory / "data.new-1"
    left_over.mkdir(parents=True)
    (left_over / "half").write_text("a file")
    assert query(new_server.ensure_running(), "select 1") == 1
    assert not left_over.exists()


def test_a_start_that_broke_off_before_our_databases_existed_is_completed(server):
    server.ensure_running()
    (server.directory / "provisioned").unlink()
    assert query(server.ensure_running(), "select 1") == 1
    assert (server.directory / "provisioned").exists()


def test_an_empty_port_file_is_replaced(server):
    server.ensure_running()
    server.stop()
    (server.directory / "port").write_text("")
    assert query(server.ensure_running(), "select 1") == 1


def test_a_failed_start_names_the_log_and_shows_its_end(server):
    server.ensure_running()
    server.stop()
    with (server.data / "postgresql.auto.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError) as failure:
        server.ensure_running()
    assert str(server.log) in str(failure.value)
    assert "no_such_setting" in str(failure.value)
    with (server.data / "postgresql.auto.conf").open("w") as settings:
        settings.write("")
    assert query(server.ensure_running(), "select 1") == 1


def test_data_of_another_major_version_is_refused_with_what_to_do(server):
    server.ensure_running()
    server.stop()
    (server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="PostgreSQL 16"):
        server.ensure_running()
    (server.data / "PG_VERSION").write_text("18\n")


def test_a_settings_change_of_the_user_survives_a_restart(server):
    address = server.ensure_running()
    superuser = server.address(SUPERUSER, "postgres")
    with closing(connect(superuser)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("alter system set work_mem = '9MB'")
    server.stop()
    server.ensure_running()
    assert query(address, "show work_mem") == "9MB"


@pytest.mark.parametrize("memory", [512 * MIB, 2 * GIB, 24 * GIB, 1024 * GIB])
def test_settings_fit_any_machine(memory):
    settings = server_settings(Machine(memory, 1, 10 * GIB, 64 * MIB))
    shared, work = (int(settings[name][:-2]) * MIB for name in ("shared_buffers", "work_mem"))
    assert shared <= max(memory // 4, 128 * MIB)
    assert 8 * MIB <= work <= 256 * MIB
    assert settings["dynamic_shared_memory_type"] == "mmap"
    assert settings["fsync"] == "on"


@pytest.mark.root
def test_as_root_it_runs_as_a_user_without_rights(server):
    server.ensure_running()
    status = Path(f"/proc/{postmaster_pid(server)}/status").read_text()
    assert f"Uid:\t{system_user().uid}\t" in status


@pytest.mark.root
def test_as_root_only_that_user_is_let_through_a_closed_folder(directory):
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "state")
    try:
        assert query(server.ensure_running(), "select 1") == 1
    finally:
        server.stop()
    assert closed.stat().st_mode & stat.S_IRWXO == 0
    nobody = pwd.getpwnam("nobody")
    stranger = SystemUser(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    assert not stranger._may_pass(closed)
    assert system_user()._may_pass(closed)


@pytest.mark.root
def test_as_root_a_program_closed_to_others_is_named(directory):
    program = directory / "bin" / "postgres"
    program.parent.mkdir()
    program.touch(mode=0o700)
    with pytest.raises(SystemUserError, match="chmod -R o"):
        system_user().require_program(program)


@pytest.mark.root
def test_it_works_for_a_user_who_is_not_root(directory):
    nobody = pwd.getpwnam("nobody")
    SystemUser("nobody", nobody.pw_uid, nobody.pw_gid).give_access(directory / "state")
    SystemUser("nobody", nobody.pw_uid, nobody.pw_gid).give_access(BINARIES / "postgres")
    (directory / "state").mkdir()
    os.chown(directory / "state", nobody.pw_uid, nobody.pw_gid)
    server = EmbeddedPostgres(directory / "state")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            status = 0 if query(server.ensure_running(), "select 1") == 1 and server.stop() else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert server.data.stat().st_uid == nobody.pw_uid


@pytest.mark.root
def test_a_state_of_another_user_is_refused_with_what_to_do(server):
    server.ensure_running()
    nobody = pwd.getpwnam("nobody")
    SystemUser("nobody", nobody.pw_uid, nobody.pw_gid).give_access(server.directory)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setuid(nobody.pw_uid)
            server.ensure_running()
        except EmbeddedPostgresError as error:
            status = 0 if "belongs to" in str(error) else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
