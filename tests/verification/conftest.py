"""A hub to verify in, on the test's own database: a copy of one that was made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from tests.support.databases import TestDatabase, TestServer, copied_database, filled_template
from tests.support.worlds import Kept, known_world, prepared_world, running_copy
from tests.verification.bench import Bench
from tests.verification.http_hub import Hub, make_hub


@pytest.fixture(scope="session")
def prepared(postgres: TestServer, run_directory: Path) -> tuple[str, dict[str, Any]]:
    """The template with a bench in it, and who and what is there."""

    def fill(database: TestDatabase) -> dict[str, Any]:
        engine = open_engine(database.app_url, pool_size=1)
        facts = Bench(session_factory(engine)).facts()
        engine.dispose()
        return facts

    return filled_template(postgres, run_directory, "bench", fill)


@pytest.fixture(scope="session")
def prepared_hub(postgres: TestServer, run_directory: Path) -> tuple[str, Kept]:
    """The template with a hub over HTTP in it, and who and what is there."""
    return prepared_world(postgres, run_directory, "verification", lambda api: vars(make_hub(api)))


@pytest.fixture
def database(
    postgres: TestServer,
    administered: tuple[str, str],
    prepared: tuple[str, dict[str, Any]],
    request: pytest.FixtureRequest,
) -> Iterator[TestDatabase]:
    """A fresh database, dropped afterwards; with a bench or a hub for a test that asks for it, or an administrator."""
    if "hub" in request.fixturenames:
        template, kept = request.getfixturevalue("prepared_hub")
        token = kept.admin_token
    else:
        template, token = (prepared[0], None) if "bench" in request.fixturenames else administered
    with copied_database(postgres, template, admin_token=token) as made:
        yield made


@pytest.fixture
def bench(sessions: sessionmaker[Session], prepared: tuple[str, dict[str, Any]]) -> Bench:
    return Bench.known(sessions, prepared[1])


@pytest.fixture
def hub(database: TestDatabase, prepared_hub: tuple[str, Kept], tmp_path: Path) -> Iterator[Hub]:
    with running_copy(database, prepared_hub[1], tmp_path / "data") as api:
        yield known_world(Hub, prepared_hub[1], api)
