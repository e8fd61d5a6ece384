"""Consents over HTTP, and what a withdrawal closes: every way in which one item is shown, to everybody."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.support.work import work_of
from tests.support.worlds import Kept, on_copies, running_copy

PICTURE = Path(__file__).parents[1] / "assets" / "table.jpg"
METADATA = {
    "collector": "Olena",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "S-3",
    "labels": {"graphic_level": "none"},
}
CONSENT = {
    "subject": "S-3",
    "subject_kind": "source",
    "scopes": ["verification", "publication"],
    "obtained": "written",
    "given_on": "2026-07-14",
}
ROLES = ("collector", "verifier", "coordinator", "researcher", "legal_analyst", "custodian", "auditor")
CARRYING_OUT = ("coordinator", "custodian")


@dataclass
class House:
    api: Api
    people: dict[str, Person] = field(default_factory=dict)
    case_id: str = ""
    item: str = ""
    copy: str = ""

    def told(self) -> dict[str, object]:
        return {**self.people, "case_id": self.case_id, "item": self.item, "copy": self.copy}

    @property
    def path(self) -> str:
        return f"/v1/evidence/{self.item}"

    def __getattr__(self, name: str) -> Person:
        return self.people[name]

    def consent(self, person: Person | None = None, **changed: Any) -> Any:
        return ok((person or self.collector).post(f"{self.path}/consents", json={**CONSENT, **changed}), 201)

    def withdraw(self, subject: str, person: Person | None = None, **more: Any) -> Any:
        body = {"subject_id": subject, "withdrawn_on": "2026-09-02", **more}
        return (person or self.verifier).post(f"{self.path}/consents/withdrawals", json=body)


@pytest.fixture
def house(database: TestDatabase, prepared: tuple[str, Kept], tmp_path: Path) -> Iterator[House]:
    with running_copy(database, prepared[1], tmp_path / "data", checkpoint_wait_s=0.02) as api:
        yield House(api, prepared[1].people_at(api), **prepared[1].texts)


def furnish(api: Api) -> House:
    made = House(api)
    made.people |= {role: api.person(role) for role in (*ROLES, "outsider")}
    made.case_id = api.case(made.coordinator, **{role: (made.people[role],) for role in ROLES if role != "coordinator"})
    made.item, made.copy = (receive(made.collector, made.case_id) for _ in range(2))
    with work_of(api) as work:
        work.finish()
    return made


prepared, database = on_copies("consent", lambda api: furnish(api).told())


def receive(person: Person, case_id: str) -> str:
    parts = [("metadata", (None, json.dumps(METADATA))), ("file", ("table.jpg", PICTURE.read_bytes()))]
    return str(ok(person.post(f"/v1/cases/{case_id}/evidence", files=parts), 201)["id"])


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_consents_when_recorded_then_are_listed_in_order_and_never_edited(house: House) -> None:
    first = house.consent()
    other = house.consent(house.researcher, subject="P-1", subject_kind="person_shown", scopes=["verification"])
    again = house.consent(subject_id=first["subject_id"], scopes=["verification"], valid_until="2036-01-01T00:00:00Z")
    listed = ok(house.auditor.get(f"{house.path}/consents", params={"limit": 2}))
    assert [each["number"] for each in listed["items"]] == [1, 2]
    rest = ok(house.auditor.get(f"{house.path}/consents", params={"limit": 2, "cursor": listed["next_cursor"]}))
    assert [each["id"] for each in rest["items"]] == [again["id"]]
    assert again["subject_id"] == first["subject_id"] != other["subject_id"]
    assert again["closed_at"] == "2036-01-01T00:00:00Z"


def test_consent_when_it_cannot_be_so_then_is_refused(house: House) -> None:
    def refused(**changed: Any) -> tuple[int, str]:
        return code(house.collector.post(f"{house.path}/consents", json={**CONSENT, **changed}))

    assert refused(scopes=["publication"]) == (422, "scope_without_verification")
    assert refused(given_on="2199-01-01") == (422, "consent_in_future")
    assert refused(subject_id="00000000-0000-4000-8000-000000000000") == (422, "unknown_subject")
    assert refused(scopes=["everything"])[0] == 422
    assert code(house.auditor.post(f"{house.path}/consents", json=CONSENT)) == (403, "forbidden")
    assert house.outsider.post(f"{house.path}/consents", json=CONSENT).status_code == 404


def test_withdrawal_when_of_one_scope_then_the_item_stays_open_inside(house: House, database: TestDatabase) -> None:
    subject = house.consent()["subject_id"]
    made = ok(house.withdraw(subject, scopes=["publication"]), 201)
    assert (made["scopes"], made["closed_at"]) == (["publication"], None)
    assert house.verifier.get(house.path).status_code == 200
    assert code(house.withdraw(subject, scopes=["publication", "partners"])) == (409, "nothing_stands")
    with psycopg.connect(database.owner_url) as owner:
        standing = owner.execute("SELECT scope FROM consent_standing WHERE stands_until IS NULL").fetchall()
    assert standing == [("verification",)]


def ways(house: House) -> dict[str, tuple[str, dict[str, str]]]:
    """Every way in which one item's content, or what it shows, is read."""
    content = {"purpose": "verification"}
    return {
        "content": (f"{house.path}/content", content),
        "thumbnail": (f"{house.path}/renderings/thumbnail", content),
        "preview": (f"{house.path}/preview", {}),
        "frame": (f"{house.path}/frames/0", {}),
        "claims": (f"{house.path}/claims", {}),
    }


def test_withdrawal_when_whole_then_nothing_of_the_item_is_shown_to_anybody(house: House) -> None:
    subject = house.consent()["subject_id"]
    match = ok(house.verifier.get(f"{house.path}/matches"))["items"][0]["id"]
    link = ok(house.verifier.post(f"{house.path}/content-url", json={"purpose": "verification"}))["url"]
    before = {name: house.verifier.get(path, params=query).status_code for name, (path, query) in ways(house).items()}
    assert set(before.values()) == {200}
    made = ok(house.withdraw(subject, reason="They moved back."), 201)
    assert made["closed_at"] == made["recorded_at"]
    for role in ROLES:
        person = house.people[role]
        answers = {name: person.get(path, params=query) for name, (path, query) in ways(house).items()}
        hidden = {name for name, answer in answers.items() if answer.status_code in (403, 404)}
        assert hidden == set(answers), role
        assert person.get(f"/v1/matches/{match}").json()["code"] == "consent_withdrawn"
        assert ok(person.get(f"/v1/cases/{house.case_id}/evidence"))["items"][0]["id"] == house.copy
        assert ok(person.get(f"/v1/evidence/{house.copy}/matches"))["items"] == []
        assert ok(person.get(f"/v1/cases/{house.case_id}/groups"))["items"] == []
        assert person.get(house.path).status_code == (200 if role in CARRYING_OUT else 404)
    assert house.api.client().get(link).status_code in (403, 404)
    assert code(house.outsider.get(house.path)) == (404, "not_found")


def test_withdrawn_item_when_asked_for_by_those_who_carry_it_out_then_is_listed_and_nothing_else_is_done(
    house: House,
) -> None:
    subject = house.consent()["subject_id"]
    ok(house.withdraw(subject), 201)
    path, withdrawn = f"/v1/cases/{house.case_id}/evidence", {"withdrawn": "true"}
    for role in CARRYING_OUT:
        assert [each["id"] for each in ok(house.people[role].get(path, params=withdrawn))["items"]] == [house.item]
        assert [each["act"] for each in ok(house.people[role].get(f"{house.path}/consents"))["items"]] == [
            "given",
            "withdrawn",
        ]
    assert code(house.verifier.get(path, params=withdrawn)) == (403, "forbidden")
    opened = house.verifier.post(
        f"{house.path}/transitions", json={"event": "open_verification"}, headers={"If-Match": '"1"'}
    )
    assert code(opened) == (404, "consent_withdrawn")


def test_withdrawn_item_when_it_was_given_to_somebody_then_a_coordinator_ends_that_and_sees_that_its_source_is_sealed(
    house: House,
) -> None:
    """What was under way on it, and whom it could endanger, is theirs to bring to an end."""
    subject, path = house.consent()["subject_id"], house.path
    ok(house.coordinator.change(f"{path}/assignment", path, "PUT", json={"person_id": house.verifier.id}))
    ok(house.verifier.change(f"{path}/transitions", path, json={"event": "open_verification"}))
    ok(house.coordinator.change(f"{path}/source", path, "PUT", json={"identity": {"name": "Zarquelis"}}))
    ok(house.withdraw(subject), 201)
    for role in ROLES:
        assert (house.people[role].get(f"{path}/source").status_code == 200) is (role in CARRYING_OUT), role
    for what in ("lease", "assignment"):
        headers = {"If-Match": house.coordinator.get(path).headers["ETag"]}
        assert code(house.verifier.delete(f"{path}/{what}", headers=headers)) == (404, "consent_withdrawn")
        ok(house.coordinator.delete(f"{path}/{what}", headers=headers))


def test_consent_when_given_anew_then_the_item_is_open_again(house: House) -> None:
    subject = house.consent()["subject_id"]
    ok(house.withdraw(subject), 201)
    assert code(house.verifier.post(f"{house.path}/consents", json=CONSENT)) == (404, "consent_withdrawn")
    assert house.consent(house.coordinator, subject_id=subject)["closed_at"] is None
    assert house.verifier.get(f"{house.path}/preview").status_code == 200


def test_consent_when_it_ends_by_its_date_then_the_item_is_closed_from_then_on(house: House) -> None:
    house.consent(valid_until="2026-01-01T00:00:00Z")
    assert code(house.verifier.get(house.path)) == (404, "consent_withdrawn")


def test_kept_answer_when_a_consent_ends_by_its_date_then_is_not_given_again(house: House) -> None:
    """A withdrawal empties what was kept; nothing runs when a date comes."""
    metadata = {**METADATA, "notes": "Zarquelis lives there."}
    parts = [("metadata", (None, json.dumps(metadata))), ("file", ("table.jpg", PICTURE.read_bytes()))]
    sent: dict[str, Any] = {"files": parts, "headers": {"Idempotency-Key": "again"}}
    path = f"/v1/cases/{house.case_id}/evidence"
    house.item = ok(house.collector.post(path, **sent), 201)["id"]
    kept: dict[str, Any] = {"json": {**CONSENT, "valid_until": "2026-01-01T00:00:00Z"}}
    kept["headers"] = {"Idempotency-Key": "consent"}
    given = ok(house.coordinator.post(f"{house.path}/consents", **kept), 201)
    again = house.collector.post(path, **sent)
    assert code(again) == (409, "answer_erased")
    assert "Zarquelis" not in again.text
    assert ok(house.coordinator.post(f"{house.path}/consents", **kept), 201) == given


def test_custody_when_an_item_is_withdrawn_then_its_fields_are_opened_to_custodians_alone_and_entries_stay(
    house: House, sessions: sessionmaker[Session]
) -> None:
    publish_key(sessions, house.api.settings.data)
    subject = house.consent(subject="Zarquelis")["subject_id"]
    ok(house.withdraw(subject, reason="Vemblithorn."), 201)
    for role in ("coordinator", "researcher", "legal_analyst", "auditor", "custodian"):
        for scope, object_id in (("evidence", house.item), ("cases", house.case_id)):
            page = house.people[role].get(f"/v1/{scope}/{object_id}/custody", params={"limit": 200})
            types = {entry["type"] for entry in ok(page)["items"]}
            assert {"evidence.consent_given", "evidence.consent_withdrawn", "evidence.collected"} <= types
            assert ("Zarquelis" in page.text and "Vemblithorn" in page.text) is (role == "custodian")
    refused = house.researcher.get(f"{house.path}/custody/file", params={"purpose": "audit", "disclose": "all"})
    assert code(refused) == (409, "disclosure_withheld")


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE evidence SET closed_at = NULL WHERE id = '{item}'", "exhibit_closed_by_consent"),
        ("UPDATE evidence SET closed_at = now() - interval '1 day' WHERE id = '{copy}'", "exhibit_closed_by_consent"),
        ("UPDATE consents SET scopes = '{{verification}}'", "permission denied"),
        ("DELETE FROM consents", "permission denied"),
        ("INSERT INTO consent_standing VALUES ('{item}', '{item}', 'publication', NULL)", "permission denied"),
        (
            "INSERT INTO evidence_views VALUES ('{item}', '{person}', 'viewed', 'original', 'x', now())",
            "exhibit_consent_withdrawn",
        ),
    ],
)
def test_application_role_when_it_goes_around_a_withdrawal_then_the_database_refuses(
    house: House, database: TestDatabase, statement: str, refusal: str
) -> None:
    ok(house.withdraw(house.consent()["subject_id"]), 201)
    application = psycopg.connect(database.app_url)
    try:
        with pytest.raises(psycopg.Error) as refused:
            application.execute(statement.format(item=house.item, copy=house.copy, person=house.verifier.id).encode())
        assert refusal in (refused.value.diag.constraint_name or str(refused.value))
    finally:
        application.close()


DATED_AHEAD = """
    INSERT INTO consents SELECT (jsonb_populate_record(c, jsonb_build_object(
        'id', gen_random_uuid(), 'number', c.number + 1, 'recorded_at', now() + interval '90 years'
    ))).* FROM consents c RETURNING recorded_at <= clock_timestamp()
"""


def test_consent_when_dated_ahead_by_raw_sql_then_is_of_the_databases_own_time(
    house: House, database: TestDatabase
) -> None:
    """Else the newest of a person's consents would be one that nobody can follow for as long."""
    house.consent()
    with psycopg.connect(database.app_url) as application:
        assert application.execute(DATED_AHEAD).fetchall() == [(True,)]
        application.rollback()


def when_signed(person: Person, path: str, asked: dict[str, str]) -> httpx.Response:
    """The answer once the tree holds what was asked for: here no request waits for a checkpoint."""
    for _ in range(200):
        answer = person.get(path, params=asked)
        if answer.status_code != 503:
            break
        time.sleep(0.05)
    return answer


def test_custody_file_of_a_copy_when_the_other_item_is_withdrawn_then_why_they_are_related_is_not_disclosed(
    house: House, sessions: sessionmaker[Session], database: TestDatabase
) -> None:
    publish_key(sessions, house.api.settings.data)
    match = ok(house.verifier.get(f"{house.path}/matches"))["items"][0]["id"]
    decision = {"relation": "exact_copy", "reason": "Vemblithorn."}
    ok(house.verifier.post(f"/v1/matches/{match}/decision", json=decision), 201)
    subject = house.consent()["subject_id"]
    path, asked = f"/v1/evidence/{house.copy}/custody/file", {"purpose": "audit", "disclose": "all"}
    with integrating(database):
        assert "Vemblithorn" in when_signed(house.researcher, path, asked).text
        ok(house.withdraw(subject), 201)
        assert "Vemblithorn" not in house.researcher.get(f"/v1/evidence/{house.copy}/custody").text
        refused = house.researcher.get(path, params=asked)
        assert code(refused) == (409, "disclosure_withheld")
        assert refused.json()["evidence_ids"] == [house.item]
        assert when_signed(house.researcher, path, {**asked, "disclose": "none"}).status_code == 200


def who_reads(word: str, house: House, path: str) -> set[str]:
    """Of two who read whole custody logs."""
    pages = {role: house.people[role].get(path, params={"limit": 200}) for role in ("researcher", "custodian")}
    return {role for role, page in pages.items() if ok(page) and word in page.text}


def test_finding_when_it_refers_to_a_withdrawn_item_then_says_no_more_than_that(house: House) -> None:
    path = f"/v1/evidence/{house.copy}"
    ok(house.verifier.change(f"{path}/transitions", path, json={"event": "open_verification"}))
    said = {"dimension": "location", "result": "not_established", "confidence": "low", "rationale": "Too dark."}
    cited = {"kind": "evidence", "evidence_id": house.item, "shows": "The same tower, Quillonvexa"}
    body = {**said, "references": [cited, {"kind": "map", "title": "Sheet 7"}]}
    ok(house.verifier.post(f"{path}/findings", json=body), 201)
    assert ok(house.auditor.get(f"{path}/findings"))["items"][0]["references"][0]["evidence_id"] == house.item
    assert who_reads("Quillonvexa", house, f"{path}/custody") == {"researcher", "custodian"}
    ok(house.withdraw(house.consent()["subject_id"]), 201)
    for person in (house.verifier, house.auditor, house.custodian):
        listed = person.get(f"{path}/findings")
        first, second = ok(listed)["items"][0]["references"]
        assert (first["kind"], first["evidence_id"], first["shows"]) == ("evidence", None, None)
        assert second["title"] == "Sheet 7"
        assert "Quillonvexa" not in listed.text
        assert house.item not in listed.text
    assert who_reads("Quillonvexa", house, f"{path}/custody") == {"custodian"}, "for them to erase"
    anew = house.verifier.post(f"{path}/findings", json=body)
    assert code(anew) == (422, "reference_not_found")


def test_what_was_found_when_its_item_is_withdrawn_then_closed_to_those_who_carry_it_out_too(house: House) -> None:
    """They read the item and its consents; a custodian erases by the custody log."""
    ok(house.verifier.change(f"{house.path}/transitions", house.path, json={"event": "open_verification"}))
    said = {"dimension": "content", "result": "not_established", "confidence": "low", "rationale": "Vemblithorn burns."}
    ok(house.verifier.post(f"{house.path}/findings", json=said), 201)
    assert "Vemblithorn" in house.custodian.get(f"{house.path}/findings").text
    assert ok(house.custodian.get(house.path))["claims"]
    ok(house.withdraw(house.consent()["subject_id"]), 201)
    closed = (
        *("findings", "verdicts", "second-verdicts", "reviews", "relations", "matches", "group", "suggestions"),
        *("recycled", "assessments", "claims", "fingerprints", "frames", "shots", "renderings", "redactions"),
    )
    similar = {"similar_to": house.item}
    for role in CARRYING_OUT:
        person = house.people[role]
        item = ok(person.get(house.path))
        assert (item["id"], item["claims"]) == (house.item, None)
        assert person.get(f"{house.path}/consents").status_code == 200
        answers = {each: person.get(f"{house.path}/{each}") for each in closed}
        assert {each: code(answer) for each, answer in answers.items()} == dict.fromkeys(
            closed, (404, "consent_withdrawn")
        )
        listed = person.get(f"/v1/cases/{house.case_id}/evidence", params=similar)
        assert code(listed) == (404, "consent_withdrawn")
        shown = person.get(f"{house.path}/custody", params={"limit": 200}).text
        assert ("Vemblithorn" in shown) is (role == "custodian")


def test_field_when_closed_by_a_withdrawal_then_is_not_said_to_be_erased(house: House) -> None:
    ok(house.withdraw(house.consent()["subject_id"]), 201)
    for role in ("researcher", "custodian"):
        entries = ok(house.people[role].get(f"{house.path}/custody", params={"limit": 200}))["items"]
        fields = [field for entry in entries for field in entry["sealed"].values()]
        assert {field["is_disclosed"] for field in fields} == {role == "custodian"}
        assert {field["is_erased"] for field in fields} == {False}
