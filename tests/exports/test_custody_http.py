"""Custody logs over HTTP: who reads what, and that taking a file is an entry."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify_custody import parse_key, verify
from app.ledger.checkpoint import open_checkpoint, parse_vkey
from app.ledger.event import leaf
from app.ledger.proof import parse_proof, verify_proof
from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase


@pytest.fixture
def signed_api(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Api]:
    """The API with the integrator beside it and the log's key published."""
    with running_api(database, tmp_path / "data") as api, integrating(database):
        publish_key(sessions, tmp_path / "data")
        yield api


@pytest.fixture
def people(signed_api: Api) -> dict[str, Person]:
    return {name: signed_api.person(name) for name in ("Anna", "Olena", "Petro", "Stranger")}


@pytest.fixture
def case_id(signed_api: Api, people: dict[str, Person]) -> str:
    return signed_api.case(people["Anna"], verifier=(people["Olena"],), auditor=(people["Petro"],))


def lead(person: Person, case_id: str) -> dict[str, Any]:
    """Answered when its entry is in the signed tree: pages say where an entry stands there."""
    metadata = {"lead_address": "https://example.org/=1+1", "lead_claim": "Shelling of the market"}
    made = person.post(f"/v1/cases/{case_id}/evidence?wait=checkpoint", json=metadata)
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


def entries_count(sessions: sessionmaker[Session], entry_type: str) -> int:
    with sessions() as session:
        statement = text("SELECT count(*) FROM ledger_entries WHERE type = :type")
        return int(session.execute(statement, {"type": entry_type}).scalar_one())


def all_pages(person: Person, path: str, limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = person.get(path, params=query).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]


def test_case_pages_when_read_then_every_entry_stands_once_in_order_and_nothing_is_logged(
    people: dict[str, Person], case_id: str, sessions: sessionmaker[Session]
) -> None:
    item = lead(people["Anna"], case_id)["id"]
    with sessions() as session:
        before = session.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one()
    items = all_pages(people["Petro"], f"/v1/cases/{case_id}/custody", 2)
    assert items == all_pages(people["Petro"], f"/v1/cases/{case_id}/custody", 200)
    assert [(each["stream"], each["seq"]) for each in items if each["stream"] == item] == [(item, 1)]
    assert {"case.created", "case.member_granted", "evidence.registered", "evidence.lead_registered"} <= {
        each["type"] for each in items
    }
    created = items[0]
    assert created["type"] == "case.created"
    assert created["sealed"]["title"]["value"] == "Strikes, July"
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one() == before


@pytest.mark.thorough
def test_item_pages_when_read_by_members_and_others_then_each_sees_what_the_table_allows(
    signed_api: Api, people: dict[str, Person], case_id: str
) -> None:
    of_anna, of_olena = lead(people["Anna"], case_id)["id"], lead(people["Olena"], case_id)["id"]
    olena = people["Olena"]
    assert [e["type"] for e in olena.get(f"/v1/evidence/{of_olena}/custody").json()["items"]] == [
        "evidence.lead_registered"
    ]
    assert olena.get(f"/v1/evidence/{of_anna}/custody").json()["items"] == []
    assert len(people["Petro"].get(f"/v1/evidence/{of_anna}/custody").json()["items"]) == 1
    for path in (f"/v1/evidence/{of_anna}/custody", f"/v1/cases/{case_id}/custody", f"/v1/evidence/{case_id}/custody"):
        assert people["Stranger"].get(path).status_code == 404
        assert people["Stranger"].get(f"{path}/file?purpose=audit").status_code == 404
        assert signed_api.client().get(path).status_code == 401
    collector = signed_api.person("Maria")
    people["Anna"].put(f"/v1/cases/{case_id}/members/{collector.id}/collector")
    assert collector.get(f"/v1/cases/{case_id}/custody").status_code == 403


def test_file_when_taken_by_a_verifier_then_403_in_clear_words_and_no_entry(
    people: dict[str, Person], case_id: str, sessions: sessionmaker[Session]
) -> None:
    refused = people["Olena"].get(f"/v1/cases/{case_id}/custody/file?purpose=audit")
    assert (refused.status_code, refused.json()["code"]) == (403, "own_acts_only")
    assert entries_count(sessions, "export.created") == 0


def test_organisation_auditor_when_reading_then_every_case_without_content(
    signed_api: Api, people: dict[str, Person], case_id: str
) -> None:
    account = signed_api.admin.post(
        "/v1/users", json={"name": "Ombud", "email": "ombud@hub.example", "is_auditor": True}
    ).json()
    token = signed_api.admin.post(
        "/v1/tokens", json={"name": "t", "scopes": ["read"], "account_id": account["id"]}
    ).json()["token"]
    auditor = signed_api.client(token)
    items = auditor.get(f"/v1/cases/{case_id}/custody").json()["items"]
    assert items[0]["sealed"]["title"]["is_disclosed"] is False
    assert "Strikes" not in json.dumps(items)
    taken = auditor.get(f"/v1/cases/{case_id}/custody/file?purpose=audit")
    assert taken.status_code == 200
    assert b"Strikes" not in taken.content
    assert auditor.get(f"/v1/cases/{case_id}/custody/file?purpose=audit&disclose=all").status_code == 403


def test_file_when_disclosed_to_a_token_not_made_for_content_then_403_and_none_without_disclosure(
    signed_api: Api, people: dict[str, Person], case_id: str
) -> None:
    asked = {"name": "t", "scopes": ["read"], "account_id": people["Petro"].id}
    reader = signed_api.client(signed_api.admin.post("/v1/tokens", json=asked).json()["token"])
    path = f"/v1/cases/{case_id}/custody/file?purpose=audit"
    refused = reader.get(f"{path}&disclose=all")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert reader.get(path).status_code == 200


def test_file_when_taken_over_http_then_verifies_with_the_published_key_and_is_an_entry(
    signed_api: Api, people: dict[str, Person], case_id: str, sessions: sessionmaker[Session]
) -> None:
    item = lead(people["Anna"], case_id)["id"]
    published = signed_api.client().get("/v1/ledger/key").json()
    taken = people["Petro"].get(f"/v1/cases/{case_id}/custody/file?purpose=audit&disclose=all&reason=Court order 7")
    assert taken.status_code == 200, taken.text
    assert taken.headers["content-type"] == "application/jsonl"
    assert taken.headers["content-disposition"].startswith(f'attachment; filename="case-{case_id[:8]}-')
    assert taken.headers["x-content-type-options"] == "nosniff"
    report = verify(io.BytesIO(taken.content), parse_key(published["vkey"]))
    assert report.findings == []
    assert entries_count(sessions, "export.created") == 2
    log = people["Petro"].get(f"/v1/evidence/{item}/custody").json()["items"][-1]
    assert log["type"] == "export.created"
    assert log["data"]["purpose"] == "audit"
    assert log["sealed"]["reason"]["value"] == "Court order 7"
    assert log["log_index"] is not None
    assert log["checkpoint_size"] > log["log_index"]


def test_file_when_taken_then_its_entry_and_all_that_is_written_with_it_are_one_transaction(
    signed_api: Api, people: dict[str, Person], case_id: str
) -> None:
    """It is taken by GET, and who asks is read without a transaction; what is done must not be."""
    engine: Engine = signed_api.app.state.services.sessions.kw["bind"]
    is_alone: list[bool] = []

    def look(connection: Connection, *_: Any) -> None:
        is_alone.append(connection.connection.driver_connection.autocommit)  # type: ignore[union-attr]

    assert people["Petro"].get("/v1/me").status_code == 200
    event.listen(engine, "before_cursor_execute", look)
    try:
        taken = people["Petro"].get(f"/v1/cases/{case_id}/custody/file?purpose=audit")
    finally:
        event.remove(engine, "before_cursor_execute", look)
    assert taken.status_code == 200, taken.text
    begun = is_alone.index(False)
    assert all(is_alone[:begun])
    assert not any(is_alone[begun:])
    assert len(is_alone) - begun > 5


def test_csv_when_taken_then_a_table_that_says_it_is_a_reading_copy(people: dict[str, Person], case_id: str) -> None:
    lead(people["Anna"], case_id)
    taken = people["Anna"].get(f"/v1/cases/{case_id}/custody/file?purpose=audit&format=csv")
    assert taken.status_code == 200
    assert "reading-copy" in taken.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(taken.text)))
    assert {row["type"] for row in rows} >= {"case.created", "evidence.lead_registered", "export.created"}
    assert all(row["log_index"].isdecimal() for row in rows)


def test_csv_when_disclosures_are_asked_for_then_refused_and_no_entry(
    people: dict[str, Person], case_id: str, sessions: sessionmaker[Session]
) -> None:
    item = lead(people["Anna"], case_id)["id"]
    for path in (f"/v1/cases/{case_id}", f"/v1/evidence/{item}"):
        refused = people["Anna"].get(f"{path}/custody/file?purpose=audit&format=csv&disclose=all")
        assert (refused.status_code, refused.json()["code"]) == (422, "csv_discloses_nothing")
        assert "format=jsonl" in refused.json()["detail"]
    assert entries_count(sessions, "export.created") == 0


def test_file_when_a_parameter_is_wrong_then_422_and_no_entry(
    people: dict[str, Person], case_id: str, sessions: sessionmaker[Session]
) -> None:
    for query in ("", "?purpose=Because I want", "?purpose=audit&format=pdf", "?purpose=audit&disclose=some"):
        assert people["Anna"].get(f"/v1/cases/{case_id}/custody/file{query}").status_code == 422
    refused = people["Anna"].get(f"/v1/cases/{case_id}/custody/file?purpose=For the court").json()
    [error] = refused["errors"]
    assert error["field"] == "query.purpose"
    assert "one word of 2 to 40 characters: small letters a-z, digits and '_'" in error["reason"]
    assert "'court'" in error["reason"]
    assert "[a-z]" not in error["reason"]
    assert people["Anna"].get(f"/v1/cases/{case_id}/custody?cursor=zzz").json()["code"] == "bad_cursor"
    assert entries_count(sessions, "export.created") == 0


def test_file_when_no_integrator_signs_then_503_checkpoint_pending(
    database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path
) -> None:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=0.2) as api:
        anna = api.person("Anna")
        case_id = api.case(anna)
        assert api.client().get("/v1/ledger/key").status_code == 503
        assert api.client().get("/v1/ledger/checkpoint").json()["code"] == "checkpoint_pending"
        assert anna.get(f"/v1/cases/{case_id}/custody/file?purpose=audit").status_code == 503
        assert entries_count(sessions, "export.created") == 0
        publish_key(sessions, tmp_path / "data")
        pending = anna.get(f"/v1/cases/{case_id}/custody/file?purpose=audit")
        assert (pending.status_code, pending.json()["code"]) == (503, "checkpoint_pending")
        assert pending.headers["retry-after"] == "5"
        assert anna.get(f"/v1/cases/{case_id}/custody").json()["items"][0]["log_index"] is None


def test_proof_when_asked_for_by_a_receipt_then_verifies_and_outsiders_get_404(
    signed_api: Api, people: dict[str, Person], case_id: str
) -> None:
    receipt = lead(people["Anna"], case_id)["receipts"][0]
    people["Petro"].get(f"/v1/cases/{case_id}/custody/file?purpose=audit")
    path = f"/v1/ledger/entries/{receipt['commitment']}/proof"
    vkey = parse_vkey(signed_api.client().get("/v1/ledger/key").json()["vkey"])
    answer = people["Petro"].get(path)
    assert answer.status_code == 200
    signed = verify_proof(parse_proof(answer.text), leaf(receipt["label"], receipt["commitment"]), vkey)
    assert open_checkpoint(signed_api.client().get("/v1/ledger/checkpoint").text, vkey).size >= signed.size
    assert people["Stranger"].get(path).status_code == 404
    assert people["Olena"].get(path).status_code == 404
    assert people["Anna"].get(f"/v1/ledger/entries/{'0' * 64}/proof").status_code == 404
    assert people["Anna"].get("/v1/ledger/entries/xyz/proof").status_code == 422


def test_verifier_when_downloaded_then_is_python_that_runs_alone(signed_api: Api) -> None:
    answer = signed_api.client().get("/v1/custody-verifier")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/x-python")
    compile(answer.content, "verify_custody.py", "exec")
