"""How far a decoding has come: shown while it goes on, believed only from a living worker, gone when it is settled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.job_table import CHORES
from app.kernel.primitives import utc_now
from app.media.progress import BELIEVED_S, Progress, ProgressBoard, Reached
from tests import media_samples
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.support.api import Api
from tests.support.work import Work, work_of

WRITE = next(chore for chore in CHORES if chore.name == "write_progress")


class Watched:
    """A worker and an item that it decodes: ``look`` is called whenever the decoder tells how far it has come."""

    def __init__(self, api: Api, work: Work, hub: Hub) -> None:
        self.api, self.work, self.hub = api, work, hub
        self.sessions = api.app.state.services.sessions
        self.seen: list[dict[str, Any]] = []

    def item(self, evidence_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.hub.verifier.get(f"/v1/evidence/{evidence_id}").json()
        return found

    def chore(self) -> None:
        WRITE.run(self.sessions, self.work.resources)

    def rows(self) -> int:
        with self.sessions() as session:
            return int(session.scalar(text("SELECT count(*) FROM fingerprint_progress")))


@pytest.fixture
def watched(api: Api, hub: Hub) -> Iterator[Watched]:
    with work_of(api, decodes_anew=True) as work:
        yield Watched(api, work, hub)


@pytest.fixture
def looking(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Has something done at every word of the decoder, after it was put on the board."""

    def look(act: Callable[[], None]) -> None:
        following = ProgressBoard.following

        @contextmanager
        def followed(board: ProgressBoard, evidence_id: UUID) -> Iterator[Callable[[int, int | None], None]]:
            with following(board, evidence_id) as report:

                def tell(decoded_ms: int, claimed_ms: int | None) -> None:
                    report(decoded_ms, claimed_ms)
                    act()

                yield tell

        monkeypatch.setattr(ProgressBoard, "following", followed)

    return look


@pytest.mark.thorough
def test_item_while_its_video_is_decoded_shows_how_far_and_keeps_its_version(
    watched: Watched, receive: Receive, looking: Callable[[Callable[[], None]], None]
) -> None:
    received = receive(media_samples.excerpt(8, 10))
    assert watched.work.run_one() == "preserve"
    before = watched.item(received["id"])
    assert before["fingerprint_progress"] is None

    def look() -> None:
        watched.chore()
        watched.seen.append(watched.item(received["id"]))

    looking(look)
    assert watched.work.run_one() == "fingerprint"

    seen = watched.seen[-1]
    shown = seen["fingerprint_progress"]
    assert 1900 <= shown["decoded_ms"] <= shown["claimed_ms"] <= 2100
    assert shown["fraction"] == round(shown["decoded_ms"] / shown["claimed_ms"], 3)
    assert seen["version"] == before["version"]
    assert watched.item(received["id"])["fingerprint_progress"] is None
    assert watched.rows() == 0
    watched.work.finish()
    assert watched.item(received["id"])["fingerprint_status"] == "done"


def test_item_when_its_worker_was_killed_then_soon_shows_no_progress(
    watched: Watched, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = receive(media_samples.excerpt(8, 9))
    with watched.work.resources.progress.following(UUID(received["id"])) as report:
        report(700, None)
        watched.chore()
        shown = watched.item(received["id"])["fingerprint_progress"]
        assert (shown["decoded_ms"], shown["claimed_ms"], shown["fraction"]) == (700, None, None)
    watched.chore()  # What no worker speaks of any more is not renewed.
    later = utc_now() + timedelta(seconds=BELIEVED_S + 1)
    monkeypatch.setattr("app.media.progress.utc_now", lambda: later)

    assert watched.item(received["id"])["fingerprint_progress"] is None
    assert watched.rows() == 1


def test_board_when_a_decoding_fails_then_it_is_forgotten() -> None:
    board, item = ProgressBoard(), UUID(int=1)

    def fail() -> None:
        with board.following(item) as report:
            report(5, 10)
            assert board.read() == {item: Reached(5, 10)}
            raise OSError("the pipe broke")

    with pytest.raises(OSError):
        fail()
    assert board.read() == {}


@pytest.mark.parametrize(
    ("decoded_ms", "claimed_ms", "fraction"),
    [(0, 1000, 0.0), (333, 1000, 0.333), (1000, 1000, 1.0), (1001, 1000, None), (1000, None, None)],
)
def test_fraction_when_the_claim_fails_then_there_is_none(
    decoded_ms: int, claimed_ms: int | None, fraction: float | None
) -> None:
    assert Progress(decoded_ms, claimed_ms, utc_now()).fraction == fraction
