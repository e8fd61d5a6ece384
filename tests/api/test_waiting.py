"""``?wait=checkpoint``: the answer to a change comes when its entries are provable, and the act never depends on it."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from app.kernel.database import driver_url
from app.ledger.proof import parse_proof, verify_proof
from tests.contracts.world import LABELS, form
from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase

WAIT = {"wait": "checkpoint"}

_HELD_OPEN = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
""")


@pytest.fixture
def owner(database: TestDatabase) -> Any:
    engine = create_engine(driver_url(database.owner_url))
    yield engine
    engine.dispose()


def _create(person: Person, case_id: str, code: str, **options: Any) -> httpx.Response:
    body = {"code": code, "title": "Strike", "kind": "air_strike"}
    return person.post(f"/v1/cases/{case_id}/incidents", json=body, **options)


def test_a_change_that_waits_answers_with_positions_that_can_be_proven(api: Api, database: TestDatabase) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    vkey = publish_key(api.app.state.services.sessions, api.settings.data)
    with integrating(database):
        answer = _create(olena, case_id, "I-1", params=WAIT)

        assert answer.status_code == 201
        receipts = answer.json()["receipts"]
        assert len(receipts) == 2  # In the case's stream and in the incident's.
        for receipt in receipts:
            size = {"size": str(receipt["tree_size"])}
            proof = parse_proof(olena.get(f"/v1/ledger/entries/{receipt['commitment']}/proof", params=size).text)
            leaf = f"custody-leaf/v1 {receipt['label']} {receipt['commitment']}".encode()
            assert proof.index == receipt["log_index"]
            assert verify_proof(proof, leaf, vkey).size == receipt["tree_size"]
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert answer.headers["ETag"] == '"1"'


def test_a_change_that_does_not_wait_has_no_positions(api: Api, database: TestDatabase) -> None:
    olena = api.person("Olena")
    with integrating(database):
        receipts = _create(olena, api.case(olena), "I-1").json()["receipts"]

    assert [(each["log_index"], each["tree_size"]) for each in receipts] == [(None, None)] * 2


def test_an_upload_that_waits_answers_with_positions(api: Api, database: TestDatabase) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    with integrating(database):
        answer = olena.post(f"/v1/cases/{case_id}/evidence", files=form(labels=LABELS), params=WAIT)

    assert answer.status_code == 201
    assert all(each["tree_size"] > each["log_index"] >= 0 for each in answer.json()["receipts"])


def test_a_repeated_request_that_waits_gets_the_positions_of_the_first_act(api: Api, database: TestDatabase) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    key = {"Idempotency-Key": "k-1"}
    first = _create(olena, case_id, "I-1", headers=key).json()["receipts"]
    with integrating(database):
        again = _create(olena, case_id, "I-1", headers=key, params=WAIT)

    assert again.headers["Idempotency-Replayed"] == "true"
    receipts = again.json()["receipts"]
    assert [each["commitment"] for each in receipts] == [each["commitment"] for each in first]
    assert all(each["tree_size"] > each["log_index"] for each in receipts)


def test_an_act_that_is_not_signed_in_time_stands_without_positions(database: TestDatabase, tmp_path: Path) -> None:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=0.4) as api:
        olena = api.person("Olena")
        case_id = api.case(olena)
        began_s = time.monotonic()
        answer = _create(olena, case_id, "I-1", params=WAIT)

        assert time.monotonic() - began_s >= 0.4
        assert answer.status_code == 201
        assert [each["log_index"] for each in answer.json()["receipts"]] == [None, None]
        assert olena.get(f"/v1/incidents/{answer.json()['id']}").status_code == 200


def test_an_act_stands_when_the_wait_itself_fails(api: Api, owner: Engine) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    with owner.begin() as connection:
        connection.execute(text("REVOKE SELECT ON ledger_checkpoints FROM PUBLIC, exhibit_app"))
        assert not connection.scalar(text("SELECT has_table_privilege('exhibit_app', 'ledger_checkpoints', 'SELECT')"))
    answer = _create(olena, case_id, "I-1", params=WAIT)

    assert answer.status_code == 201
    assert [each["tree_size"] for each in answer.json()["receipts"]] == [None, None]


def test_wait_for_anything_else_is_refused_and_nothing_is_done(api: Api) -> None:
    olena = api.person("Olena")
    case_id = api.case(olena)
    for wrong in ("", "true", "Checkpoint", "forever"):
        assert _create(olena, case_id, "I-1", params={"wait": wrong}).status_code == 422
    assert olena.get("/v1/me", params=WAIT).json()["code"] == "unknown_parameter"
    assert olena.get(f"/v1/cases/{case_id}/incidents").json()["items"] == []


@pytest.mark.thorough
def test_sixteen_who_wait_take_neither_connections_nor_threads_from_the_others(
    database: TestDatabase, tmp_path: Path, owner: Engine
) -> None:
    """The pool has 10 connections and as many threads; nobody signs until all wait."""
    with running_api(database, tmp_path / "data", checkpoint_wait_s=20) as api:
        olena = api.person("Olena")
        case_id = api.case(olena)
        with ThreadPoolExecutor(16) as pool:
            pending = [pool.submit(_create, olena, case_id, f"I-{n}", params=WAIT) for n in range(16)]
            deadline_s = time.monotonic() + 10
            while len(olena.get(f"/v1/cases/{case_id}/incidents").json()["items"]) < 16:
                assert time.monotonic() < deadline_s, "the acts are not done"
            for _ in range(20):  # More than there would be threads left.
                began_s = time.monotonic()
                assert api.client(olena.token).get("/v1/me").status_code == 200
                assert time.monotonic() - began_s < 2
            with owner.connect() as connection:
                held = connection.scalar(_HELD_OPEN)
            assert held <= 1
            assert not any(each.done() for each in pending)
            with integrating(database):
                answers = [each.result() for each in pending]
    assert {each.status_code for each in answers} == {201}
    places = [receipt["log_index"] for each in answers for receipt in each.json()["receipts"]]
    assert None not in places
    assert len(set(places)) == 32
