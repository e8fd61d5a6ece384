"""Leads are assessed before anything is collected: five answers, superseded and never edited; unsafe means no file."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from app.ledger.event import EntryActor, EntryObject, first_link, seal_event
from app.media.assessment import QUESTIONS
from app.media.events import LeadAssessed
from tests.contracts.calls import ASSESSMENT
from tests.media.people import METADATA, Hub
from tests.media.test_guards import refused_by
from tests.media_samples import text_named_jpg
from tests.support.api import Person
from tests.support.databases import TestDatabase

UNSAFE = {**ASSESSMENT, "collection_safety": {"answer": "unsafe", "reason": "The uploader is watched."}}
SAFE_AGAIN = {**ASSESSMENT, "collection_safety": {"answer": "safe", "reason": "The uploader left the country."}}


@pytest.fixture
def address(hub: Hub) -> str:
    made = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", json={"lead_claim": "A film of the bridge"})
    return f"/v1/evidence/{made.json()['id']}"


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


def assess(person: Person, address: str, body: dict[str, Any] = ASSESSMENT) -> httpx.Response:
    return person.change(f"{address}/assessment", address, "PUT", json=body)


def send_file(hub: Hub, address: str) -> httpx.Response:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", text_named_jpg()))]
    return hub.collector.change(f"{address}/content", address, files=form)


def test_lead_when_assessed_twice_then_the_second_is_in_force_and_both_stand(hub: Hub, address: str) -> None:
    nothing = hub.verifier.get(f"{address}/assessment")
    first = assess(hub.collector, address, {**ASSESSMENT, "relevance": {"answer": "relevant", "reason": "The bridge."}})
    second = assess(hub.verifier, address)

    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_assessed")
    assert (first.status_code, second.status_code) == (200, 200), first.text + second.text
    made = first.json()
    assert {question: made[question] for question in QUESTIONS} == {
        question: given["answer"] for question, given in ASSESSMENT.items()
    }
    assert (made["reasons"], made["assessed_by"], made["supersedes"]) == (
        {"relevance": "The bridge."},
        hub.collector.id,
        None,
    )
    assert [receipt["type"] for receipt in made["receipts"]] == ["evidence.assessed"]
    in_force = hub.auditor.get(f"{address}/assessment")
    assert (in_force.json()["number"], in_force.json()["supersedes"]) == (2, made["id"])
    assert in_force.headers["ETag"] == second.headers["ETag"] == hub.verifier.get(address).headers["ETag"]
    page = hub.verifier.get(f"{address}/assessments?limit=1").json()
    rest = hub.verifier.get(f"{address}/assessments?cursor={page['next_cursor']}").json()
    assert [each["number"] for each in page["items"] + rest["items"]] == [1, 2]


def test_assessment_when_an_answer_is_missing_unknown_or_from_an_outsider_then_refused(hub: Hub, address: str) -> None:
    without = {question: given for question, given in ASSESSMENT.items() if question != "obligations"}
    unknown = {**ASSESSMENT, "relevance": {"answer": "very"}}
    assert [assess(hub.verifier, address, body).status_code for body in (without, unknown)] == [422, 422]
    stale = hub.verifier.http.put(f"{address}/assessment", json=ASSESSMENT, headers={"If-Match": '"9"'})
    assert (stale.status_code, hub.auditor.get(f"{address}/assessment").status_code) == (412, 404)
    refused = [
        person.http.put(f"{address}/assessment", json=ASSESSMENT, headers={"If-Match": '"1"'})
        for person in (hub.auditor, hub.stranger)
    ]
    assert [answer.status_code for answer in refused] == [403, 404]


def test_file_when_collecting_is_unsafe_then_refused_until_a_newer_assessment_says_why_not(
    hub: Hub, address: str
) -> None:
    unexplained = assess(hub.verifier, address, {**ASSESSMENT, "collection_safety": {"answer": "unsafe"}})
    assert (unexplained.status_code, unexplained.json()["code"]) == (422, "assessment_reason_needed")
    assert assess(hub.verifier, address, UNSAFE).status_code == 200

    refused = send_file(hub, address)
    assert (refused.status_code, refused.json()["code"], refused.json()["number"]) == (409, "collecting_unsafe", 1)
    silently = assess(hub.collector, address)
    assert (silently.status_code, silently.json()["code"]) == (422, "assessment_reason_needed")
    assert assess(hub.collector, address, SAFE_AGAIN).status_code == 200

    received = send_file(hub, address)
    assert (received.status_code, received.json()["state"]) == (200, "collected")
    late = assess(hub.collector, address, UNSAFE)
    assert (late.status_code, late.json()["code"]) == (409, "wrong_state")
    assert hub.verifier.get(f"{address}/assessment").json()["number"] == 2


def test_lead_when_declined_then_for_a_known_reason_and_with_its_assessment(
    hub: Hub, address: str, owner: psycopg.Connection
) -> None:
    assessment = assess(hub.verifier, address, UNSAFE).json()
    own_word = {"event": "decline", "reason_code": "no_time"}
    assert hub.collector.change(f"{address}/transitions", address, json=own_word).status_code == 422
    declined = hub.collector.change(
        f"{address}/transitions", address, json={"event": "decline", "reason_code": "unsafe_to_collect"}
    )

    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    (body,) = owner.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb -> 'data' FROM ledger_bodies JOIN ledger_entries USING (commitment) "
        "WHERE type = 'evidence.declined'"
    ).fetchall()
    assert (body[0]["assessment"], body[0]["reason_code"]) == (assessment["id"], "unsafe_to_collect")


def test_database_when_rules_about_leads_are_passed_by_then_refuses(
    hub: Hub, address: str, owner: psycopg.Connection
) -> None:
    assess(hub.verifier, address, UNSAFE)
    lead_id = address.rsplit("/", 1)[-1]
    repeat = (
        "INSERT INTO lead_assessments (id, evidence_id, number, supersedes, relevance, reliability, removal_risk, "
        "collection_safety, obligations, reasons, assessed_by, assessed_at) SELECT gen_random_uuid(), evidence_id, "
        "number + {more}, id, relevance, reliability, removal_risk, '{safety}', obligations, {reasons}, assessed_by, "
        "now() FROM lead_assessments"
    )
    again = {"more": 1, "safety": "unsafe", "reasons": "reasons"}
    declined = "UPDATE evidence SET state = 'declined', reason_code = {} WHERE id = %s"

    assert refused_by(owner, "UPDATE lead_assessments SET relevance = 'unknown'") == "exhibit_refuse_change"
    assert refused_by(owner, "DELETE FROM lead_assessments") == "exhibit_refuse_change"
    assert refused_by(owner, repeat.format(**again)) == "exhibit_require_entry"
    assert refused_by(owner, repeat.format(**again | {"more": 2})) == "exhibit_supersedes_assessment_in_force"
    assert (
        refused_by(owner, repeat.format(**again | {"safety": "safe", "reasons": "NULL"})) == "exhibit_safety_has_reason"
    )
    assert refused_by(owner, declined.format("'no_time'"), lead_id) == "exhibit_decline_reason_known"
    assert (
        refused_by(owner, "UPDATE evidence SET state = 'collected' WHERE id = %s", lead_id)
        == "exhibit_collecting_unsafe"
    )


def test_words_when_stored_then_those_of_the_rules(owner: psycopg.Connection) -> None:
    for question, words in QUESTIONS.items():
        (definition,) = owner.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s",
            [f"ck_lead_assessments_{question}_word"],
        ).fetchone() or ("",)
        assert set(definition.split("'")[1::2]) == set(words)


def test_assessment_s_entry_when_made_of_known_values_then_its_golden_bytes() -> None:
    """Written once, by hand compared with docs/ledger.md; a difference is another format."""
    event = LeadAssessed(
        stream=UUID(int=1),
        actor=EntryActor(UUID(int=2), "user", "collector"),
        object=EntryObject("evidence", UUID(int=1), 3),
        assessment=UUID(int=3),
        number=2,
        supersedes=UUID(int=4),
        relevance="relevant",
        reliability="credible",
        removal_risk="imminent",
        collection_safety="unsafe",
        obligations="none",
        reasons={"collection_safety": "The uploader is watched."},
    )
    recorded = datetime(2026, 7, 3, tzinfo=UTC)
    entry = seal_event(event, first_link(UUID(int=1)), log="log.example", recorded=recorded, draw=lambda: f"{1:064x}")
    assert [disclosure.field for disclosure in entry.disclosures] == ["reasons"]
    assert entry.commitment == GOLDEN


GOLDEN = "0cab94af53cb750f45682abde9525bf8a5a8f23f59ef9cd4f2c04654a7846533"
