"""The job ``spread_stops``: whom a change of the stop list concerns, so that it is compared anew.

A frame that is stopped or freed changes what the files resemble that show it, and no other. The index names them, and
each is marked with the change's number (:class:`BlobStops`), so many at a time; how far it is stands in the
database, so it goes on after any stop. What is marked is due: ``match_again`` and ``match_across`` compare its items as
after a change of rules, and give each tier that changes its entries. Decision 0050.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.fingerprints.models import BlobStops, Fingerprint, StopListProgress
from app.fingerprints.proposing import INDEX
from app.fingerprints.search.hamming import words_of
from app.fingerprints.stop_list import (
    RADIUS_BITS,
    SPREAD_STOPS,
    changed_since,
    last_change,
    near_any,
    turned,
)
from app.jobs import IN_BULK, Job
from app.kernel.database import is_one_of
from app.unit_of_work import UnitOfWork

MARKED_AT_ONCE = 1_000


@dataclass(frozen=True)
class Plan:
    change: int
    blobs: tuple[str, ...]
    """Those that the frame of this change is in and that were not marked with it yet; some of them."""
    is_all: bool


def _plan(session: Session, *, earlier: None = None) -> Plan | None:  # noqa: ARG001
    """The first change that was not passed on."""
    progress = session.get(StopListProgress, 1)
    assert progress is not None
    last = last_change(session)  # Before the frames are read: what changes meanwhile has a higher number.
    frame = next(iter(changed_since(session, progress.passed_on)), None)
    if frame is None:  # But for proposals, and proposals that were dismissed.
        return Plan(last, (), True) if last > progress.passed_on else None
    showing = _showing(session, frame.version, frame.value)
    marked = set(
        session.scalars(
            select(BlobStops.blob_sha256).where(
                is_one_of(BlobStops.blob_sha256, showing), BlobStops.change >= frame.change
            )
        )
    )
    left = sorted(showing - marked)
    return Plan(frame.change, tuple(left[:MARKED_AT_ONCE]), len(left) <= MARKED_AT_ONCE)


def _showing(session: Session, version: str, value: bytes) -> set[str]:
    """The blobs that have this frame, as it is or turned. What is not in force any more counts too."""
    wanted = turned(version, value)
    near = INDEX.blobs_near(session, version, wanted, RADIUS_BITS)
    if near is not None:
        return {digest.hex() for digest in near}
    found: set[str] = set()
    words = words_of(wanted)
    rows = session.execute(select(Fingerprint.blob_sha256, Fingerprint.value).where(Fingerprint.version == version))
    for some in rows.partitions(100_000):
        stopped = near_any(words, [row.value for row in some])
        found |= {row.blob_sha256 for row in some if row.value in stopped}
    return found


def _work(plan: Plan, _: object) -> Plan:
    return plan


def _store(uow: UnitOfWork, plan: Plan) -> None:
    """Idempotent: a mark only rises, and so does how far it is."""
    progress = uow.session.get(StopListProgress, 1, with_for_update=True)
    assert progress is not None
    if plan.blobs:
        row = insert(BlobStops).values([{"blob_sha256": blob, "change": plan.change} for blob in plan.blobs])
        raised = row.on_conflict_do_update(
            constraint="pk_blob_stops",
            set_={"change": row.excluded.change},
            where=BlobStops.change < row.excluded.change,
        )
        uow.session.execute(raised)
    if plan.is_all:
        progress.passed_on = max(progress.passed_on, plan.change)
    if not plan.is_all or last_change(uow.session) > progress.passed_on:
        uow.enqueue_at(IN_BULK, SPREAD_STOPS)


def waiting(session: Session) -> Sequence[Mapping[str, Any]]:
    passed_on = session.scalar(select(StopListProgress.passed_on))
    return [{}] if last_change(session) > (passed_on or 0) else []


JOBS = (Job(SPREAD_STOPS, _plan, _work, _store, waiting_in_bulk=waiting),)
