"""Gradings, standards and classifications over HTTP: what is stated, read back, refused, and taken out again."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from tests.support.api import Api, Person

GRADE: dict[str, Any] = {"grade": "contested", "rationale": "Two accounts exclude each other.", "supersedes": None}
ASSESSED: dict[str, Any] = {
    "qualifier": "assessed",
    "provisions": ["rome_statute:8(2)(b)(ix)"],
    "rationale": "A school in use.",
}
ADJUDICATED: dict[str, Any] = {
    **ASSESSED,
    "qualifier": "adjudicated",
    "decision": {"body": "A court", "reference": "A-12/34", "decided_on": "2016-09-27"},
}


class World:
    def __init__(self, api: Api) -> None:
        self.rita, self.lena, self.coordinator = api.person("Rita"), api.person("Lena"), api.person("Coordinator")
        self.custodian, self.outsider = api.person("Custodian"), api.person("Outsider")
        self.case_id = api.case(
            self.coordinator, researcher=(self.rita,), legal_analyst=(self.lena,), custodian=(self.custodian,)
        )
        made = self.rita.post(
            f"/v1/cases/{self.case_id}/incidents", json={"code": "I-1", "title": "Strike", "kind": "air_strike"}
        )
        assert made.json()["present"] == {"grading": None, "standard_of_proof": None, "classifications": []}
        self.path = f"/v1/incidents/{made.json()['id']}"

    def state(self, person: Person, kind: str, body: dict[str, Any], **options: Any) -> httpx.Response:
        return person.post(f"{self.path}/{kind}", json=body, **options)


@pytest.fixture
def world(api: Api) -> World:
    return World(api)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_incident_when_graded_and_classified_then_shows_what_stands_and_lists_what_was(world: World) -> None:
    first = world.state(world.rita, "gradings", {**GRADE, "grade": "under_verification"})
    assert first.status_code == 201, first.text
    assert first.json()["receipts"][0]["type"] == "incident.graded"
    graded = world.state(world.rita, "gradings", {**GRADE, "supersedes": first.json()["id"]}).json()
    stated = {"standard": "reasonable_grounds_to_suspect", "rationale": "So far.", "supersedes": None}
    standard = world.state(world.rita, "standards", stated).json()
    classified = world.state(world.lena, "classifications", ADJUDICATED).json()
    assert (standard["grading_id"], classified["grading_id"]) == (graded["id"], graded["id"])
    assert classified["decision"] == ADJUDICATED["decision"]
    present = {
        "grading": {"id": graded["id"], "grade": "contested"},
        "standard_of_proof": {"id": standard["id"], "standard": "reasonable_grounds_to_suspect"},
        "classifications": [
            {"id": classified["id"], "qualifier": "adjudicated", "provisions": ["rome_statute:8(2)(b)(ix)"]}
        ],
    }
    assert world.coordinator.get(world.path).json()["present"] == present
    listed = world.coordinator.get(f"/v1/cases/{world.case_id}/incidents", params={"grade": "contested"}).json()
    assert [row["present"] for row in listed["items"]] == [present]
    earlier = {"grade": "under_verification"}
    assert world.coordinator.get(f"/v1/cases/{world.case_id}/incidents", params=earlier).json()["items"] == []
    page = world.coordinator.get(f"{world.path}/gradings", params={"limit": 1}).json()
    after = world.coordinator.get(f"{world.path}/gradings", params={"cursor": page["next_cursor"]}).json()
    assert [row["number"] for row in (*page["items"], *after["items"])] == [1, 2]


def test_statements_when_they_do_not_fit_then_a_problem_says_what_to_do(world: World) -> None:
    def refused(person: Person, kind: str, body: dict[str, Any]) -> tuple[int, str]:
        return code_of(world.state(person, kind, body))

    assert refused(world.rita, "gradings", {**GRADE, "grade": "corroborated"}) == (409, "sources_missing")
    assert refused(world.rita, "gradings", {**GRADE, "grade": None}) == (409, "nothing_to_withdraw")
    assert refused(world.rita, "gradings", {**GRADE, "supersedes": world.case_id}) == (409, "another_stands")
    assert refused(world.rita, "gradings", {**GRADE, "evidence_ids": [world.case_id]}) == (409, "basis_unfit")
    assert refused(world.rita, "gradings", {**GRADE, "grade": "true"}) == (422, "invalid_request")
    assert refused(world.rita, "standards", {"standard": "sure", "rationale": "x", "supersedes": None}) == (
        422,
        "unknown_term",
    )
    assert refused(world.lena, "classifications", {**ASSESSED, "qualifier": "adjudicated"}) == (
        422,
        "adjudication_incomplete",
    )
    assert refused(world.lena, "classifications", {**ASSESSED, "provisions": ["rome_statute:9"]}) == (
        422,
        "unknown_term",
    )
    assert refused(world.rita, "classifications", ASSESSED) == (403, "forbidden")
    assert refused(world.lena, "gradings", GRADE) == (403, "forbidden")
    assert refused(world.outsider, "classifications", ASSESSED) == (404, "not_found")


def test_classification_when_sent_twice_with_one_key_then_recorded_once(world: World) -> None:
    headers = {"Idempotency-Key": "classify-1"}
    answers = [world.state(world.lena, "classifications", ASSESSED, headers=headers).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(world.lena.get(f"{world.path}/classifications").json()["items"]) == 1


def test_texts_when_erased_then_gone_from_the_record_and_the_rest_stands(
    world: World, sessions: sessionmaker[Session]
) -> None:
    graded = world.state(
        world.rita, "gradings", {**GRADE, "grade": "single_source", "other_sources": ["Dr. Example"]}
    ).json()
    classified = world.state(world.lena, "classifications", ADJUDICATED).json()
    ground = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}
    for made, fields in ((graded, ("other_sources",)), (classified, ("body", "decision_reference", "rationale"))):
        receipt = made["receipts"][0]
        for field in fields:
            path = f"/v1/ledger/entries/{receipt['commitment']}/erasures"
            erased = world.custodian.post(path, json={"field": field, **ground})
            assert erased.status_code == 201, erased.text
    read = world.rita.get(f"{world.path}/gradings").json()["items"][0]
    assert (read["other_sources"], read["other_source_count"], read["erased"]) == ([], 1, ["other_sources"])
    read = world.rita.get(f"{world.path}/classifications").json()["items"][0]
    assert read["decision"] == {"body": "[erased]", "reference": "[erased]", "decided_on": "2016-09-27"}
    assert read["erased"] == ["decision.body", "decision.reference", "rationale"]
    with sessions() as session:
        left = session.scalars(text("SELECT CAST(row_to_json(g) AS text) FROM gradings g")).one()
    assert "Example" not in left


def test_vocabularies_when_read_then_every_code_has_a_title_a_source_and_the_version(world: World) -> None:
    page = world.outsider.get("/v1/vocabularies/provisions", params={"limit": 100}).json()
    rest = world.outsider.get("/v1/vocabularies/provisions", params={"cursor": page["next_cursor"]}).json()
    codes = [term["code"] for term in (*page["items"], *rest["items"])]
    assert len(codes) == len(set(codes)) > 100
    assert rest["next_cursor"] is None
    assert {term["vocabulary"] for term in page["items"]} == {"provisions/1"}
    assert code_of(world.outsider.get("/v1/vocabularies/anything")) == (422, "invalid_request")
