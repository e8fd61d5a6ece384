"""How many independent origins the items linked to an incident have: for corroboration, copies do not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.appearances import Earliest, earliest_of
from app.fingerprints.groups import OpenQuestions, load_connected, questions_about
from app.fingerprints.kinship import appearances_of
from app.fingerprints.origins import Bounds, Lineage
from app.incidents.models import Incident, IncidentEvidence
from app.incidents.service import find_incident
from app.media.closing import is_open
from app.media.models import Evidence

ORIGINS_SHOWN = 20


@dataclass(frozen=True)
class Counted:
    items: int
    origins: Bounds


@dataclass(frozen=True)
class LinkedItem:
    """An item that is linked now. ``origins``: the first items of what it comes from, as far as it is decided."""

    evidence_id: UUID
    linked_at: datetime
    link_id: UUID
    depicts: bool
    capture: UUID
    origins: list[UUID]


@dataclass(frozen=True)
class Corroboration:
    incident: Incident
    linked: Counted
    depicting: Counted
    """Of the items that show the incident itself."""
    questions: OpenQuestions
    earliest: Earliest
    """Of what shows the incident itself, and of what that comes from or is in."""


def get_origins(session: Session, actor: Actor, incident_id: UUID) -> Corroboration:
    """Raises NotFound, Forbidden, GroupTooLarge."""
    incident, links, lineage = _linked(session, actor, incident_id)
    linked = [lineage.number_of[link.evidence_id] for link in links]
    depicting = [lineage.number_of[link.evidence_id] for link in links if link.depicts]
    shown = appearances_of(lineage, depicting)
    return Corroboration(
        incident,
        Counted(len(linked), lineage.bounds(linked)),
        Counted(len(depicting), lineage.bounds(depicting)),
        questions_about(lineage, range(len(lineage.items))),
        earliest_of(session, [lineage.items[number].id for number in sorted(shown)]),
    )


def count_origins(session: Session, case_id: UUID, evidence_ids: Sequence[UUID]) -> Bounds:
    """How many of these items of a case are independent of each other (no permission check: for services that made
    theirs). Raises GroupTooLarge."""
    if not evidence_ids:
        return Bounds(0, 0)
    lineage = load_connected(session, case_id, evidence_ids, is_all=True).lineage
    return lineage.bounds([lineage.number_of[evidence_id] for evidence_id in evidence_ids])


def list_items(
    session: Session, actor: Actor, incident_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[LinkedItem]:
    """In the order of linking. Raises NotFound, Forbidden, GroupTooLarge."""
    _, links, lineage = _linked(session, actor, incident_id)
    shown = [link for link in links if after is None or (link.linked_at, link.id) > after][:limit]
    return [_linked_item(lineage, link) for link in shown]


def _linked(session: Session, actor: Actor, incident_id: UUID) -> tuple[Incident, Sequence[IncidentEvidence], Lineage]:
    """An incident, its live links, and the items linked with whatever is connected with them."""
    incident, _ = find_incident(session, actor, incident_id, Operation.READ_METADATA)
    links = _live_links(session, incident_id)
    known = load_connected(session, incident.case_id, [link.evidence_id for link in links])
    return incident, links, known.lineage


def _live_links(session: Session, incident_id: UUID) -> Sequence[IncidentEvidence]:
    query = select(IncidentEvidence).join(Evidence, Evidence.id == IncidentEvidence.evidence_id)
    query = query.where(IncidentEvidence.incident_id == incident_id, IncidentEvidence.unlinked_at.is_(None), is_open())
    return session.scalars(query.order_by(IncidentEvidence.linked_at, IncidentEvidence.id)).all()


def _linked_item(lineage: Lineage, link: IncidentEvidence) -> LinkedItem:
    number = lineage.number_of[link.evidence_id]
    return LinkedItem(
        link.evidence_id,
        link.linked_at,
        link.id,
        link.depicts,
        capture=lineage.items[lineage.stated.capture_of[number]].id,
        origins=[lineage.items[source].id for source in sorted(lineage.sources_of(number))[:ORIGINS_SHOWN]],
    )
