"""A desk on the test's own database: a copy of one that was made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from tests.figures.desk import Desk
from tests.support.databases import (
    TEMPLATE,
    TestDatabase,
    TestServer,
    create_database,
    discard_database,
    filled_template,
)
from tests.verification.bench import Bench

Facts = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="session")
def prepared(postgres: TestServer, run_directory: Path) -> tuple[str, Facts]:
    """The template with a desk in it, and who and what is there."""

    def fill(database: TestDatabase) -> Facts:
        engine = open_engine(database.app_url, pool_size=1)
        bench = Bench(session_factory(engine))
        desk = Desk(bench, engine)
        engine.dispose()
        return bench.facts(), {"ngo": desk.ngo, "service": desk.service, "made": desk.made}

    return filled_template(postgres, run_directory, "desk", fill)


@pytest.fixture
def database(
    postgres: TestServer, prepared: tuple[str, Facts], request: pytest.FixtureRequest
) -> Iterator[TestDatabase]:
    made = create_database(postgres, template=prepared[0] if "desk" in request.fixturenames else TEMPLATE)
    yield made
    discard_database(postgres, made.name)


@pytest.fixture
def integrating(database: TestDatabase) -> Iterator[Engine]:
    opened = open_engine(database.integrator_url, pool_size=1)
    yield opened
    opened.dispose()


@pytest.fixture
def desk(sessions: sessionmaker[Session], integrating: Engine, prepared: tuple[str, Facts]) -> Desk:
    bench, own = prepared[1]
    return Desk.known(Bench.known(sessions, bench), integrating, own)
