"""One filled hub for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.erasure.hub import Hub, open_hub
from tests.support.databases import TestDatabase

RARE = "Xylquovantha"


@pytest.fixture
def hub(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Hub]:
    with open_hub(database, sessions, tmp_path / "data", RARE) as opened:
        yield opened
