"""The job that reads originals back: equal bytes are preserved, others quarantined, unreadable ones tried again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.job_table import JOBS
from app.jobs import enqueue_forgotten
from app.worker import NotNow
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.work import Work, work_of

DOGS = PHOTOGRAPHS[0].read_bytes()


@pytest.fixture
def work(hub: Hub) -> Iterator[Work]:
    with work_of(hub.api, decodes_anew=True) as found:
        yield found


def blob_file(hub: Hub, item: dict[str, Any]) -> Path:
    (path,) = (hub.api.settings.data / "blobs").glob(f"??/??/{item['sha256']}")
    return path


@pytest.mark.thorough
def test_equal_bytes_are_preserved(hub: Hub, receive: Receive, work: Work) -> None:
    item = receive(DOGS)

    assert work.finish() == ["preserve", "fingerprint", "match", "match_across"]
    assert hub.verifier.get(f"/v1/evidence/{item['id']}").json()["state"] == "preserved"
    assert hub.entries(item["id"], "evidence.preserved") == 1


def test_changed_bytes_are_quarantined_and_not_fingerprinted(hub: Hub, receive: Receive, work: Work) -> None:
    item = receive(DOGS)
    path = blob_file(hub, item)
    path.chmod(0o600)
    path.write_bytes(DOGS[:-1] + b"x")

    assert work.finish() == ["preserve"]
    found = hub.verifier.get(f"/v1/evidence/{item['id']}").json()
    assert (found["state"], found["reason_code"]) == ("quarantined", "readback_mismatch")
    preview = hub.verifier.get(f"/v1/evidence/{item['id']}/preview")
    assert (preview.status_code, preview.json()["code"]) == (404, "no_preview")
    assert hub.entries(item["id"], "evidence.quarantined") == 1


def test_missing_bytes_are_tried_again_and_never_called_tampering(hub: Hub, receive: Receive, work: Work) -> None:
    item = receive(DOGS)
    blob_file(hub, item).rename(hub.api.settings.data / "aside")

    with pytest.raises(NotNow):
        work.finish()
    assert hub.verifier.get(f"/v1/evidence/{item['id']}").json()["state"] == "collected"
    assert hub.entries(item["id"], "evidence.quarantined") == 0


@pytest.mark.thorough
def test_items_whose_jobs_are_lost_when_the_worker_looks_then_each_is_enqueued_once(
    hub: Hub, receive: Receive, work: Work
) -> None:
    sessions = hub.api.app.state.services.sessions
    receive(DOGS)
    for lost in ("preserve", "fingerprint", "match", "match_across"):
        with sessions.begin() as session:
            assert enqueue_forgotten(session, JOBS) == [], "its job waits"
            session.execute(text("DELETE FROM procrastinate_jobs"))
        with sessions.begin() as session:
            assert [name for name, _ in enqueue_forgotten(session, JOBS)] == [lost]
        assert work.run_one() == lost
    assert work.finish() == []
    with sessions.begin() as session:
        assert enqueue_forgotten(session, JOBS) == [], "everything is done"
