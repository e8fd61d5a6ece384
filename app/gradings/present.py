"""What holds of incidents now: the newest grading and standard, and the classifications that nobody superseded."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session, aliased

from app.gradings.models import Classification, Grading, StandardOfProof
from app.ledger.positions import Position, standing_at

Record = TypeVar("Record", Grading, StandardOfProof, Classification)


@dataclass
class Present:
    grading: Grading | None = None
    standard: StandardOfProof | None = None
    classifications: list[Classification] = field(default_factory=list)


def present_of(session: Session, incident_ids: Collection[UUID], at: Position | None = None) -> Mapping[UUID, Present]:
    """Per incident, in three questions (no permission check: for whoever may read these incidents); ``at``: what held
    then."""
    found = {incident_id: Present() for incident_id in incident_ids}
    for grading in _standing(session, Grading, incident_ids, at):
        found[grading.incident_id].grading = None if grading.grade is None else grading
    for standard in _standing(session, StandardOfProof, incident_ids, at):
        found[standard.incident_id].standard = None if standard.standard is None else standard
    for classification in _standing(session, Classification, incident_ids, at):
        if classification.qualifier is not None:
            found[classification.incident_id].classifications.append(classification)
    return found


def _standing(
    session: Session, kind: type[Record], incident_ids: Collection[UUID], at: Position | None
) -> list[Record]:
    """Those that no other supersedes, by their numbers."""
    query = select(kind).where(kind.incident_id.in_(incident_ids), stands(kind, at))
    return list(session.scalars(query.order_by(kind.incident_id, kind.number)))


def stands(kind: type[Record], at: Position | None) -> ColumnElement[bool]:
    """Whether a record was made by then, and no other had superseded it."""
    later = aliased(kind)
    superseding = select(later.id).where(later.supersedes == kind.id, standing_at(at, later.act))
    return and_(standing_at(at, kind.act), ~superseding.exists())
