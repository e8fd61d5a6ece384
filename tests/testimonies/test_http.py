"""Testimonies over HTTP: recorded with consent, stated anew, withdrawn from every way that shows them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.exports.custody_cases import publish_key
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import ok

CONSENT = {
    "subject": "W-17",
    "subject_kind": "witness",
    "scopes": ["verification", "legal_proceedings"],
    "obtained": "recorded",
    "given_on": "2026-07-14",
}
STATED: dict[str, Any] = {
    "witness": "W-17",
    "text": "Brimmoxal: the ceiling fell.",
    "language": "uk",
    "taken_on": "2026-07-14",
    "taken_by": "Olena",
    "method": "interview_in_person",
    "required_scope": "legal_proceedings",
    "supersedes": None,
    "consent": CONSENT,
}
ROLES = ("collector", "verifier", "coordinator", "researcher", "legal_analyst", "custodian", "auditor")


@dataclass
class House:
    api: Api
    people: dict[str, Person] = field(default_factory=dict)
    case_id: str = ""
    incident: str = ""

    def __getattr__(self, name: str) -> Person:
        return self.people[name]

    @property
    def path(self) -> str:
        return f"/v1/incidents/{self.incident}/testimonies"

    def record(self, **changed: Any) -> Any:
        return self.verifier.post(self.path, json={**STATED, **changed})

    def subject(self, testimony: str) -> str:
        return str(ok(self.coordinator.get(f"/v1/testimonies/{testimony}/consents"))["items"][0]["subject_id"])

    def withdraw(self, testimony: str) -> None:
        body = {"subject_id": self.subject(testimony), "withdrawn_on": "2026-09-02"}
        ok(self.collector.post(f"/v1/testimonies/{testimony}/consents/withdrawals", json=body), 201)


@pytest.fixture
def house(database: TestDatabase, tmp_path: Path) -> Iterator[House]:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=0.02) as api:
        made = House(api)
        made.people |= {role: api.person(role) for role in (*ROLES, "outsider")}
        made.case_id = api.case(made.coordinator, **{one: (made.people[one],) for one in ROLES if one != "coordinator"})
        incident = {"code": "I-1", "title": "Strike", "kind": "air_strike"}
        made.incident = ok(made.verifier.post(f"/v1/cases/{made.case_id}/incidents", json=incident), 201)["id"]
        yield made


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_testimony_when_recorded_then_is_read_by_who_works_in_the_case_and_is_an_entry(house: House) -> None:
    made = ok(house.record(), 201)
    for role in ROLES:
        answer = house.people[role].get(f"/v1/testimonies/{made['testimony_id']}")
        assert answer.status_code == (403 if role == "auditor" else 200), role
    assert house.outsider.get(f"/v1/testimonies/{made['testimony_id']}").status_code == 404
    assert [receipt["type"] for receipt in made["receipts"]] == ["incident.fact_recorded", "incident.consent_given"]


def test_testimony_when_its_consent_lacks_what_it_needs_then_is_refused(house: House) -> None:
    assert code(house.record(consent=None)) == (422, "consent_missing")
    assert code(house.record(consent={**CONSENT, "scopes": ["verification"]})) == (422, "consent_missing")


@pytest.mark.thorough
def test_testimony_when_stated_anew_then_the_later_version_stands_alone(house: House) -> None:
    first = ok(house.record(), 201)
    second = ok(house.record(supersedes=first["id"], consent=None, text="The ceiling and the wall."), 201)
    assert (second["revision"], second["testimony_id"]) == (2, first["id"])
    assert code(house.record(supersedes=first["id"], consent=None)) == (409, "another_version_stands")
    assert [each["id"] for each in ok(house.verifier.get(house.path))["items"]] == [second["id"]]
    house.withdraw(first["id"])
    assert code(house.record(supersedes=second["id"], consent=None)) == (404, "testimony_withdrawn")


def test_testimony_when_withdrawn_then_no_version_is_shown_to_anybody(house: House, database: TestDatabase) -> None:
    kept = {**STATED, "text": "Brimmoxal: kept for a repeated request."}
    first = ok(house.verifier.post(house.path, json=kept, headers={"Idempotency-Key": "a"}), 201)
    ok(house.record(supersedes=first["id"], consent=None), 201)
    other = ok(house.record(text="Another."), 201)
    house.withdraw(first["id"])
    for role in ROLES:
        person = house.people[role]
        listed = person.get(house.path)
        assert "Brimmoxal" not in listed.text
        if role != "auditor":
            assert [each["id"] for each in ok(listed)["items"]] == [other["id"]]
            single = person.get(f"/v1/testimonies/{first['id']}")
            assert code(single) == (404, "testimony_withdrawn")
            assert "W-17" not in single.text
        page = person.get(f"/v1/incidents/{house.incident}/custody", params={"limit": 200})
        assert ("Brimmoxal" in page.text) is (role == "custodian"), role
    consents = f"/v1/testimonies/{first['id']}/consents"
    assert {role for role in ROLES if house.people[role].get(consents).is_success} == {"coordinator", "custodian"}
    assert code(house.outsider.get(f"/v1/testimonies/{first['id']}")) == (404, "not_found")
    repeated = house.verifier.post(house.path, json=kept, headers={"Idempotency-Key": "a"})
    assert "Brimmoxal" not in repeated.text
    with psycopg.connect(database.owner_url) as owner:
        held = owner.execute("SELECT count(*) FROM stored_answers WHERE body::text LIKE '%Brimmoxal%'").fetchone()
    assert held == (0,)


@pytest.mark.thorough
def test_withdrawn_testimony_when_its_witness_consents_anew_then_is_shown_again(house: House) -> None:
    made = ok(house.record(), 201)["testimony_id"]
    subject = house.subject(made)
    house.withdraw(made)
    path, again = f"/v1/testimonies/{made}/consents", {**CONSENT, "subject_id": subject}
    assert code(house.verifier.post(path, json=again)) == (404, "testimony_withdrawn")
    ok(house.coordinator.post(path, json=again), 201)
    assert house.verifier.get(f"/v1/testimonies/{made}").status_code == 200


@pytest.mark.thorough
def test_witness_when_sealed_then_two_persons_open_it_as_a_source(house: House) -> None:
    made = ok(house.record(), 201)["testimony_id"]
    path, identity = f"/v1/testimonies/{made}/witness", {"name": "Quillonvexa"}
    sealed = ok(house.verifier.post(path, json={"identity": identity, "supersedes": None}), 201)
    assert code(house.collector.post(path, json={"identity": identity, "supersedes": None})) == (403, "forbidden")
    again = house.verifier.post(path, json={"identity": identity, "supersedes": None})
    assert code(again) == (409, "another_identity_stands")
    ok(house.coordinator.post(path, json={"identity": identity, "supersedes": sealed["identity_id"]}), 201)
    asked = ok(house.researcher.post(f"{path}/openings", json={"purpose": "consent", "reason": "x"}), 201)["id"]
    ok(house.custodian.post(f"/v1/identity-openings/{asked}/decision", json={"decision": "approve"}))
    told = ok(house.researcher.post(f"/v1/identity-openings/{asked}/identity"))
    assert told["identity"] == identity
    assert [receipt["type"] for receipt in told["receipts"]] == ["incident.identity_unsealed"]


COPIED = """
    INSERT INTO testimonies SELECT (jsonb_populate_record(
        t, jsonb_build_object('id', another, 'fact_id', another, 'number', number + 1)
    )).* FROM testimonies t, gen_random_uuid() another
"""


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE testimonies SET closed_at = NULL", "permission denied"),
        ("UPDATE testimonies SET text = 'x'", "exhibit_refuse_change"),
        ("DELETE FROM testimonies", "permission denied"),
    ],
)
def test_application_role_when_it_changes_a_testimony_then_the_database_refuses(
    house: House, database: TestDatabase, statement: str, refusal: str
) -> None:
    house.withdraw(ok(house.record(), 201)["testimony_id"])
    application = psycopg.connect(database.app_url)
    try:
        with pytest.raises(psycopg.Error) as refused:
            application.execute(statement.encode())
        assert refusal in (refused.value.diag.constraint_name or str(refused.value))
    finally:
        application.close()


def test_testimony_when_written_by_hand_without_its_witnesss_consent_then_the_database_refuses(
    house: House, database: TestDatabase
) -> None:
    ok(house.record(), 201)
    owner = psycopg.connect(database.owner_url)
    with closing(owner), pytest.raises(psycopg.errors.IntegrityError) as refused, owner.transaction():
        owner.execute(COPIED)
    assert refused.value.diag.constraint_name == "exhibit_testimony_has_consent"


def test_testimony_when_its_custody_is_read_then_opened_to_whoever_may_read_testimonies_alone(house: House) -> None:
    """What its witness consented to, too; and what is closed to a reader is not said to be erased."""
    made = ok(house.record(consent={**CONSENT, "subject": "Vexlori", "note": "Vexlori lives by the mill."}), 201)
    path, consents = f"/v1/incidents/{house.incident}/custody", f"/v1/testimonies/{made['testimony_id']}/consents"
    assert house.auditor.get(house.path).status_code == 403
    assert code(house.auditor.get(consents)) == (403, "forbidden")
    assert "Vexlori" in house.researcher.get(consents).text
    shown, kept = house.researcher.get(path), house.auditor.get(path)
    for word in ("Brimmoxal", "Vexlori"):
        assert word in shown.text
        assert word not in kept.text
    assert len(kept.json()["items"]) == len(shown.json()["items"])
    closed = [field for entry in ok(kept)["items"] for field in entry["sealed"].values() if not field["is_disclosed"]]
    assert len(closed) > 3
    assert not any(field["is_erased"] for field in closed)


def test_testimony_when_a_file_would_open_it_then_refused_to_who_may_not_read_it(
    house: House, sessions: sessionmaker[Session], tmp_path: Path
) -> None:
    publish_key(sessions, tmp_path / "data")
    ok(house.record(), 201)
    file = f"/v1/incidents/{house.incident}/custody/file"
    asked = {"scope": "incident", "ids": [house.incident], "purpose": "audit"}
    refused = house.auditor.get(file, params={"purpose": "audit", "disclose": "all"})
    assert (refused.status_code, refused.json()["code"]) == (403, "testimonies_stay_closed")
    for disclosures, status in (("all", 403), (["text"], 403), (["title", "place"], 202), ("none", 202)):
        answer = house.auditor.post("/v1/exports", json={**asked, "disclosures": disclosures})
        assert answer.status_code == status, answer.text
    assert house.researcher.post("/v1/exports", json={**asked, "disclosures": "all"}).status_code == 202
