"""An item whose fingerprinting was given up: it says so, its copies are found all the same, and work goes on."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.finding import lock_matching
from app.fingerprints.jobs import JOBS as FINGERPRINT_JOBS
from app.fingerprints.match_job import JOBS as MATCH_JOBS
from app.jobs import Job
from app.media.jobs import JOBS as PRESERVE_JOBS
from app.worker import WORKER_LOST, GaveUp, NotNow, Runner, WorkerLimits
from tests.factories import NO_LABELS, make_item
from tests.media.people import METADATA, Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.work import Work, work_of
from tests.verification.bench import Bench

(FINGERPRINT,) = FINGERPRINT_JOBS
(MATCH,) = MATCH_JOBS
(PRESERVE,) = PRESERVE_JOBS
LIMITS = WorkerLimits(attempts=4)


@pytest.fixture
def hub(api: Api) -> Hub:
    return Hub(api)


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api) as found:
        yield found


def preserved(hub: Hub, runner: Runner) -> dict[str, Any]:
    """A photograph that was read back; its fingerprinting waits."""
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("dogs.jpg", PHOTOGRAPHS[0].read_bytes()))]
    item: dict[str, Any] = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form).json()
    runner.run(PRESERVE, None, 0, {"evidence_id": item["id"]})
    return item


def test_job_when_it_is_given_up_then_the_item_is_failed_with_the_reason_and_its_copies_are_found(
    hub: Hub, work: Work
) -> None:
    runner = Runner(hub.api.app.state.services.sessions, work.resources, LIMITS)
    first, second = preserved(hub, runner), preserved(hub, runner)
    for item in (first, second):
        with pytest.raises(GaveUp):
            runner.run(FINGERPRINT, None, LIMITS.attempts, {"evidence_id": item["id"]})

    found = hub.verifier.get(f"/v1/evidence/{first['id']}").json()
    assert (found["state"], found["fingerprint_status"]) == ("preserved", "failed")
    assert found["fingerprint_reason"] == WORKER_LOST
    assert hub.entries(first["id"], "evidence.fingerprinted") == 1
    (match,) = hub.verifier.get(f"/v1/evidence/{first['id']}/matches").json()["items"]
    assert (match["tier"], {match["query_id"], match["reference_id"]}) == ("exact", {first["id"], second["id"]})
    preview = hub.verifier.get(f"/v1/evidence/{first['id']}/preview")
    assert (preview.status_code, preview.json()["code"]) == (404, "no_preview")


@pytest.mark.thorough
def test_job_when_storage_is_away_at_its_last_attempt_then_the_item_stays_pending_and_is_done_later(
    hub: Hub, work: Work
) -> None:
    runner = Runner(hub.api.app.state.services.sessions, work.resources, LIMITS)
    item = preserved(hub, runner)
    (path,) = (hub.api.settings.data / "blobs").glob(f"??/??/{item['sha256']}")
    path.rename(hub.api.settings.data / "aside")
    with pytest.raises(NotNow):
        runner.run(FINGERPRINT, None, LIMITS.attempts - 1, {"evidence_id": item["id"]})
    assert hub.verifier.get(f"/v1/evidence/{item['id']}").json()["fingerprint_status"] == "pending"

    (hub.api.settings.data / "aside").rename(path)
    runner.run(FINGERPRINT, None, LIMITS.attempts - 1, {"evidence_id": item["id"]})
    runner.run(MATCH, None, 0, {"evidence_id": item["id"]})
    assert hub.verifier.get(f"/v1/evidence/{item['id']}").json()["fingerprint_status"] == "done"


@pytest.mark.thorough
@pytest.mark.parametrize("given_up", [FINGERPRINT, MATCH], ids=lambda job: str(job.name))
def test_item_that_was_given_up_when_its_job_is_tried_again_then_it_is_done_and_its_matches_are_found(
    hub: Hub, work: Work, given_up: Job
) -> None:
    runner = Runner(hub.api.app.state.services.sessions, work.resources, LIMITS)
    first, second = preserved(hub, runner), preserved(hub, runner)
    for job in (FINGERPRINT, MATCH):
        runner.run(job, None, 0, {"evidence_id": first["id"]})
    if given_up is MATCH:
        runner.run(FINGERPRINT, None, 0, {"evidence_id": second["id"]})
    with pytest.raises(GaveUp):
        runner.run(given_up, None, LIMITS.attempts, {"evidence_id": second["id"]})
    assert hub.verifier.get(f"/v1/evidence/{second['id']}").json()["fingerprint_status"] == "failed"

    for job in (FINGERPRINT, MATCH):
        runner.run(job, None, 0, {"evidence_id": second["id"]})

    found = hub.verifier.get(f"/v1/evidence/{second['id']}").json()
    assert (found["fingerprint_status"], found["fingerprint_reason"]) == ("done", None)
    assert hub.entries(second["id"], "evidence.fingerprinted") == 2
    assert len(hub.verifier.get(f"/v1/evidence/{first['id']}/matches").json()["items"]) == 1


def test_lock_matching_when_another_holds_it_past_the_lock_timeout_then_it_waits(
    sessions: sessionmaker[Session],
) -> None:
    case_id = uuid4()
    with sessions() as holder, sessions() as waiter, ThreadPoolExecutor(1) as threads:
        lock_matching(holder, case_id)
        waiter.execute(text("SET lock_timeout = 100"))
        turn = threads.submit(lock_matching, waiter, case_id)
        with pytest.raises(TimeoutError):
            turn.result(timeout=0.5)
        holder.rollback()
        turn.result(timeout=10)
        assert waiter.scalar(text("SHOW lock_timeout")) == "10s", "other locks are still waited for with a limit"


@pytest.mark.thorough
def test_item_when_every_attempt_took_its_worker_with_it_then_it_may_be_verified_and_submitted(
    sessions: sessionmaker[Session],
) -> None:
    bench = Bench(sessions)
    bench.item = make_item(sessions, bench.olena, bench.case_id, labels={**NO_LABELS}, is_compared=False)
    runner = Runner(sessions, None, LIMITS)
    with pytest.raises(GaveUp):
        runner.run(FINGERPRINT, None, LIMITS.attempts, {"evidence_id": str(bench.item)})
    with pytest.raises(GaveUp):
        runner.run(FINGERPRINT, None, LIMITS.attempts, {"evidence_id": str(bench.item)})

    given_up = bench.evidence()
    assert (given_up.state, given_up.fingerprint_status, given_up.fingerprint_reason) == (
        "preserved",
        "failed",
        "worker_lost",
    )
    assert bench.entry_types().count("evidence.fingerprinted") == 1
    bench.to_review()
    assert bench.evidence().state == "awaiting_peer_review"
