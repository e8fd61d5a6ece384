"""Facts of incidents and cases: stated, superseded, withdrawn, read. One way for every kind.

A command locks its scope's row first: the incident's, or the case's for what is the case's and for what makes an
incident a part of another one. ``supersedes`` names what the caller read, so that of two who replace a fact at once one
wins and the other is told.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session, aliased

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, Grant, authorise
from app.facts import models
from app.facts.closing import rests_on_what_is_open
from app.facts.errors import (
    CIRCLE,
    NO_SUCH_ORGANISATION,
    NOTHING_TO_WITHDRAW,
    PARENT_STANDS,
    UnknownIncident,
    UnknownSourceItem,
)
from app.facts.events import CaseFactRecorded, CaseFactSuperseded, IncidentFactRecorded, IncidentFactSuperseded
from app.facts.kinds import ORGANISATIONS, RELATED, Kind
from app.facts.stated import RelatedIncident, Source, Statement
from app.facts.words import IncidentRelation
from app.gradings.errors import ANOTHER_STANDS, AnotherStands
from app.incidents.errors import REFERENCE_TAKEN
from app.incidents.models import Incident
from app.incidents.service import find_incident, lock_incident
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.ledger.positions import Position, standing_at
from app.media.closing import closed_among
from app.media.errors import CONSENT_WITHDRAWN, ConsentWithdrawn
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork

Row = TypeVar("Row", bound=models.Fact)
WITHDRAWN = "withdrawn"
SAME_STANDS = "The same source has stated this before: name what it replaces in 'supersedes', which is in 'stands'."


def state_of_incident(uow: UnitOfWork, actor: Actor, kind: Kind[Row], incident_id: UUID, statement: Statement) -> Row:
    """State a fact of an incident, beside others or in the place of one; or withdraw one.

    Raises NotFound, Forbidden, FactDoesNotFit, UnknownTerm, UnknownOrganisation, UnknownSourceItem, UnknownIncident,
    AnotherStands, NothingToWithdraw, ReferenceTaken, CircleOfIncidents, ParentStands.
    """
    if kind is RELATED:
        _hold_case_of(uow.session, actor, incident_id)
    incident, grant = lock_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS)
    return add_to_incident(uow, grant, kind, incident, statement)


def add_to_incident(uow: UnitOfWork, grant: Grant, kind: Kind[Row], incident: Incident, statement: Statement) -> Row:
    """The same for one who was permitted to, and who holds the incident or its case."""
    statement.check(has_source=kind.has_source)
    if isinstance(statement.stated, RelatedIncident):
        _require_relation(uow.session, incident, statement.stated, statement.supersedes)
    made = _add(uow.session, grant, kind, {"incident_id": incident.id, "case_id": incident.case_id}, statement)
    event = IncidentFactRecorded if made.supersedes is None else IncidentFactSuperseded
    acted_on = EntryObject("incident", incident.id, incident.version)
    uow.record(event(stream=incident.id, actor=grant.entry_actor, object=acted_on, **_entry(kind, made)))
    return made


def state_of_case(uow: UnitOfWork, actor: Actor, kind: Kind[Row], case_id: UUID, statement: Statement) -> Row:
    """The same of what is a case's: organisations, territory control, external statistics. Raises the same."""
    grant = authorise(uow.session, actor, case_id, Operation.EDIT_INCIDENTS, is_alone=True)
    return add_to_case(uow, grant, kind, statement)


def add_to_case(uow: UnitOfWork, grant: Grant, kind: Kind[Row], statement: Statement) -> Row:
    """The same for one who was permitted to, and who holds the case alone."""
    statement.check(has_source=kind.has_source)
    made = _add(uow.session, grant, kind, {"case_id": grant.case_id}, statement)
    event = CaseFactRecorded if made.supersedes is None else CaseFactSuperseded
    acted_on = EntryObject("case", grant.case_id)
    uow.record(event(stream=grant.case_id, actor=grant.entry_actor, object=acted_on, **_entry(kind, made)))
    return made


def _hold_case_of(session: Session, actor: Actor, incident_id: UUID) -> None:
    """Of relations that would close a circle together, the second sees the first."""
    incident = session.get(Incident, incident_id)
    case_id = NOWHERE if incident is None else incident.case_id
    authorise(session, actor, case_id, Operation.EDIT_INCIDENTS, is_alone=True)


def _add(session: Session, grant: Grant, kind: Kind[Row], scope: Mapping[str, UUID], statement: Statement) -> Row:
    replaced = _replaced(session, kind, scope, statement.supersedes)
    columns = columns_of(kind, statement)
    _require_known(session, grant.case_id, statement, columns)
    _require_free(session, kind, scope, statement, columns)
    made_id = new_id()
    values: dict[str, Any] = {
        "id": made_id,
        **scope,
        "number": _last_number(session, kind, scope) + 1,
        "version": 1 if replaced is None else replaced.version + 1,
        "fact_id": made_id if replaced is None else replaced.fact_id,
        "supersedes": statement.supersedes,
        "reason": statement.reason,
        "withdrawn": statement.stated is None,
        "external_reference": statement.external_reference,
        "author_id": grant.account_id,
        "recorded_at": utc_now(),
        **columns,
    }
    made = kind.model(**values)
    session.add(made)
    session.flush()
    return made


def columns_of(kind: Kind[Row], statement: Statement) -> dict[str, Any]:
    """Columns of what is stated and by whom; a withdrawal has none."""
    if statement.stated is None:
        return {}
    columns = {**statement.stated.columns(), **kind.derive(statement.stated)}
    if statement.source is not None:
        columns |= {f"source_{each.name}": getattr(statement.source, each.name) for each in fields(Source)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in columns.items()}


def _replaced(session: Session, kind: Kind[Row], scope: Mapping[str, UUID], supersedes: UUID | None) -> Row | None:
    if supersedes is None:
        return None
    replaced = session.get(kind.model, supersedes)
    if replaced is None or any(getattr(replaced, name) != value for name, value in scope.items()):
        raise ANOTHER_STANDS
    if session.scalar(select(kind.model.id).where(kind.model.supersedes == supersedes)) is not None:
        raise ANOTHER_STANDS
    if replaced.withdrawn:
        raise NOTHING_TO_WITHDRAW
    return replaced


def _require_known(session: Session, case_id: UUID, statement: Statement, columns: Mapping[str, Any]) -> None:
    """That organisations and the source's copy are of the case. Raises UnknownOrganisation, UnknownSourceItem."""
    if statement.stated is None:
        return
    named = set(statement.stated.organisations().values())
    if statement.source is not None:
        named.add(statement.source.organisation_id)
    if named - standing_organisations(session, case_id, named):
        raise NO_SUCH_ORGANISATION
    item = columns.get("source_evidence_id")
    is_there = select(Evidence.id).where(Evidence.id == item, Evidence.case_id == case_id)
    if item is not None and session.scalar(is_there) is None:
        raise UnknownSourceItem("'evidence_id' is not an item of this case.")
    if item is not None and closed_among(session, [item]):
        raise ConsentWithdrawn(CONSENT_WITHDRAWN)


def _require_free(
    session: Session, kind: Kind[Row], scope: Mapping[str, UUID], statement: Statement, columns: Mapping[str, Any]
) -> None:
    """Raises AnotherStands, ReferenceTaken."""
    model = kind.model
    if kind.stands_once and columns:
        same = [getattr(model, name).is_not_distinct_from(columns.get(name)) for name in kind.stands_once]
        query = select(model.id).where(*_in(model, scope), *same, stands(model))
        if statement.supersedes is not None:
            query = query.where(model.id != statement.supersedes)
        standing = session.scalar(query.limit(1))
        if standing is not None:  # Named, because no list shows it where its source is closed.
            raise AnotherStands(SAME_STANDS, extra={"stands": str(standing)})
    if statement.external_reference is not None and by_reference(
        session, kind, scope["case_id"], statement.external_reference
    ):
        raise REFERENCE_TAKEN


def _require_relation(session: Session, incident: Incident, stated: RelatedIncident, supersedes: UUID | None) -> None:
    """Raises UnknownIncident, ParentStands, CircleOfIncidents."""
    other = session.get(Incident, stated.other_incident_id)
    if other is None or other.case_id != incident.case_id or other.id == incident.id:
        raise UnknownIncident("'other_incident_id' is not another incident of this case.")
    if stated.relation is not IncidentRelation.PART_OF:
        return
    known = _parent_of(session, incident.id)
    if known is not None and known[0] != supersedes:
        raise PARENT_STANDS
    above: UUID | None = other.id
    while above is not None:
        if above == incident.id:
            raise CIRCLE
        parent = _parent_of(session, above)
        above = None if parent is None else parent[1]


def _parent_of(session: Session, incident_id: UUID) -> tuple[UUID, UUID] | None:
    """The relation's id and the parent's."""
    model = models.RelatedIncident
    query = select(model.id, model.other_incident_id).where(
        model.incident_id == incident_id, model.relation == IncidentRelation.PART_OF, stands(model)
    )
    found = session.execute(query).one_or_none()
    if found is None or found[1] is None:
        return None
    return found[0], found[1]


def _last_number(session: Session, kind: Kind[Row], scope: Mapping[str, UUID]) -> int:
    model = kind.model
    query = select(model.number).where(*_in(model, scope)).order_by(model.number.desc()).limit(1)
    return session.scalar(query) or 0


def _in(model: type[models.Fact], scope: Mapping[str, UUID]) -> list[ColumnElement[bool]]:
    return [getattr(model, name) == value for name, value in scope.items()]


def _entry(kind: Kind[Row], made: Row) -> dict[str, Any]:
    """The fields of the entry: words, numbers and ids openly, each text sealed by itself."""
    entry: dict[str, Any] = {
        "kind": kind.name,
        "id": made.id,
        "fact": made.fact_id,
        "version": made.version,
        "number": made.number,
        "supersedes": made.supersedes,
        "reason": made.reason,
        "external_reference": made.external_reference,
        "reason_code": WITHDRAWN if made.withdrawn else None,
    }
    if made.withdrawn:
        return entry
    stated = {name: _openly(getattr(made, name)) for name in kind.open}
    entry["stated"] = {name: value for name, value in stated.items() if value is not None}
    entry |= {name: tuple(value) if isinstance(value, list) else value for name, value in _texts(kind, made).items()}
    return entry | (_entry_of_source(made) if kind.has_source else {})


def _entry_of_source(made: Any) -> dict[str, Any]:
    texts = {name: getattr(made, f"source_{name}") for name in ("document", "page", "address")}
    return {
        "source_organisation": made.source_organisation_id,
        "source_evidence": made.source_evidence_id,
        "source_published_on": _openly(made.source_published_on),
        "source": {name: value for name, value in texts.items() if value is not None} or None,
    }


def _texts(kind: Kind[Row], made: Row) -> dict[str, Any]:
    """What is sealed. An empty list is nothing."""
    return {name: getattr(made, name) or None for name in kind.sealed}


def _openly(value: Any) -> Any:
    return value.isoformat() if type(value) is date else value


# --- reading


def list_of_incident(
    session: Session,
    actor: Actor,
    kind: Kind[Row],
    incident_id: UUID,
    *,
    with_superseded: bool,
    after: int | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Row]:
    """By number: what stands, or every version of everything, withdrawals too. Raises NotFound, Forbidden."""
    find_incident(session, actor, incident_id, Operation.READ_METADATA)
    scope = {"incident_id": incident_id}
    return _list(session, kind, scope, with_superseded=with_superseded, after=after, limit=limit, at=at)


def list_of_case(
    session: Session,
    actor: Actor,
    kind: Kind[Row],
    case_id: UUID,
    *,
    with_superseded: bool,
    after: int | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Row]:
    """The same of what is a case's."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    scope = {"case_id": case_id}
    return _list(session, kind, scope, with_superseded=with_superseded, after=after, limit=limit, at=at)


def _list(
    session: Session,
    kind: Kind[Row],
    scope: Mapping[str, UUID],
    *,
    with_superseded: bool,
    after: int | None,
    limit: int,
    at: Position | None,
) -> Sequence[Row]:
    model = kind.model
    query = select(model).where(*_in(model, scope), rests_on_what_is_open(model))
    query = query.where(standing_at(at, model.act) if with_superseded else stands(model, at))
    if after is not None:
        query = query.where(model.number > after)
    return session.scalars(query.order_by(model.number).limit(limit)).all()


def stands(model: type[models.Fact], at: Position | None = None) -> ColumnElement[bool]:
    """Whether a row is, or was, a fact's newest version and states something: for queries over any number of
    incidents. Whoever shows or counts it asks ``closing.rests_on_what_is_open`` besides."""
    later = aliased(model)
    superseding = select(later.id).where(later.supersedes == model.id, standing_at(at, later.act))
    return and_(~model.withdrawn, standing_at(at, model.act), ~superseding.exists())


def standing_of(
    session: Session, kind: Kind[Row], incident_ids: Collection[UUID], at: Position | None = None
) -> Sequence[Row]:
    """What stands, or stood, of a kind for these incidents and may be shown (no permission check: for services that
    made theirs)."""
    model: Any = kind.model
    query = select(model).where(model.incident_id.in_(incident_ids), stands(model, at), rests_on_what_is_open(model))
    return session.scalars(query.order_by(model.incident_id, model.number)).all()


def standing_organisations(session: Session, case_id: UUID, organisation_ids: Collection[UUID]) -> set[UUID]:
    """Those of these that the case has and that were not withdrawn (no permission check)."""
    model = ORGANISATIONS.model
    query = select(model.fact_id).where(model.case_id == case_id, model.fact_id.in_(organisation_ids), stands(model))
    return set(session.scalars(query))


def by_reference(session: Session, kind: Kind[Row], case_id: UUID, external_reference: str) -> UUID | None:
    """The fact that has this external reference (no permission check)."""
    model = kind.model
    query = select(model.fact_id).where(model.case_id == case_id, model.external_reference == external_reference)
    return session.scalar(query)
