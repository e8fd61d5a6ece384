"""How far the decoding of items has come: in the worker's memory, and now and then in the database for readers.

Progress is no state of the item: no entry, no version, nothing that anybody relies on. A row is believed only while its
worker goes on writing it, so what a killed worker left behind misleads nobody for longer than ``BELIEVED_S``.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.primitives import utc_now
from app.media.models import Evidence, FingerprintProgress
from app.media.rules import FingerprintStatus

WRITE_EVERY_S = 2.0
BELIEVED_S = 15.0
"""As long as a worker without a heartbeat counts as living."""
_FORGOTTEN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Reached:
    """The time in a video up to which it is decoded, and how long it claims to be (None: it claims nothing)."""

    decoded_ms: int
    claimed_ms: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a reader is shown."""

    decoded_ms: int
    claimed_ms: int | None
    reported_at: datetime

    @property
    def fraction(self) -> float | None:
        """0 to 1; None where no length is claimed, or one that has turned out too short."""
        if self.claimed_ms is None or self.decoded_ms > self.claimed_ms:
            return None
        return round(self.decoded_ms / self.claimed_ms, 3)


class ProgressBoard:
    """What the threads of one worker are decoding now. Writes nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reached: dict[UUID, Reached] = {}

    @contextmanager
    def following(self, evidence_id: UUID) -> Iterator[Callable[[int, int | None], None]]:
        """Within the block, calling what it gives with the time reached and the length claimed puts it on the board."""

        def report(decoded_ms: int, claimed_ms: int | None) -> None:
            with self._lock:
                self._reached[evidence_id] = Reached(decoded_ms, claimed_ms)

        try:
            yield report
        finally:
            with self._lock:
                self._reached.pop(evidence_id, None)

    def read(self) -> Mapping[UUID, Reached]:
        with self._lock:
            return dict(self._reached)


def write_progress(session: Session, reached: Mapping[UUID, Reached]) -> None:
    """For readers, as of now. A loss of the last seconds in a crash matters to nobody: the commit waits for no disk."""
    session.execute(text("SET LOCAL synchronous_commit TO OFF"))
    statement = insert(FingerprintProgress).values(
        [
            {
                "evidence_id": evidence_id,
                "decoded_ms": reached[evidence_id].decoded_ms,
                "claimed_ms": reached[evidence_id].claimed_ms,
                "reported_at": utc_now(),
            }
            for evidence_id in sorted(reached)  # All workers in the same order, so that none waits in a circle.
        ]
    )
    said = {name: statement.excluded[name] for name in ("decoded_ms", "claimed_ms", "reported_at")}
    session.execute(statement.on_conflict_do_update(index_elements=["evidence_id"], set_=said))
    forgotten = utc_now() - timedelta(seconds=_FORGOTTEN_S)
    session.execute(delete(FingerprintProgress).where(FingerprintProgress.reported_at < forgotten))


def clear_progress(session: Session, evidence_id: UUID) -> None:
    session.execute(delete(FingerprintProgress).where(FingerprintProgress.evidence_id == evidence_id))


def progress_of(session: Session, evidence: Evidence) -> Progress | None:
    """None when it is not being decoded, as far as anybody knows."""
    if evidence.fingerprint_status != FingerprintStatus.PENDING:
        return None
    found = session.scalar(select(FingerprintProgress).where(FingerprintProgress.evidence_id == evidence.id))
    if found is None or found.reported_at < utc_now() - timedelta(seconds=BELIEVED_S):
        return None
    return Progress(found.decoded_ms, found.claimed_ms, found.reported_at)
