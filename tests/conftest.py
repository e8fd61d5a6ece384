"""Fixtures for every test: a PostgreSQL for the run, a database for the test, and no network beyond this machine."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from tests.support.api import Api, administer, running_api
from tests.support.databases import (
    TEMPLATE,
    TestDatabase,
    TestServer,
    close_connections,
    copied_database,
    filled_template,
    make_run_directory,
    open_server,
    remove_left_over_runs,
    remove_run_directory,
)
from tests.support.examples import load_profile
from tests.support.kept import RUN_DIRECTORY
from tests.support.network import refuse_other_hosts
from tests.support.passwords import hash_passwords_cheaply
from tests.support.product import Product, start_product
from tests.support.statements import share_compiled_statements
from tests.support.work import close_decoder

OBJECTS_BETWEEN_COLLECTIONS = 20_000

load_profile()
gc.disable()  # Until all tests are imported: all that an import makes stays.


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        remove_left_over_runs()
        os.environ[RUN_DIRECTORY] = str(make_run_directory())
    refuse_other_hosts()
    log_to_what_is_held()
    hash_passwords_cheaply()
    share_compiled_statements()


def log_to_what_is_held() -> None:
    """The API of a test logs from threads of its own, while pytest puts another file in the place of ``sys.stdout``.
    ``print``, by which structlog writes, does not hold the one that it writes to: CPython 3.11 crashes then."""
    structlog.configure(logger_factory=structlog.WriteLoggerFactory())


SLOW_FILES = (
    *("infrastructure/test_serve.py", "journeys/test_verifier.py", "contracts/", "journeys/", "erasure/test_purge.py"),
    *("media/test_orphans.py", "erasure/test_everywhere.py", "fingerprints/test_across_cases.py", "jobs/", "kernel/"),
    *(
        "infrastructure/",
        "ledger/test_faults.py",
        "media_jail/test_hostile.py",
        "fingerprints/",
        "media_jail/",
        "media/",
    ),
    *("erasure/", "exports/", "verification/", "ledger/", "audits/"),
)
"""The slowest first: a file is one worker's, and one that comes last is waited for with nothing beside it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(tests).as_posix()
        return next((rank for rank, begin in enumerate(SLOW_FILES) if name.startswith(begin)), len(SLOW_FILES))

    items.sort(key=rank)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what imports made out of later collections: a tenth of a process's time was looking through it again.

    And look more seldom than after 700 objects: what is compiled and cached in a run stays, so nearly each look was
    one through all of it, and that was a sixteenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    close_decoder()
    close_connections()
    if not hasattr(config, "workerinput"):
        remove_run_directory(Path(os.environ[RUN_DIRECTORY]))


@pytest.fixture(scope="session")
def run_directory() -> Path:
    """A directory of the whole run that PostgreSQL's account may enter."""
    return Path(os.environ[RUN_DIRECTORY])


@pytest.fixture(scope="session")
def postgres(run_directory: Path) -> TestServer:
    """A running PostgreSQL with a migrated template, shared by all tests of the run."""
    return open_server(run_directory)


@pytest.fixture(scope="session")
def administered(postgres: TestServer, run_directory: Path) -> tuple[str, str]:
    """A template that has its administrator, and the administrator's token: 25 ms less for each test of the API."""
    template, token = filled_template(postgres, run_directory, "administered", administer)
    assert token is not None
    return template, token


@pytest.fixture
def database(
    postgres: TestServer, administered: tuple[str, str], request: pytest.FixtureRequest
) -> Iterator[TestDatabase]:
    """A fresh migrated database, dropped afterwards; where ``api`` serves it, with an administrator."""
    template, token = administered if "api" in request.fixturenames else (TEMPLATE, None)
    with copied_database(postgres, template, admin_token=token) as made:
        yield made


@pytest.fixture
def engine(database: TestDatabase) -> Iterator[Engine]:
    """An engine of the application's role."""
    opened = open_engine(database.app_url, pool_size=8)
    yield opened
    opened.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions of the application's role."""
    return session_factory(engine)


@pytest.fixture
def api(database: TestDatabase, tmp_path: Path) -> Iterator[Api]:
    """The API on the test's own database, served on a port of this machine."""
    with running_api(database, tmp_path / "data") as served:
        yield served


@pytest.fixture
def server(database: TestDatabase, tmp_path: Path) -> Iterator[Product]:
    """``exhibit serve`` with API, worker and integrator as processes of their own, on the test's database."""
    product = start_product(tmp_path / "exhibit-data", database)
    yield product
    product.stop()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A fresh directory that PostgreSQL's account may enter; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="exhibit-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory
