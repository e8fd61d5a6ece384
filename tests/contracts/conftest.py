"""One API and one database for all tests of a module: contracts are many small questions to the same state."""

from collections.abc import Iterator

import pytest

from tests.contracts.world import World, open_world
from tests.support.databases import TestServer, create_database, drop_database


@pytest.fixture(scope="module")
def world(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database = create_database(postgres)
    with open_world(database, tmp_path_factory.mktemp("contracts") / "data") as made:
        yield made
    with postgres.administration() as owner:
        drop_database(owner, database.name)
