"""Testimonies: taken with their witness's consent, stated anew by superseding, closed when it is withdrawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, Grant, within_reach
from app.consent import service as consents
from app.consent.models import Consent
from app.consent.rules import ConsentScope
from app.consent.service import ConsentedTo, GivenConsent, Withdrawal
from app.facts.events import IncidentFactRecorded, IncidentFactSuperseded
from app.incidents.models import Incident
from app.incidents.service import find_incident, lock_incident
from app.kernel.errors import Forbidden, NotFound
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.ledger.positions import Position, standing_at
from app.media.closing import is_closed, may_touch_closed
from app.testimonies.closing import is_open
from app.testimonies.errors import ANOTHER_STANDS, CONSENT_MISSING, WITHDRAWN, TestimonyWithdrawn
from app.testimonies.models import Testimony
from app.testimonies.rules import TestimonyMethod
from app.unit_of_work import UnitOfWork
from app.vault import service as vault
from app.vault import sources
from app.vault.errors import AnotherIdentityStands
from app.vault.models import VaultIdentity, VaultOpening
from app.vault.sealing import VaultKey
from app.vault.service import SealedSource, Subject, SubjectKind

KIND = "testimony"


@dataclass(frozen=True, kw_only=True)
class StatedTestimony:
    """``consent``: of a first version, None for one that supersedes."""

    pseudonym: str
    text: str
    language: str
    taken_on: date
    taken_by: str
    method: TestimonyMethod
    required_scope: ConsentScope
    supersedes: UUID | None
    consent: GivenConsent | None


def record_testimony(uow: UnitOfWork, actor: Actor, incident_id: UUID, stated: StatedTestimony) -> Testimony:
    """A first version with its consent, or one in the place of that which stands.

    Raises NotFound, Forbidden, ConsentMissing, AnotherVersionStands, TestimonyWithdrawn, ConsentInFuture.
    """
    incident, grant = lock_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS)
    before = _replaced(uow.session, incident, stated.supersedes)
    if (before is None) is (stated.consent is None):
        raise CONSENT_MISSING
    if stated.consent is not None and stated.required_scope not in stated.consent.scopes:
        raise CONSENT_MISSING
    made_id = new_id()
    made = Testimony(
        id=made_id,
        fact_id=made_id if before is None else before.fact_id,
        incident_id=incident_id,
        number=_last_number(uow.session, incident_id) + 1,
        version=1 if before is None else before.version + 1,
        supersedes=stated.supersedes,
        pseudonym=stated.pseudonym,
        text=stated.text,
        language=stated.language,
        taken_on=stated.taken_on,
        taken_by=stated.taken_by,
        method=stated.method,
        required_scope=stated.required_scope,
        author_id=grant.account_id,
        recorded_at=utc_now(),
    )
    uow.session.add(made)
    uow.session.flush()
    _record(uow, grant, incident, made)
    if stated.consent is not None:
        consents.record_given(uow, grant, _consented(incident, made.fact_id), stated.consent)
    uow.session.refresh(made)
    return made


def get_testimony(session: Session, actor: Actor, fact_id: UUID, *, at: Position | None = None) -> Testimony:
    """The version that stands, or stood then. Raises NotFound, Forbidden, TestimonyWithdrawn: as of any time."""
    newest, _, _ = _find(session, actor, fact_id, Operation.READ_TESTIMONIES)
    found = newest if at is None else _newest(session, fact_id, at)
    if found is None:
        raise NotFound(f"It did not exist as of {at}.")
    return found


def list_testimonies(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Testimony]:
    """Those that stand, or stood then, and are open now, in the order in which they were stated.

    Raises NotFound, Forbidden.
    """
    find_incident(session, actor, incident_id, Operation.READ_TESTIMONIES)
    later = aliased(Testimony)
    query = select(Testimony).where(
        Testimony.incident_id == incident_id,
        is_open(),
        standing_at(at, Testimony.act),
        ~exists().where(later.supersedes == Testimony.id, standing_at(at, later.act)),
    )
    if after is not None:
        query = query.where(tuple_(Testimony.recorded_at, Testimony.id) > after)
    return session.scalars(query.order_by(Testimony.recorded_at, Testimony.id).limit(limit)).all()


def give_consent(uow: UnitOfWork, actor: Actor, fact_id: UUID, stated: GivenConsent) -> tuple[Testimony, Consent]:
    """Raises NotFound, Forbidden, TestimonyWithdrawn, and what recording a consent raises."""
    testimony, incident, grant = _lock(uow.session, actor, fact_id, Operation.RECORD_CONSENT)
    made = consents.record_given(uow, grant, _consented(incident, fact_id), stated)
    uow.session.refresh(testimony)
    return testimony, made


def withdraw_consent(uow: UnitOfWork, actor: Actor, fact_id: UUID, stated: Withdrawal) -> tuple[Testimony, Consent]:
    """Raises NotFound, Forbidden, TestimonyWithdrawn, and what recording a withdrawal raises."""
    testimony, incident, grant = _lock(uow.session, actor, fact_id, Operation.WITHDRAW_CONSENT)
    made = consents.record_withdrawn(uow, grant, _consented(incident, fact_id), stated)
    uow.session.refresh(testimony)
    return testimony, made


def list_consents(
    session: Session, actor: Actor, fact_id: UUID, *, after: int, limit: int, at: Position | None = None
) -> Sequence[Consent]:
    """In their order; of a withdrawn testimony to those who carry it out. Raises NotFound, TestimonyWithdrawn."""
    _find(session, actor, fact_id, Operation.READ_WITNESS_CONSENTS)
    return consents.acts_of(session, fact_id, after=after, limit=limit, at=at)


def require(session: Session, actor: Actor, fact_id: UUID, operation: Operation) -> None:
    """Raises NotFound, Forbidden, TestimonyWithdrawn."""
    _find(session, actor, fact_id, operation)


def seal_witness(
    uow: UnitOfWork, actor: Actor, fact_id: UUID, *, supersedes: UUID | None, identity: Mapping[str, Any], key: VaultKey
) -> SealedSource:
    """Who the witness is, by whoever recorded the testimony, or a coordinator; ``supersedes``: what was sealed before.

    Raises NotFound, Forbidden, TestimonyWithdrawn, AnotherIdentityStands, VaultKeyMissing.
    """
    testimony, incident, grant = _lock(uow.session, actor, fact_id, Operation.SEAL_IDENTITY)
    if grant.own_only and _first_author(uow.session, testimony) != grant.account_id:
        raise Forbidden("Your role permits this on testimonies that you recorded yourself.")
    before = vault.newest_identity(uow.session, "testimony", fact_id)
    if (None if before is None else before.id) != supersedes:
        raise AnotherIdentityStands("'supersedes' is not the identity in force.")
    vault.seal_identity(uow, grant, _subject(incident, fact_id), identity, key)
    uow.session.flush()
    return vault.sealed_source(uow.session, "testimony", fact_id)


def get_witness(session: Session, actor: Actor, fact_id: UUID) -> SealedSource:
    """Raises NotFound, Forbidden, TestimonyWithdrawn, IdentityNotSealed."""
    _find(session, actor, fact_id, Operation.READ_TESTIMONIES)
    return vault.sealed_source(session, "testimony", fact_id)


def request_witness(
    uow: UnitOfWork, actor: Actor, fact_id: UUID, *, purpose: str, reason: str, sealing: int | None = None
) -> tuple[VaultOpening, VaultIdentity]:
    """Of a withdrawn testimony too, by those who carry it out. Raises as :func:`app.vault.service.request_opening`."""
    _, incident, grant = _lock(uow.session, actor, fact_id, Operation.REQUEST_OPENING)
    asked: dict[str, Any] = {"purpose": purpose, "reason": reason, "sealing": sealing}
    return vault.request_opening(uow, grant, _subject(incident, fact_id), **asked)


def find_subject(session: Session, kind: SubjectKind, subject_id: UUID) -> Subject:
    """What an identity belongs to (no permission check)."""
    if kind == "evidence":
        return sources.find_subject(session, kind, subject_id)
    testimony = _newest(session, subject_id)
    assert testimony is not None
    return _subject(session.get_one(Incident, testimony.incident_id), subject_id)


def _find(session: Session, actor: Actor, fact_id: UUID, operation: Operation) -> tuple[Testimony, Incident, Grant]:
    of_theirs = select(Incident.id).where(Incident.id == Testimony.incident_id, within_reach(actor, Incident.case_id))
    testimony = session.scalar(_versions(fact_id).where(of_theirs.exists()))
    incident_id = NOWHERE if testimony is None else testimony.incident_id
    incident, grant = find_incident(session, actor, incident_id, operation)
    assert testimony is not None
    if is_closed(testimony.closed_at, utc_now()) and not may_touch_closed(grant.roles, operation):
        raise TestimonyWithdrawn(WITHDRAWN)
    return testimony, incident, grant


def _lock(session: Session, actor: Actor, fact_id: UUID, operation: Operation) -> tuple[Testimony, Incident, Grant]:
    """The same, with the incident's row locked: acts about its testimonies come one after the other."""
    testimony, _, _ = _find(session, actor, fact_id, operation)
    incident, grant = lock_incident(session, actor, testimony.incident_id, operation)
    session.refresh(testimony)
    if is_closed(testimony.closed_at, utc_now()) and not may_touch_closed(grant.roles, operation):
        raise TestimonyWithdrawn(WITHDRAWN)
    return testimony, incident, grant


def _newest(session: Session, fact_id: UUID, at: Position | None = None) -> Testimony | None:
    return session.scalar(_versions(fact_id, at))


def _versions(fact_id: UUID, at: Position | None = None) -> Select[Testimony]:
    """The newest one, now or then."""
    query = select(Testimony).where(Testimony.fact_id == fact_id, standing_at(at, Testimony.act))
    return query.order_by(Testimony.version.desc()).limit(1)


def _first_author(session: Session, testimony: Testimony) -> UUID:
    return session.get_one(Testimony, testimony.fact_id).author_id


def _replaced(session: Session, incident: Incident, supersedes: UUID | None) -> Testimony | None:
    """Raises AnotherVersionStands, TestimonyWithdrawn."""
    if supersedes is None:
        return None
    before = session.get(Testimony, supersedes)
    if before is None or before.incident_id != incident.id:
        raise ANOTHER_STANDS
    if is_closed(before.closed_at, utc_now()):
        raise TestimonyWithdrawn(WITHDRAWN)
    if session.scalar(select(Testimony.id).where(Testimony.supersedes == supersedes)) is not None:
        raise ANOTHER_STANDS
    return before


def _last_number(session: Session, incident_id: UUID) -> int:
    return session.scalar(select(func.max(Testimony.number)).where(Testimony.incident_id == incident_id)) or 0


def _object(incident: Incident) -> EntryObject:
    return EntryObject("incident", incident.id, incident.version)


def _consented(incident: Incident, fact_id: UUID) -> ConsentedTo:
    return ConsentedTo(fact_id, incident.id, False, _object(incident))


def _subject(incident: Incident, fact_id: UUID) -> Subject:
    return Subject("testimony", fact_id, incident.id, incident.case_id, lambda _: _object(incident))


def _record(uow: UnitOfWork, grant: Grant, incident: Incident, made: Testimony) -> None:
    event = IncidentFactRecorded if made.supersedes is None else IncidentFactSuperseded
    uow.record(
        event(
            stream=incident.id,
            actor=grant.entry_actor,
            object=_object(incident),
            kind=KIND,
            id=made.id,
            fact=made.fact_id,
            version=made.version,
            number=made.number,
            supersedes=made.supersedes,
            stated={
                "language": made.language,
                "taken_on": made.taken_on.isoformat(),
                "method": str(made.method),
                "required_scope": str(made.required_scope),
            },
            pseudonym=made.pseudonym,
            text=made.text,
            taken_by=made.taken_by,
        )
    )
