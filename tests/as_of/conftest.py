"""A hub on the test's own database, with the API over it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine
from tests.as_of.hub import Hub
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.verification.bench import Bench


@pytest.fixture
def integrating(database: TestDatabase) -> Iterator[Engine]:
    opened = open_engine(database.integrator_url, pool_size=1)
    yield opened
    opened.dispose()


@pytest.fixture
def hub(api: Api, sessions: sessionmaker[Session], integrating: Engine) -> Hub:
    made = Hub(Bench(sessions), api, integrating)
    made.items.append(made.bench.item)
    return made
