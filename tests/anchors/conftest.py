"""A log to anchor."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.outgoing import Outgoing
from app.kernel.database import open_engine
from tests.ledger.acts import append, integrate_all, make_view, open_log
from tests.support.databases import TestDatabase
from tests.support.web_server import WebServer, web_server


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


@pytest.fixture
def stream(sessions: sessionmaker[Session]) -> UUID:
    """The stream of an item, in a log that has its identity and no entry."""
    return open_log(sessions)[0]


@pytest.fixture
def grow(sessions: sessionmaker[Session], integrating: Engine, stream: UUID) -> Callable[[int], int]:
    """Log so many views, have them integrated and signed; the log's size."""

    def more(count: int) -> int:
        append(sessions, [make_view(stream) for _ in range(count)])
        return integrate_all(integrating)[-1]

    return more


@pytest.fixture
def serving() -> Iterator[Callable[..., WebServer]]:
    """Begin a web server whose answer to a request's body a function gives."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(web_server(lambda path, body: answer(body)))


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing(2.0)
