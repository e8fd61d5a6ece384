"""Offering items for decoding again: by a person, for a reason; or many at once, by an operator.

A decoder that was updated, or other limits, may find what the last decoding did not. What was found stays in force
until something better is; see ``decodings``. Nothing is offered by itself, and what broke the rules of the jail
(``policy_violation``) only when that is asked for by name.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.errors import DecodingUnderWay
from app.fingerprints.events import DecodingRequested
from app.jobs import IN_BULK
from app.kernel.errors import WrongState
from app.ledger.event import EntryActor
from app.media.items import entry_object, lock_evidence
from app.media.jail.result import DecodeOutcome
from app.media.models import Decoding, Evidence
from app.media.reading import latest_decoding
from app.media.rules import PARTIAL, FingerprintStatus, State
from app.media.service import FINGERPRINT, system_actor
from app.media.turns import AGAIN
from app.unit_of_work import UnitOfWork

OUTCOMES = (*DecodeOutcome, PARTIAL, FingerprintStatus.FAILED)
"""By which items may be chosen; ``failed``: the job was given up."""
NOT_READ_BACK = (State.LEAD, State.DECLINED, State.COLLECTED, State.QUARANTINED)


def request_decoding(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, reason: str) -> Evidence:
    """Have an item's bytes decoded again. Raises WrongState, DecodingUnderWay."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.REQUEST_DECODING, version=version)
    if evidence.state in NOT_READ_BACK:
        raise WrongState(
            f"Only what is preserved is decoded. The item is '{evidence.state}'.", extra={"state": evidence.state}
        )
    if evidence.fingerprint_status == FingerprintStatus.PENDING:
        raise DecodingUnderWay("The item's fingerprint_status is 'pending': its bytes are to be decoded already.")
    _offer(uow, evidence, grant.entry_actor, reason, priority=AGAIN)
    return evidence


def _offer(uow: UnitOfWork, evidence: Evidence, by: EntryActor, reason: str | None, *, priority: int) -> None:
    assert evidence.blob_sha256 is not None
    latest = latest_decoding(uow.session, evidence.blob_sha256)
    evidence.fingerprint_status = FingerprintStatus.PENDING
    evidence.fingerprint_reason = None
    evidence.version += 1
    uow.session.flush()
    uow.record(
        DecodingRequested(
            stream=evidence.id,
            actor=by,
            object=entry_object(uow.session, evidence),
            outcome=None if latest is None else latest.outcome,
            decoder=None if latest is None else latest.decoder,
            reason=reason,
        )
    )
    uow.enqueue_at(priority, FINGERPRINT, evidence_id=str(evidence.id))


@dataclass(frozen=True)
class Wanted:
    """Which items are offered in bulk: those that meet every condition."""

    decoded_before: datetime
    """Their latest decoding is older, so that going on after a stop offers none twice."""
    outcomes: frozenset[str] = frozenset()
    """Of the latest decoding, of :data:`OUTCOMES`; empty: any but ``policy_violation``."""
    case_id: UUID | None = None
    not_decoders: frozenset[str] | None = None
    """The texts of the present decoder (``app.media.limits.decoder_text``): only what another one decoded."""


def offer_batch(uow: UnitOfWork, wanted: Wanted, *, after: UUID | None, limit: int) -> list[UUID]:
    """Offer the next items in the order of their ids; their ids. Empty: there are no more.

    Their jobs come after those of new uploads.
    """
    query = select(Evidence).outerjoin(Decoding, _is_latest()).where(*_conditions(wanted)).order_by(Evidence.id)
    if after is not None:
        query = query.where(Evidence.id > after)
    items: Sequence[Evidence] = uow.session.scalars(
        query.limit(limit).with_for_update(of=Evidence, key_share=True)
    ).all()
    for evidence in items:
        _offer(uow, evidence, system_actor(uow.session), None, priority=IN_BULK)
    return [evidence.id for evidence in items]


def count_wanted(session: Session, wanted: Wanted) -> int:
    query = select(func.count()).select_from(Evidence).outerjoin(Decoding, _is_latest()).where(*_conditions(wanted))
    return session.scalar(query) or 0


def _is_latest() -> ColumnElement[bool]:
    number = select(func.max(Decoding.number)).where(Decoding.blob_sha256 == Evidence.blob_sha256)
    return and_(
        Decoding.blob_sha256 == Evidence.blob_sha256,
        Decoding.number == number.correlate(Evidence).scalar_subquery(),
    )


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [
        Evidence.blob_sha256.is_not(None),
        Evidence.state.not_in(NOT_READ_BACK),
        Evidence.fingerprint_status != FingerprintStatus.PENDING,
        or_(Decoding.decoded_at.is_(None), Decoding.decoded_at < wanted.decoded_before),
        _has_outcome(wanted.outcomes),
    ]
    if wanted.case_id is not None:
        conditions.append(Evidence.case_id == wanted.case_id)
    if wanted.not_decoders is not None:
        conditions.append(or_(Decoding.decoder.is_(None), Decoding.decoder.not_in(wanted.not_decoders)))
    return conditions


def _has_outcome(outcomes: Collection[str]) -> ColumnElement[bool]:
    if not outcomes:
        return or_(Decoding.outcome.is_(None), Decoding.outcome != DecodeOutcome.POLICY_VIOLATION)
    is_one = Decoding.outcome.in_(outcomes)
    if FingerprintStatus.FAILED in outcomes:
        return or_(is_one, Evidence.fingerprint_status == FingerprintStatus.FAILED)
    return is_one
