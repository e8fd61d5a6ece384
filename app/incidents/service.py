"""Incidents and the items linked to them: changes and queries."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.events import IncidentRegistered
from app.cases.service import NOWHERE, Grant, authorise, within_reach
from app.incidents.errors import (
    ALREADY_LINKED,
    CODE_TAKEN,
    REFERENCE_TAKEN,
    AlreadyUnlinked,
    NotLinkable,
    OtherCase,
)
from app.incidents.events import (
    EvidenceLinkedToIncident,
    EvidenceUnlinked,
    IncidentCreated,
    IncidentEvidenceLinked,
    IncidentEvidenceUnlinked,
    IncidentUpdated,
)
from app.incidents.models import Incident, IncidentEvidence, IncidentVersion
from app.incidents.places import PLACE_COLUMNS
from app.incidents.rules import IncidentKind, Occurrence, Place, Segment
from app.incidents.versions import as_it_stood, before_its_end, incident_at
from app.kernel.errors import NotFound, VersionMismatch
from app.kernel.primitives import new_id, utc_now
from app.ledger import log
from app.ledger.event import EntryObject
from app.ledger.positions import Position, standing_at
from app.media.closing import is_open
from app.media.items import entry_object, lock_evidence
from app.media.models import Evidence
from app.media.rules import LINKABLE_STATES
from app.media.service import REDATED
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Changes:
    """What an update states anew; None: as it was."""

    code: str | None = None
    title: str | None = None
    kind: IncidentKind | None = None
    occurrence: Occurrence | None = None
    place: Place | None = None


def create_incident(
    uow: UnitOfWork,
    actor: Actor,
    case_id: UUID,
    *,
    code: str,
    title: str,
    kind: IncidentKind,
    occurrence: Occurrence | None = None,
    place: Place | None = None,
    external_reference: str | None = None,
) -> Incident:
    """A new incident with a stream of its own, registered in the case's. Raises IncidentCodeTaken, ReferenceTaken."""
    grant = authorise(uow.session, actor, case_id, Operation.EDIT_INCIDENTS)
    stated = Changes(code, title, kind, occurrence, place)
    return add_incident(uow, grant, stated, external_reference)


def add_incident(uow: UnitOfWork, grant: Grant, stated: Changes, external_reference: str | None) -> Incident:
    """The same for one who was permitted to; ``stated`` has a code, a title and a kind."""
    case_id, code = grant.case_id, stated.code or ""
    _require_free_code(uow.session, case_id, code)
    if external_reference is not None and by_reference(uow.session, case_id, external_reference) is not None:
        raise REFERENCE_TAKEN
    incident = Incident(
        id=new_id(),
        case_id=case_id,
        administrative_units=[],
        external_reference=external_reference,
        created_by=grant.account_id,
        created_at=utc_now(),
        version=1,
    )
    _apply(incident, stated)
    uow.session.add(incident)
    uow.session.flush()
    log.create_stream(uow.session, incident.id, "incident", case_id)
    acted_on = EntryObject("incident", incident.id, incident.version)
    fields_stated = {**_entry_fields(stated), "external_reference": external_reference}
    uow.record(IncidentCreated(stream=incident.id, actor=grant.entry_actor, object=acted_on, **fields_stated))
    uow.record(IncidentRegistered(stream=case_id, actor=grant.entry_actor, object=acted_on))
    return incident


def update_incident(uow: UnitOfWork, actor: Actor, incident_id: UUID, *, version: int, changes: Changes) -> Incident:
    """State some of it anew; the entry holds what was stated, so no earlier statement is lost."""
    incident, grant = lock_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS)
    if incident.version != version:
        raise VersionMismatch(f"The incident is at version {incident.version}. Read it again, then repeat the change.")
    if changes.code is not None and changes.code != incident.code:
        _require_free_code(uow.session, incident.case_id, changes.code)
    _apply(incident, changes)
    incident.version += 1
    if changes.occurrence is not None:
        uow.enqueue(REDATED, incident_id=str(incident_id))
    uow.record(
        IncidentUpdated(
            stream=incident.id,
            actor=grant.entry_actor,
            object=EntryObject("incident", incident.id, incident.version),
            **_entry_fields(changes),
        )
    )
    return incident


def get_incident(session: Session, actor: Actor, incident_id: UUID, *, at: Position | None = None) -> Incident:
    incident, _ = find_incident(session, actor, incident_id, Operation.READ_METADATA)
    return incident if at is None else incident_at(session, incident, at)


def list_incidents(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    kinds: Sequence[str] = (),
    code: str | None = None,
    occurred_after: datetime | None = None,
    occurred_before: datetime | None = None,
    only: ColumnElement[bool] | None = None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Incident]:
    """The case's incidents, oldest record first; an interval filter keeps those whose own interval touches it.

    ``only``: what else must be true of them, as those say who keep more about incidents.
    """
    authorise(session, actor, case_id, Operation.READ_METADATA)
    held = Incident if at is None else IncidentVersion
    query = select(Incident).where(Incident.case_id == case_id)
    if kinds:
        query = query.where(held.kind.in_(kinds))
    if code is not None:
        query = query.where(held.code == code)
    if occurred_after is not None:
        query = query.where(held.occurred_to >= occurred_after)
    if occurred_before is not None:
        query = query.where(held.occurred_from <= occurred_before)
    if only is not None:
        query = query.where(only)
    if after is not None:
        query = query.where(tuple_(Incident.created_at, Incident.id) > after)
    query = query.order_by(Incident.created_at, Incident.id).limit(limit)
    if at is None:
        return session.scalars(query).all()
    dated = query.join(IncidentVersion, IncidentVersion.id == Incident.id).add_columns(IncidentVersion)
    dated = dated.where(standing_at(at, IncidentVersion.act, IncidentVersion.until_act))
    return [as_it_stood(incident, version) for incident, version in session.execute(dated)]


def incidents_of(session: Session, incident_ids: Sequence[UUID]) -> list[Incident]:
    """These incidents, in this order (no permission check: for who found the ids)."""
    rows = {row.id: row for row in session.scalars(select(Incident).where(Incident.id.in_(incident_ids)))}
    return [rows[incident_id] for incident_id in incident_ids]


def link_evidence(
    uow: UnitOfWork,
    actor: Actor,
    incident_id: UUID,
    *,
    evidence_id: UUID,
    depicts: bool,
    counted: bool,
    segment: Segment | None = None,
    note: str | None = None,
) -> IncidentEvidence:
    """Link an item to an incident of its case: one entry in each one's stream.

    Raises NotFound, OtherCase, NotLinkable, AlreadyLinked.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.EDIT_INCIDENTS, version=None)
    incident, _ = find_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS)
    if incident.case_id != evidence.case_id:
        raise OtherCase("Link items to incidents of their own case.")
    if evidence.state not in LINKABLE_STATES:
        raise NotLinkable(f"The item is '{evidence.state}'; it can be linked from 'preserved' on.")
    if is_linked(uow.session, incident_id=incident_id, evidence_id=evidence_id):
        raise ALREADY_LINKED
    link = IncidentEvidence(
        id=new_id(),
        incident_id=incident_id,
        evidence_id=evidence_id,
        depicts=depicts,
        segment_from_ms=None if segment is None else segment.from_ms,
        segment_to_ms=None if segment is None else segment.to_ms,
        counted=counted,
        note=note,
        linked_by=grant.account_id,
        linked_at=utc_now(),
    )
    uow.session.add(link)
    _record_link(uow, grant, link, incident, evidence)
    if depicts:
        uow.enqueue(REDATED, evidence_id=str(evidence_id))
    return link


def _record_link(uow: UnitOfWork, grant: Grant, link: IncidentEvidence, incident: Incident, evidence: Evidence) -> None:
    stated: dict[str, Any] = {"link": link.id, "depicts": link.depicts, "counted": link.counted, "note": link.note}
    if link.segment_from_ms is not None and link.segment_to_ms is not None:
        stated["segment_ms"] = (link.segment_from_ms, link.segment_to_ms)
    uow.record(
        EvidenceLinkedToIncident(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            incident=incident.id,
            **stated,
        )
    )
    uow.record(
        IncidentEvidenceLinked(
            stream=incident.id,
            actor=grant.entry_actor,
            object=EntryObject("incident", incident.id, incident.version),
            evidence=evidence.id,
            **stated,
        )
    )


def unlink_evidence(
    uow: UnitOfWork, actor: Actor, incident_id: UUID, link_id: UUID, *, reason: str
) -> IncidentEvidence:
    """End a link, with a reason; the row and both streams keep that it was there. Raises NotFound, AlreadyUnlinked."""
    incident, _ = find_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS)
    evidence_id = uow.session.scalar(
        select(IncidentEvidence.evidence_id).where(
            IncidentEvidence.id == link_id, IncidentEvidence.incident_id == incident_id
        )
    )
    if evidence_id is None:
        raise NotFound()
    # The item first, as everybody locks it first; so a verdict that names this incident comes before or after.
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.EDIT_INCIDENTS, version=None)
    link = uow.session.scalars(select(IncidentEvidence).where(IncidentEvidence.id == link_id).with_for_update()).one()
    if link.unlinked_at is not None:
        raise AlreadyUnlinked("This link was ended before; nothing was changed.")
    link.unlinked_at, link.unlinked_by, link.unlink_reason = utc_now(), grant.account_id, reason
    if link.depicts:
        uow.enqueue(REDATED, evidence_id=str(evidence_id))
    uow.record(
        EvidenceUnlinked(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            incident=incident.id,
            link=link.id,
            reason=reason,
        )
    )
    uow.record(
        IncidentEvidenceUnlinked(
            stream=incident.id,
            actor=grant.entry_actor,
            object=EntryObject("incident", incident.id, incident.version),
            evidence=evidence.id,
            link=link.id,
            reason=reason,
        )
    )
    return link


def list_links(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    *,
    with_ended: bool = False,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[IncidentEvidence]:
    """The incident's links in order of linking; with ``with_ended`` also those that were ended. None of an item that a
    withdrawn consent closes."""
    find_incident(session, actor, incident_id, Operation.READ_METADATA)
    is_live = standing_at(at, IncidentEvidence.act, IncidentEvidence.unlinked_act)
    query = select(IncidentEvidence, is_live).join(Evidence, Evidence.id == IncidentEvidence.evidence_id)
    query = query.where(IncidentEvidence.incident_id == incident_id, is_open())
    query = query.where(standing_at(at, IncidentEvidence.act) if with_ended else is_live)
    if after is not None:
        query = query.where(tuple_(IncidentEvidence.linked_at, IncidentEvidence.id) > after)
    query = query.order_by(IncidentEvidence.linked_at, IncidentEvidence.id).limit(limit)
    return [before_its_end(link) if at is not None and is_live else link for link, is_live in session.execute(query)]


def is_linked(session: Session, *, incident_id: UUID, evidence_id: UUID) -> bool:
    """Whether the item is linked to the incident now (no permission check: for services that made theirs)."""
    found = session.scalar(
        select(IncidentEvidence.id).where(
            IncidentEvidence.incident_id == incident_id,
            IncidentEvidence.evidence_id == evidence_id,
            IncidentEvidence.unlinked_at.is_(None),
        )
    )
    return found is not None


def by_reference(session: Session, case_id: UUID, external_reference: str) -> Incident | None:
    """The case's incident of this external reference (no permission check: for services that made theirs)."""
    query = select(Incident).where(Incident.case_id == case_id, Incident.external_reference == external_reference)
    return session.scalar(query)


def says(incident: Incident, stated: Changes) -> bool:
    """Whether an incident says just this now."""
    said = Incident(administrative_units=[])
    _apply(said, stated)
    columns = ("code", "title", "kind", "occurred_from", "occurred_to", "occurred_zone", "occurred_basis")
    return all(getattr(incident, name) == getattr(said, name) for name in (*columns, "place_precision", *PLACE_COLUMNS))


def find_incident(session: Session, actor: Actor, incident_id: UUID, operation: Operation) -> tuple[Incident, Grant]:
    """An incident and what permits the operation on it. Raises NotFound, Forbidden, CaseClosedToChanges."""
    query = select(Incident).where(Incident.id == incident_id, within_reach(actor, Incident.case_id))
    incident = session.scalar(query)
    grant = authorise(session, actor, NOWHERE if incident is None else incident.case_id, operation)
    if incident is None:
        raise NotFound()
    return incident, grant


def lock_incident(session: Session, actor: Actor, incident_id: UUID, operation: Operation) -> tuple[Incident, Grant]:
    """The same, with the row locked until the transaction ends, once the actor is permitted."""
    _, grant = find_incident(session, actor, incident_id, operation)
    incident = session.scalars(
        select(Incident).where(Incident.id == incident_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    return incident, grant


def _require_free_code(session: Session, case_id: UUID, code: str) -> None:
    if session.scalar(select(Incident.id).where(Incident.case_id == case_id, Incident.code == code)) is not None:
        raise CODE_TAKEN


def _apply(incident: Incident, changes: Changes) -> None:
    for name in ("code", "title", "kind"):
        value = getattr(changes, name)
        if value is not None:
            setattr(incident, name, value)
            _restate(incident, name)
    if changes.occurrence is not None:
        incident.occurred_from = changes.occurrence.from_
        incident.occurred_to = changes.occurrence.to
        incident.occurred_zone = changes.occurrence.zone
        incident.occurred_basis = changes.occurrence.basis
        _restate(incident, "occurred_basis")
    if changes.place is not None:
        incident.place_name = changes.place.name
        incident.latitude_microdegrees = changes.place.latitude_microdegrees
        incident.longitude_microdegrees = changes.place.longitude_microdegrees
        incident.place_precision = changes.place.precision
        incident.place_radius_m = changes.place.radius_m
        incident.administrative_units = list(changes.place.administrative_units)
        _restate(incident, *PLACE_COLUMNS)


def _restate(incident: Incident, *columns: str) -> None:
    """What is stated anew is no longer erased."""
    incident.erased = [name for name in incident.erased or () if name not in columns]


def _entry_fields(changes: Changes) -> dict[str, Any]:
    """What was stated, as the fields of the entry; the place sealed as one value."""
    stated: dict[str, Any] = {"code": changes.code, "title": changes.title, "kind": changes.kind}
    if changes.occurrence is not None:
        stated |= {
            "occurred_from": changes.occurrence.from_,
            "occurred_to": changes.occurrence.to,
            "occurred_zone": changes.occurrence.zone,
            "occurred_basis": changes.occurrence.basis,
        }
    if changes.place is not None:
        stated["place_precision"] = changes.place.precision
        values = {field.name: getattr(changes.place, field.name) for field in fields(Place)}
        stated["place"] = {name: value for name, value in values.items() if value not in (None, ())}
    return stated
