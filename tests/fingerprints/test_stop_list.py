"""The stop list: who may change it, what the database refuses, what a look-up answers, and what is proposed."""

import json
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints import stop_list
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.following import FollowingIndex
from app.fingerprints.prints import Print, Prints
from app.fingerprints.search.hamming import words_of
from app.fingerprints.stop_list_finding import Demands, propose_frames
from app.fingerprints.stored_prints import without_stopped
from app.fingerprints.views import in_symmetries
from tests import media_samples as samples
from tests.factories import commit_in
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, Person
from tests.support.examples import examples
from tests.support.work import work_of

METADATA = {"collector": "O", "method": "download", "acquired_at": "2026-07-14T09:30:00Z", "source": "A channel"}
PDQ = "pdq/1"
VALUE = bytes(range(32))
REASON = "The broadcaster's test card."


def body(value: bytes = VALUE, **more: Any) -> dict[str, Any]:
    return {"hash_version": PDQ, "value": value.hex(), "kind": "test_card", "reason": REASON, **more}


def put_there(api: Api, value: bytes = VALUE) -> dict[str, Any]:
    answer = api.admin.post("/v1/stop-list", json=body(value))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def decide(api: Api, frame_id: str, decision: str, **more: Any) -> Any:
    path = f"/v1/stop-list/frames/{frame_id}"
    return api.admin.change(f"{path}/decision", path, json={"decision": decision, "reason": "Looked at.", **more})


def flipped(value: bytes, bits: int) -> bytes:
    """The same with so many of its first bits turned over."""
    number = int.from_bytes(value, "big") ^ ((1 << bits) - 1)
    return number.to_bytes(len(value), "big")


def sessions_of(api: Api) -> sessionmaker[Session]:
    made: sessionmaker[Session] = api.app.state.services.sessions
    return made


# --- by people --------------------------------------------------------------------------------------------------------


def test_frame_when_stopped_then_is_found_until_it_is_released(api: Api) -> None:
    far, near, beyond = bytes(32), flipped(VALUE, 8), flipped(VALUE, 9)
    with sessions_of(api)() as session:
        assert stop_list.is_stopped(session, PDQ, [VALUE]) == set()
    frame = put_there(api)
    assert (frame["standing"], frame["kind"], frame["sources"]) == ("stopped", "test_card", None)
    assert [receipt["type"] for receipt in frame["receipts"]] == ["system.frame_stopped"]
    with sessions_of(api)() as session:
        assert stop_list.is_stopped(session, PDQ, [far, VALUE, near, beyond, near]) == {VALUE, near}
        assert stop_list.is_stopped(session, "phash/1", [VALUE[:8]]) == set()
        assert [one.value for one in stop_list.changed_since(session, 0)] == [VALUE]

    answer = decide(api, frame["id"], "release")
    assert (answer.status_code, answer.json()["standing"]) == (200, "released"), answer.text
    with sessions_of(api)() as session:
        assert stop_list.is_stopped(session, PDQ, [VALUE]) == set()
        assert stop_list.last_change(session) == 2
    assert decide(api, frame["id"], "stop", kind="logo").json()["kind"] == "logo"


def test_frame_when_turned_or_mirrored_then_is_stopped_too(api: Api) -> None:
    rng = np.random.default_rng(5)
    value = rng.integers(0, 256, 32, np.uint8).tobytes()
    put_there(api, value)
    with sessions_of(api)() as session:
        turned = list(in_symmetries(value).values())
        assert len(set(turned)) == 8
        assert stop_list.is_stopped(session, PDQ, turned) == set(turned)


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        ("identity", ["8000 identity"]),
        ("part.9.9.90.60.180.mirror", ["0 identity", "0 part.200.9.90.60.180", "8000 identity"]),
    ],
    ids=["whole", "a part"],
)
def test_frame_when_stopped_as_all_of_a_picture_or_a_part_of_it_then_that_alone_counts_no_more(
    api: Api, shown: str, left: list[str]
) -> None:
    with sessions_of(api)() as session:
        assert stop_list.is_stopped(session, PDQ, [VALUE]) == set()  # This process looked at another database before.
    put_there(api)
    views = ("identity", "part.9.9.90.60.180.identity", "part.9.9.90.60.180.mirror", "part.200.9.90.60.180.identity")
    hashes = [Print(PDQ, 0, view, VALUE if view == shown else bytes(32), 90) for view in views]
    sets = [(0, "identity"), (0, "part.9.9.90.60.180"), (0, "part.200.9.90.60.180"), (8000, "identity")]
    features = [LocalFeatures("orb/1", time_ms, b"", view) for time_ms, view in sets]
    prints = Prints(True, [*hashes, Print(PDQ, 8000, "identity", bytes(32), 90)], features)
    with sessions_of(api)() as session:
        found = without_stopped(session, {"film": prints})["film"]
    assert sorted(f"{one.time_ms} {one.view}" for one in found.features) == left
    assert sorted({f"{one.time_ms} {one.view.removesuffix('.identity')}" for one in found.prints}) == left


@pytest.mark.thorough
def test_frame_when_named_by_an_item_then_only_who_reads_the_item_may_stop_it(api: Api) -> None:
    coordinator = api.person("Coordinator")
    case_id = api.case(coordinator, verifier=(coordinator,))
    with work_of(api) as work:
        item = receive(coordinator, case_id, PHOTOGRAPHS[0].read_bytes())
        work.finish()
    named = {"evidence_id": item, "time_ms": 0, "kind": "interface", "reason": REASON}
    assert api.admin.post("/v1/stop-list", json=named).status_code == 404
    assert coordinator.put(f"/v1/cases/{case_id}/members/{api.admin.id}/auditor").status_code == 200
    absent = api.admin.post("/v1/stop-list", json={**named, "time_ms": 5})
    assert (absent.status_code, absent.json()["code"]) == (422, "no_such_frame")
    answer = api.admin.post("/v1/stop-list", json=named)
    assert answer.status_code == 201, answer.text
    prints = coordinator.get(f"/v1/evidence/{item}/fingerprints").json()["items"]
    assert answer.json()["value"] in {one["value"] for one in prints if one["version"] == PDQ}


def test_list_when_read_by_anybody_then_tells_what_is_stopped_and_no_figures(api: Api) -> None:
    person = api.person("Olena")
    for number in range(3):
        put_there(api, bytes([number] * 32))
    first = person.get("/v1/stop-list", params={"limit": 2}).json()
    rest = person.get("/v1/stop-list", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    shown = [*first["items"], *rest["items"]]
    assert [one["value"] for one in shown] == [bytes([number] * 32).hex() for number in range(3)]
    assert {frozenset(one) for one in shown} == {frozenset({"id", "version", "value", "kind", "since"})}
    for path in ("/v1/stop-list/frames", f"/v1/stop-list/frames/{shown[0]['id']}"):
        assert person.get(path).status_code == 403
    assert person.post("/v1/stop-list", json=body(bytes(32))).status_code == 403


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (body(hash_version="phash/1"), 422, "unknown_algorithm"),
        (body(VALUE[:8]), 422, "not_a_hash"),
        (body(evidence_id=str(UUID(int=1)), time_ms=0), 422, "invalid_request"),
        ({"hash_version": PDQ, "kind": "logo", "reason": REASON}, 422, "invalid_request"),
        (body(), 409, "frame_on_list"),
    ],
)
def test_frame_when_it_cannot_be_stopped_then_says_why(api: Api, sent: Any, status: int, code: str) -> None:
    put_there(api)
    answer = api.admin.post("/v1/stop-list", json=sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_decision_when_it_does_not_fit_or_is_late_then_is_refused(api: Api) -> None:
    frame = put_there(api)
    answer = decide(api, frame["id"], "dismiss")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_from_this_standing")
    path = f"/v1/stop-list/frames/{frame['id']}/decision"
    sent = {"decision": "release", "reason": "x"}
    assert api.admin.post(path, json=sent).status_code == 428
    assert api.admin.post(path, json=sent, headers={"If-Match": '"77"'}).status_code == 412


# --- what the database refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stop_list SET standing = 'released'",
        "UPDATE stop_list SET standing = 'dismissed'",
        "UPDATE stop_list SET value = '\\x00'",
        "DELETE FROM stop_list",
        """INSERT INTO stop_list (id, version, value, standing, kind, since, change)
        VALUES (gen_random_uuid(), 'pdq/1', '\\x01', 'stopped', 'logo', now(), 0)""",
    ],
)
def test_database_when_the_list_is_changed_without_an_entry_then_refuses(api: Api, statement: str) -> None:
    put_there(api)
    with pytest.raises(DBAPIError), sessions_of(api).begin() as session:
        session.execute(text(statement))


def test_database_when_only_the_number_of_sources_changes_then_needs_no_entry(api: Api) -> None:
    put_there(api)
    with sessions_of(api).begin() as session:
        session.execute(text("UPDATE stop_list SET sources = 9, change = 77"))
    with sessions_of(api)() as session:
        assert stop_list.last_change(session) == 1


# --- the look-up against a plain comparison ---------------------------------------------------------------------------


@settings(max_examples=examples(60), deadline=None)
@given(
    stopped=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4),
    changes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=12),
)
def test_look_up_when_compared_with_every_pair_then_answers_the_same(
    stopped: list[bytes], changes: list[tuple[int, int]]
) -> None:
    asked = [flipped(stopped[which % len(stopped)], bits) for which, bits in changes]
    expected = {
        value
        for value in asked
        if any((int.from_bytes(value, "big") ^ int.from_bytes(one, "big")).bit_count() <= 8 for one in stopped)
    }
    assert stop_list.near_any(words_of(stopped), asked) == expected


# --- by the system ----------------------------------------------------------------------------------------------------


def receive(person: Person, case_id: str, content: bytes) -> str:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", content))]
    answer = person.post(f"/v1/cases/{case_id}/evidence", files=form)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def proposals(api: Api, standing: str = "proposed") -> list[dict[str, Any]]:
    answer = api.admin.get("/v1/stop-list/frames", params={"standing": standing})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def look_again(api: Api, demands: Demands) -> None:
    """At everything, from the beginning."""
    with sessions_of(api).begin() as session:
        session.execute(text("UPDATE stop_list_progress SET number = 0"))
    commit_in(sessions_of(api), lambda uow: propose_frames(uow, FollowingIndex([PDQ]), demands))


@pytest.mark.thorough
def test_frame_when_in_many_unrelated_videos_then_is_proposed_once_and_stops_nothing(api: Api) -> None:
    """Three videos of two people that begin with the same leader; and three copies of one recording, which prove
    nothing of their frames."""
    people = [api.person("Olena"), api.person("Petro")]
    coordinator = api.person("Coordinator")
    case_id = api.case(coordinator, verifier=tuple(people))
    bunny, dog = samples.VIDEO, samples.PHONE_VIDEO
    with_leader = [samples.compilation(((dog, 0.0, 0.4), (bunny, at, at + 2.0))) for at in (2.0, 10.0, 24.0)]
    copies = [samples.compilation(((bunny, 15.0, 17.0 + 0.2 * number),)) for number in range(3)]
    with work_of(api) as work:
        everything = enumerate([*with_leader, *copies])
        items = [receive(people[number % 2], case_id, content) for number, content in everything]
        work.finish()

    look_again(api, Demands(3, 3))  # Only two people brought them.
    assert proposals(api) == []
    look_again(api, Demands(3, 2))
    found = proposals(api)
    assert found
    assert {one["sources"] for one in found} == {3}
    values = [bytes.fromhex(one["value"]) for one in found]
    of_copy = people[0].get(f"/v1/evidence/{items[3]}/fingerprints").json()["items"]
    frames_of_copy = [bytes.fromhex(one["value"]) for one in of_copy if one["version"] == PDQ]
    assert stop_list.near_any(words_of(values), frames_of_copy) == set()
    with sessions_of(api)() as session:
        assert stop_list.is_stopped(session, PDQ, values) == set()

    answer = decide(api, found[0]["id"], "dismiss")
    assert answer.status_code == 200, answer.text
    look_again(api, Demands(3, 2))
    assert [one["id"] for one in proposals(api)] == [one["id"] for one in found[1:]]
