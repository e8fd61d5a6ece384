"""The queue over HTTP: what a person is offered, takes and is refused, and what nobody else can tell of preferences."""

import json
from typing import Any

import pytest

from tests.factories import NO_LABELS
from tests.support.api import Person
from tests.verification.http_hub import Hub, code_of

ROW = {
    *("evidence_id", "case_id", "act", "state", "version", "round", "kind", "duration_ms", "labels", "priority"),
    *("waiting_since", "matches_undecided", "is_assigned"),
}
WARY = {"languages": ["uk"], "graphic_level_at_most": "none", "opt_outs": ["child"]}
ANYTHING: dict[str, Any] = {"languages": [], "graphic_level_at_most": None, "opt_outs": []}


def rows(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = person.get("/v1/queue", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def change(hub: Hub, person: Person, method: str, part: str, **body: Any) -> Any:
    options: dict[str, Any] = {"json": body} if body else {}
    return person.http.request(method, f"{hub.path}{part}", headers={"If-Match": hub.etag()}, **options)


def test_queue_when_worked_off_then_each_is_offered_what_is_theirs_and_its_version_serves_for_the_taking(
    hub: Hub,
) -> None:
    wanted = change(hub, hub.coordinator, "PUT", "/priority", priority="urgent").json()
    assert (wanted["priority"], wanted["receipts"][0]["type"]) == ("urgent", "evidence.prioritised")
    [row] = rows(hub.petro)
    assert set(row) == ROW, "nothing that needs the right to content"
    assert (row["evidence_id"], row["act"], row["priority"]) == (hub.item, "verify", "urgent")
    assert row["labels"] == {**NO_LABELS, "languages": []}
    opened = hub.move(hub.petro, f'"{row["version"]}"', event="open_verification")
    assert opened.json()["lease_holder"] == hub.petro.id
    assert rows(hub.olena) == rows(hub.petro) == rows(hub.outsider) == []
    assert code_of(hub.olena.get("/v1/queue", params={"case": hub.item})) == (404, "not_found")
    assert code_of(hub.olena.get("/v1/queue", params={"cursor": "x"})) == (422, "bad_cursor")


@pytest.mark.thorough
def test_assignment_when_given_over_http_then_others_are_refused_with_its_code(hub: Hub) -> None:
    assert code_of(change(hub, hub.coordinator, "PUT", "/assignment", person_id=hub.outsider.id)) == (
        422,
        "cannot_be_assigned",
    )
    given = change(hub, hub.coordinator, "PUT", "/assignment", person_id=hub.petro.id).json()
    assert (given["assigned_to"], given["receipts"][0]["type"]) == (hub.petro.id, "evidence.assigned")
    assert hub.olena.get(hub.path).json()["assigned_to"] == hub.petro.id
    assert code_of(hub.move(hub.olena, event="open_verification")) == (409, "assigned_to_another")
    assert [row["is_assigned"] for row in rows(hub.petro)] == [True]
    assert code_of(change(hub, hub.olena, "DELETE", "/assignment")) == (403, "forbidden")
    ended = change(hub, hub.petro, "DELETE", "/assignment").json()
    assert (ended["assigned_to"], ended["receipts"][0]["type"]) == (None, "evidence.unassigned")
    assert code_of(change(hub, hub.coordinator, "DELETE", "/assignment")) == (409, "not_assigned")
    assert hub.coordinator.put(f"{hub.path}/priority", json={"priority": "low"}).status_code == 428


def test_lease_when_of_a_review_over_http_then_no_other_judges_meanwhile(hub: Hub) -> None:
    hub.to_review()
    [row] = rows(hub.petro)
    assert (row["act"], row["state"]) == ("review", "awaiting_peer_review")
    assert rows(hub.olena) == [], "their own work"
    taken = hub.petro.post(f"{hub.path}/lease").json()
    assert taken["taken_at"] < taken["expires_at"]
    assert code_of(hub.rita.post(f"{hub.path}/lease")) == (409, "lease_taken")
    assert code_of(hub.move(hub.rita, event="concur")) == (409, "lease_taken")
    assert code_of(hub.olena.post(f"{hub.path}/lease")) == (403, "self_review")
    concurred = hub.move(hub.petro, event="concur").json()
    types = [receipt["type"] for receipt in concurred["receipts"]]
    assert types == ["evidence.concurred", "evidence.lease_ended"]
    assert [row["act"] for row in rows(hub.rita)] == ["sign_off"]


@pytest.mark.thorough
def test_preferences_when_set_then_shape_ones_own_queue_and_nothing_that_another_can_see(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {**NO_LABELS, "child": True, "languages": ["uk", "ru"]}
    change(hub, hub.coordinator, "PUT", "/labels", **labels)
    assert hub.petro.get("/v1/me/preferences").json() == ANYTHING
    seen_before, answers_before = everything(hub), rows(hub.olena)
    capsys.readouterr()

    kept = hub.petro.put("/v1/me/preferences", json=WARY)
    assert (kept.status_code, kept.json()) == (200, WARY)
    logged = capsys.readouterr().out
    assert "/v1/me/preferences" in logged
    assert not any(word in logged for word in ("graphic", "child", "opt_out", '"uk"'))
    assert hub.petro.get("/v1/me/preferences").json() == WARY
    assert hub.coordinator.get("/v1/me/preferences").json() == ANYTHING
    assert rows(hub.petro) == []
    assert (everything(hub), rows(hub.olena)) == (seen_before, answers_before)
    assert change(hub, hub.coordinator, "PUT", "/assignment", person_id=hub.petro.id).status_code == 200

    for wrong in ({"languages": ["english"]}, {"opt_outs": ["blood"]}, {"graphic_level_at_most": "severe"}, {"x": 1}):
        assert code_of(hub.petro.put("/v1/me/preferences", json=wrong)) == (422, "invalid_request")
    assert hub.petro.put("/v1/me/preferences", json={}).json() == ANYTHING


def everything(hub: Hub) -> str:
    """What a coordinator and the administrator see of the case, its people and its log."""
    case = f"/v1/cases/{hub.case_id}"
    paths = (case, f"{case}/members", f"{case}/custody", f"{case}/exposure", hub.path, f"{hub.path}/custody")
    seen = [hub.coordinator.get(path).json() for path in paths]
    seen += [hub.api.admin.get(f"/v1/users/{hub.petro.id}").json(), hub.api.admin.get("/v1/users").json()]
    return json.dumps(seen, sort_keys=True)


@pytest.mark.thorough
def test_cap_when_reached_over_http_then_no_lease_and_an_empty_queue_that_ones_exposure_explains(hub: Hub) -> None:
    policy = f"/v1/cases/{hub.case_id}/policy"
    body = {"required_dimensions": ["date"], "exposure_minutes_per_day": 1, "break_minutes": 30}
    assert hub.coordinator.change(policy, policy, "PUT", json=body).status_code == 200
    look = f"{hub.path}/content?purpose=verification"
    assert [hub.petro.get(look).status_code, len(rows(hub.petro))] == [200, 1], "half a minute of one"
    body["exposure_items_per_day"] = 1
    assert hub.coordinator.change(policy, policy, "PUT", json=body).status_code == 200
    assert rows(hub.petro) == []
    refused = hub.move(hub.petro, event="open_verification")
    assert code_of(refused) == (409, "exposure_cap_reached")
    [day] = hub.petro.get("/v1/me/exposure").json()["items"]
    assert day["break_ends_at"][:19] == refused.json()["break_ends_at"][:19]
    assert [row["evidence_id"] for row in rows(hub.olena)] == [hub.item]
