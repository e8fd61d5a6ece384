"""How often ordinary requests ask the database: each question costs the reader a wait, and both sides their time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, event

from tests.factories import NO_LABELS
from tests.media.people import Hub
from tests.support.api import Api


@contextmanager
def statements(api: Api) -> Iterator[list[str]]:
    """The statements that the API sends within the block, without those that begin and end transactions."""
    engine: Engine = api.app.state.services.sessions.kw["bind"]
    sent: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", keep)


@pytest.fixture
def item(api: Api) -> tuple[Hub, str]:
    hub = Hub(api)
    lead = hub.verifier.post(f"/v1/cases/{hub.case_id}/evidence", json={"lead_claim": "A film of the bridge"})
    assert lead.status_code == 201, lead.text
    return hub, lead.json()["id"]


READS = {
    # Path and how many statements it may take.
    "/v1/me": 3,
    "/v1/cases": 2,
    "/v1/cases/{case}": 3,
    "/v1/cases/{case}/evidence?limit=20": 5,  # Which they are, and then the items.
    "/v1/cases/{case}/incidents": 7,  # The same; three for what holds of them: grading, standard, classifications.
    "/v1/evidence/{item}": 3,  # A lead; an item with a file has its decoding besides.
    "/v1/evidence/{item}/findings": 3,  # With findings a fourth: what they cite; a fifth: what of it is closed.
    "/v1/evidence/{item}/verdicts": 4,
}


def test_reads_when_repeated_then_each_asks_the_database_so_often_at_the_most(api: Api, item: tuple[Hub, str]) -> None:
    hub, evidence_id = item
    asked = {}
    for path in READS:
        address = path.format(case=hub.case_id, item=evidence_id)
        assert hub.verifier.get(address).status_code == 200  # The first use of a token in a minute is noted.
        with statements(api) as sent:
            assert hub.verifier.get(address).status_code == 200
        asked[path] = len(sent)
    assert {path: count for path, count in asked.items() if not 0 < count <= READS[path]} == {}


def test_change_when_repeated_then_it_asks_the_database_so_often_at_the_most(api: Api, item: tuple[Hub, str]) -> None:
    hub, evidence_id = item
    path = f"/v1/evidence/{evidence_id}"
    before = hub.coordinator.change(f"{path}/labels", path, "PUT", json=NO_LABELS)
    assert before.status_code == 200
    with statements(api) as sent:
        headers = {"If-Match": before.headers["ETag"]}
        after = hub.coordinator.put(f"{path}/labels", json={**NO_LABELS, "child": True}, headers=headers)
    assert after.status_code == 200
    assert 0 < len(sent) <= 14, sent


def test_request_when_repeated_then_it_takes_one_connection_once(api: Api, item: tuple[Hub, str]) -> None:
    """Who calls and what they ask are read on the same connection, which is taken once."""
    hub, evidence_id = item
    engine: Engine = api.app.state.services.sessions.kw["bind"]
    taken: list[Any] = []
    event.listen(engine, "checkout", lambda connection, *_: taken.append(connection))
    assert hub.verifier.get(f"/v1/evidence/{evidence_id}").status_code == 200
    assert len(taken) == 1


def _transactions(api: Api) -> list[bool]:
    """Whether each statement that follows is sent within a transaction of several."""
    engine: Engine = api.app.state.services.sessions.kw["bind"]
    seen: list[bool] = []

    def look(connection: Connection, *_: Any) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        seen.append(not driver.autocommit)

    event.listen(engine, "before_cursor_execute", look)
    return seen


def test_read_when_it_asks_several_questions_then_no_transaction_is_begun_and_ended(
    api: Api, item: tuple[Hub, str]
) -> None:
    hub, evidence_id = item
    for path in READS:
        seen = _transactions(api)
        assert hub.verifier.get(path.format(case=hub.case_id, item=evidence_id)).status_code == 200
        assert seen, path
        assert not any(seen), path


def test_acts_when_done_then_all_their_statements_are_one_transaction(api: Api, item: tuple[Hub, str]) -> None:
    hub, evidence_id = item
    path = f"/v1/evidence/{evidence_id}"
    version = hub.coordinator.get(path).headers["ETag"]  # Its connection, taken next, knows transactions again.
    seen = _transactions(api)
    changed = hub.coordinator.put(f"{path}/labels", json=NO_LABELS, headers={"If-Match": version})
    assert changed.status_code == 200, changed.text
    assert seen
    assert all(seen)


OF_ANOTHER_CASE = {
    # What is asked of an item: the method, the path's end, a body.
    "read": ("GET", "", None),
    "claims": ("GET", "/claims", None),
    "custody": ("GET", "/custody", None),
    "labels": ("PUT", "/labels", NO_LABELS),
    "decodings": ("POST", "/decodings", {"reason": "Once more."}),
    "transitions": ("POST", "/transitions", {"event": "open_verification"}),
}


@pytest.mark.parametrize("act", OF_ANOTHER_CASE)
def test_act_when_the_item_is_of_another_case_then_it_takes_the_questions_that_no_item_takes(
    api: Api, item: tuple[Hub, str], act: str
) -> None:
    """How long a 404 takes must not tell whether there is such an item."""
    hub, evidence_id = item
    method, end, body = OF_ANOTHER_CASE[act]
    asked = []
    for one in (evidence_id, evidence_id, str(uuid4())):  # The first use of a token in a minute is noted.
        with statements(api) as sent:
            path = f"/v1/evidence/{one}{end}"
            answer = hub.stranger.http.request(method, path, json=body, headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        asked.append(sent)
    assert asked[1] == asked[2] != []


def test_reads_when_repeated_then_none_writes(api: Api, item: tuple[Hub, str]) -> None:
    """Each of their statements is a transaction of its own: what one of them wrote would stand without its entry."""
    hub, evidence_id = item
    for path in READS:
        address = path.format(case=hub.case_id, item=evidence_id)
        assert hub.verifier.get(address).status_code == 200  # The first use of a token in a minute is noted.
        with statements(api) as sent:
            assert hub.verifier.get(address).status_code == 200
        assert [one for one in sent if not one.lstrip().upper().startswith(("SELECT", "WITH"))] == [], path
