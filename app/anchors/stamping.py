"""Time stamps over the log's heads: which head, of which authority, until it is confirmed.

A *round* chooses the newest signed checkpoint and asks every authority for a stamp over the same bytes: at most one
round a period, and only when something besides earlier anchors' own entries was logged since the last one. A request is
stored before it is sent, so that the nonce is known whatever is lost; it is sent again, ever more slowly, until the
response verifies (``confirmed``, with an entry in the system stream) or a newer round takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.authorities import Authority
from app.anchors.events import HeadAnchored
from app.anchors.models import Anchor
from app.anchors.outgoing import NotReached, Outgoing
from app.anchors.timestamps import (
    REQUEST_TYPE,
    RESPONSE_LIMIT_BYTES,
    RESPONSE_TYPE,
    NotStamped,
    check_response,
    make_request,
)
from app.kernel.database import read_session
from app.kernel.primitives import new_id, sha256_hex, utc_now
from app.ledger import log, reading
from app.ledger.event import EntryActor, EntryObject
from app.ledger.reading import SignedCheckpoint
from app.unit_of_work import UnitOfWork, unit_of_work

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 3600.0

logger = structlog.get_logger("exhibit.anchors")

_ONE_ROUND = text("SELECT pg_advisory_xact_lock(:key)")
_ONE_ROUND_KEY = 0x45584C36
_NEWS = text("""
    SELECT EXISTS (
        SELECT FROM ledger_leaves l JOIN ledger_entries e USING (commitment)
        WHERE l.log_id = (SELECT max(id) FROM ledger_logs) AND l.idx >= :from AND l.idx < :size AND e.type <> :own
    )
""")


@dataclass(frozen=True)
class _Asked:
    anchor: Anchor
    authority: Authority
    note: bytes


@dataclass(frozen=True)
class _Answered:
    """What one attempt brought: the time when it verified, else why not; the bytes, whatever they were."""

    stamped_at: datetime | None
    reason: str | None
    response: bytes | None


def stamp_heads(
    sessions: sessionmaker[Session], authorities: Sequence[Authority], outgoing: Outgoing, period_s: float
) -> int:
    """One pass: a new round when it is time, and every request that is due; how many were sent. Hold the lock."""
    with sessions.begin() as session:
        open_round(session, authorities, period_s)
    with read_session(sessions) as session:
        asked = _due(session, authorities, utc_now())
    for each in asked:
        answered = _send(each, outgoing)
        with unit_of_work(sessions) as uow:
            if _store(uow, each, answered):
                uow.commit()
    return len(asked)


def open_round(session: Session, authorities: Sequence[Authority], period_s: float) -> SignedCheckpoint | None:
    """Store a request to every authority over the newest head, if a round is due; the head. ``period_s`` 0: at once.

    Worker and operator may both ask for one: the second sees the first's.
    """
    session.execute(_ONE_ROUND, {"key": _ONE_ROUND_KEY})
    checkpoint, now = reading.latest_checkpoint(session), utc_now()
    if checkpoint is None or not authorities:
        return None
    last = session.execute(
        select(Anchor.log_id, Anchor.size, Anchor.requested_at).order_by(Anchor.requested_at.desc()).limit(1)
    ).one_or_none()
    anchored = 0
    if last is not None:
        if last.requested_at > now - timedelta(seconds=period_s):
            return None
        anchored = last.size if last.log_id == checkpoint.log_id else 0
    if not has_news(session, anchored, checkpoint.size):
        return None
    _end_pending(session, now)
    for authority in authorities:
        session.add(_request(authority, checkpoint, now))
    return checkpoint


def has_news(session: Session, anchored: int, size: int) -> bool:
    """Whether the leaves from ``anchored`` to ``size`` hold more than anchors' own entries: else it never ended."""
    parameters = {"from": anchored, "size": size, "own": HeadAnchored.TYPE}
    return bool(session.execute(_NEWS, parameters).scalar_one())


def _request(authority: Authority, checkpoint: SignedCheckpoint, now: datetime) -> Anchor:
    return Anchor(
        id=new_id(),
        log_id=checkpoint.log_id,
        size=checkpoint.size,
        authority=authority.name,
        request=make_request(checkpoint.note.encode()),
        state="pending",
        attempts=0,
        next_attempt_at=now,
        requested_at=now,
    )


def _end_pending(session: Session, now: datetime) -> None:
    """A newer round covers all that an older request would: it is given up, as what its last attempt made it."""
    for anchor in session.scalars(select(Anchor).filter_by(state="pending").with_for_update()):
        anchor.state = "failed" if anchor.response is None else "refused"
        anchor.next_attempt_at, anchor.settled_at = None, now
        logger.error("anchor_given_up", authority=anchor.authority, size=anchor.size, reason=anchor.reason)
    session.flush()


def _due(session: Session, authorities: Sequence[Authority], now: datetime) -> list[_Asked]:
    known = {authority.name: authority for authority in authorities}
    wanted = select(Anchor).filter_by(state="pending").order_by(Anchor.authority)
    asked = []
    for anchor in session.scalars(wanted.where(Anchor.next_attempt_at <= now)):
        checkpoint = reading.checkpoint_of(session, anchor.size, log_id=anchor.log_id)
        if anchor.authority in known and checkpoint is not None:
            asked.append(_Asked(anchor, known[anchor.authority], checkpoint.note.encode()))
    session.expunge_all()
    return asked


def _send(asked: _Asked, outgoing: Outgoing) -> _Answered:
    try:
        answer = outgoing.post(
            asked.authority.url, asked.anchor.request, content_type=REQUEST_TYPE, limit_bytes=RESPONSE_LIMIT_BYTES
        )
    except NotReached as error:
        return _Answered(None, error.code, None)
    if answer.status != 200:
        return _Answered(None, f"http_{answer.status}", None)
    if answer.media_type != RESPONSE_TYPE:
        return _Answered(None, "other_media_type", None)
    try:
        stamped_at = check_response(answer.body, asked.anchor.request, asked.note, asked.authority.roots)
    except NotStamped as error:
        return _Answered(None, error.code, answer.body)
    return _Answered(stamped_at, None, answer.body)


def _store(uow: UnitOfWork, asked: _Asked, answered: _Answered) -> bool:
    """Keep what came; False when the anchor was settled meanwhile, so that there is nothing to commit."""
    anchor = uow.session.scalar(select(Anchor).filter_by(id=asked.anchor.id, state="pending").with_for_update())
    if anchor is None:
        return False
    now = utc_now()
    anchor.attempts += 1
    anchor.reason = answered.reason
    if answered.response is not None:
        anchor.response, anchor.response_sha256 = answered.response, sha256_hex(answered.response)
    facts = {"authority": anchor.authority, "size": anchor.size, "attempt": anchor.attempts}
    if answered.stamped_at is None:
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(anchor.attempts - 1, 30), LONGEST_WAIT_S)
        anchor.next_attempt_at = now + timedelta(seconds=wait_s)
        logger.warning("anchor_not_confirmed", reason=answered.reason, **facts)
        return True
    anchor.state, anchor.stamped_at = "confirmed", answered.stamped_at
    anchor.next_attempt_at, anchor.settled_at = None, now
    uow.record(_entry(uow.session, anchor, asked.note))
    logger.info("anchor_confirmed", **facts)
    return True


def _entry(session: Session, anchor: Anchor, note: bytes) -> HeadAnchored:
    stream = log.installation(session).system_stream
    checkpoint = reading.checkpoint_of(session, anchor.size, log_id=anchor.log_id)
    assert checkpoint is not None
    assert anchor.response is not None
    assert anchor.stamped_at is not None
    return HeadAnchored(
        stream=stream,
        actor=EntryActor(stream, "system", None),
        object=EntryObject("anchor", anchor.id, sha256=anchor.response_sha256, size=len(anchor.response)),
        authority=anchor.authority,
        tree_size=anchor.size,
        root=checkpoint.root,
        checkpoint_sha256=sha256_hex(note),
        stamped_at=anchor.stamped_at,
    )
