"""The stop list: frames that occur in many unrelated sources (leaders, test cards, end cards) and prove nothing.

The system proposes (``stop_list_finding``), a person decides; only what a person stopped is left out by matching, else
whoever floods the system with copies of a frame could make it blind for footage that shows it. Decision 0032.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_stop_list_editor, require_stop_list_reader, system_stream
from app.access.rules import Operation
from app.fingerprints.algorithms.algorithm import Algorithm
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.decodings import in_force
from app.fingerprints.errors import FrameOnList, NoSuchFrame, NotAHash, NotFromThisStanding, UnknownAlgorithm
from app.fingerprints.events import FrameDismissed, FrameReleased, FrameStopped
from app.fingerprints.models import Fingerprint, RuleInForce, StoppedFrame
from app.fingerprints.search.hamming import Words, scan, words_of
from app.fingerprints.views import IDENTITY, in_symmetries
from app.jobs import IN_BULK
from app.kernel.errors import NotFound, VersionMismatch
from app.kernel.primitives import new_id, sha256_hex, utc_now
from app.ledger.event import EntryActor, EntryObject
from app.media.items import find_evidence
from app.media.reading import has_own_results
from app.unit_of_work import UnitOfWork

SPREAD_STOPS = "spread_stops"
"""The job that marks whom a change concerns, to be compared anew (``stop_list_effects``)."""
RADIUS_BITS = 8
"""A frame is a stopped one up to this distance: encoded anew it moves by fewer bits, another picture by far more."""

_WAYS = {"stop": ("proposed", "dismissed", "released"), "dismiss": ("proposed",), "release": ("stopped",)}
_STANDINGS = {"stop": "stopped", "dismiss": "dismissed", "release": "released"}


@dataclass(frozen=True)
class _Held:
    change: int
    words: Mapping[str, Words]
    """Per version the stopped hashes, of PDQ in every symmetry."""


@dataclass
class StopList:
    """What is stopped, in memory: one for a process. A look-up asks the database for one number, whether it is new."""

    _held: _Held | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stopped(self, session: Session, version: str, hashes: Sequence[bytes]) -> set[bytes]:
        if not hashes:
            return set()
        held = self._follow(session)
        stopped = held.words.get(version)
        return set() if stopped is None else near_any(stopped, hashes)

    def _follow(self, session: Session) -> _Held:
        change = last_change(session)
        with self._lock:
            held = self._held
        if held is None or held.change != change:
            held = _Held(change, _read(session))
            with self._lock:
                self._held = held
        return held


def near_any(stopped: Words, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of the hashes that are within the radius of a stopped one. Pure."""
    distinct = list(dict.fromkeys(hashes))
    wanted = words_of(distinct)
    # The scan's loop is over its second side.
    is_shorter = len(stopped) < len(wanted)
    near = scan(wanted, stopped, RADIUS_BITS).rows if is_shorter else scan(stopped, wanted, RADIUS_BITS).queries
    return {distinct[int(place)] for place in np.unique(near)}


STOPPED = StopList()


def is_stopped(session: Session, version: str, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of the hashes that are near a stopped frame's, as it is or turned or mirrored: matching leaves them out, on
    the query's side and on the reference's."""
    return STOPPED.stopped(session, version, hashes)


def last_change(session: Session) -> int:
    """The number of the list's last change; 0: it was never changed. Pairs compared under a lower one may have been
    found by frames that are stopped now, or not been found by frames that are not any more."""
    return session.scalar(select(func.coalesce(func.max(StoppedFrame.change), 0))) or 0


def changed_since(session: Session, change: int) -> Sequence[StoppedFrame]:
    """The frames that were stopped or released after that change: what contains one of them is to be compared anew."""
    query = select(StoppedFrame).where(StoppedFrame.change > change, StoppedFrame.standing.in_(("stopped", "released")))
    return session.scalars(query.order_by(StoppedFrame.change)).all()


def _read(session: Session) -> dict[str, Words]:
    query = select(StoppedFrame.version, StoppedFrame.value).where(StoppedFrame.standing == "stopped")
    values: dict[str, list[bytes]] = {}
    for version, value in session.execute(query):
        values.setdefault(version, []).extend(turned(version, value))
    return {version: words_of(found) for version, found in values.items()}


def turned(version: str, value: bytes) -> list[bytes]:
    """The hashes near which a frame is this one: of PDQ in every symmetry."""
    return list(in_symmetries(value).values()) if version == PDQ.version else [value]


# --- changes ----------------------------------------------------------------------------------------------------------


def stop_hash(uow: UnitOfWork, actor: Actor, *, version: str, value: bytes, kind: str, reason: str) -> StoppedFrame:
    """Put a frame on the list by its hash. Raises Forbidden, UnknownAlgorithm, NotAHash, FrameOnList."""
    entry_actor = require_stop_list_editor(actor)
    algorithm = stoppable().get(version)
    if algorithm is None:
        raise UnknownAlgorithm(f"Frames are compared by {', '.join(sorted(stoppable()))}.")
    if len(value) != algorithm.bits // 8:
        raise NotAHash(f"A hash of {version} has {algorithm.bits // 4} hexadecimal digits.")
    return _stop(uow, entry_actor, version, value, kind, reason)


def stop_frame_of(
    uow: UnitOfWork, actor: Actor, *, evidence_id: UUID, time_ms: int, kind: str, reason: str
) -> StoppedFrame:
    """Put the frame on the list that an item has at this time, by whoever may edit the list and read the item. Raises
    Forbidden, NotFound, NoSuchFrame, FrameOnList."""
    entry_actor = require_stop_list_editor(actor)
    evidence, _ = find_evidence(uow.session, actor, evidence_id, Operation.READ_METADATA)
    query = select(Fingerprint.version, Fingerprint.value).join(RuleInForce, in_force())
    query = query.where(
        Fingerprint.blob_sha256 == evidence.blob_sha256,
        Fingerprint.version.in_(stoppable()),
        Fingerprint.time_ms == time_ms,
        Fingerprint.view == IDENTITY,
    )
    found = uow.session.execute(query.limit(1)).one_or_none() if has_own_results(evidence) else None
    if found is None:
        raise NoSuchFrame(f"No frame of the item is fingerprinted at {time_ms} ms.")
    return _stop(uow, entry_actor, found.version, found.value, kind, reason)


def stoppable() -> dict[str, Algorithm]:
    """By version the algorithm by which frames are compared."""
    return {one.version: one for one in CATALOG.matching()[PDQ.name]}


def _stop(uow: UnitOfWork, actor: EntryActor, version: str, value: bytes, kind: str, reason: str) -> StoppedFrame:
    there = select(StoppedFrame.id).where(StoppedFrame.version == version, StoppedFrame.value == value)
    known = uow.session.scalar(there)
    if known is not None:
        raise FrameOnList("The list has a frame with exactly this hash.", extra={"frame_id": str(known)})
    frame = StoppedFrame(
        id=new_id(), version=version, value=value, standing="stopped", kind=kind, sources=None, since=utc_now()
    )
    uow.session.add(frame)
    uow.session.flush()
    uow.record(FrameStopped(actor=actor, reason=reason, kind=kind, **entry_facts(uow.session, frame)))
    uow.enqueue_at(IN_BULK, SPREAD_STOPS)
    return frame


def decide_frame(
    uow: UnitOfWork,
    actor: Actor,
    frame_id: UUID,
    *,
    change: int,
    decision: str,
    kind: str | None = None,
    reason: str,
) -> StoppedFrame:
    """``stop`` (with what it shows), ``dismiss`` a proposal, or ``release``. Raises Forbidden, NotFound,
    VersionMismatch, NotFromThisStanding."""
    entry_actor = require_stop_list_editor(actor)
    query = select(StoppedFrame).where(StoppedFrame.id == frame_id).with_for_update()
    frame = uow.session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if frame is None:
        raise NotFound()
    if frame.change != change:
        raise VersionMismatch(f"The frame's last change has the number {frame.change}. Read it again.")
    if frame.standing not in _WAYS[decision]:
        raise NotFromThisStanding(f"The frame is '{frame.standing}'.")
    frame.standing, frame.since = _STANDINGS[decision], utc_now()
    if decision == "stop":
        frame.kind = kind
    uow.session.flush()
    facts = entry_facts(uow.session, frame)
    if decision == "stop":
        uow.record(FrameStopped(actor=entry_actor, reason=reason, kind=kind or "", **facts))
    else:
        event = FrameDismissed if decision == "dismiss" else FrameReleased
        uow.record(event(actor=entry_actor, reason=reason, **facts))
    if decision != "dismiss":
        uow.enqueue_at(IN_BULK, SPREAD_STOPS)
    return frame


def entry_facts(session: Session, frame: StoppedFrame) -> dict[str, Any]:
    """What every entry about a frame says."""
    return {
        "stream": system_stream(session),
        "object": EntryObject("stopped_frame", frame.id, frame.change),
        "hash_version": frame.version,
        "value_sha256": sha256_hex(frame.value),
    }


# --- queries ----------------------------------------------------------------------------------------------------------


def list_stopped(session: Session, *, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[StoppedFrame]:
    """What matching leaves out, for everybody who signs in."""
    return _listed(session, "stopped", after, limit)


def list_by_standing(
    session: Session, actor: Actor, *, standing: str, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StoppedFrame]:
    """With the numbers of sources, which are of all cases together. Raises Forbidden."""
    require_stop_list_reader(actor)
    return _listed(session, standing, after, limit)


def get_frame(session: Session, actor: Actor, frame_id: UUID) -> StoppedFrame:
    """Raises Forbidden, NotFound."""
    require_stop_list_reader(actor)
    frame = session.get(StoppedFrame, frame_id)
    if frame is None:
        raise NotFound()
    return frame


def _listed(session: Session, standing: str, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[StoppedFrame]:
    query = select(StoppedFrame).where(StoppedFrame.standing == standing)
    if after is not None:
        query = query.where(tuple_(StoppedFrame.since, StoppedFrame.id) > after)
    return session.scalars(query.order_by(StoppedFrame.since, StoppedFrame.id).limit(limit)).all()
