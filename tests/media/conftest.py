"""A case with people of several roles, and a way to put files into it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.media.people import METADATA, Hub
from tests.support.api import Api

Receive = Callable[..., dict[str, Any]]


@pytest.fixture
def hub(api: Api) -> Hub:
    return Hub(api)


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
