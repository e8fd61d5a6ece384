"""Items over HTTP: lists and filters, one item, leads declined, labels, corrections."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_samples import PHOTOGRAPHS, text_named_jpg
from tests.support.api import Person

DOGS = PHOTOGRAPHS[0].read_bytes()
NO_LABELS = {"graphic_level": "none", "child": False, "sexual_violence": False, "distressing_audio": False}


def ids(hub: Hub, query: str = "") -> list[str]:
    answer = hub.verifier.get(f"/v1/cases/{hub.case_id}/evidence{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def lead(hub: Hub) -> dict[str, Any]:
    found: dict[str, Any] = hub.collector.post(
        f"/v1/cases/{hub.case_id}/evidence", json={"lead_address": "https://example.org/post/17"}
    ).json()
    return found


def test_list_is_paged_in_the_order_of_registration(hub: Hub, receive: Receive) -> None:
    made = [receive(DOGS)["id"] for _ in range(5)]

    first = hub.verifier.get(f"/v1/cases/{hub.case_id}/evidence?limit=2")
    seen = [item["id"] for item in first.json()["items"]]
    cursor = first.json()["next_cursor"]
    while cursor is not None:
        following = hub.verifier.get(f"/v1/cases/{hub.case_id}/evidence?limit=2&cursor={cursor}").json()
        seen += [item["id"] for item in following["items"]]
        cursor = following["next_cursor"]

    assert seen == made
    assert 'rel="next"' in first.headers["Link"]


def test_filters_narrow_the_list(hub: Hub, receive: Receive) -> None:
    photo = receive(DOGS, labels={"graphic_level": "severe", "child": True})
    text = receive(text_named_jpg(), labels=None)
    waiting = lead(hub)

    assert ids(hub, "?state=lead") == [waiting["id"]]
    assert ids(hub, "?kind=image") == [photo["id"]]
    assert ids(hub, "?fingerprint_status=pending") == [photo["id"], text["id"]]
    assert ids(hub, f"?sha256={photo['sha256']}") == [photo["id"]]
    assert ids(hub, "?label=child") == [photo["id"]]
    assert ids(hub, "?label=graphic_severe") == [photo["id"]]
    assert ids(hub, "?label=unlabelled") == [text["id"], waiting["id"]]
    moment = photo["registered_at"]
    assert ids(hub, f"?registered_after={moment}") == [text["id"], waiting["id"]]
    assert ids(hub, f"?registered_before={moment}") == []


@pytest.mark.parametrize("query", ["?state=nowhere", "?sha256=abc", "?limit=0", "?cursor=xyz", "?label=nice"])
def test_list_with_impossible_filters_is_refused(hub: Hub, query: str) -> None:
    assert hub.verifier.get(f"/v1/cases/{hub.case_id}/evidence{query}").status_code == 422


def test_item_is_for_members(hub: Hub, receive: Receive) -> None:
    item = receive(DOGS)
    address = f"/v1/evidence/{item['id']}"

    assert hub.auditor.get(address).status_code == 200
    assert hub.stranger.get(address).status_code == hub.api.admin.get(address).status_code == 404
    assert hub.stranger.get(f"/v1/cases/{hub.case_id}/evidence").status_code == 404
    assert hub.verifier.get(address).headers["ETag"] == '"1"'


def test_possible_events_when_read_then_those_that_the_callers_role_and_token_permit(
    hub: Hub, receive: Receive
) -> None:
    def events(person: Person, item: dict[str, Any]) -> list[str]:
        found: list[str] = person.get(f"/v1/evidence/{item['id']}").json()["possible_events"]
        return found

    claimed, received = lead(hub), receive(DOGS)
    made = hub.collector.post("/v1/tokens", json={"name": "reads alone", "scopes": ["read"]}).json()
    reader = hub.api.client(made["token"])

    assert claimed["possible_events"] == events(hub.collector, claimed) == ["decline", "receive"]
    assert events(hub.verifier, claimed) == ["receive"]
    assert events(hub.auditor, claimed) == []
    assert reader.get(f"/v1/evidence/{claimed['id']}").json()["possible_events"] == []
    assert events(hub.collector, received) == []  # A job preserves or quarantines it: no person's events.

    case = f"/v1/cases/{hub.case_id}"
    closed = hub.coordinator.change(f"{case}/close", case, json={"reason": "The inquiry is over."})
    assert closed.status_code == 200, closed.text
    assert events(hub.collector, claimed) == []


def test_refusal_when_no_role_permits_then_names_those_that_do(hub: Hub, receive: Receive) -> None:
    address = f"/v1/evidence/{receive(DOGS)['id']}"
    refused = hub.verifier.change(f"{address}/labels", address, "PUT", json=NO_LABELS)
    assert refused.json()["detail"] == ("None of your roles in this case permits 'manage_case'. These do: coordinator.")


def test_lead_is_declined_once_with_a_reason(hub: Hub) -> None:
    address = f"/v1/evidence/{lead(hub)['id']}"
    by_verifier = hub.verifier.change(
        f"{address}/transitions", address, json={"event": "decline", "reason_code": "out_of_scope"}
    )
    declined = hub.collector.change(
        f"{address}/transitions", address, json={"event": "decline", "reason_code": "out_of_scope"}
    )
    again = hub.collector.change(
        f"{address}/transitions", address, json={"event": "decline", "reason_code": "out_of_scope"}
    )

    assert by_verifier.status_code == 403
    assert (declined.status_code, declined.json()["state"], declined.json()["version"]) == (200, "declined", 2)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")


def test_labels_are_set_by_the_coordinator(hub: Hub, receive: Receive) -> None:
    address = f"/v1/evidence/{receive(DOGS, labels=None)['id']}"

    by_verifier = hub.verifier.change(f"{address}/labels", address, "PUT", json=NO_LABELS)
    without = hub.coordinator.put(f"{address}/labels", json=NO_LABELS)
    done = hub.coordinator.change(f"{address}/labels", address, "PUT", json=NO_LABELS)

    assert (by_verifier.status_code, without.status_code) == (403, 428)
    assert (done.status_code, done.json()["labels"], done.headers["ETag"]) == (
        200,
        {**NO_LABELS, "languages": []},
        '"2"',
    )


@pytest.mark.thorough
def test_32_changes_at_once_of_one_version_leave_one(hub: Hub, receive: Receive) -> None:
    address = f"/v1/evidence/{receive(DOGS)['id']}"
    with ThreadPoolExecutor(32) as pool:
        answers = list(
            pool.map(
                lambda _: hub.coordinator.put(f"{address}/labels", json=NO_LABELS, headers={"If-Match": '"1"'}),
                range(32),
            )
        )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 31


def test_correction_shows_both_readings(hub: Hub, receive: Receive) -> None:
    item = receive(DOGS)
    address = f"/v1/evidence/{item['id']}"
    correction = {"field": "claimed_place", "value": "Kharkiv, Saltivka", "reason": "The poster said so later."}

    made = hub.collector.change(f"{address}/corrections", address, json=correction)
    emptied = hub.collector.change(f"{address}/corrections", address, json={**correction, "value": None})

    assert (made.status_code, made.json()["claimed_place"]) == (201, "Kharkiv, Saltivka")
    assert made.json()["as_first_stated"] == {"claimed_place": "Kharkiv, north"}
    assert (emptied.json()["claimed_place"], len(emptied.json()["corrections"])) == (None, 2)
    assert hub.entries(item["id"], "evidence.corrected") == 2


@pytest.mark.parametrize(
    ("correction", "code"),
    [
        ({"field": "collector", "value": None}, "uncorrectable_field"),
        ({"field": "acquired_at", "value": "yesterday"}, "uncorrectable_field"),
        ({"field": "acquired_at", "value": "2999-01-01T00:00:00Z"}, "acquired_in_future"),
        ({"field": "notes", "value": "a\0b"}, "uncorrectable_field"),
        ({"field": "sha256", "value": "0" * 64}, "invalid_request"),
    ],
)
def test_correction_that_cannot_be_is_refused(
    hub: Hub, receive: Receive, correction: dict[str, Any], code: str
) -> None:
    address = f"/v1/evidence/{receive(DOGS)['id']}"

    answer = hub.collector.change(f"{address}/corrections", address, json={**correction, "reason": "x"})

    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_list_after_corrections_names_the_corrected_fields_and_asks_no_more_for_more_items(
    hub: Hub, receive: Receive
) -> None:
    corrected, untouched = receive(DOGS)["id"], receive(DOGS)["id"]
    address = f"/v1/evidence/{corrected}"
    for field, value in (("notes", "Seen twice."), ("claimed_place", "Saltivka"), ("notes", None)):
        correction = {"field": field, "value": value, "reason": "The poster said so later."}
        assert hub.collector.change(f"{address}/corrections", address, json=correction).status_code == 201

    listing = f"/v1/cases/{hub.case_id}/evidence"
    listed = {item["id"]: item for item in hub.verifier.get(listing).json()["items"]}

    assert listed[corrected]["corrected_fields"] == ["claimed_place", "notes"]
    assert listed[corrected]["claimed_place"] == "Kharkiv, north"
    assert listed[untouched]["corrected_fields"] == []
    assert hub.verifier.get(address).json()["corrected_fields"] == ["claimed_place", "notes"]
    few = queries_of(hub, f"{listing}?limit=1")
    receive(DOGS)
    assert queries_of(hub, f"{listing}?limit=50") == few


def test_item_with_a_file_when_read_then_its_bytes_are_asked_for_with_the_item(hub: Hub, receive: Receive) -> None:
    address = f"/v1/evidence/{receive(DOGS)['id']}"
    assert hub.verifier.get(address).json()["size_bytes"] > 0  # The first use of a token in a minute is noted.

    # Who asks, the item with its bytes, its corrections, how far its decoding is.
    assert queries_of(hub, address) == 4


def queries_of(hub: Hub, path: str) -> int:
    """How many statements the API sends to the database to answer."""
    engine = hub.api.app.state.services.sessions.kw["bind"]
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert hub.verifier.get(path).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(statements)


def test_correction_of_a_time_reads_as_a_time(hub: Hub, receive: Receive) -> None:
    address = f"/v1/evidence/{receive(DOGS)['id']}"
    correction = {"field": "acquired_at", "value": "2026-07-14T10:30:00+02:00", "reason": "The zone was wrong."}

    made = hub.collector.change(f"{address}/corrections", address, json=correction)

    assert made.json()["acquired_at"].startswith("2026-07-14T08:30:00")
    assert made.json()["as_first_stated"]["acquired_at"].startswith("2026-07-14T09:30:00")
