"""How sure a match is may change: then both items' streams say so, and whatever is read of it follows. What rested on
frames that were stopped is compared anew, and nothing else is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.fingerprints import stop_list_effects
from tests import media_samples as samples
from tests.fingerprints.test_rematching import STRICT, OneCase, poor
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.work import work_of

PHOTO, OTHER = PHOTOGRAPHS[0], PHOTOGRAPHS[1]
HARDLY = {"thresholds": {"pdq": 0, "phash": 0, "dhash": 0}, "inliers": {"same_picture": 100, "likely": 11}}
ENTRIES = """SELECT b.body FROM ledger_entries e JOIN ledger_bodies b USING (commitment)
    WHERE e.stream_id = :stream AND e.type IN ('evidence.matched', 'evidence.match_lost') ORDER BY e.seq"""


@pytest.fixture
def case(api: Api) -> Iterator[OneCase]:
    with work_of(api) as work:
        yield OneCase(api, work)


def told(case: OneCase, item: str) -> list[dict[str, Any]]:
    """What the item's stream says of matches."""
    with case.api.app.state.services.sessions() as session:
        bodies = session.scalars(text(ENTRIES), {"stream": item}).all()
    return [json.loads(body)["data"] for body in bodies]


def tier_of_member(case: OneCase, item: str) -> str:
    members = case.verifier.get(f"/v1/evidence/{item}/group/members").json()["items"]
    (tier,) = [one["tier"] for one in members if one["evidence_id"] != item]
    return str(tier)


def test_match_when_it_becomes_firm_and_then_less_then_both_streams_and_the_group_say_so(case: OneCase) -> None:
    case.set_policy(**HARDLY)
    first, second = case.receive(PHOTO.read_bytes()), case.receive(poor(PHOTO))
    (likely,) = case.matches(first)
    assert (likely["tier"], likely["tier_since"]) == ("likely", likely["found_at"])
    assert tier_of_member(case, first) == "likely"

    case.set_policy()
    case.work.finish()
    (firm,) = case.matches(first)
    assert (firm["id"], firm["tier"], firm["still_found"]) == (likely["id"], "same_picture", True)
    assert firm["tier_since"] > firm["found_at"] == likely["found_at"]
    assert tier_of_member(case, first) == tier_of_member(case, second) == "same_picture"
    group = case.verifier.get(f"/v1/evidence/{first}/group").json()
    assert group["undecided"]["same_picture"] == 1

    case.set_policy(**HARDLY)
    case.work.finish()
    assert [match["tier"] for match in case.matches(second)] == ["likely"]
    for item, other in ((first, second), (second, first)):
        entries = told(case, item)
        assert [one["tier"] for one in entries] == ["likely", "same_picture", "likely"]
        assert [(one.get("number"), one.get("supersedes")) for one in entries] == [(None, None), (2, 1), (3, 2)]
        assert {(one["match"], one["evidence"]) for one in entries} == {(likely["id"], other)}


@pytest.mark.thorough
def test_match_when_compared_anew_with_the_same_result_then_nothing_is_said_again(case: OneCase) -> None:
    first = case.receive(PHOTO.read_bytes())
    case.receive(samples.recompressed(PHOTO))
    case.set_policy(thresholds={"pdq": 25})
    case.work.finish()
    assert len(told(case, first)) == 1
    assert case.count("SELECT count(*) FROM match_tiers") == 0


def group(case: OneCase, item: str) -> dict[str, Any]:
    found: dict[str, Any] = case.verifier.get(f"/v1/evidence/{item}/group").json()
    return found


def test_match_when_neither_item_finds_it_any_more_then_it_counts_no_more_and_both_streams_say_so(
    case: OneCase,
) -> None:
    first, second = case.receive(PHOTO.read_bytes()), case.receive(poor(PHOTO))
    (match,) = case.matches(first)
    assert (group(case, first)["size"], group(case, first)["origins"]) == (2, {"at_least": 1, "at_most": 2})
    to_do = f"/v1/evidence/{first}/matches?undecided=true"
    assert len(case.verifier.get(to_do).json()["items"]) == 1

    case.set_policy(**STRICT)
    assert case.work.run_one() == "match_again"
    assert case.matches(second)[0]["still_found"] is None, "one of the two was compared"
    assert group(case, first)["size"] == 2
    case.work.finish()
    (lost,) = case.matches(second)
    assert (lost["still_found"], lost["not_found_because"]) == (False, "rule")
    assert (lost["tier"], lost["tier_since"], lost["grounds"]) == (match["tier"], match["tier_since"], match["grounds"])
    assert (group(case, first)["size"], group(case, first)["origins"]) == (1, {"at_least": 1, "at_most": 1})
    assert case.verifier.get(f"/v1/cases/{case.id}/groups").json()["items"] == []
    assert case.verifier.get(to_do).json()["items"] == []

    case.set_policy()
    assert case.matches(second)[0]["still_found"] is None
    case.work.finish()
    assert case.matches(first)[0]["still_found"] is True
    assert group(case, second)["size"] == 2
    for item, other in ((first, second), (second, first)):
        _, gone, again = told(case, item)
        assert gone == {
            "match": match["id"],
            "evidence": other,
            "tier": "same_picture",
            "because": "rule",
            "number": 2,
            "supersedes": 1,
        }
        assert (again["tier"], again["number"], again["supersedes"]) == ("same_picture", 3, 2)


@pytest.mark.thorough
def test_lost_match_that_somebody_decided_then_it_counts_as_they_said(case: OneCase) -> None:
    first, _ = case.receive(PHOTO.read_bytes()), case.receive(poor(PHOTO))
    (match,) = case.matches(first)
    path = f"/v1/matches/{match['id']}/decision"
    case.verifier.post(path, json={"relation": "same_capture", "reason": "The same frame."})
    case.set_policy(**STRICT)
    case.work.finish()
    assert case.matches(first)[0]["still_found"] is False
    assert group(case, first)["size"] == 2
    assert [one.get("number") for one in told(case, first)] == [None, 2], "that it is lost is said all the same"


REFUSED = (
    "UPDATE match_tiers SET tier = 'likely'",
    "DELETE FROM match_tiers",
    # Without entries; out of order; of the same tier; of another pair; with an explanation of another tier.
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, 'likely', key, now() FROM {likely}",
    "INSERT INTO match_tiers SELECT match_id, 4, first_id, second_id, 'likely', key, now() FROM {likely}",
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, tier, blob_match, now() FROM match_tiers",
    "INSERT INTO match_tiers SELECT match_id, 3, second_id, first_id, 'likely', key, now() FROM {likely}",
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, 'likely', blob_match, now() FROM match_tiers",
    # Lost with another tier or explanation than it had; lost without entries; for a reason that there is not.
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, 'likely', key, now(), 'rule' FROM {likely}",
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, tier, key, now(), 'rule' FROM {likely}",
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, tier, blob_match, now(), 'rule' FROM match_tiers",
    "INSERT INTO match_tiers SELECT match_id, 3, first_id, second_id, tier, blob_match, now(), 'no' FROM match_tiers",
)
LIKELY = "match_tiers, (SELECT key FROM blob_matches WHERE tier = 'likely' LIMIT 1) AS found"


@pytest.mark.thorough
def test_database_when_a_tier_does_not_follow_the_one_before_or_has_no_entries_then_refuses(case: OneCase) -> None:
    case.set_policy(**HARDLY)
    for content in (PHOTO.read_bytes(), poor(PHOTO)):
        case.receive(content)
    case.set_policy()
    case.work.finish()
    assert case.count("SELECT count(*) FROM match_tiers") == 1
    for statement in REFUSED:
        with pytest.raises(DBAPIError), case.api.app.state.services.sessions.begin() as session:
            session.execute(text(statement.format(likely=LIKELY)))


# --- stopped frames ---------------------------------------------------------------------------------------------------


def stop(case: OneCase, item: str) -> dict[str, Any]:
    """Put the item's picture on the stop list."""
    prints = case.verifier.get(f"/v1/evidence/{item}/fingerprints").json()["items"]
    (value,) = [one["value"] for one in prints if one["version"] == "pdq/1" and one["view"] == "identity"]
    sent = {"hash_version": "pdq/1", "value": value, "kind": "test_card", "reason": "A test card."}
    answer = case.api.admin.post("/v1/stop-list", json=sent)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def release(case: OneCase, frame: dict[str, Any]) -> None:
    path = f"/v1/stop-list/frames/{frame['id']}"
    answer = case.api.admin.change(f"{path}/decision", path, json={"decision": "release", "reason": "It is not."})
    assert answer.status_code == 200, answer.text


@pytest.mark.thorough
def test_match_that_rested_on_frames_which_are_stopped_then_says_so_and_comes_back_when_they_are_freed(
    case: OneCase,
) -> None:
    first, second = case.receive(PHOTO.read_bytes()), case.receive(samples.recompressed(PHOTO))
    untouched = case.receive(OTHER.read_bytes()), case.receive(samples.recompressed(OTHER))
    (match,) = case.matches(first)
    assert (match["still_found"], match["not_found_because"]) == (True, None)

    frame = stop(case, first)
    assert case.work.finish().count("spread_stops") == 1
    assert case.matches(second)[0]["still_found"] is None, "it is being compared"
    ran = case.work.sweep()
    assert ran.count("match_again") == 3, "the two that show it, and a run that finds nothing left"
    (kept,) = case.matches(first)
    assert (kept["id"], kept["still_found"], kept["not_found_because"]) == (match["id"], False, "stop_list")
    assert (kept["tier"], kept["grounds"]) == (match["tier"], match["grounds"])
    assert [one["still_found"] for one in case.matches(untouched[0])] == [True]
    assert case.work.sweep() == [], "nothing is due any more"

    release(case, frame)
    case.work.finish()
    case.work.sweep()
    (found,) = case.matches(first)
    assert (found["still_found"], found["not_found_because"], found["tier"]) == (True, None, match["tier"])
    assert [(one.get("number"), one.get("because")) for one in told(case, first)] == [
        (None, None),
        (2, "stop_list"),
        (3, None),
    ]


@pytest.mark.thorough
def test_stopped_frame_that_many_files_show_then_they_are_marked_a_few_at_a_time_and_after_any_stop(
    case: OneCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [case.receive(samples.recompressed(PHOTO, quality)) for quality in (95, 80, 65)]
    monkeypatch.setattr(stop_list_effects, "MARKED_AT_ONCE", 1)
    stop(case, items[0])
    assert case.work.run_one() == "spread_stops"
    assert case.count("SELECT count(*) FROM blob_stops") == 1
    with case.api.app.state.services.sessions.begin() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    ran = case.work.sweep()
    assert ran.count("spread_stops") == 2
    case.work.sweep()
    assert case.count("SELECT count(*) FROM blob_stops") == 3
    assert {match["not_found_because"] for item in items for match in case.matches(item)} == {"stop_list"}


@pytest.mark.thorough
def test_frame_that_was_stopped_before_a_file_came_then_the_file_is_compared_once(case: OneCase) -> None:
    frame = stop(case, case.receive(PHOTO.read_bytes()))
    case.work.finish()
    case.work.sweep()
    late = case.receive(samples.recompressed(PHOTO))
    assert case.matches(late) == []
    assert case.work.sweep() == []
    release(case, frame)
    case.work.finish()
    case.work.sweep()
    (match,) = case.matches(late)
    assert (match["tier"], match["still_found"]) == ("same_picture", True)
