"""What follows from the facts of one incident: ranges of its casualties, and who held the place at its time."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.facts.closing import rests_on_what_is_open
from app.facts.control import Held, Resolved, area_keys, resolve_control
from app.facts.kinds import CASUALTIES
from app.facts.models import CasualtyCount, TerritoryControl
from app.facts.ranges import Bounds, Count, Victims, fold_counts
from app.facts.service import standing_of, stands
from app.facts.words import CasualtyOutcome, Comparator, Control, PersonGroup
from app.incidents.service import get_incident
from app.ledger.positions import Position


def casualty_ranges(
    session: Session, actor: Actor, incident_id: UUID, at: Position | None = None
) -> dict[Victims, Bounds]:
    """Raises NotFound, Forbidden."""
    get_incident(session, actor, incident_id, at=at)
    return fold_counts(count_of(row) for row in standing_of(session, CASUALTIES, [incident_id], at))


def count_of(row: CasualtyCount) -> Count:
    """Of a row that states something."""
    return Count(
        Victims(CasualtyOutcome(row.outcome or ""), PersonGroup(row.person_group or "")),
        Comparator(row.comparator or ""),
        row.minimum or 0,
        row.maximum,
    )


def control_at(session: Session, actor: Actor, incident_id: UUID, at: Position | None = None) -> Resolved:
    """Who held the incident's place when it happened, by what stands, or stood, of it. Raises NotFound, Forbidden."""
    incident = get_incident(session, actor, incident_id, at=at)
    units = incident.administrative_units
    query = select(TerritoryControl).where(
        TerritoryControl.case_id == incident.case_id,
        TerritoryControl.area_key.in_(area_keys(units)),
        stands(TerritoryControl, at),
        rests_on_what_is_open(TerritoryControl),
    )
    stated = [held_of(row) for row in session.scalars(query)] if units else []
    return resolve_control(units, incident.occurred_from, incident.occurred_to, stated)


def held_of(row: TerritoryControl) -> Held:
    """Of a row that states something."""
    assert row.valid_from is not None
    assert row.source_organisation_id is not None
    return Held(
        row.id,
        row.area_key or "",
        Control(row.control or ""),
        row.controller_id,
        row.source_organisation_id,
        row.valid_from,
        row.valid_to,
    )
