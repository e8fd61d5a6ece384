"""A hub on the test's own database, a copy of one whose bench was made once, with the API over it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from tests.as_of.hub import Hub
from tests.support.api import Api, administer
from tests.support.databases import TestDatabase, TestServer, copied_database, filled_template
from tests.verification.bench import Bench

Prepared = tuple[str, tuple[str | None, dict[str, Any]]]


@pytest.fixture(scope="session")
def prepared(postgres: TestServer, run_directory: Path) -> Prepared:
    """The template with an administrator and a bench in it: the one's token, and who and what is there."""

    def fill(database: TestDatabase) -> tuple[str | None, dict[str, Any]]:
        token = administer(database)
        engine = open_engine(database.app_url, pool_size=1)
        facts = Bench(session_factory(engine)).facts()
        engine.dispose()
        return token, facts

    return filled_template(postgres, run_directory, "as_of", fill)


@pytest.fixture
def database(postgres: TestServer, prepared: Prepared) -> Iterator[TestDatabase]:
    with copied_database(postgres, prepared[0], admin_token=prepared[1][0]) as made:
        yield made


@pytest.fixture
def integrating(database: TestDatabase) -> Iterator[Engine]:
    opened = open_engine(database.integrator_url, pool_size=1)
    yield opened
    opened.dispose()


@pytest.fixture
def hub(api: Api, sessions: sessionmaker[Session], integrating: Engine, prepared: Prepared) -> Hub:
    made = Hub(Bench.known(sessions, prepared[1][1]), api, integrating)
    made.items.append(made.bench.item)
    return made
