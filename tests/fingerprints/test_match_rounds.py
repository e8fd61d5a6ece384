"""Comparing holds no lock; and yet of items that arrive at once, however their jobs interleave, none is missed."""

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import text

from app.fingerprints import finding
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.finding import Compared, plan_pairs
from app.fingerprints.grounds import WITHOUT_PICTURES, Explanation, Ground
from app.fingerprints.jobs import JOBS as FINGERPRINT_JOBS
from app.fingerprints.keeping import earliest, keep_blob_matches
from app.fingerprints.match_job import JOBS as MATCH_JOBS
from app.fingerprints.matching import rule_of, thresholds_of
from app.fingerprints.pair_rules import Settled
from app.fingerprints.proposing import Proposed
from app.fingerprints.views import SETS_OF_A_PICTURE
from app.kernel.database import read_session
from app.media.jobs import JOBS as PRESERVE_JOBS
from app.unit_of_work import unit_of_work
from app.worker import Runner, WorkerLimits
from tests import media_samples as samples
from tests.media.people import METADATA, Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.work import Work, work_of

(PRESERVE,), (FINGERPRINT,), (MATCH,) = PRESERVE_JOBS, FINGERPRINT_JOBS, MATCH_JOBS
PHOTO = PHOTOGRAPHS[0]
LOCKS_HELD = text("""
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")
"""Of this test's database: its server is that of other tests too."""


@pytest.fixture
def hub(api: Api) -> Hub:
    return Hub(api)


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as found:
        yield found


@pytest.fixture
def runner(hub: Hub, work: Work) -> Runner:
    return Runner(hub.api.app.state.services.sessions, work.resources, WorkerLimits())


def fingerprinted(hub: Hub, runner: Runner, content: bytes) -> str:
    """An item whose fingerprints are stored; its ``match`` job waits."""
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
    item: str = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form).json()["id"]
    for job in (PRESERVE, FINGERPRINT):
        runner.run(job, None, 0, {"evidence_id": item})
    return item


def matched_with(hub: Hub, item: str) -> set[str]:
    found = hub.verifier.get(f"/v1/evidence/{item}/matches").json()["items"]
    return {one for match in found for one in (match["query_id"], match["reference_id"])} - {item}


def status(hub: Hub, item: str) -> str:
    return str(hub.verifier.get(f"/v1/evidence/{item}").json()["fingerprint_status"])


@dataclass
class Steps:
    """One item's ``match`` job, taken step by step as the runner takes it."""

    hub: Hub
    runner: Runner
    item: str
    rounds: int = 1
    is_done: bool = False
    _earlier: Any = None
    _plan: Any = None
    _result: Any = None
    _steps: list[str] = field(default_factory=lambda: ["plan", "work", "store"])

    def step(self) -> None:
        sessions = self.hub.api.app.state.services.sessions
        name = self._steps.pop(0)
        if name == "plan":
            with read_session(sessions) as session:
                self._plan = MATCH.plan(session, evidence_id=self.item, earlier=self._earlier)
        elif name == "work":
            self._result = MATCH.work(self._plan, self.runner.resources)
        else:
            with unit_of_work(sessions) as uow:
                self._earlier = MATCH.store(uow, self._result)
                if self._earlier is None:
                    uow.commit()
            self.is_done = self._earlier is None
            if not self.is_done:
                self.rounds += 1
                self._steps = ["plan", "work", "store"]


def test_two_copies_planned_before_either_is_stored_then_the_later_one_goes_another_round_and_finds_the_earlier(
    hub: Hub, runner: Runner
) -> None:
    first, second = (
        Steps(hub, runner, fingerprinted(hub, runner, samples.recompressed(PHOTO, quality))) for quality in (60, 80)
    )
    for name in (first, second, first, second, first, second):
        name.step()

    assert [first.is_done, second.is_done] == [True, False]
    assert status(hub, second.item) == "pending", "nothing of it is stored before it was compared with all"
    for _ in range(3):
        second.step()
    assert (first.rounds, second.rounds) == (1, 2)
    assert matched_with(hub, first.item) == {second.item}
    assert hub.entries(first.item, "evidence.matched") == hub.entries(second.item, "evidence.matched") == 1


def test_blobs_at_once_then_so_many_as_have_room_with_all_their_hashes(
    hub: Hub, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for quality in (60, 80):
        fingerprinted(hub, runner, samples.recompressed(PHOTO, quality))
    with hub.api.app.state.services.sessions() as session:
        count = text("SELECT encode(blob_sha256, 'hex'), count(*) FROM fingerprints GROUP BY 1 ORDER BY 1")
        hashes = dict(session.execute(count).all())
        blobs = Proposed({blob: [] for blob in hashes})
        room = sum(hashes.values()) + 2 * finding.SET_IN_PRINTS * SETS_OF_A_PICTURE
        for fits, taken in ((room, list(hashes)), (room - 1, list(hashes)[:1])):
            monkeypatch.setattr(finding, "PRINTS_AT_ONCE", fits)
            assert sorted(finding._at_once(session, blobs)[0]) == taken


def test_round_that_follows_another_then_what_the_item_is_compared_by_is_not_read_again(
    hub: Hub, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        Steps(hub, runner, fingerprinted(hub, runner, samples.recompressed(PHOTO, quality))) for quality in (60, 80)
    )
    read, query_prints = list[str](), finding.query_prints

    def noted(session: Any, sha256: str, catalog: Any) -> Any:
        read.append(sha256)
        return query_prints(session, sha256, catalog)

    monkeypatch.setattr(finding, "query_prints", noted)
    for one in (first, second, first, second, first, second, second, second, second):
        one.step()

    assert (first.rounds, second.rounds, second.is_done) == (1, 2, True)
    assert len(read) == len(set(read)) == 2
    assert matched_with(hub, first.item) == {second.item}


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_copies_whose_jobs_interleave_at_random_then_every_pair_is_found_once(
    hub: Hub, runner: Runner, seed: int
) -> None:
    chance = random.Random(seed)
    jobs = [
        Steps(hub, runner, fingerprinted(hub, runner, samples.recompressed(PHOTO, quality)))
        for quality in (50, 60, 70, 80)
    ]
    while under_way := [job for job in jobs if not job.is_done]:
        chance.choice(under_way).step()

    items = {job.item for job in jobs}
    assert [matched_with(hub, item) for item in items] == [items - {item} for item in items]
    assert [hub.entries(item, "evidence.matched") for item in items] == [3, 3, 3, 3]
    assert [hub.entries(item, "evidence.fingerprinted") for item in items] == [1, 1, 1, 1]


@pytest.mark.thorough
def test_comparison_that_takes_long_then_others_of_the_case_settle_meanwhile_and_are_found_by_it(
    hub: Hub, runner: Runner
) -> None:
    slow, quick = (fingerprinted(hub, runner, samples.recompressed(PHOTO, quality)) for quality in (60, 80))
    has_begun, may_go_on = threading.Event(), threading.Event()

    def work_slowly(plan: Any, resources: Any) -> Any:
        has_begun.set()
        assert may_go_on.wait(30)
        return MATCH.work(plan, resources)

    with ThreadPoolExecutor(1) as thread:
        comparing = thread.submit(runner.run, replace(MATCH, work=work_slowly), None, 0, {"evidence_id": slow})
        try:
            assert has_begun.wait(30)
            with hub.api.app.state.services.sessions() as session:
                held = session.scalar(LOCKS_HELD)
            runner.run(MATCH, None, 0, {"evidence_id": quick})
        finally:
            may_go_on.set()
        comparing.result(timeout=30)

    assert held == 0
    assert matched_with(hub, quick) == {slow}
    assert hub.entries(slow, "evidence.fingerprinted") == 1


@pytest.mark.thorough
def test_rule_of_the_case_that_changes_during_the_comparison_then_it_is_made_by_the_new_rule(
    hub: Hub, runner: Runner
) -> None:
    first = fingerprinted(hub, runner, PHOTO.read_bytes())
    runner.run(MATCH, None, 0, {"evidence_id": first})
    job = Steps(hub, runner, fingerprinted(hub, runner, samples.recompressed(PHOTO, 10)))
    job.step()
    job.step()
    policy = {"required_dimensions": ["source"], "thresholds": {"pdq": 0}}
    path = f"/v1/cases/{hub.case_id}/policy"
    assert hub.coordinator.change(path, path, "PUT", json=policy).status_code == 200

    while not job.is_done:
        job.step()

    assert job.rounds == 2
    (match,) = hub.verifier.get(f"/v1/evidence/{first}/matches").json()["items"]
    assert "pdq/1<=0" in match["rule"]
    assert "pdq" not in {ground["algorithm"] for ground in match["grounds"]}, "what both rounds found by other means"


@pytest.mark.thorough
def test_blob_that_two_workers_decode_at_once_then_the_first_result_is_kept_alone(hub: Hub, runner: Runner) -> None:
    content = PHOTO.read_bytes()
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
    items = [hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form).json()["id"] for _ in range(2)]
    sessions = hub.api.app.state.services.sessions
    results = []
    for item in items:
        runner.run(PRESERVE, None, 0, {"evidence_id": item})
        with read_session(sessions) as session:
            plan = FINGERPRINT.plan(session, evidence_id=item)
        results.append(FINGERPRINT.work(plan, runner.resources))
    cut = replace(results[1], decoded=replace(results[1].decoded, outcome="partial", prints=[]))
    for result in (results[0], cut):
        with unit_of_work(sessions) as uow:
            FINGERPRINT.store(uow, result)
            uow.commit()
    for item in items:
        runner.run(MATCH, None, 0, {"evidence_id": item})

    assert [status(hub, item) for item in items] == ["done", "done"]
    assert matched_with(hub, items[0]) == {items[1]}


def test_pair_of_which_working_pictures_were_missing_then_it_is_compared_anew_until_it_has_some(hub: Hub) -> None:
    shas = []
    for content in (PHOTO.read_bytes(), samples.recompressed(PHOTO, 60)):
        form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
        assert hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form).status_code == 201
        shas.append(hashlib.sha256(content).hexdigest())
    (one, other), rule = shas, rule_of(thresholds_of())
    by_points = Ground(algorithm="orb", version="orb/1", inliers=40, threshold_inliers=12)
    held_back = Explanation("likely", [replace(by_points, held_back="no_pictures")], [])
    firm = Explanation("same_picture", [by_points], [])
    candidates = Proposed({other: [(0, 0)]})
    settled = frozenset({Settled(other)})
    with hub.api.app.state.services.sessions() as session:
        for explanation, name, others in ((held_back, rule + WITHOUT_PICTURES, [other]), (firm, rule, [])):
            kept, _ = keep_blob_matches(session, Compared(Settled(one), rule, frozenset(), {other: explanation}))
            assert (kept[other].tier, kept[other].rule) == (explanation.tier, name)
            planned = plan_pairs(session, Settled(one), None, candidates, settled, thresholds_of(), None, CATALOG)
            assert list(planned.moments) == others


@pytest.mark.thorough
def test_more_candidates_than_a_statement_has_parameters_then_all_are_compared_in_rounds(hub: Hub) -> None:
    candidates = Proposed({f"{number:064x}": [] for number in range(70_000)})
    settled = frozenset(Settled(blob) for blob in candidates)
    with read_session(hub.api.app.state.services.sessions) as session:
        planned = plan_pairs(session, Settled("f" * 64), None, candidates, settled, thresholds_of(), None, CATALOG)
        assert planned.is_part
        assert 0 < len(planned.seen) < len(candidates)
        assert session.scalars(earliest(candidates, 1)).all() == []
