"""A hub whose ledger is being signed, and the organisation's auditor."""

from collections.abc import Iterator

import pytest

from app.access.rules import OrganisationRole
from tests.auditing.logs import Desk
from tests.exports.custody_cases import open_hub
from tests.factories import make_person
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database


def open_desk(database: TestDatabase) -> Iterator[Desk]:
    with open_hub(database) as hub:
        roles = frozenset({OrganisationRole.AUDITOR})
        yield Desk(hub, make_person(hub.sessions, "Ombud", organisation_roles=roles))


@pytest.fixture
def desk(database: TestDatabase) -> Iterator[Desk]:
    yield from open_desk(database)


@pytest.fixture(scope="module")
def shared_desk(postgres: TestServer) -> Iterator[Desk]:
    """For tests that take files and change nothing else."""
    database = create_database(postgres)
    yield from open_desk(database)
    with postgres.administration() as owner:
        drop_database(owner, database.name)
