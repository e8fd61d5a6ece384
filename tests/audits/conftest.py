"""A log that is checked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine
from app.kernel.settings import Settings
from tests.ledger.acts import append, integrate_all, make_view, open_log, verifier_key
from tests.support.audits import publish
from tests.support.databases import TestDatabase

Sessions = sessionmaker[Session]


@pytest.fixture
def owning(database: TestDatabase) -> Iterator[Engine]:
    opened = open_engine(database.owner_url, pool_size=2)
    yield opened
    opened.dispose()


@pytest.fixture
def integrating(database: TestDatabase) -> Iterator[Engine]:
    opened = open_engine(database.integrator_url, pool_size=2)
    yield opened
    opened.dispose()


@pytest.fixture
def audited(sessions: Sessions, integrating: Engine, tmp_path: Path) -> Settings:
    """A log with six entries, its key published; a day between audits."""
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(6)])
    integrate_all(integrating)
    return publish(verifier_key(sessions), tmp_path / "data")
