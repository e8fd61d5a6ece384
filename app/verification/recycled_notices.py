"""Telling a case's coordinators that a signed-off item is questioned: a match that came after the sign-off shows its
pictures before the event. The item stays as it is."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.fingerprints.keeping import APPEARED
from app.fingerprints.models import Match
from app.fingerprints.seeing import between_open
from app.jobs import Job
from app.kernel.primitives import new_id, utc_now
from app.media.closing import is_open
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.rules import State
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork
from app.verification.events import Questioned
from app.verification.models import RecycledNotice
from app.verification.recycled import Question, questions_of


def list_notices(
    session: Session, actor: Actor, case_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[RecycledNotice]:
    """As they were given, for coordinators."""
    authorise(session, actor, case_id, Operation.READ_NOTICES)
    query = select(RecycledNotice).join(Evidence, Evidence.id == RecycledNotice.evidence_id)
    query = query.where(RecycledNotice.case_id == case_id, is_open(), _between_open())
    if after is not None:
        query = query.where(tuple_(RecycledNotice.found_at, RecycledNotice.id) > after)
    return session.scalars(query.order_by(RecycledNotice.found_at, RecycledNotice.id).limit(limit)).all()


def _between_open() -> ColumnElement[bool]:
    return select(Match.id).where(Match.id == RecycledNotice.match_id, between_open()).exists()


def _plan(session: Session, *, evidence_id: str, earlier: None = None) -> UUID | None:  # noqa: ARG001
    found = select(Evidence.id).where(Evidence.id == UUID(evidence_id), Evidence.state == State.SIGNED_OFF)
    return session.scalar(found)


def _work(evidence_id: UUID, _: object) -> UUID:
    return evidence_id


def _store(uow: UnitOfWork, evidence_id: UUID) -> None:
    """Idempotent: one notice for a match and an appearance."""
    evidence = uow.session.scalars(select(Evidence).where(Evidence.id == evidence_id).with_for_update()).one()
    if evidence.state != State.SIGNED_OFF:
        return
    for question in questions_of(uow.session, evidence, None):
        if question.is_open:
            _give_notice(uow, evidence, question)


def _give_notice(uow: UnitOfWork, evidence: Evidence, question: Question) -> None:
    given = uow.session.scalar(
        insert(RecycledNotice)
        .values(
            id=new_id(),
            case_id=evidence.case_id,
            evidence_id=evidence.id,
            match_id=question.match_id,
            earliest_at=question.earliest.certainly_by,
            basis=question.earliest.basis,
            found_at=utc_now(),
        )
        .on_conflict_do_nothing(constraint="uq_recycled_notices_once")
        .returning(RecycledNotice.id)
    )
    if given is not None:
        uow.record(
            Questioned(
                stream=evidence.id,
                actor=system_actor(uow.session),
                object=entry_object(uow.session, evidence),
                notice=given,
                match=question.match_id,
                evidence=question.other_id,
                earliest_at=question.told_at,
                basis=question.earliest.basis,
            )
        )


JOBS = (Job(APPEARED, _plan, _work, _store),)
