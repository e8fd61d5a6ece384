"""A case whose thresholds change is compared anew: what is new is added, what is no longer found stays and says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from tests import media_samples as samples
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.work import Work, work_of

METADATA = {"collector": "O", "method": "download", "acquired_at": "2026-07-14T09:30:00Z", "source": "A channel"}
PHOTO = PHOTOGRAPHS[0]
NOTHING_BUT_PDQ = {"inliers": {"same_picture": 100, "likely": 100}}

NEW_CASE = {"required_dimensions": ["source"], "thresholds": {}, "inliers": {}}


class OneCase:
    def __init__(self, api: Api, work: Work) -> None:
        self.api, self.work = api, work
        self.coordinator, self.verifier = api.person("Coordinator"), api.person("Verifier")
        self.id = api.case(self.coordinator, verifier=(self.verifier,))

    def receive(self, content: bytes) -> str:
        form = [("metadata", (None, json.dumps(METADATA))), ("file", ("file", content))]
        answer = self.verifier.post(f"/v1/cases/{self.id}/evidence", files=form)
        self.work.finish()
        item: str = answer.json()["id"]
        return item

    def set_policy(self, **settings: Any) -> None:
        """What is not named is as in a new case: a change keeps what it leaves out."""
        path = f"/v1/cases/{self.id}/policy"
        answer = self.coordinator.change(path, path, "PUT", json=NEW_CASE | settings)
        assert answer.status_code == 200, answer.text

    def matches(self, item: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.verifier.get(f"/v1/evidence/{item}/matches").json()["items"]
        return found

    def count(self, statement: str) -> int:
        with self.api.app.state.services.sessions() as session:
            return int(session.scalar(text(statement)) or 0)


def poor(path: Path) -> bytes:
    """So small that too few points are left for a strict case; its hashes are some bits off."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((200, 200))
    return samples.encoded(image, quality=20)


STRICT = {"thresholds": {"pdq": 0, "phash": 0, "dhash": 0}, **NOTHING_BUT_PDQ}
ENTRIES = "SELECT count(*) FROM ledger_entries WHERE type = 'evidence.matched'"


@pytest.fixture
def case(api: Api) -> Iterator[OneCase]:
    with work_of(api) as work:
        yield OneCase(api, work)


@pytest.mark.thorough
def test_thresholds_that_are_relaxed_then_the_case_is_compared_anew_and_what_is_new_is_found_once(
    case: OneCase,
) -> None:
    case.set_policy(**STRICT)
    first, second = case.receive(PHOTO.read_bytes()), case.receive(poor(PHOTO))
    assert case.matches(first) == []

    case.set_policy()
    ran = case.work.finish()
    assert ran.count("match_again") == 3, "one run an item, and one that finds nothing left"
    (match,) = case.matches(first)
    assert case.matches(second) == [match]
    assert (match["tier"], match["still_found"], case.count(ENTRIES)) == ("same_picture", True, 2)


@pytest.mark.thorough
def test_thresholds_that_are_tightened_then_a_match_stays_with_its_decision_and_says_that_it_is_not_found(
    case: OneCase,
) -> None:
    first = case.receive(PHOTO.read_bytes())
    case.receive(poor(PHOTO))
    (match,) = case.matches(first)
    decided = case.verifier.post(
        f"/v1/matches/{match['id']}/decision", json={"relation": "same_capture", "reason": "The same frame."}
    )
    assert decided.status_code == 201

    case.set_policy(**STRICT)
    assert case.matches(first)[0]["still_found"] is None, "it is being compared"
    case.work.finish()
    (kept,) = case.matches(first)
    assert kept["still_found"] is False
    assert (kept["id"], kept["grounds"], kept["tier"]) == (match["id"], match["grounds"], match["tier"])
    assert kept["decision"]["relation"] == "same_capture"
    assert case.count(ENTRIES) == 2, "nothing new is found"

    case.set_policy()
    case.work.finish()
    assert case.matches(first)[0]["still_found"] is True


@pytest.mark.thorough
def test_comparing_anew_when_it_is_stopped_midway_then_a_worker_goes_on_where_it_was(case: OneCase) -> None:
    case.set_policy(**STRICT)
    items = [case.receive(content) for content in (PHOTO.read_bytes(), poor(PHOTO), samples.recompressed(PHOTO, 10))]
    before = sum(len(case.matches(item)) for item in items)
    case.set_policy()
    assert case.work.run_one() == "match_again"
    with case.api.app.state.services.sessions.begin() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))

    case.work.sweep()
    assert [len(case.matches(item)) for item in items] == [2, 2, 2]
    assert before < 6
    assert case.work.sweep() == [], "nothing is due any more"


def test_policy_that_changes_twice_at_once_then_the_first_comparison_gives_way(case: OneCase) -> None:
    case.receive(PHOTO.read_bytes())
    case.set_policy(thresholds={"pdq": 20})
    case.set_policy(thresholds={"pdq": 21})
    assert case.work.finish().count("match_again") == 3
    assert case.count("SELECT count(*) FROM match_comparisons WHERE NOT across AND rule LIKE '%pdq/1<=21%'") == 1


@pytest.mark.thorough
def test_policy_that_changes_nothing_about_matches_then_nothing_is_compared(case: OneCase) -> None:
    first = case.receive(PHOTO.read_bytes())
    case.receive(samples.recompressed(PHOTO))
    before = case.matches(first)
    case.set_policy(matching_across_cases=False)
    assert case.work.finish() == ["match_again"]
    assert case.matches(first) == before


@pytest.mark.thorough
def test_hundred_copies_of_the_same_bytes_then_a_newcomer_is_matched_with_the_earliest_few(case: OneCase) -> None:
    copies = [case.receive(PHOTO.read_bytes()) for _ in range(11)]
    newcomer = case.receive(samples.recompressed(PHOTO))

    def others(item: str) -> list[str]:
        return [
            one for match in case.matches(item) for one in (match["query_id"], match["reference_id"]) if one != item
        ]

    assert sorted(others(newcomer)) == sorted(copies[:8])
    assert sorted(others(copies[-1])) == sorted(copies[:8])
