"""The embedded server's life: first start, stop, adoption, left-over files, other versions, safe settings."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.kernel import embedded_postgres
from app.kernel.embedded_postgres import PostgresServer, start_postgres
from app.kernel.errors import Misconfigured
from app.kernel.postgres_binaries import Account, find_programs, may_enter, unprivileged_account
from app.kernel.postgres_process import processes_within


@pytest.fixture(scope="module")
def initialised(run_directory: Path) -> Path:
    """An initialised, stopped data directory, to be copied: initialising takes longer than all the rest."""
    data = run_directory / f"initialised-{os.getpid()}"
    start_postgres(data, fsync=False).stop()
    return data


@pytest.fixture
def data(initialised: Path, open_directory: Path) -> Path:
    copy = open_directory / "data"
    subprocess.run(["cp", "-a", initialised, copy], check=True)
    return copy


@pytest.fixture
def start(data: Path) -> Iterator[Callable[..., PostgresServer]]:
    """Starts the data directory's server; whatever was started is stopped after the test."""
    started = []

    def start_one(**options: Any) -> PostgresServer:
        started.append(start_postgres(data, **options))
        return started[-1]

    yield start_one
    for server in started:
        server.stop()


def fetch(server: PostgresServer, statement: str) -> object:
    with psycopg.connect(server.owner_url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def remember(server: PostgresServer) -> None:
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")


@pytest.mark.thorough
def test_start_when_first_then_server_is_safe_and_private(data: Path, start: Callable[..., PostgresServer]) -> None:
    server = start()
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
    }
    assert {name: fetch(server, f"SHOW {name}") for name in wanted} == wanted
    assert fetch(server, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'") == 0
    assert fetch(server, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert (data / "secrets" / "postgres-owner").stat().st_mode & 0o777 == 0o600
    assert not data.stat().st_mode & 0o007
    assert not (server.cluster.parent / "password.new").exists()
    wrong = server.owner_url.replace(server.owner_url.split(":")[2].split("@")[0], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_start_when_we_are_root_then_server_is_not(start: Callable[..., PostgresServer]) -> None:
    server = start(fsync=False)
    assert Path("/proc", str(server.pid)).stat().st_uid != 0
    assert "Groups:\t\n" in Path("/proc", str(server.pid), "status").read_text().replace(" ", "") or os.geteuid() != 0


@pytest.mark.thorough
def test_start_when_stopped_in_order_then_data_is_there_again_within_two_seconds(
    start: Callable[..., PostgresServer],
) -> None:
    server = start()
    remember(server)
    server.stop()
    assert not server.is_running()
    assert not (server.cluster / "postmaster.pid").exists()
    started = time.monotonic()
    assert fetch(start(), "SELECT value FROM kept") == 7
    assert time.monotonic() - started < 2


@pytest.mark.thorough
def test_start_when_parent_was_killed_then_adopts_the_running_server(
    data: Path, start: Callable[..., PostgresServer]
) -> None:
    code = (
        "import os, sys, pathlib; from app.kernel.embedded_postgres import start_postgres\n"
        "print(start_postgres(pathlib.Path(sys.argv[1]), fsync=False).pid, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    server = start(fsync=False)
    assert server.adopted
    assert server.pid == int(parent.stdout)
    assert fetch(server, "SELECT 1") == 1
    server.stop()
    assert not server.is_running()
    assert not processes_within(server.cluster)


@pytest.mark.thorough
def test_start_when_server_was_killed_then_recovers_what_was_committed(start: Callable[..., PostgresServer]) -> None:
    server = start()
    remember(server)
    os.kill(server.pid, signal.SIGKILL)
    again = start(port=server.port)
    assert not again.adopted
    assert again.port == server.port
    assert fetch(again, "SELECT value FROM kept") == 7


@pytest.mark.thorough
@pytest.mark.parametrize("owner_of_pid", ["another program", "nobody"])
def test_start_when_pid_file_is_stale_then_removes_it_and_starts(
    start: Callable[..., PostgresServer], owner_of_pid: str
) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        if owner_of_pid == "nobody":
            sleeper.kill()
            sleeper.wait()
        first = start(fsync=False)
        first.stop()
        cluster = first.cluster
        lines = [str(sleeper.pid), str(cluster), "1700000000", "54321", "", "127.0.0.1", "1 2", "ready"]
        (cluster / "postmaster.pid").write_text("\n".join(lines) + "\n")
        shutil.chown(cluster / "postmaster.pid", cluster.stat().st_uid, cluster.stat().st_gid)
        server = start(fsync=False)
        assert not server.adopted
        assert server.pid != sleeper.pid
        assert fetch(server, "SELECT 1") == 1
        if owner_of_pid == "another program":
            assert sleeper.poll() is None, "another program was killed for its number"
        sleeper.kill()


@pytest.mark.thorough
def test_start_when_a_process_still_works_in_the_cluster_then_waits_for_its_end(
    data: Path, start: Callable[..., PostgresServer]
) -> None:
    cluster = data / "postgres" / "cluster"
    (cluster / "postmaster.pid").write_text("1\n/nowhere\n")
    shutil.chown(cluster / "postmaster.pid", cluster.stat().st_uid, cluster.stat().st_gid)
    with subprocess.Popen(["sleep", "1"], cwd=cluster) as old_backend:
        started = time.monotonic()
        server = start(fsync=False)
        assert time.monotonic() - started > 0.8
        assert old_backend.wait() == 0
    assert fetch(server, "SELECT 1") == 1


@pytest.mark.thorough
def test_start_when_written_by_another_version_then_refuses_with_words(
    data: Path, start: Callable[..., PostgresServer]
) -> None:
    version = data / "postgres" / "cluster" / "PG_VERSION"
    written = version.read_text()
    version.write_text("15\n")
    with pytest.raises(Misconfigured, match=r"written by PostgreSQL 15, the installed one is 1\d"):
        start(fsync=False)
    version.write_text(written)


@pytest.mark.thorough
def test_start_when_initialisation_was_cut_off_then_begins_anew(open_directory: Path) -> None:
    data = open_directory / "data"
    (data / "postgres" / "cluster.new").mkdir(parents=True)
    (data / "postgres" / "cluster.new" / "PG_VERSION").write_text("18\n")
    (data / "postgres" / "password.new").write_text("left over")
    server = start_postgres(data, fsync=False)
    assert fetch(server, "SELECT 1") == 1
    server.stop()


@pytest.mark.thorough
def test_log_when_a_statement_fails_then_holds_neither_statement_nor_values(
    start: Callable[..., PostgresServer],
) -> None:
    server = start(fsync=False)
    with psycopg.connect(server.owner_url) as connection:
        connection.execute("CREATE TABLE people (name text UNIQUE)")
        connection.execute("INSERT INTO people VALUES ('Amira Haddad')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO people VALUES ('Amira Haddad')")
    log = (server.cluster.parent / "server.log").read_text()
    assert "duplicate key" in log
    assert "Amira" not in log


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the programs where they are")
def test_programs_when_account_cannot_reach_them_then_a_copy_runs(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = unprivileged_account()
    found = find_programs(open_directory / "unused", account)
    hidden = open_directory / "hidden"
    hidden.mkdir(mode=0o700)
    package = found.root.parent
    shutil.copytree(package, hidden / package.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, hidden / libraries.name)
    monkeypatch.syspath_prepend(str(hidden))

    server = start_postgres(open_directory / "data", fsync=False)
    executable = os.readlink(f"/proc/{server.pid}/exe")
    server.stop()
    assert executable.startswith(str(open_directory / "data" / "postgres" / "programs"))


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's server lies in the data directory")
def test_cluster_when_account_cannot_enter_the_data_directory_then_lies_elsewhere_and_no_parent_is_opened(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "ELSEWHERE", open_directory / "elsewhere")
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    server = start_postgres(closed / "data", fsync=False)
    server.stop()
    assert server.cluster.parent.parent == open_directory / "elsewhere"
    assert closed.stat().st_mode & 0o777 == 0o700
    again = start_postgres(closed / "data", fsync=False)
    again.stop()
    assert again.cluster == server.cluster


def test_may_enter_when_a_parent_is_closed_to_the_account_then_says_no(open_directory: Path) -> None:
    nobody = Account("nobody", 65534, 65534)
    inner = open_directory / "a" / "b"
    inner.mkdir(parents=True)
    assert may_enter(inner, nobody)
    inner.parent.chmod(0o750)
    assert not may_enter(inner, nobody)
