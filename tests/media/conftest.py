"""A case with people of several roles, and a way to put files into it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.media.people import METADATA, Hub, HubFacts
from tests.support.api import Api, running_api
from tests.support.databases import TEMPLATE, TestDatabase, TestServer, copied_database, filled_template

Receive = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def prepared(
    postgres: TestServer, run_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, HubFacts]:
    """The template with a hub in it, and who and what is there."""

    def fill(database: TestDatabase) -> HubFacts:
        with running_api(database, tmp_path_factory.mktemp("hub") / "data") as api:
            return Hub(api).facts()

    return filled_template(postgres, run_directory, "hub", fill)


@pytest.fixture
def database(
    postgres: TestServer,
    administered: tuple[str, str],
    prepared: tuple[str, HubFacts],
    request: pytest.FixtureRequest,
) -> Iterator[TestDatabase]:
    """A fresh database, dropped afterwards, with an administrator; with a hub in it for the tests that ask for one, and
    with nothing for those that start the product, which makes its administrator itself."""
    template: str
    token: str | None
    if "server" in request.fixturenames:
        template, token = TEMPLATE, None
    elif "hub" in request.fixturenames:
        template, token = prepared[0], prepared[1].admin_token
    else:
        template, token = administered
    with copied_database(postgres, template, admin_token=token) as made:
        yield made


@pytest.fixture
def hub(api: Api, prepared: tuple[str, HubFacts]) -> Hub:
    return Hub.known(api, prepared[1])


@pytest.fixture
def receive(hub: Hub) -> Receive:
    """Receives bytes into the hub's case; the item as it was answered."""

    def receive_file(content: bytes, **facts: Any) -> dict[str, Any]:
        form = [("metadata", (None, json.dumps({**METADATA, **facts}))), ("file", ("file.jpg", content))]
        answer = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form)
        assert answer.status_code == 201, answer.text
        item: dict[str, Any] = answer.json()
        return item

    return receive_file
