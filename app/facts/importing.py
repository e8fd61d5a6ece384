"""Taking in many incidents and facts: names become ids, and what was taken in before is not taken in again.

Every record has an external reference. One that is known already must say the same as before: as the incident says now,
or as the fact's first version or the one that stands. Then nothing is done; otherwise the record is refused, because an
import states and does not supersede.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.facts.errors import NO_SUCH_ORGANISATION, StatedOtherwise, UnknownIncident, UnknownOrganisation
from app.facts.folding import fold_name
from app.facts.kinds import KINDS, ORGANISATIONS, Kind
from app.facts.models import Fact
from app.facts.models import Organisation as OrganisationRow
from app.facts.service import add_to_case, add_to_incident, columns_of, stands
from app.facts.stated import Statement
from app.incidents.models import Incident
from app.incidents.service import Changes, add_incident, by_reference, says
from app.unit_of_work import UnitOfWork

BY_NAME: Mapping[str, Kind[Any]] = {kind.name: kind for kind in KINDS}


class Importer:
    """One file's records, in one unit of work. The case is held alone from the beginning."""

    def __init__(self, uow: UnitOfWork, actor: Actor, case_id: UUID) -> None:
        """Raises NotFound, Forbidden, CaseClosedToChanges."""
        self._grant = authorise(uow.session, actor, case_id, Operation.EDIT_INCIDENTS, is_alone=True)
        self._uow, self._case_id = uow, case_id
        self._organisations: dict[str, set[UUID]] | None = None
        self._incidents: dict[str, UUID] = {}

    def organisation(self, named: str) -> UUID:
        """By an id, an external reference, a name, short name or alias. Raises UnknownOrganisation."""
        identity = _uuid(named)
        if identity is not None:
            return identity
        if self._organisations is None:
            self._organisations = self._names()
        found = self._organisations.get(named) or self._organisations.get(fold_name(named)) or set()
        if len(found) > 1:
            raise UnknownOrganisation("Several organisations of the case have this name: give the id of one.")
        if not found:
            raise NO_SUCH_ORGANISATION
        return next(iter(found))

    def _names(self) -> dict[str, set[UUID]]:
        found: dict[str, set[UUID]] = {}
        query = select(OrganisationRow).where(OrganisationRow.case_id == self._case_id, stands(OrganisationRow))
        for row in self._uow.session.scalars(query):
            for name in (row.name, row.short_name, *(row.aliases or ())):
                if name is not None:
                    found.setdefault(fold_name(name), set()).add(row.fact_id)
        references = select(OrganisationRow.external_reference, OrganisationRow.fact_id).where(
            OrganisationRow.case_id == self._case_id, OrganisationRow.external_reference.is_not(None)
        )
        for reference, fact_id in self._uow.session.execute(references):
            if reference is not None:
                found[reference] = {fact_id}
        return found

    def incident(self, named: str) -> UUID:
        """By an id, an external reference or a code. Raises UnknownIncident."""
        identity = _uuid(named)
        if identity is not None:
            return identity
        if named not in self._incidents:
            query = select(Incident.id).where(
                Incident.case_id == self._case_id, or_(Incident.external_reference == named, Incident.code == named)
            )
            found = self._uow.session.scalars(query.limit(2)).all() if _is_storable(named) else []
            if len(found) != 1:
                raise UnknownIncident("No incident of the case, or more than one, has this reference or code.")
            self._incidents[named] = found[0]
        return self._incidents[named]

    def _incident(self, incident_id: UUID) -> Incident:
        found = self._uow.session.get(Incident, incident_id)
        if found is None or found.case_id != self._case_id:
            raise UnknownIncident("No incident of the case has this id.")
        return found

    def take_incident(self, external_reference: str, stated: Changes) -> bool:
        """Whether it is new. Raises StatedOtherwise, IncidentCodeTaken."""
        known = by_reference(self._uow.session, self._case_id, external_reference)
        if known is None:
            add_incident(self._uow, self._grant, stated, external_reference)
        elif not says(known, stated):
            raise StatedOtherwise("An incident of this external reference says something else now.")
        return known is None

    def take_fact(self, kind: Kind[Any], incident_id: UUID | None, statement: Statement) -> bool:
        """Whether it is new. Raises StatedOtherwise and what stating raises."""
        statement.check(has_source=kind.has_source)
        versions = self._versions(kind, statement.external_reference or "")
        if versions:
            stated = columns_of(kind, statement)
            is_same = any(
                all(getattr(row, name) == value for name, value in stated.items())
                and getattr(row, "incident_id", None) == incident_id
                for row in (versions[0], versions[-1])
            )
            if not is_same:
                raise StatedOtherwise("A fact of this external reference says something else.")
            return False
        if incident_id is None:
            add_to_case(self._uow, self._grant, kind, statement)
        else:
            add_to_incident(self._uow, self._grant, kind, self._incident(incident_id), statement)
        if kind is ORGANISATIONS:
            self._organisations = None
        return True

    def _versions(self, kind: Kind[Any], external_reference: str) -> list[Fact]:
        """Of the fact that has this reference, the oldest first."""
        model: Any = kind.model
        fact_id = select(model.fact_id).where(
            model.case_id == self._case_id, model.external_reference == external_reference
        )
        query = select(model).where(model.fact_id == fact_id.scalar_subquery(), model.case_id == self._case_id)
        return list(self._uow.session.scalars(query.order_by(model.version)))


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: a NUL or half a surrogate pair is in no name, and asking by one is an error."""
    return "\x00" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
