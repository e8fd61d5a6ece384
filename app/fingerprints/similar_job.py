"""The job ``search_similar``: decode the file in the jail, hash it as evidence, search, and let go of it.

In rounds: what decoding gave is searched for by a second ``plan``, which reads candidates from the database as every
plan does; they are compared in ``work``, so many at a time as memory holds. Nothing of it is stored; between the rounds
it is in the worker's memory.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.blobs.store import BlobStore
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.finding import Found, Search, in_order, next_part, plan_search, search_part
from app.fingerprints.hasher import Hasher
from app.fingerprints.keeping import EXACT_GROUND
from app.fingerprints.matching import Prints, thresholds_of
from app.fingerprints.pictures import HeldPictures
from app.fingerprints.proposing import Proposed
from app.fingerprints.similar_files import QueryFiles
from app.fingerprints.similar_models import SimilarSearch
from app.fingerprints.similar_searches import (
    MOST_RESULTS,
    SEARCH_SIMILAR,
    cases_to_search,
    finish_search,
    forget_expired,
    holds_copy,
    is_wanted,
    waiting_searches,
)
from app.jobs import Chore, Job
from app.kernel.database import read_session
from app.kernel.primitives import utc_now
from app.media.frames import WorkingFrames
from app.media.jail.decoder import Decoder, JailUnavailable
from app.media.jail.result import DecodeOutcome
from app.media.rules import PARTIAL
from app.unit_of_work import UnitOfWork

SWEEP_EVERY_S = 60.0
FILE_LOST = "file_lost"
"""The search ends so when its file is gone: its worker was killed just after it was removed, or a disk lost it."""


class SearchResources(Protocol):
    """What the worker hands to this job."""

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def decoder(self) -> Decoder: ...

    @property
    def query_files(self) -> QueryFiles: ...


@dataclass(frozen=True)
class Taken:
    """What decoding the file gave."""

    outcome: str
    reason: str | None
    prints: Prints
    features: Sequence[LocalFeatures]


@dataclass(frozen=True)
class Plan:
    search_id: UUID
    taken: Taken | None = None
    search: Search | None = None
    """What is to be compared now and, after ``work``, what was found; None while the file is being decoded."""


Result = Plan
"""``taken`` None: the file is lost."""


def plan(session: Session, *, search_id: str, earlier: Result | None = None) -> Plan | None:
    found = session.get(SimilarSearch, UUID(search_id))
    if found is None or found.status != "pending" or found.expires_at <= utc_now():
        return None
    if earlier is None or earlier.taken is None:
        return Plan(found.id)
    if earlier.search is not None:
        return replace(earlier, search=next_part(session, earlier.search))
    return Plan(found.id, earlier.taken, _plan_search(session, found, earlier.taken))


def work(plan: Plan, resources: SearchResources) -> Result:
    """Raises JailUnavailable, and DecoderDied, which counts: the file may be what kills its decoder."""
    if plan.search is not None:
        resources.query_files.remove(plan.search_id)
        return replace(plan, search=search_part(plan.search, resources.blobs))
    try:
        fd = resources.query_files.open(plan.search_id)
    except FileNotFoundError:
        return Plan(plan.search_id)
    try:
        return Plan(plan.search_id, _take(resources.decoder, fd))
    finally:
        os.close(fd)


def _take(decoder: Decoder, fd: int) -> Taken:
    """What is taken from evidence, by the same code."""
    frames = WorkingFrames()
    hasher = Hasher(CATALOG.current, on_shot=frames.take_shot, on_further=frames.take_further)
    decoded = decoder.decode(fd, hasher.take_frame, None, hasher.take_picture)
    hasher.end_video(decoded.end_ms)
    is_partial = decoded.outcome is DecodeOutcome.DECODED and decoded.is_partial
    is_video = decoded.sniffed is not None and decoded.sniffed.kind == "video"
    outcome = PARTIAL if is_partial else str(decoded.outcome)
    prints = Prints(is_video, hasher.prints, pictures=HeldPictures(frames.jpegs))
    return Taken(outcome, decoded.reason, prints, hasher.features)


def _plan_search(session: Session, asked: SimilarSearch, taken: Taken) -> Search:
    thresholds = thresholds_of(asked.thresholds)
    if not taken.prints.prints or asked.tier == "exact":
        return Search(taken.prints, thresholds, Proposed())
    return plan_search(session, taken.prints, taken.features, cases_to_search(session, asked), thresholds)


def _result_of(session: Session, asked: SimilarSearch, found: Sequence[Found]) -> list[dict[str, Any]]:
    assert asked.sha256 is not None
    result: list[dict[str, Any]] = []
    if holds_copy(session, asked.sha256, cases_to_search(session, asked)):
        result.append({"blob_sha256": asked.sha256, "tier": "exact", "grounds": [EXACT_GROUND], "segments": []})
    for one in in_order(found):
        grounds, segments = one.explanation.as_json()
        told = {"tier": one.explanation.tier, "grounds": grounds, "segments": segments}
        if one.blob_sha256 != asked.sha256 and is_wanted(one.explanation.tier, asked.tier):
            result.append({"blob_sha256": one.blob_sha256, **told})
    return result[:MOST_RESULTS]


def store(uow: UnitOfWork, result: Result) -> Result | None:
    """Idempotent by the search's status. Gives back what decoding gave, to be searched for first, and what is left."""
    if result.taken is not None and (result.search is None or result.search.left):
        return result
    found = _lock(uow.session, result.search_id)
    if found is None:
        return None
    if result.taken is None or result.search is None:
        finish_search(found, "failed", reason=FILE_LOST)
    else:
        taken = result.taken
        told = _result_of(uow.session, found, result.search.found)
        finish_search(found, "done", outcome=taken.outcome, reason=taken.reason, result=told)
    return None


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    """After the last attempt. The file goes with the next sweep."""
    found = _lock(uow.session, UUID(arguments["search_id"]))
    if found is not None:
        finish_search(found, "failed", reason=error)


def waiting(session: Session) -> list[Mapping[str, str]]:
    return [{"search_id": str(found)} for found in waiting_searches(session)]


def _lock(session: Session, search_id: UUID) -> SimilarSearch | None:
    query = select(SimilarSearch).where(SimilarSearch.id == search_id, SimilarSearch.status == "pending")
    return session.scalar(query.with_for_update())


def _sweep(sessions: sessionmaker[Session], resources: SearchResources) -> Mapping[str, Any]:
    with sessions.begin() as session:
        forgotten = forget_expired(session)

    def waiting_now() -> list[UUID]:
        with read_session(sessions) as session:
            return waiting_searches(session)

    files = resources.query_files.sweep(waiting_now)
    return {"searches": forgotten, "files": files} if forgotten or files else {}


JOBS: tuple[Job, ...] = (Job(SEARCH_SIMILAR, plan, work, store, give_up, (JailUnavailable,), waiting),)
CHORES: tuple[Chore, ...] = (Chore("sweep_searches", SWEEP_EVERY_S, _sweep),)
