"""How it stands with the outsiders: anchors as lists, witnesses and authorities for /readyz and the operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from app.anchors.logs import current_log
from app.anchors.models import Anchor, Witness
from app.anchors.publication import newest_accepted
from app.kernel.errors import AppError
from app.kernel.primitives import utc_now
from app.ledger import reading
from app.ledger.policy import Policy
from app.ledger.reading import SignedCheckpoint


class NoSuchAnchor(AppError):
    code = "no_such_anchor"
    status = 404
    title = "There is no such time stamp"
    advice = "See the list of time stamps. One that was just asked for has no answer yet: ask again later."


NOT_ASKED = "No authority was asked for a stamp over a tree of this size: see the list."


@dataclass(frozen=True)
class Standing:
    """``is_ready`` is False when somebody outside contradicts the log: an operator must look."""

    is_ready: bool
    detail: str


def witness_states(session: Session, policy: Policy) -> Sequence[Witness]:
    """What is stored of the policy's witnesses in the current log, by name."""
    keys = [key.public_key for key in policy.witness_keys]
    wanted = select(Witness).where(Witness.log_id == current_log(session), Witness.public_key.in_(keys))
    return session.scalars(wanted.order_by(Witness.name, Witness.public_key)).all()


def witness_standing(session: Session, policy: Policy) -> Standing:
    states = witness_states(session, policy)
    alarms = [f"{each.name}: {each.detail}" for each in states if each.state == "alarm"]
    if alarms:
        return Standing(False, f"a witness contradicts the log: {', '.join(alarms)}")
    newest, accepted = reading.latest_checkpoint(session), newest_accepted(session, policy)
    behind = 0 if newest is None else newest.size - (accepted or 0)
    cosigning = sum(each.state in ("cosigning", "waiting") for each in states)
    poor = [f"{each.name}: {each.detail}" for each in states if each.state in ("unreachable", "refusing")]
    quorum = "no quorum is asked for" if policy.quorum is None else f"{behind} entries are newer than the last quorum"
    return Standing(True, "; ".join([f"{cosigning} of {len(policy.witnesses)} cosign", quorum, *poor]))


def anchor_standing(session: Session) -> Standing | None:
    """None while no time stamp was ever asked for."""
    stamped_at = session.scalar(select(func.max(Anchor.stamped_at)).filter_by(log_id=current_log(session)))
    pending = session.scalars(select(Anchor).filter_by(state="pending").order_by(Anchor.authority)).all()
    if stamped_at is None and not pending:
        return None
    told = "no time stamp yet" if stamped_at is None else f"newest time stamp {_age_s(stamped_at)} s old"
    waiting = [f"{each.authority}: pending for {_age_s(each.requested_at)} s ({each.reason})" for each in pending]
    return Standing(True, "; ".join([told, *waiting]))


def _age_s(moment: datetime) -> int:
    return max(0, int((utc_now() - moment).total_seconds()))


def list_anchors(session: Session, *, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Anchor]:
    """The current log's anchors, the newest first."""
    wanted = select(Anchor).filter_by(log_id=current_log(session))
    if before is not None:
        wanted = wanted.where(tuple_(Anchor.requested_at, Anchor.id) < before)
    return session.scalars(wanted.order_by(Anchor.requested_at.desc(), Anchor.id.desc()).limit(limit)).all()


def find_anchor(session: Session, size: int, authority: str) -> Anchor:
    """Raises NoSuchAnchor."""
    wanted = select(Anchor).filter_by(log_id=current_log(session), size=size, authority=authority)
    found = session.scalar(wanted)
    if found is None:
        raise NoSuchAnchor(NOT_ASKED)
    return found


def stamped_checkpoint(session: Session, size: int) -> SignedCheckpoint:
    """The checkpoint whose exact bytes were sent to authorities. Raises NoSuchAnchor."""
    asked = select(Anchor.id).filter_by(log_id=current_log(session), size=size).limit(1)
    checkpoint = reading.checkpoint_of(session, size)
    if checkpoint is None or session.scalar(asked) is None:
        raise NoSuchAnchor(NOT_ASKED)
    return checkpoint
