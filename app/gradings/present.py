"""What holds of incidents now: the newest grading and standard, and the classifications that nobody superseded."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.gradings.models import Classification, Grading, StandardOfProof

Record = TypeVar("Record", Grading, StandardOfProof, Classification)


@dataclass
class Present:
    grading: Grading | None = None
    standard: StandardOfProof | None = None
    classifications: list[Classification] = field(default_factory=list)


def present_of(session: Session, incident_ids: Collection[UUID]) -> Mapping[UUID, Present]:
    """Per incident, in three questions (no permission check: for whoever may read these incidents)."""
    found = {incident_id: Present() for incident_id in incident_ids}
    for grading in _standing(session, Grading, incident_ids):
        found[grading.incident_id].grading = None if grading.grade is None else grading
    for standard in _standing(session, StandardOfProof, incident_ids):
        found[standard.incident_id].standard = None if standard.standard is None else standard
    for classification in _standing(session, Classification, incident_ids):
        if classification.qualifier is not None:
            found[classification.incident_id].classifications.append(classification)
    return found


def _standing(session: Session, kind: type[Record], incident_ids: Collection[UUID]) -> list[Record]:
    """Those that no other supersedes, by their numbers."""
    later = aliased(kind)
    query = select(kind).where(
        kind.incident_id.in_(incident_ids), ~select(later.id).where(later.supersedes == kind.id).exists()
    )
    return list(session.scalars(query.order_by(kind.incident_id, kind.number)))
