"""The statement's case on the test's own database: a copy of one that was loaded once for the run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine
from app.ledger.positions import Position, newest_position
from tests.ledger.acts import integrate_all
from tests.statement.scenario import HOSPITAL_IMAGES, HOSPITAL_VIDEOS, WHOLE, Kept, Statement
from tests.support.api import Api, running_api
from tests.support.databases import TestDatabase, TestServer, create_database, discard_database, filled_template
from tests.support.examples import is_thorough

FEW = 4
"""Of `make test`: what is verified of other strikes than the hospital's. `make check` loads all that was published."""
OTHERS = WHOLE - HOSPITAL_IMAGES - HOSPITAL_VIDEOS if is_thorough() else FEW


@pytest.fixture(scope="session")
def loaded(postgres: TestServer, run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Kept]:
    def fill(database: TestDatabase) -> Kept:
        with running_api(database, tmp_path_factory.mktemp("statement") / "data") as api:
            return Statement.make(api, OTHERS, decodes=is_thorough()).kept()

    return filled_template(postgres, run_directory, "statement", fill)


@pytest.fixture
def database(postgres: TestServer, loaded: tuple[str, Kept]) -> Iterator[TestDatabase]:
    made = create_database(postgres, template=loaded[0])
    yield made
    discard_database(postgres, made.name)


@pytest.fixture
def api(database: TestDatabase, loaded: tuple[str, Kept], tmp_path: Path) -> Iterator[Api]:
    with running_api(database, tmp_path / "data", admin_token=loaded[1].admin_token) as served:
        yield served


@pytest.fixture
def statement(api: Api, loaded: tuple[str, Kept]) -> Statement:
    return Statement.known(api, loaded[1])


class Signer:
    """Has what was done so far signed, and says in which position it stands."""

    def __init__(self, engine: Engine, sessions: sessionmaker[Session]) -> None:
        self._engine, self._sessions = engine, sessions

    def __call__(self) -> Position:
        integrate_all(self._engine)
        with self._sessions() as session:
            position = newest_position(session)
        assert position is not None
        return position


@pytest.fixture
def sign(database: TestDatabase, sessions: sessionmaker[Session]) -> Iterator[Signer]:
    opened = open_engine(database.integrator_url, pool_size=1)
    yield Signer(opened, sessions)
    opened.dispose()
