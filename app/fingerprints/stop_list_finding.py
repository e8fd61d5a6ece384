"""Finding frames that occur in many unrelated videos, to propose them for the stop list: a chore of the workers.

Every video's frames are looked up once, in the order in which they were stored: when the last source that is needed has
come, its frames are in all of them. Many copies of one recording are no such thing: two videos of which much is alike,
or that people's decisions join, count as one source. One person's uploads alone propose nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import func, select, text, type_coerce
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Session

from app.access.actors import system_stream
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.decodings import in_force
from app.fingerprints.events import FrameProposed
from app.fingerprints.following import FollowingIndex
from app.fingerprints.graph import Sets
from app.fingerprints.models import Fingerprint, FingerprintBatch, RuleInForce, StopListProgress, StoppedFrame
from app.fingerprints.search.hamming import Words, distances_bits, words_of
from app.fingerprints.stop_list import RADIUS_BITS, entry_facts
from app.fingerprints.views import IDENTITY
from app.kernel.database import is_one_of
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryActor
from app.media.models import Blob, Evidence
from app.unit_of_work import UnitOfWork

PROPOSE_EVERY_S = 600.0
VIDEOS_AT_ONCE = 50
FRAMES_OF_ONE = 64
"""Looked up of one video, spread over its time; and compared of each other one."""
SOURCES_LOOKED_AT = 64
PROPOSALS_AT_ONCE = 20
MINIMUM_QUALITY = 30
SAME_FRAME_BITS = PDQ.threshold_bits
ALIKE_PERCENT = 30
"""Of the shorter one's frames: with more in common, two videos are one source."""

_LOCK = 0x53544C46
_MADE_OF_ONE = text(
    """
    SELECT DISTINCT encode(a.blob_sha256, 'hex'), encode(b.blob_sha256, 'hex')
    FROM matches m JOIN evidence a ON a.id = m.first_id JOIN evidence b ON b.id = m.second_id
    JOIN LATERAL (SELECT relation FROM relations WHERE match_id = m.id ORDER BY number DESC LIMIT 1) d ON true
    WHERE a.blob_sha256 = ANY(:blobs) AND b.blob_sha256 = ANY(:blobs) AND a.blob_sha256 <> b.blob_sha256
      AND d.relation IN ('same_capture', 'excerpt_of', 'contains', 'edited_from')
    """
)


@dataclass(frozen=True)
class Demands:
    """What a frame must occur in to be proposed."""

    sources: int
    uploaders: int


def propose_frames(uow: UnitOfWork, index: FollowingIndex, demands: Demands) -> dict[str, Any]:
    """Look at the next videos; what was found. Of several workers one does it at a time."""
    is_alone = uow.session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK)))
    progress = uow.session.get(StopListProgress, 1)
    if not is_alone or progress is None:
        return {}
    last, videos = _next_videos(uow.session, progress.number)
    proposed = 0
    for video in videos:
        proposed += _look_at(uow, index, video, demands, PROPOSALS_AT_ONCE - proposed)
    if last > progress.number:
        progress.number = last
    return {"videos": len(videos), "proposed": proposed} if proposed else {}


def _next_videos(session: Session, number: int) -> tuple[int, list[str]]:
    """The videos among the next batches, and the number of the last of these."""
    query = (
        select(FingerprintBatch.number, FingerprintBatch.blob_sha256, Blob.kind)
        .join(Blob, Blob.sha256 == FingerprintBatch.blob_sha256)
        .where(FingerprintBatch.number > number)
        .order_by(FingerprintBatch.number)
        .limit(VIDEOS_AT_ONCE)
    )
    rows = session.execute(query).all()
    videos = dict.fromkeys(row.blob_sha256 for row in rows if row.kind == "video")
    return (rows[-1].number if rows else number), [video for video in videos if video is not None]


def _look_at(uow: UnitOfWork, index: FollowingIndex, video: str, demands: Demands, room: int) -> int:
    """Propose of the video's frames those that demand it; how many."""
    frames = _frames_of(uow.session, [video]).get(video)
    if frames is None:
        return 0
    proposed = 0
    listed = _listed(uow.session)
    for frame in frames:
        if proposed >= room:
            break
        if listed is not None and (distances_bits(listed, frame[np.newaxis]) <= RADIUS_BITS).any():
            continue
        near = index.blobs_near(uow.session, PDQ.version, [frame.tobytes()], RADIUS_BITS)
        if near is None or len(near) < demands.sources:
            continue
        sources = _unrelated(uow.session, frame, sorted(blob.hex() for blob in near)[:SOURCES_LOOKED_AT], demands)
        if sources >= demands.sources:
            _propose(uow, frame.tobytes(), sources)
            listed = _listed(uow.session)
            proposed += 1
    return proposed


def _listed(session: Session) -> Words | None:
    """Whatever a person or the system put on the list, also what was dismissed."""
    values = session.scalars(select(StoppedFrame.value).where(StoppedFrame.version == PDQ.version)).all()
    return words_of(values) if values else None


def _propose(uow: UnitOfWork, value: bytes, sources: int) -> None:
    frame = StoppedFrame(
        id=new_id(), version=PDQ.version, value=value, standing="proposed", kind=None, sources=sources, since=utc_now()
    )
    uow.session.add(frame)
    uow.session.flush()
    actor = EntryActor(system_stream(uow.session), "system", None)
    uow.record(FrameProposed(actor=actor, sources=sources, **entry_facts(uow.session, frame)))


def _unrelated(session: Session, frame: Words, blobs: Sequence[str], demands: Demands) -> int:
    """In so many sources the frame occurs that have little else in common; 0 where too few people brought them."""
    frames = {
        blob: words
        for blob, words in _frames_of(session, blobs).items()
        if (distances_bits(words, frame[np.newaxis]) <= RADIUS_BITS).any()
    }
    if len(frames) < demands.sources or _uploaders(session, frames) < demands.uploaders:
        return 0
    order = sorted(frames)
    sets = Sets()
    for one, other in session.execute(_MADE_OF_ONE, {"blobs": [bytes.fromhex(blob) for blob in order]}):
        sets.join(order.index(one), order.index(other))
    others = [_without(frames[blob], frame) for blob in order]
    for number, words in enumerate(others):
        for further in range(number + 1, len(others)):
            if sets.find(number) != sets.find(further) and _are_alike(words, others[further]):
                sets.join(number, further)
    return len({sets.find(number) for number in range(len(order))})


def _without(words: Words, frame: Words) -> Words:
    rest: Words = words[distances_bits(words, frame[np.newaxis]) > RADIUS_BITS]
    return rest


def _are_alike(one: Words, other: Words) -> bool:
    """Whether much of the shorter one is in the other. Of one that has nothing besides the frame nothing is known: it
    is no source of its own."""
    shorter, longer = sorted((one, other), key=len)
    if not len(shorter):
        return True
    distances = np.bitwise_count(longer[:, np.newaxis] ^ shorter[np.newaxis]).sum(axis=2)
    found = int((distances <= SAME_FRAME_BITS).any(axis=0).sum())
    return found * 100 >= ALIKE_PERCENT * len(shorter)


def _uploaders(session: Session, blobs: Iterable[str]) -> int:
    among = is_one_of(Evidence.blob_sha256, list(blobs))
    query = select(func.count(func.distinct(Evidence.received_by))).where(among)
    return session.scalar(query) or 0


def _frames_of(session: Session, blobs: Sequence[str]) -> dict[str, Words]:
    """Of each video at most 64 of its frames in force, spread over its time."""
    query = (
        select(Fingerprint.blob_sha256, type_coerce(Fingerprint.value, BYTEA))
        .join(RuleInForce, in_force())
        .join(Blob, Blob.sha256 == Fingerprint.blob_sha256)
        .where(
            Blob.kind == "video",
            is_one_of(Fingerprint.blob_sha256, blobs),
            Fingerprint.version == PDQ.version,
            Fingerprint.view == IDENTITY,
            Fingerprint.quality >= MINIMUM_QUALITY,
        )
        .order_by(Fingerprint.blob_sha256, Fingerprint.time_ms)
    )
    values: dict[str, list[bytes]] = {}
    for blob, value in session.execute(query):
        values.setdefault(blob, []).append(value)
    return {blob: words_of(_spread(found)) for blob, found in values.items()}


def _spread(values: Sequence[bytes]) -> list[bytes]:
    step = max(1, -(-len(values) // FRAMES_OF_ONE))
    return list(values[::step])
