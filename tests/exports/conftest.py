"""A hub whose ledger is being signed: one for each test, and one for all tests of a module that only read files."""

from collections.abc import Iterator

import pytest

from tests.exports.custody_cases import Hub, open_hub
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database


@pytest.fixture
def hub(database: TestDatabase) -> Iterator[Hub]:
    with open_hub(database) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_hub(postgres: TestServer) -> Iterator[Hub]:
    """For tests that take files and change nothing else."""
    database = create_database(postgres)
    with open_hub(database) as opened:
        yield opened
    with postgres.administration() as owner:
        drop_database(owner, database.name)
