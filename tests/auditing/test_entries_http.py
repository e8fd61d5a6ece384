"""The auditor's interface over HTTP: who reads what, pages that stand still, and files that are entries."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.auditing.verifier.verify_entries import parse_key, verify
from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person, email_of, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import all_pages, ok, refused

ENTRIES = "/v1/ledger/entries"


@pytest.fixture
def signed_api(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Api]:
    with running_api(database, tmp_path / "data") as api, integrating(database):
        publish_key(sessions, tmp_path / "data")
        yield api


def ombud(api: Api) -> Person:
    account = {"name": "Otto Quartz", "email": email_of("Otto Quartz"), "is_auditor": True}
    account_id = ok(api.admin.post("/v1/users", json=account), 201)["id"]
    token = {"name": "audit", "scopes": ["read", "write"], "account_id": account_id}
    secret = ok(api.admin.post("/v1/tokens", json=token), 201)["token"]
    return Person(account_id, "Otto", secret, api.client(secret))


def lead(person: Person, case_id: str) -> str:
    metadata = {"lead_address": "https://example.org/=1+1", "lead_claim": "Shelling of the market"}
    made = ok(person.post(f"/v1/cases/{case_id}/evidence?wait=checkpoint", json=metadata), 201)
    return str(made["id"])


def test_entries_when_read_by_each_then_the_table_of_roles_holds(signed_api: Api) -> None:
    anna, olena, petro, stranger = (signed_api.person(name) for name in ("Anna", "Olena", "Petro", "Stranger"))
    case_id = signed_api.case(anna, verifier=(olena,), auditor=(petro,), collector=(stranger,))
    other = signed_api.case(anna)
    of_anna, of_olena = lead(anna, case_id), lead(olena, case_id)
    lead(anna, other)
    auditor = ombud(signed_api)

    own = all_pages(petro, ENTRIES, case=case_id)
    assert {entry["stream"] for entry in own} == {case_id, of_anna, of_olena}
    assert [entry["log_index"] for entry in own] == sorted(entry["log_index"] for entry in own)
    assert own == all_pages(petro, ENTRIES, case=case_id, limit=2)
    assert {entry["type"] for entry in all_pages(olena, ENTRIES, case=case_id)} == {
        "evidence.registered",
        "evidence.lead_registered",
    }
    assert [entry["type"] for entry in all_pages(petro, ENTRIES, stream=of_anna)] == ["evidence.lead_registered"]
    every = all_pages(auditor, ENTRIES, limit=7)
    assert [entry["log_index"] for entry in every] == list(range(len(every)))
    assert "Shelling" not in json.dumps(every)
    assert "Strikes" not in json.dumps(every)

    for query in ({"case": other}, {"stream": other}):
        refused(petro.get(ENTRIES, params=query), 404, "not_found")
        refused(petro.get(f"{ENTRIES}/file", params={**query, "purpose": "audit"}), 404, "not_found")
    refused(petro.get(ENTRIES), 403, "forbidden")
    refused(stranger.get(ENTRIES, params={"case": case_id}), 403, "forbidden")
    refused(olena.get(f"{ENTRIES}/file", params={"case": case_id, "purpose": "audit"}), 403, "own_acts_only")
    refused(auditor.get(ENTRIES, params={"index_from": 10**9}), 422, "range_not_signed")


@pytest.mark.thorough
def test_access_log_when_a_file_was_taken_then_it_says_who_took_what_when_and_why(
    signed_api: Api, sessions: sessionmaker[Session]
) -> None:
    anna, petro = signed_api.person("Anna"), signed_api.person("Petro")
    case_id = signed_api.case(anna, auditor=(petro,))
    item = lead(anna, case_id)
    key = parse_key(ok(petro.get("/v1/ledger/key"))["vkey"])
    taken = petro.get(f"{ENTRIES}/file", params={"case": case_id, "purpose": "court"})
    assert taken.status_code == 200, taken.text
    report = verify(io.BytesIO(taken.content), [key])
    assert report.findings == []
    assert item in taken.text
    ok(petro.get(f"/v1/evidence/{item}/custody"))

    accesses = all_pages(petro, ENTRIES, case=case_id, view="access")
    assert [(each["type"], each["data"]["purpose"]) for each in accesses] == [("export.log_taken", "court")]
    table = petro.get(
        f"{ENTRIES}/file", params={"case": case_id, "purpose": "audit", "format": "csv", "view": "access"}
    )
    assert [row.split(",")[5] for row in table.text.splitlines()] == ["type", "export.log_taken"]
    with sessions() as session:
        count = session.execute(text("SELECT count(*) FROM ledger_entries WHERE type = 'export.log_taken'"))
        assert count.scalar_one() == 2
