"""Engines of the database's other roles."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from app.kernel.database import open_engine
from tests.support.databases import TestDatabase


@pytest.fixture
def integrating(database: TestDatabase) -> Iterator[Engine]:
    """An engine of the integrator's role."""
    opened = open_engine(database.integrator_url, pool_size=4)
    yield opened
    opened.dispose()


@pytest.fixture
def owning(database: TestDatabase) -> Iterator[Engine]:
    """An engine of the tables' owner."""
    opened = open_engine(database.owner_url, pool_size=4)
    yield opened
    opened.dispose()
