"""A hub to verify in, on the test's own database."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.verification.bench import Bench


@pytest.fixture
def bench(sessions: sessionmaker[Session]) -> Bench:
    return Bench(sessions)
