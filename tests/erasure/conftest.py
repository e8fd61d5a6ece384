"""A filled hub for each test: a copy of one that was made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.erasure.hub import Hub, HubFacts, fill_template, open_hub
from tests.support.databases import (
    TEMPLATE,
    TestDatabase,
    TestServer,
    create_database,
    discard_database,
    filled_template,
)

RARE = "Xylquovantha"


@pytest.fixture(scope="session")
def prepared(postgres: TestServer, run_directory: Path) -> tuple[str, HubFacts]:
    """The template with a hub in it, and who and what is there."""
    data = run_directory / "erasure-data"
    return filled_template(postgres, run_directory, "erasure", lambda made: fill_template(made, data, RARE))


@pytest.fixture
def database(
    postgres: TestServer, prepared: tuple[str, HubFacts], request: pytest.FixtureRequest
) -> Iterator[TestDatabase]:
    """A fresh database, dropped afterwards; with the hub in it for the tests that ask for it."""
    made = create_database(postgres, template=prepared[0] if "hub" in request.fixturenames else TEMPLATE)
    yield made
    discard_database(postgres, made.name)


@pytest.fixture
def hub(database: TestDatabase, prepared: tuple[str, HubFacts], tmp_path: Path) -> Iterator[Hub]:
    with open_hub(database, tmp_path / "data", prepared[1]) as opened:
        yield opened
