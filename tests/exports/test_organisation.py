"""The organisation's auditor: finds every case without its name, and takes the log of accounts home to check it."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify_custody import parse_key, verify
from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person, email_of, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import all_pages, ok, received, refused

TITLE = "Strikes, July"


@pytest.fixture
def signed_api(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Api]:
    with running_api(database, tmp_path / "data") as api, integrating(database):
        publish_key(sessions, tmp_path / "data")
        yield api


@pytest.fixture
def auditor(signed_api: Api) -> Person:
    account = {"name": "Otto Quartz", "email": email_of("Otto Quartz"), "is_auditor": True}
    account_id = ok(signed_api.admin.post("/v1/users", json=account), 201)["id"]
    token = {"name": "audit", "scopes": ["read"], "account_id": account_id}
    secret = ok(signed_api.admin.post("/v1/tokens", json=token), 201)["token"]
    return Person(account_id, "Otto", secret, signed_api.client(secret))


@pytest.mark.thorough
def test_cases_when_the_auditor_lists_them_then_each_is_there_once_without_its_title(
    signed_api: Api, auditor: Person
) -> None:
    anna = signed_api.person("Anna")
    cases = [signed_api.case(anna, collector=(anna,)) for _ in range(5)]
    received(anna, cases[0], b"a file", "a.bin")
    ok(anna.post(f"/v1/cases/{cases[0]}/incidents", json={"code": "I-1", "title": "x", "kind": "other"}), 201)
    path = f"/v1/cases/{cases[1]}"
    ok(anna.change(f"{path}/close", path, json={"reason": "done"}))

    listed = all_pages(auditor, "/v1/custody/cases", limit=2)

    assert [case["id"] for case in listed] == cases
    assert [case["status"] for case in listed] == ["open", "closed", "open", "open", "open"]
    assert [(case["items"], case["incidents"]) for case in listed] == [(1, 1), (0, 0), (0, 0), (0, 0), (0, 0)]
    assert TITLE not in json.dumps(listed)
    entries = all_pages(auditor, f"/v1/cases/{cases[0]}/custody")
    assert "case.created" in [entry["type"] for entry in entries]
    assert TITLE not in json.dumps(entries)


def test_system_log_when_read_then_every_act_on_accounts_is_there_and_no_name_or_address(
    signed_api: Api, auditor: Person
) -> None:
    signed_api.signed_in("Olena Quill")
    wrong = {"email": email_of("Olena Quill"), "password": "not it"}
    refused(signed_api.client().post("/v1/sessions", json=wrong), 401, "bad_credentials")

    entries = all_pages(auditor, "/v1/custody/system", limit=3)

    types = [entry["type"] for entry in entries]
    assert types[:2] == ["system.initialised", "system.account_created"]
    assert {"system.signed_in", "system.sign_in_failed", "system.token_created"} <= set(types)
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert {entry["stream_kind"] for entry in entries} == {"system"}
    assert not any(field["is_disclosed"] for entry in entries for field in entry["sealed"].values())
    assert not [word for word in ("Quill", "Quartz", "hub.example") if word in json.dumps(entries)]


@pytest.mark.thorough
def test_system_file_when_taken_then_it_proves_itself_and_its_taking_is_its_last_entry(
    signed_api: Api, auditor: Person
) -> None:
    signed_api.person("Olena Quill")
    key = parse_key(ok(auditor.get("/v1/ledger/key"))["vkey"])

    answer = auditor.get("/v1/custody/system/file", params={"purpose": "audit", "reason": "the yearly one"})

    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="system-')
    report = verify(io.BytesIO(answer.content), key)
    assert report.ok, report.findings
    assert report.facts["scope"] == "system"
    entries = _entries(answer.content)
    assert (entries[-1]["type"], entries[-1]["actor"]["role"]) == ("export.created", "organisation_auditor")
    assert entries[-1]["data"]["entries"] == len(entries) - 1
    assert b"Quill" not in answer.content
    forged = answer.content.replace(b"system.account_created", b"system.account_removed")
    assert not verify(io.BytesIO(forged), key).ok

    table = auditor.get("/v1/custody/system/file", params={"purpose": "audit", "format": "csv"})
    assert table.text.count("\n") == 1 + len(entries) + 1, "a heading, and one entry more: the first file's"


def test_system_file_when_its_head_is_rewritten_then_found(signed_api: Api, auditor: Person) -> None:
    key = parse_key(ok(auditor.get("/v1/ledger/key"))["vkey"])
    content = auditor.get("/v1/custody/system/file", params={"purpose": "audit"}).content
    header = content.split(b"\n", 1)[0]
    for kind in (b"case", b"evidence"):
        forged = content.replace(header, header.replace(b'"system"', b'"%s"' % kind))
        assert not verify(io.BytesIO(forged), key).ok, "the system's log is no case's"


def test_administrator_and_case_auditor_when_they_ask_then_403(signed_api: Api) -> None:
    anna, petro = signed_api.person("Anna"), signed_api.person("Petro")
    signed_api.case(anna, auditor=(petro,))
    for person in (signed_api.admin, anna, petro):
        for path in ("cases", "system", "system/file?purpose=audit"):
            refused(person.get(f"/v1/custody/{path}"), 403, "forbidden")


def _entries(content: bytes) -> list[dict[str, Any]]:
    values = [json.loads(line) for line in content.splitlines()]
    return [value for value in values if "kind" not in value]
