"""Incidents and their links as they stood at a ledger position."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.incidents.models import Incident, IncidentEvidence, IncidentVersion
from app.kernel.database import values_of
from app.kernel.errors import NotFound
from app.ledger.positions import Position, standing_at


def incident_at(session: Session, incident: Incident, position: Position) -> Incident:
    """The incident as it stood (no permission check). Raises NotFound when it did not exist yet."""
    version = session.scalar(
        select(IncidentVersion).where(
            IncidentVersion.id == incident.id, standing_at(position, IncidentVersion.act, IncidentVersion.until_act)
        )
    )
    if version is None:
        raise NotFound(f"It did not exist as of {position}.")
    return as_it_stood(incident, version)


def as_it_stood(incident: Incident, version: IncidentVersion) -> Incident:
    """A row of no session. What was stated once, and may be erased since, is in the incident's own row."""
    of_then = values_of(version, but=("number", "act", "until_act"))
    erased = {*version.erased, *(name for name in incident.erased if name not in of_then)}
    return Incident(**(values_of(incident) | of_then | {"erased": sorted(erased)}))


def before_its_end(link: IncidentEvidence) -> IncidentEvidence:
    """A link that was ended later, as it stood: a row of no session."""
    ended = dict.fromkeys(("unlinked_at", "unlinked_by", "unlink_reason", "unlinked_act"))
    erased = [name for name in link.erased if name not in ended]
    return IncidentEvidence(**(values_of(link, but=tuple(ended)) | {"erased": erased}))
