"""Telling a case's coordinators that a signed-off item is questioned: its pictures turn out to be known from before its
event; or that what its verdict answered as recycled is no longer so. The item stays as it is.

What opens and ends questions is a match, its tier, a corrected date, an incident's time, a link, a decision: each has
the items that it may concern looked at by a job, after its commit.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.fingerprints.appearances import Basis
from app.fingerprints.keeping import APPEARED
from app.fingerprints.models import Match
from app.fingerprints.seeing import between_open
from app.incidents.models import IncidentEvidence
from app.jobs import Job
from app.kernel.primitives import new_id, utc_now
from app.media.closing import is_open
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.rules import State
from app.media.service import REDATED, system_actor
from app.unit_of_work import UnitOfWork
from app.verification.events import Questioned
from app.verification.models import RecycledNotice
from app.verification.recycled import answered_as_recycled, questions_of


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


REACH = 1000
"""As many signed-off items are looked at after one change; the nearest first."""


def _plan_redated(
    session: Session,
    *,
    evidence_id: str | None = None,
    incident_id: str | None = None,
    earlier: None = None,  # noqa: ARG001
) -> list[UUID] | None:
    """The signed-off items that a changed time or decision may concern: those which show the incident; or the item,
    what it matches, and what that matches (an earlier appearance counts for all copies of the other item)."""
    if incident_id is not None:
        shown = (IncidentEvidence.incident_id == UUID(incident_id), IncidentEvidence.unlinked_at.is_(None))
        near = set(session.scalars(select(IncidentEvidence.evidence_id).where(*shown, IncidentEvidence.depicts)))
        return _signed_off(session, near) or None
    near = {UUID(evidence_id or "")}
    found = _signed_off(session, near)
    for _ in range(2):
        pairs = select(Match.first_id, Match.second_id).where(Match.other_case_id.is_(None))
        pairs = pairs.where(or_(_among(Match.first_id, near), _among(Match.second_id, near)))
        further = {item for pair in session.execute(pairs) for item in pair} - near
        found += _signed_off(session, further)
        near |= further
    return found[:REACH] or None


def _signed_off(session: Session, evidence_ids: Collection[UUID]) -> list[UUID]:
    query = select(Evidence.id).where(_among(Evidence.id, evidence_ids), Evidence.state == State.SIGNED_OFF)
    return list(session.scalars(query.order_by(Evidence.registered_at, Evidence.id)))


def _among(column: InstrumentedAttribute[UUID], ids: Collection[UUID]) -> ColumnElement[bool]:
    """One value for the database, however many ids there are."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


def _look_at_each(found: list[UUID], _: object) -> list[UUID]:
    return found


def _store_redated(uow: UnitOfWork, found: list[UUID]) -> None:
    for evidence_id in found:
        uow.enqueue(APPEARED, evidence_id=str(evidence_id))


def _plan(session: Session, *, evidence_id: str, earlier: None = None) -> UUID | None:  # noqa: ARG001
    found = select(Evidence.id).where(Evidence.id == UUID(evidence_id), Evidence.state == State.SIGNED_OFF)
    return session.scalar(found)


def _work(evidence_id: UUID, _: object) -> UUID:
    return evidence_id


def _store(uow: UnitOfWork, evidence_id: UUID) -> None:
    """Idempotent: one notice of a kind for a match and an appearance."""
    evidence = uow.session.scalars(select(Evidence).where(Evidence.id == evidence_id).with_for_update()).one()
    if evidence.state != State.SIGNED_OFF:
        return
    questions = questions_of(uow.session, evidence, None)
    for question in questions:
        if question.is_open:
            told = {"earliest_at": question.told_at, "basis": question.earliest.basis}
            appearance = (question.earliest.certainly_by, question.earliest.basis)
            _give_notice(uow, evidence, question.match_id, question.other_id, appearance, told)
    for answer, other_id in answered_as_recycled(uow.session, evidence.id, besides=questions):
        _give_notice(uow, evidence, answer.match_id, other_id, (answer.earliest_at, None), {"ended": True})


def _give_notice(
    uow: UnitOfWork,
    evidence: Evidence,
    match_id: UUID,
    other_id: UUID,
    appearance: tuple[datetime, Basis | None],
    told: Mapping[str, Any],
) -> None:
    """Of a question that was opened by the appearance; or, without its basis, of one that it no longer opens."""
    given = uow.session.scalar(
        insert(RecycledNotice)
        .values(
            id=new_id(),
            case_id=evidence.case_id,
            evidence_id=evidence.id,
            match_id=match_id,
            kind="ended" if appearance[1] is None else "opened",
            earliest_at=appearance[0],
            basis=appearance[1],
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
                match=match_id,
                evidence=other_id,
                **told,
            )
        )


JOBS = (Job(APPEARED, _plan, _work, _store), Job(REDATED, _plan_redated, _look_at_each, _store_redated))
