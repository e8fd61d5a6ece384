"""One PostgreSQL for the whole run, a template that is migrated once, and a database of its own for every test.

All of it lives in memory where there is room: making a database is 600 files, which costs ten times as much on a disk.
"""

import fcntl
import os
import pickle
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from app.kernel.database_roles import APP_GROUP, INTEGRATOR_GROUP, ensure_login_role, libpq_url
from app.kernel.embedded_postgres import start_postgres
from app.migration import migrate

Facts = TypeVar("Facts")

TEMPLATE = "exhibit_template"
PASSWORD = "only-for-tests"
PREFIX = f"exhibit-tests-{os.geteuid()}-"
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30
"""What a run takes at most: 15 MB for each database that a test has or had of late, and the write-ahead log."""
KEPT_DATABASES = 8
"""How many that tests are done with stay for a while; see :func:`discard_database`."""

_connections: dict[str, psycopg.Connection] = {}


@dataclass(frozen=True)
class TestServer:
    """A PostgreSQL that tests may fill: the URL of its owner, who may create databases and roles."""

    __test__ = False
    owner_url: str

    def url(self, database: str) -> str:
        return make_url(libpq_url(self.owner_url)).set(database=database).render_as_string(hide_password=False)

    def login_url(self, database: str, role: str) -> str:
        url = make_url(self.url(database)).set(username=role, password=PASSWORD)
        return url.render_as_string(hide_password=False)

    @contextmanager
    def administration(self) -> Iterator[psycopg.Connection]:
        """This process's connection of the owner: one, since to open one costs as much as to make a database."""
        url = self.url("postgres")
        if url not in _connections or _connections[url].closed:
            _connections[url] = psycopg.connect(url, autocommit=True)
        yield _connections[url]


@dataclass(frozen=True)
class TestDatabase:
    """One test's own database and how its three roles reach it; its administrator's token where it has one already."""

    __test__ = False
    name: str
    owner_url: str
    app_url: str
    integrator_url: str
    admin_token: str | None = None


def make_run_directory() -> Path:
    """A directory that PostgreSQL's account can enter (pytest's own are closed to it), named after this process."""
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_in_memory()))
    directory.chmod(0o711)
    return directory


def _in_memory() -> Path | None:
    """Where a run fits into memory; None where it does not: the usual place for what is temporary."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return MEMORY if has_room else None


def remove_left_over_runs() -> None:
    """Stop servers and remove directories of runs that were killed; of two runs that begin at once, one after the
    other."""
    with Path(tempfile.gettempdir(), f"exhibit-left-over-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for directory in [
            found for place in (Path(tempfile.gettempdir()), MEMORY) for found in place.glob(f"{PREFIX}*")
        ]:
            pid = int(directory.name.removeprefix(PREFIX).split("-")[0])
            if not Path("/proc", str(pid)).exists():
                remove_run_directory(directory)


def remove_run_directory(directory: Path) -> None:
    data = directory / "data"
    if (data / "postgres" / "cluster").exists():
        start_postgres(data, fsync=False).stop()
    shutil.rmtree(directory)


def open_server(directory: Path) -> TestServer:
    """The run's server, with a migrated template; whoever comes first starts it, the others find it running."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        named = os.environ.get("EXHIBIT_TEST_DATABASE_URL")
        if named:
            server = TestServer(named)
        else:
            running = start_postgres(directory / "data", fsync=False)
            running.release()
            server = TestServer(running.owner_url)
        stamp = directory / "template-is-migrated"
        if not stamp.exists():
            if not named:
                _set_up_owner(server)
            _make_template(server)
            stamp.touch()
    return server


def _hash_passwords_cheaply(owner: psycopg.Connection) -> None:
    """The usual 4,096 rounds are a client's work at each connection: 3 ms. (Before version 16 there is no choice.)"""
    owner.execute("SELECT set_config(name, '1', false) FROM pg_settings WHERE name = 'scram_iterations'")


def _set_up_owner(server: TestServer) -> None:
    """The password that the owner has already, kept anew."""
    with server.administration() as owner:
        _hash_passwords_cheaply(owner)
        password, role = owner.info.password.encode(), owner.info.user.encode()
        verifier = owner.pgconn.encrypt_password(password, role, b"scram-sha-256").decode()
        owner.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(verifier)))


def _make_template(server: TestServer) -> None:
    with server.administration() as owner:
        drop_database(owner, TEMPLATE)
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(server.url(TEMPLATE))
    with server.administration() as owner:
        _hash_passwords_cheaply(owner)
        for group in (APP_GROUP, INTEGRATOR_GROUP):
            ensure_login_role(owner, group, TEMPLATE, PASSWORD)


def create_database(server: TestServer, *, template: str = TEMPLATE, name: str | None = None) -> TestDatabase:
    name = name or f"exhibit_test_{uuid.uuid4().hex[:16]}"
    with server.administration() as owner:
        # Copied as files and not through the log: half the time, where nothing is synced.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        owner.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return TestDatabase(
        name,
        server.url(name),
        server.login_url(name, f"{TEMPLATE}_app_login"),
        server.login_url(name, f"{TEMPLATE}_integrator_login"),
    )


@contextmanager
def copied_database(server: TestServer, template: str, *, admin_token: str | None = None) -> Iterator[TestDatabase]:
    """A test's own copy; ``admin_token``: of the administrator that the template has."""
    made = replace(create_database(server, template=template), admin_token=admin_token)
    yield made
    discard_database(server, made.name)


def filled_template(
    server: TestServer, directory: Path, name: str, fill: Callable[[TestDatabase], Facts]
) -> tuple[str, Facts]:
    """A template in which ``fill`` has made what a folder's tests begin with, and what it gave; made once in a run.

    What it gives is pickled for the other processes of the run; it leaves no connection open.
    """
    template, kept = f"{TEMPLATE}_{name}", directory / f"{name}.pickle"
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with server.administration() as owner:
                drop_database(owner, template)
            kept.write_bytes(pickle.dumps(fill(create_database(server, name=template))))
        facts: Facts = pickle.loads(kept.read_bytes())
    return template, facts


def drop_database(owner: psycopg.Connection, name: str) -> None:
    owner.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


_discarded: deque[tuple[TestServer, str]] = deque()


def discard_database(server: TestServer, name: str) -> None:
    """Done with: nobody is connected to it any more, and it is dropped after some others.

    At once it would cost a tenth of a second of waiting, which PostgreSQL grants a connection that is about to end.
    """
    with server.administration() as owner:
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    _discarded.append((server, name))
    _drop_discarded(KEPT_DATABASES)


def _drop_discarded(but: int) -> None:
    while len(_discarded) > but:
        server, name = _discarded.popleft()
        with server.administration() as owner:
            drop_database(owner, name)


def close_connections() -> None:
    """Drop what is discarded, and close what :meth:`TestServer.administration` opened in this process."""
    _drop_discarded(0)
    while _connections:
        _connections.popitem()[1].close()
