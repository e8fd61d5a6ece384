"""Gradings, standards of proof and classifications of incidents: stated, superseded, withdrawn, read.

Every command locks the incident's row first; ``supersedes`` names what the caller read, so that of two who state at
once one wins and the other is told.
"""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import Grant, current_policy
from app.fingerprints.origins import Bounds
from app.gradings.bases import Basis, bases_of, chosen, supporting
from app.gradings.errors import ANOTHER_STANDS
from app.gradings.events import IncidentClassified, IncidentGraded, StandardReached
from app.gradings.models import Classification, Grading, StandardOfProof
from app.gradings.present import stands
from app.gradings.rules import (
    StatedClassification,
    StatedGrading,
    StatedStandard,
    require_classification,
    require_nothing_stated,
    require_sources,
    require_standard,
    require_standing,
)
from app.gradings.vocabularies import PROVISIONS, STANDARDS
from app.incidents.corroboration import count_origins
from app.incidents.models import Incident
from app.incidents.service import find_incident, lock_incident
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.ledger.positions import Position, standing_at
from app.unit_of_work import UnitOfWork

Record = TypeVar("Record", Grading, StandardOfProof, Classification)
_WITHDRAWN = "withdrawn"


def grade_incident(uow: UnitOfWork, actor: Actor, incident_id: UUID, stated: StatedGrading) -> Grading:
    """State how far the incident is established, resting on its linked, signed-off items; or withdraw that.

    Raises AnotherStands, NothingToWithdraw, WithdrawalStatesSomething, BasisUnfit, TooManyBases, SourcesMissing,
    GroupTooLarge.
    """
    incident, grant = lock_incident(uow.session, actor, incident_id, Operation.GRADE_INCIDENTS)
    require_nothing_stated(stated.grade, stated.evidence_ids, stated.other_sources)
    before = newest(uow.session, Grading, incident_id)
    _require_newest(before, stated.supersedes)
    require_standing(
        stated.supersedes, is_withdrawal=stated.grade is None, is_withdrawn=before is not None and before.grade is None
    )
    bases: Sequence[Basis] = ()
    if stated.grade is not None:
        bases = chosen(bases_of(uow.session, incident_id), stated.evidence_ids)
    origins = count_origins(uow.session, incident.case_id, supporting(bases, incident_id))
    require_sources(stated.grade, origins=origins.at_least, others=len(stated.other_sources))
    grading = Grading(
        id=new_id(),
        incident_id=incident_id,
        number=_number(before),
        grade=stated.grade,
        rationale=stated.rationale,
        verdict_ids=[basis.verdict.id for basis in bases],
        origins_at_least=origins.at_least,
        origins_at_most=origins.at_most,
        other_sources=list(stated.other_sources),
        other_source_count=len(stated.other_sources),
        policy_version=current_policy(uow.session, incident.case_id)[0],
        supersedes=stated.supersedes,
        author_id=grant.account_id,
        recorded_at=utc_now(),
    )
    uow.session.add(grading)
    uow.session.flush()
    _record_grading(uow, grant, incident, grading, origins)
    return grading


def _record_grading(uow: UnitOfWork, grant: Grant, incident: Incident, grading: Grading, origins: Bounds) -> None:
    uow.record(
        IncidentGraded(
            stream=incident.id,
            actor=grant.entry_actor,
            object=EntryObject("incident", incident.id, incident.version),
            reason_code=_WITHDRAWN if grading.grade is None else None,
            grading_id=grading.id,
            number=grading.number,
            grade=grading.grade,
            supersedes=grading.supersedes,
            verdicts=tuple(grading.verdict_ids),
            origins_at_least=origins.at_least,
            origins_at_most=origins.at_most,
            other_source_count=grading.other_source_count,
            policy_version=grading.policy_version,
            rationale=grading.rationale,
            other_sources=tuple(grading.other_sources) or None,
        )
    )


def state_standard(uow: UnitOfWork, actor: Actor, incident_id: UUID, stated: StatedStandard) -> StandardOfProof:
    """State which standard of proof the facts reach, or withdraw it. Raises UnknownTerm, AnotherStands,
    NothingToWithdraw."""
    incident, grant = lock_incident(uow.session, actor, incident_id, Operation.GRADE_INCIDENTS)
    require_standard(stated.standard)
    before = newest(uow.session, StandardOfProof, incident_id)
    _require_newest(before, stated.supersedes)
    require_standing(
        stated.supersedes,
        is_withdrawal=stated.standard is None,
        is_withdrawn=before is not None and before.standard is None,
    )
    made = StandardOfProof(
        id=new_id(),
        incident_id=incident_id,
        number=_number(before),
        standard=stated.standard,
        vocabulary=STANDARDS.version,
        rationale=stated.rationale,
        grading_id=_grading_in_force(uow.session, incident_id),
        supersedes=stated.supersedes,
        author_id=grant.account_id,
        recorded_at=utc_now(),
    )
    uow.session.add(made)
    uow.session.flush()
    uow.record(
        StandardReached(
            stream=incident_id,
            actor=grant.entry_actor,
            object=EntryObject("incident", incident_id, incident.version),
            reason_code=_WITHDRAWN if made.standard is None else None,
            standard_id=made.id,
            number=made.number,
            standard=made.standard,
            vocabulary=made.vocabulary,
            supersedes=made.supersedes,
            grading=made.grading_id,
            rationale=made.rationale,
        )
    )
    return made


def classify_incident(uow: UnitOfWork, actor: Actor, incident_id: UUID, stated: StatedClassification) -> Classification:
    """State which provisions apply and by whose word, beside the others or in the place of one; or withdraw one.

    Raises UnknownTerm, AdjudicationIncomplete, WithdrawalStatesSomething, AnotherStands, NothingToWithdraw.
    """
    incident, grant = lock_incident(uow.session, actor, incident_id, Operation.CLASSIFY_INCIDENTS)
    require_classification(stated)
    replaced = _superseded_by(uow.session, incident_id, stated)
    # What was withdrawn is over: the same is stated anew beside the others.
    is_over = replaced is not None and replaced.qualifier is None
    require_standing(stated.supersedes, is_withdrawal=stated.qualifier is None or is_over, is_withdrawn=is_over)
    decision = stated.decision
    made = Classification(
        id=new_id(),
        incident_id=incident_id,
        number=_number(newest(uow.session, Classification, incident_id)),
        qualifier=stated.qualifier,
        provisions=list(stated.provisions),
        vocabulary=PROVISIONS.version,
        body=None if decision is None else decision.body,
        decision_reference=None if decision is None else decision.reference,
        decided_on=None if decision is None else decision.decided_on,
        rationale=stated.rationale,
        grading_id=_grading_in_force(uow.session, incident_id),
        supersedes=stated.supersedes,
        author_id=grant.account_id,
        recorded_at=utc_now(),
    )
    uow.session.add(made)
    uow.session.flush()
    _record_classification(uow, grant, incident, made)
    return made


def _superseded_by(session: Session, incident_id: UUID, stated: StatedClassification) -> Classification | None:
    if stated.supersedes is None:
        return None
    replaced = session.get(Classification, stated.supersedes)
    if replaced is None or replaced.incident_id != incident_id:
        raise ANOTHER_STANDS
    if session.scalar(select(Classification.id).where(Classification.supersedes == replaced.id)) is not None:
        raise ANOTHER_STANDS
    return replaced


def _record_classification(uow: UnitOfWork, grant: Grant, incident: Incident, made: Classification) -> None:
    uow.record(
        IncidentClassified(
            stream=incident.id,
            actor=grant.entry_actor,
            object=EntryObject("incident", incident.id, incident.version),
            reason_code=_WITHDRAWN if made.qualifier is None else None,
            classification_id=made.id,
            number=made.number,
            qualifier=made.qualifier,
            provisions=tuple(made.provisions),
            vocabulary=made.vocabulary,
            supersedes=made.supersedes,
            grading=made.grading_id,
            decided_on=None if made.decided_on is None else made.decided_on.isoformat(),
            rationale=made.rationale,
            body=made.body,
            decision_reference=made.decision_reference,
        )
    )


# --- reading


def list_records(
    session: Session,
    actor: Actor,
    kind: type[Record],
    incident_id: UUID,
    *,
    after: int | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Record]:
    """The incident's records of one kind, superseded ones too, by their numbers. Raises NotFound, Forbidden."""
    find_incident(session, actor, incident_id, Operation.READ_METADATA)
    query = select(kind).where(kind.incident_id == incident_id, standing_at(at, kind.act))
    if after is not None:
        query = query.where(kind.number > after)
    return session.scalars(query.order_by(kind.number).limit(limit)).all()


def newest(session: Session, kind: type[Record], incident_id: UUID) -> Record | None:
    """The incident's newest record of a kind (no permission check: for services that made theirs)."""
    return session.scalar(select(kind).where(kind.incident_id == incident_id).order_by(kind.number.desc()).limit(1))


def graded_as(grades: Sequence[str], at: Position | None = None) -> ColumnElement[bool]:
    """Whether an incident's newest grading is, or was, one of these: for lists of incidents."""
    return Incident.id.in_(select(Grading.incident_id).where(Grading.grade.in_(grades), stands(Grading, at)))


def _grading_in_force(session: Session, incident_id: UUID) -> UUID | None:
    found = newest(session, Grading, incident_id)
    return None if found is None or found.grade is None else found.id


def _number(before: Grading | StandardOfProof | Classification | None) -> int:
    return 1 if before is None else before.number + 1


def _require_newest(before: Grading | StandardOfProof | None, supersedes: UUID | None) -> None:
    if supersedes != (None if before is None else before.id):
        raise ANOTHER_STANDS
