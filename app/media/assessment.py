"""The preliminary assessment of a lead: five questions before anything is collected, asked again as often as needed.

The questions are those of the Berkeley Protocol on Digital Open Source Investigations (2022), chapter VI, on its
preliminary assessment. A new assessment supersedes the one before, which stays as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.kernel.errors import WrongState
from app.kernel.primitives import new_id, utc_now
from app.ledger.positions import Position, standing_at
from app.media.errors import AssessmentReasonNeeded, CollectingUnsafe, NotAssessed
from app.media.events import LeadAssessed
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import LeadAssessment
from app.media.rules import State
from app.media.versions import evidence_at
from app.unit_of_work import UnitOfWork


class Relevance(StrEnum):
    RELEVANT = "relevant"
    POSSIBLY_RELEVANT = "possibly_relevant"
    NOT_RELEVANT = "not_relevant"
    UNKNOWN = "unknown"


class Reliability(StrEnum):
    """At first sight: nothing was verified yet."""

    CREDIBLE = "credible"
    DOUBTFUL = "doubtful"
    NOT_CREDIBLE = "not_credible"
    UNKNOWN = "unknown"


class RemovalRisk(StrEnum):
    IMMINENT = "imminent"
    LIKELY = "likely"
    UNLIKELY = "unlikely"
    REMOVED = "removed"
    UNKNOWN = "unknown"


class CollectionSafety(StrEnum):
    """For who collects, for the source and for those shown."""

    SAFE = "safe"
    SAFE_WITH_PRECAUTIONS = "safe_with_precautions"
    UNSAFE = "unsafe"
    UNKNOWN = "unknown"


class Obligations(StrEnum):
    """What holding it would oblige to: consent, a source's protection, a law, a terms of use."""

    NONE = "none"
    CAN_BE_MET = "can_be_met"
    CANNOT_BE_MET = "cannot_be_met"
    UNKNOWN = "unknown"


QUESTIONS: Mapping[str, type[StrEnum]] = {
    "relevance": Relevance,
    "reliability": Reliability,
    "removal_risk": RemovalRisk,
    "collection_safety": CollectionSafety,
    "obligations": Obligations,
}


@dataclass(frozen=True)
class Assessed:
    """The answers to all five; ``reasons``: question → text, of those that were given one."""

    relevance: Relevance
    reliability: Reliability
    removal_risk: RemovalRisk
    collection_safety: CollectionSafety
    obligations: Obligations
    reasons: Mapping[str, str]

    def answers(self) -> dict[str, Any]:
        return {question: getattr(self, question) for question in QUESTIONS}


def assess_lead(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, assessed: Assessed, *, version: int
) -> LeadAssessment:
    """A lead's next assessment. Raises WrongState, VersionMismatch, AssessmentReasonNeeded."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.ASSESS_LEAD, version=version)
    if evidence.state != State.LEAD:
        raise WrongState(
            f"Leads are assessed before their file comes. The item is '{evidence.state}'.",
            extra={"state": evidence.state},
        )
    before = latest_assessment(uow.session, evidence_id)
    _require_reason(assessed, before)
    made = LeadAssessment(
        id=new_id(),
        evidence_id=evidence_id,
        number=1 if before is None else before.number + 1,
        supersedes=None if before is None else before.id,
        reasons=dict(assessed.reasons) or None,
        assessed_by=grant.account_id,
        assessed_at=utc_now(),
        **assessed.answers(),
    )
    uow.session.add(made)
    evidence.version += 1
    uow.record(
        LeadAssessed(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            assessment=made.id,
            number=made.number,
            supersedes=made.supersedes,
            reasons=made.reasons,
            **assessed.answers(),
        )
    )
    return made


def _require_reason(assessed: Assessed, before: LeadAssessment | None) -> None:
    """Whoever forbids collecting says why, and so does whoever allows it again."""
    was_unsafe = before is not None and before.collection_safety == CollectionSafety.UNSAFE
    is_unsafe = assessed.collection_safety == CollectionSafety.UNSAFE
    if (is_unsafe or was_unsafe) and "collection_safety" not in assessed.reasons:
        raise AssessmentReasonNeeded(
            "Say in 'collection_safety.reason' "
            + ("why collecting is unsafe." if is_unsafe else "what makes collecting safer than it was assessed before.")
        )


def require_safe_to_collect(session: Session, evidence_id: UUID) -> None:
    """That the latest assessment, if there is one, does not call collecting unsafe. Raises CollectingUnsafe."""
    latest = latest_assessment(session, evidence_id)
    if latest is not None and latest.collection_safety == CollectionSafety.UNSAFE:
        raise CollectingUnsafe(
            f"Assessment {latest.number} of this lead says that collecting it is unsafe. Do not collect it; "
            "where it is safe by now, assess it again with a reason.",
            extra={"assessment_id": str(latest.id), "number": latest.number},
        )


def latest_assessment(session: Session, evidence_id: UUID, at: Position | None = None) -> LeadAssessment | None:
    """The one in force, now or then (no permission check)."""
    query = select(LeadAssessment).where(LeadAssessment.evidence_id == evidence_id, standing_at(at, LeadAssessment.act))
    return session.scalar(query.order_by(LeadAssessment.number.desc()).limit(1))


def get_assessment(
    session: Session, actor: Actor, evidence_id: UUID, at: Position | None = None
) -> tuple[LeadAssessment, int]:
    """The one in force, and the item's version, now or then. Raises NotFound, Forbidden, NotAssessed."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    if at is not None:
        evidence = evidence_at(session, evidence, at)
    latest = latest_assessment(session, evidence_id, at)
    if latest is None:
        raise NotAssessed("Nobody has assessed this item as a lead.")
    return latest, evidence.version


def list_assessments(
    session: Session, actor: Actor, evidence_id: UUID, *, after: int, limit: int, at: Position | None = None
) -> Sequence[LeadAssessment]:
    """All, now or then, the first one first; those with a higher number than ``after``."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = select(LeadAssessment).where(
        LeadAssessment.evidence_id == evidence_id, LeadAssessment.number > after, standing_at(at, LeadAssessment.act)
    )
    return session.scalars(query.order_by(LeadAssessment.number).limit(limit)).all()
