"""Verification over HTTP: one item from labels to sign-off by three persons, and every refusal with its code."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.verification.http_hub import REQUIRED, SUBMIT, Hub, code_of


def test_item_when_verified_by_three_persons_then_each_answer_has_state_version_and_receipts(hub: Hub) -> None:
    hub.to_sign_off()
    signed = hub.move(hub.rita, event="sign_off", comment="Clear.")
    assert signed.status_code == 200, signed.text
    answer = signed.json()
    assert (answer["state"], answer["round"]) == ("signed_off", 1)
    assert signed.headers["ETag"] == f'"{answer["version"]}"' == hub.etag()
    assert [receipt["type"] for receipt in answer["receipts"]] == ["evidence.integrity_checked", "evidence.signed_off"]
    [verdict] = hub.petro.get(f"{hub.path}/verdicts").json()["items"]
    assert (verdict["version"], verdict["signed_off"], verdict["self_reviewed"]) == (1, True, False)
    assert verdict["signature_mode"] == "none"
    reviews = hub.petro.get(f"{hub.path}/reviews").json()["items"]
    assert [(review["kind"], review["reviewer_id"]) for review in reviews] == [
        ("concur", hub.petro.id),
        ("sign_off", hub.rita.id),
    ]
    assert reviews[1]["checked_sha256"] == hub.olena.get(hub.path).json()["sha256"]


def test_transition_when_without_if_match_or_stale_then_428_or_412(hub: Hub) -> None:
    without = hub.olena.post(f"{hub.path}/transitions", json={"event": "open_verification"})
    assert code_of(without) == (428, "precondition_required")
    assert code_of(hub.move(hub.olena, '"1"', event="open_verification")) == (412, "version_mismatch")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": "destroy"},
        {"event": "dissent"},
        {"event": "dissent", "comment": ""},
        {"event": "dissent", "comment": "a\x00b"},
        {"event": "concur", "state": "signed_off"},
        {"event": "submit"},
        {"event": "submit", "verdict": {"outcome": "true", "rationale": "x"}},
        {"event": "adjudicate", "outcome": "signed_off", "comment": "x"},
    ],
)
def test_transition_when_body_does_not_fit_then_422_and_nothing_moves(hub: Hub, body: dict[str, Any]) -> None:
    before = hub.entry_types()
    assert code_of(hub.move(hub.olena, **body)) == (422, "invalid_request")
    assert hub.entry_types() == before


def test_transition_when_caller_is_outside_the_case_then_404_like_an_item_that_does_not_exist(hub: Hub) -> None:
    etag = hub.etag()
    invented = "/v1/evidence/11111111-1111-4111-8111-111111111111"
    for method, path, body in (
        ("POST", "/transitions", {"event": "open_verification"}),
        ("POST", "/lease", None),
        ("DELETE", "/lease", None),
        ("GET", "/findings", None),
        ("GET", "/verdicts", None),
        ("GET", "/reviews", None),
    ):
        answers = [
            hub.outsider.http.request(method, base + path, json=body, headers={"If-Match": etag})
            for base in (hub.path, invented)
        ]
        seen = [{**answer.json(), "request_id": ""} for answer in answers]
        assert (answers[0].status_code, seen[0]) == (404, seen[1])


@pytest.mark.thorough
def test_guards_when_broken_over_http_then_each_has_its_code(hub: Hub) -> None:
    assert code_of(hub.move(hub.rita, event="open_verification")) == (403, "forbidden")
    assert code_of(hub.move(hub.coordinator, event="open_verification")) == (422, "cannot_hold_lease")
    assert code_of(hub.find(hub.olena)) == (409, "wrong_state")
    assert hub.move(hub.olena, event="open_verification").status_code == 200
    assert code_of(hub.petro.post(f"{hub.path}/lease")) == (409, "lease_taken")
    assert code_of(hub.find(hub.petro)) == (409, "lease_not_held")
    assert code_of(hub.find(hub.olena, place_precision="exact")) == (422, "precision_does_not_fit")
    assert code_of(hub.find(hub.olena, rationale="")) == (422, "invalid_request")
    missing = hub.move(hub.olena, **SUBMIT)
    assert code_of(missing) == (409, "findings_missing")
    assert missing.json()["missing_dimensions"] == REQUIRED
    for dimension in REQUIRED:
        assert hub.find(hub.olena, dimension).status_code == 201
    named: dict[str, Any] = {"event": "submit", "verdict": {**SUBMIT["verdict"], "incident_id": hub.case_id}}
    assert code_of(hub.move(hub.olena, **named)) == (409, "incident_not_linked")
    assert hub.move(hub.olena, **SUBMIT).status_code == 200
    assert code_of(hub.move(hub.olena, event="concur")) == (403, "self_review")
    assert code_of(hub.move(hub.petro, event="withdraw")) == (403, "not_the_author")
    assert code_of(hub.move(hub.rita, event="sign_off")) == (409, "wrong_state")
    assert hub.move(hub.rita, event="concur").status_code == 200
    assert code_of(hub.move(hub.rita, event="sign_off")) == (403, "third_person_required")
    assert code_of(hub.move(hub.petro, event="sign_off")) == (403, "forbidden")


@pytest.mark.thorough
@pytest.mark.parametrize("nothing", ["  \u200b ", "\n\t", "\u3164\u2800", "\u0301\ufe0f", "\u2066\u2069"])
def test_rationale_when_nothing_of_it_can_be_read_then_422_everywhere(hub: Hub, nothing: str) -> None:
    hub.move(hub.olena, event="open_verification")
    verdict = {"outcome": "verified", "rationale": nothing}
    answers = {"relevance": {"answer": "relevant", "reason": nothing}}
    refused = [
        hub.find(hub.olena, rationale=nothing),
        hub.olena.put(f"{hub.path}/drafts/date", json={"rationale": nothing}),
        hub.move(hub.olena, event="submit", verdict=verdict),
        hub.move(hub.rita, event="reopen", reason=nothing),
        hub.olena.put(f"{hub.path}/assessment", json=answers, headers={"If-Match": hub.etag()}),
    ]
    assert [code_of(each) for each in refused] == [(422, "invalid_request")] * 5
    for each in refused:
        assert "it says nothing" in each.text
    assert hub.find(hub.olena, rationale="\u0414").status_code == 201


def test_lease_when_ended_by_coordinator_then_free_for_others(hub: Hub) -> None:
    hub.move(hub.olena, event="open_verification")
    assert code_of(hub.coordinator.delete(f"{hub.path}/lease")) == (428, "precondition_required")
    ended = hub.coordinator.delete(f"{hub.path}/lease", headers={"If-Match": hub.etag()})
    assert (ended.status_code, ended.json()["holder"]) == (200, None)
    taken = hub.petro.post(f"{hub.path}/lease")
    assert (taken.status_code, taken.json()["holder"]) == (200, hub.petro.id)
    assert [receipt["type"] for receipt in taken.json()["receipts"]] == ["evidence.leased"]


@pytest.mark.thorough
def test_reviews_when_two_arrive_at_once_then_one_wins_and_the_other_gets_412(hub: Hub) -> None:
    hub.to_review()
    etag = hub.etag()
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda pair: hub.move(pair[0], etag, event=pair[1], comment="Read."),
                [(hub.petro, "concur"), (hub.rita, "dissent")],
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert len(hub.petro.get(f"{hub.path}/reviews").json()["items"]) == 1


@pytest.mark.thorough
def test_sign_off_when_a_byte_of_the_file_changed_then_409_and_the_mismatch_is_an_entry(hub: Hub) -> None:
    hub.to_sign_off()
    file = hub.blob_file()
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.seek(1000)
        byte = opened.read(1)
        opened.seek(1000)
        opened.write(bytes([byte[0] ^ 1]))
    assert code_of(hub.move(hub.rita, event="sign_off")) == (409, "integrity_mismatch")
    assert hub.entry_types()[-1] == "evidence.integrity_checked"
    assert hub.olena.get(hub.path).json()["state"] == "awaiting_sign_off"


@pytest.mark.thorough
def test_sign_off_when_the_file_is_gone_then_409_not_verifiable_and_no_word_of_tampering(hub: Hub) -> None:
    hub.to_sign_off()
    os.remove(hub.blob_file())
    assert code_of(hub.move(hub.rita, event="sign_off")) == (409, "integrity_not_verifiable")
    assert hub.entry_types()[-1] == "evidence.integrity_checked"


@pytest.mark.thorough
def test_transition_when_repeated_with_its_key_then_the_first_answer_again(hub: Hub) -> None:
    hub.to_sign_off()
    headers = {"If-Match": hub.etag(), "Idempotency-Key": "sign-1"}
    answers = [hub.rita.post(f"{hub.path}/transitions", json={"event": "sign_off"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[1].text
    assert answers[0].json() == answers[1].json()
    assert hub.entry_types().count("evidence.signed_off") == 1


def test_findings_when_listed_then_paged_and_the_newer_names_what_it_supersedes(hub: Hub) -> None:
    hub.move(hub.olena, event="open_verification")
    first = hub.find(hub.olena, "location", place_precision="vicinity").json()
    time = {"from": "2026-07-03T05:00:00Z", "to": "2026-07-03T06:00:00Z", "zone": "Europe/Kyiv", "basis": "Shadows"}
    made = hub.find(hub.olena, "date", time_precision=time, references=["https://example.org/sun"])
    assert made.json()["time_precision"] == time
    second = hub.find(hub.olena, "location", place_precision="exact").json()
    assert second["supersedes"] == first["id"]
    pages, cursor = [], None
    while True:
        found = hub.petro.get(f"{hub.path}/findings", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        pages.append([row["dimension"] for row in found.json()["items"]])
        cursor = found.json()["next_cursor"]
        if cursor is None:
            break
    assert pages == [["location", "date"], ["location"]]


def test_lead_when_declined_by_transition_then_declined(hub: Hub) -> None:
    lead = hub.olena.post(f"/v1/cases/{hub.case_id}/evidence", json={"lead_address": "https://example.org/clip"})
    assert lead.status_code == 201, lead.text
    path = f"/v1/evidence/{lead.json()['id']}/transitions"
    body = {"event": "decline", "reason_code": "out_of_scope"}
    refused = hub.olena.post(path, json=body, headers={"If-Match": lead.headers["ETag"]})
    assert code_of(refused) == (403, "forbidden")
    declined = hub.coordinator.post(path, json=body, headers={"If-Match": lead.headers["ETag"]})
    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
