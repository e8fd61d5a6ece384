"""Findings in full and drafts over HTTP."""

from typing import Any

import pytest

from tests.verification.http_hub import SUBMIT, Hub, code_of

SCENE: dict[str, Any] = {
    "kind": "satellite_image",
    "title": "Scene 17",
    "address": "https://example.org/17",
    "dated": "2026-07",
    "shows": "The tower",
    "archived_at": "https://archive.example/17",
}
POINT = {"latitude": 50.450033, "longitude": 30.482331}


def test_drafts_when_saved_over_http_then_seen_by_their_author_and_submitted_with_the_verdict(hub: Hub) -> None:
    hub.move(hub.olena, event="open_verification")
    path = f"{hub.path}/drafts/location"
    first = hub.olena.put(path, json={"rationale": "The tower", "references": [SCENE, "Letter of the mayor"]})
    assert (first.status_code, first.headers["ETag"]) == (200, '"1"'), first.text
    assert first.json()["missing"] == ["result", "confidence"]
    assert first.json()["references"][0] == {**SCENE, "evidence_id": None}
    whole = {"result": "established", "confidence": "high", "methods": ["landmark_match"], "rationale": "The tower"}
    placed = {**whole, "place_precision": "exact", "point": POINT, "references": [SCENE]}
    assert code_of(hub.olena.put(path, json=placed, headers={"If-Match": '"7"'})) == (412, "version_mismatch")
    assert hub.olena.put(path, json=placed, headers={"If-Match": '"1"'}).json()["version"] == 2
    assert hub.olena.get(path).json()["point"] == POINT
    assert code_of(hub.petro.get(path)) == (404, "no_draft")
    assert hub.petro.get(f"{hub.path}/drafts").json()["items"] == []
    assert code_of(hub.outsider.get(path)) == (404, "not_found")
    for dimension in ("provenance", "source", "date", "content", "technical"):
        assert hub.olena.put(f"{hub.path}/drafts/{dimension}", json=whole).status_code == 200
    assert hub.olena.put(f"{hub.path}/drafts/motivation", json={}).status_code == 200
    refused = hub.move(hub.olena, **SUBMIT)
    assert code_of(refused) == (409, "drafts_incomplete")
    assert hub.olena.delete(f"{hub.path}/drafts/motivation").status_code == 204
    submitted = hub.move(hub.olena, **SUBMIT)
    assert submitted.status_code == 200, submitted.text
    assert len(submitted.json()["receipts"]) == 8
    rows = hub.petro.get(f"{hub.path}/findings").json()["items"]
    [location] = [row for row in rows if row["dimension"] == "location"]
    assert (location["point"], location["references"]) == (POINT, [{**SCENE, "evidence_id": None}])
    assert hub.olena.get(f"{hub.path}/drafts").json()["items"] == []
    assert code_of(hub.olena.put(path, json={})) == (409, "wrong_state")


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ({"references": [{**SCENE, "dated": "2026-13"}]}, "invalid_request"),
        ({"references": [{"kind": "map"}]}, "invalid_request"),
        ({"references": [{**SCENE, "kind": "evidence"}]}, "invalid_request"),
        ({"references": [{**SCENE, "address": "javascript:alert(1)"}]}, "invalid_request"),
        ({"references": [{**SCENE, "kind": "rumour"}]}, "invalid_request"),
        ({"methods": []}, "methods_missing"),
        ({"point": POINT}, "precision_does_not_fit"),
        (
            {"references": [{"kind": "evidence", "evidence_id": "11111111-1111-4111-8111-111111111111"}]},
            "reference_not_found",
        ),
    ],
)
def test_finding_when_it_does_not_fit_then_422_with_its_code(hub: Hub, stated: dict[str, Any], code: str) -> None:
    hub.move(hub.olena, event="open_verification")
    assert code_of(hub.find(hub.olena, **stated)) == (422, code)
