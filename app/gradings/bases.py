"""What a grading rests on: the verdicts of the items that are linked to the incident and signed off."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.gradings.errors import BasisUnfit, TooManyBases
from app.gradings.rules import MAXIMUM_BASES
from app.incidents.models import IncidentEvidence
from app.media.closing import is_open
from app.media.models import Evidence
from app.media.rules import State
from app.verification.models import Verdict
from app.verification.rules import Outcome

SUPPORTING = frozenset({Outcome.VERIFIED, Outcome.PARTIALLY_VERIFIED})


class Basis(NamedTuple):
    """An item's signed-off verdict; ``depicts``: whether the item shows the incident itself."""

    verdict: Verdict
    depicts: bool


def bases_of(session: Session, incident_id: UUID) -> Sequence[Basis]:
    """All that a grading can rest on now, in order of linking; an item that is being verified again is not signed off.

    Reads one more than a grading can name, so that the caller sees that there are too many.
    """
    other = aliased(Verdict)
    last = select(func.max(other.version)).where(other.evidence_id == Verdict.evidence_id).scalar_subquery()
    query = (
        select(Verdict, IncidentEvidence.depicts)
        .join(IncidentEvidence, IncidentEvidence.evidence_id == Verdict.evidence_id)
        .join(Evidence, Evidence.id == Verdict.evidence_id)
        .where(
            IncidentEvidence.incident_id == incident_id,
            IncidentEvidence.unlinked_at.is_(None),
            Evidence.state == State.SIGNED_OFF,
            is_open(),
            Verdict.version == last,
        )
        .order_by(IncidentEvidence.linked_at, IncidentEvidence.id)
    )
    return [Basis(verdict, depicts) for verdict, depicts in session.execute(query)]


def chosen(bases: Sequence[Basis], evidence_ids: Collection[UUID] | None) -> Sequence[Basis]:
    """Those of these items, or all. Raises BasisUnfit, TooManyBases."""
    if evidence_ids is not None:
        fitting = {basis.verdict.evidence_id for basis in bases}
        unfit = [evidence_id for evidence_id in evidence_ids if evidence_id not in fitting]
        if unfit:
            raise BasisUnfit(f"Item {unfit[0]} is not linked to the incident, or not signed off.")
        bases = [basis for basis in bases if basis.verdict.evidence_id in set(evidence_ids)]
    if len(bases) > MAXIMUM_BASES:
        raise TooManyBases(f"{len(bases)} items are signed off; one grading names {MAXIMUM_BASES} at the most.")
    return bases


def supporting(bases: Iterable[Basis], incident_id: UUID) -> list[UUID]:
    """The items among them that speak for the incident: they show it, and are what they are claimed to be, for this
    incident or without naming one."""
    return [
        basis.verdict.evidence_id
        for basis in bases
        if basis.depicts and basis.verdict.outcome in SUPPORTING and basis.verdict.incident_id in (None, incident_id)
    ]


def verdicts_by_id(session: Session, verdict_ids: Collection[UUID]) -> Mapping[UUID, Verdict]:
    """Which items and versions gradings rest on, but for those of items that a withdrawal closes (no permission check:
    for services that made theirs)."""
    query = select(Verdict).join(Evidence, Evidence.id == Verdict.evidence_id)
    found = session.scalars(query.where(Verdict.id.in_(set(verdict_ids)), is_open()))
    return {verdict.id: verdict for verdict in found}
