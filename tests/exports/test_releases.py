"""Releases over HTTP: what stands in their way is named, what they pin, and what makes them stale without a change."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.audits.service import record_audit
from app.kernel.primitives import sha256_hex
from app.ledger.audit_report import AuditReport
from app.media.service import record_read_back
from app.unit_of_work import unit_of_work
from tests.contracts.calls import TESTIMONY
from tests.exports.custody_cases import integrating, publish_key
from tests.exports.http_hub import HttpHub
from tests.factories import make_compared
from tests.support.api import Person, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import ok, received, refused

FINDING = {
    "result": "established",
    "confidence": "high",
    "methods": ["metadata"],
    "rationale": "The clock in the picture.",
}

_OF_RELEASE = "case_id, export_id, policy_version, log_origin, root, manifest_sha256, pins_sha256, items_count"
_OF_RELEASE += ", figures_count, released_by, released_at"
COPIED_RELEASE = f"(id, tree_size, {_OF_RELEASE}) SELECT gen_random_uuid(), tree_size + 1, {_OF_RELEASE} FROM releases"
COPIED_ITEM = """(release_id, evidence_id, version, state, entries, head)
    SELECT release_id, gen_random_uuid(), version, state, entries, head FROM release_items"""


class Desk(HttpHub):
    """With two who verify, one who signs off, and the item ready to be verified."""

    def begin(self) -> None:
        self.vera, self.rita = self.api.person("Vera"), self.api.person("Rita")
        for person, role in ((self.vera, "verifier"), (self.rita, "researcher")):
            ok(self.anna.put(f"/v1/cases/{self.case_id}/members/{person.id}/{role}"))
        policy = f"/v1/cases/{self.case_id}/policy"
        ok(self.anna.change(policy, policy, "PUT", json={"required_dimensions": ["date"]}))
        sha256 = sha256_hex(self.photograph)
        with unit_of_work(self.sessions) as uow:
            record_read_back(uow, UUID(self.item), self.api.app.state.services.blobs.reread(sha256))
            uow.commit()
        make_compared(self.sessions, UUID(self.item), sha256)

    def move(self, person: Person, event: str, **body: Any) -> dict[str, Any]:
        path = f"/v1/evidence/{self.item}"
        moved: dict[str, Any] = ok(person.change(f"{path}/transitions", path, json={"event": event, **body}))
        return moved

    def verify(self, outcome: str = "verified") -> None:
        ok(self.olena.post(f"/v1/evidence/{self.item}/findings", json={"dimension": "date", **FINDING}), 201)
        self.move(self.olena, "submit", verdict={"outcome": outcome, "rationale": "It fits."})
        self.move(self.vera, "concur")
        self.move(self.rita, "sign_off", comment="Clear.")

    def signed_off(self) -> None:
        self.move(self.olena, "open_verification")
        self.verify()

    def release(self, export_id: str, person: Person | None = None, **facts: Any) -> httpx.Response:
        return (person or self.rita).post("/v1/releases", json={"export_id": export_id, **facts})

    def figure(self, case_id: str | None = None) -> dict[str, Any]:
        """Of a tree that holds all acts so far."""
        for _ in range(200):
            answer: dict[str, Any] = ok(self.rita.get(f"/v1/statistics/items?case={case_id or self.case_id}"))
            if not answer["has_pending"]:
                return answer
            time.sleep(0.05)
        raise AssertionError("the integrator did not sign")


@pytest.fixture
def desk(database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Desk]:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=20) as api, integrating(database):
        made = Desk(api, sessions, publish_key(sessions, tmp_path / "data").encode())
        made.begin()
        yield made


def test_release_when_all_is_signed_off_then_pins_what_it_rests_on_and_goes_stale_unchanged(desk: Desk) -> None:
    desk.signed_off()
    export_id = desk.made(desk.anna, scope="case", ids=[desk.case_id], media=True)
    figure = desk.figure()
    assert figure["total"]["count"] == 1
    refused(desk.release(export_id, desk.petro), 403, "forbidden")
    refused(desk.release(export_id, desk.stranger), 404, "not_found")
    wrong = {**figure, "total": {**figure["total"], "count": 2}}
    of_another = desk.figure(desk.api.case(desk.rita))
    problem = refused(desk.release(export_id, figures=[figure, wrong, of_another]), 409, "figure_does_not_verify")
    assert [each["figure"] for each in problem["figures"]] == [2, 3]

    made = desk.release(export_id, figures=[figure], reason="For the hearing")
    release = ok(made, 201)
    assert [receipt["type"] for receipt in release["receipts"]] == ["export.released"]
    assert (release["is_stale"], release["items_count"], release["figures_count"]) == (False, 1, 1)
    path = f"/v1/releases/{release['id']}"
    pins = desk.petro.get(f"{path}/pins")
    assert hashlib.sha256(pins.content).hexdigest() == release["pins_sha256"]
    pinned = json.loads(pins.content)
    assert pinned["head"]["size"] == release["tree_size"]
    assert pinned["figures"][0]["query_sha256"] == figure["query_sha256"]
    [verdict] = desk.vera.get(f"/v1/evidence/{desk.item}/verdicts").json()["items"]
    [item] = desk.petro.get(f"{path}/items").json()["items"]
    assert (item["evidence_id"], item["state"], item["verdict_id"]) == (desk.item, "signed_off", verdict["id"])
    assert pinned["items"][0]["verdict"] == {"id": verdict["id"], "version": 1, "outcome": "verified"}
    entries = desk.anna.get(f"/v1/cases/{desk.case_id}/custody?limit=200").json()["items"]
    [entry] = [each for each in entries if each["commitment"] == release["receipts"][0]["commitment"]]
    assert release["pins_sha256"] in json.dumps(entry)
    refused(desk.release(export_id), 409, "released_before")

    desk.move(desk.rita, "reopen", reason="A second source says otherwise")
    once = ok(desk.petro.get(path))
    assert (once["is_stale"], [each["reason"] for each in once["stale"]]) == (True, ["reopened"])
    ok(desk.olena.post(f"/v1/evidence/{desk.item}/lease"))
    desk.verify("misattributed")
    [listed] = desk.petro.get(f"/v1/releases?case_id={desk.case_id}").json()["items"]
    assert [each["reason"] for each in listed["stale"]] == ["reopened", "verdict_superseded"]
    assert listed["stale"][0]["since"] == once["stale"][0]["since"]
    assert desk.petro.get(f"{path}/pins").content == pins.content, "nothing of it changes"
    later = {"is_stale", "stale", "receipts"}
    assert {name: value for name, value in listed.items() if name not in later} == {
        name: value for name, value in release.items() if name not in later
    }
    assert desk.stranger.get(path).status_code == 404


def obstacles(answer: httpx.Response) -> dict[str, list[str]]:
    return {each["check"]: each["ids"] for each in refused(answer, 409, "not_releasable")["obstacles"]}


@pytest.mark.thorough
def test_release_when_something_stands_in_its_way_then_all_of_it_is_named(desk: Desk, database: TestDatabase) -> None:
    pending = desk.ask(desk.anna).json()["id"]
    refused(desk.release(pending), 409, "export_not_ready")
    desk.work()
    assert obstacles(desk.release(pending)) == {"not_signed_off": [desk.item]}
    desk.signed_off()
    assert obstacles(desk.release(pending)) == {"changed_since": [desk.item]}, "the package shows no verdict"
    export_id = desk.made(desk.anna)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE evidence SET labels = NULL, blind = 'pending', blind_since = now(), state = 'quarantined'"
        )
        connection.execute("ALTER TABLE evidence ENABLE TRIGGER USER")
        connection.execute("ALTER TABLE ledger_bodies DISABLE TRIGGER USER")
        connection.execute("ALTER TABLE ledger_bodies DROP CONSTRAINT ck_ledger_bodies_commitment_is_hash")
        connection.execute(
            "UPDATE ledger_bodies SET body = replace(convert_from(body, 'UTF8'), '\"match\"', '\"mismatch\"')::bytea "
            "WHERE commitment IN (SELECT commitment FROM ledger_entries WHERE type = 'evidence.integrity_checked')"
        )
        connection.execute("ALTER TABLE ledger_bodies ENABLE TRIGGER USER")
    found = obstacles(desk.release(export_id))
    assert set(found) == {
        *("entries_altered", "integrity_mismatch", "labels_missing", "blind_pending", "quarantined", "not_signed_off")
    }
    assert all(named == [desk.item] for named in found.values()), found


@pytest.mark.thorough
def test_release_when_the_same_footage_turns_out_to_be_older_then_waits_until_that_is_answered(desk: Desk) -> None:
    desk.signed_off()
    path = f"/v1/evidence/{desk.item}"
    said = {"field": "claimed_from", "value": "2026-07-03T05:00:00Z", "reason": "The poster said so."}
    ok(desk.anna.change(f"{path}/corrections", path, json=said), 201)
    older = received(desk.anna, desk.case_id, desk.photograph, "older.jpg", acquired_at="2024-02-01T00:00:00Z")
    make_compared(desk.sessions, UUID(older), sha256_hex(desk.photograph))
    assert obstacles(desk.release(desk.made(desk.anna))) == {"recycled_unanswered": [desk.item]}


@pytest.mark.thorough
def test_release_when_policy_asks_for_no_sign_off_then_is_made_without(desk: Desk) -> None:
    policy = f"/v1/cases/{desk.case_id}/policy"
    asked = {"required_dimensions": ["date"], "releases_need_sign_off": False}
    ok(desk.anna.change(policy, policy, "PUT", json=asked))
    release = ok(desk.release(desk.made(desk.anna)), 201)
    [item] = desk.anna.get(f"/v1/releases/{release['id']}/items").json()["items"]
    assert (item["state"], item["verdict_id"]) == ("preserved", None)


@pytest.mark.thorough
def test_release_when_the_newest_check_of_the_log_found_faults_then_waits_for_one_that_finds_none(
    desk: Desk, tmp_path: Path
) -> None:
    desk.signed_off()
    export_id = desk.made(desk.anna)
    for faults in (1, 0):
        with unit_of_work(desk.sessions) as uow:
            record_audit(uow, AuditReport(faults_count=faults).as_json(), 1.0, tmp_path / "audits")
            uow.commit()
        if faults:
            assert obstacles(desk.release(export_id)) == {"ledger_faults": []}
    ok(desk.release(export_id), 201)


@pytest.mark.thorough
def test_release_when_a_witness_consents_to_less_than_its_audience_then_is_refused(desk: Desk) -> None:
    strike = {"code": "I-1", "title": "Strike", "kind": "air_strike"}
    incident = ok(desk.olena.post(f"/v1/cases/{desk.case_id}/incidents", json=strike), 201)["id"]
    consent = {"subject": "W-17", "subject_kind": "witness", "scopes": ["verification"], "obtained": "written"}
    testimony = {**TESTIMONY, "consent": {**consent, "given_on": "2026-07-14"}}
    made = ok(desk.olena.post(f"/v1/incidents/{incident}/testimonies", json=testimony), 201)
    export_id = desk.made(desk.anna, scope="incident", ids=[incident])
    assert obstacles(desk.release(export_id)) == {"consent_closed": [made["testimony_id"]]}


@pytest.mark.thorough
def test_release_when_consent_is_withdrawn_then_is_refused_before_and_stale_after(desk: Desk) -> None:
    desk.signed_off()
    given = {
        "subject": "S 1",
        "subject_kind": "source",
        "scopes": ["verification", "legal_proceedings"],
        "obtained": "written",
        "given_on": "2026-07-14",
    }
    path = f"/v1/evidence/{desk.item}"
    consent = ok(desk.olena.post(f"{path}/consents", json=given), 201)
    release = ok(desk.release(desk.made(desk.anna)), 201)
    again = desk.made(desk.anna)
    withdrawn = {
        "subject_id": consent["subject_id"],
        "scopes": ["legal_proceedings"],
        "withdrawn_on": "2026-07-15",
        "reason": "They are afraid.",
    }
    ok(desk.olena.post(f"{path}/consents/withdrawals", json=withdrawn), 201)
    stale = ok(desk.anna.get(f"/v1/releases/{release['id']}"))["stale"]
    assert [each["reason"] for each in stale] == ["consent_closed"]
    assert obstacles(desk.release(again)) == {"consent_closed": [desk.item]}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE releases SET tree_size = tree_size + 1", "exhibit_refuse_change"),
        ("DELETE FROM releases", "exhibit_refuse_change"),
        ("UPDATE release_items SET outcome = 'excluded'", "exhibit_refuse_change"),
        (f"INSERT INTO releases {COPIED_RELEASE}", "exhibit_release_of_ready_export"),
        (f"INSERT INTO release_items {COPIED_ITEM}", "exhibit_release_at_once"),
        ("INSERT INTO release_figures SELECT id, 7, '{}' FROM releases", "exhibit_release_at_once"),
    ],
)
def test_release_when_changed_by_raw_sql_then_the_database_refuses(
    desk: Desk, database: TestDatabase, statement: str, rule: str
) -> None:
    policy = f"/v1/cases/{desk.case_id}/policy"
    asked = {"required_dimensions": ["date"], "releases_need_sign_off": False}
    ok(desk.anna.change(policy, policy, "PUT", json=asked))
    ok(desk.release(desk.made(desk.anna)), 201)
    with psycopg.connect(database.owner_url) as connection, pytest.raises(psycopg.errors.IntegrityError) as refused:
        connection.execute(statement)
    assert refused.value.diag.constraint_name == rule
