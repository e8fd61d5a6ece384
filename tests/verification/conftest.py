"""A hub to verify in, on the test's own database: a copy of one that was made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from tests.support.databases import TestDatabase, TestServer, copied_database, filled_template
from tests.verification.bench import Bench


@pytest.fixture(scope="session")
def prepared(postgres: TestServer, run_directory: Path) -> tuple[str, dict[str, Any]]:
    """The template with a bench in it, and who and what is there."""

    def fill(database: TestDatabase) -> dict[str, Any]:
        engine = open_engine(database.app_url, pool_size=1)
        facts = Bench(session_factory(engine)).facts()
        engine.dispose()
        return facts

    return filled_template(postgres, run_directory, "bench", fill)


@pytest.fixture
def database(
    postgres: TestServer,
    administered: tuple[str, str],
    prepared: tuple[str, dict[str, Any]],
    request: pytest.FixtureRequest,
) -> Iterator[TestDatabase]:
    """A fresh database, dropped afterwards; with a bench in it for the tests that ask for one, or an administrator."""
    template, token = (prepared[0], None) if "bench" in request.fixturenames else administered
    with copied_database(postgres, template, admin_token=token) as made:
        yield made


@pytest.fixture
def bench(sessions: sessionmaker[Session], prepared: tuple[str, dict[str, Any]]) -> Bench:
    return Bench.known(sessions, prepared[1])
