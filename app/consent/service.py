"""Recording that somebody consents, or withdraws it: one person's acts about one item or testimony, in their order.

The database works out what stands, and closes the item by it (``exhibit_apply_consent``): the row decides, whatever
code wrote it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.idempotency import forget_answers
from app.access.rules import Operation
from app.cases.service import Grant
from app.consent.errors import ConsentInFuture, NothingToWithdraw, ScopeWithoutVerification, UnknownSubject
from app.consent.events import (
    EvidenceConsentGiven,
    EvidenceConsentWithdrawn,
    IncidentConsentGiven,
    IncidentConsentWithdrawn,
)
from app.consent.models import Consent, ConsentStanding
from app.consent.rules import ConsentAct, ConsentScope, Obtained, SubjectKind, withdrawn_with
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.ledger.positions import Position, standing_at
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class GivenConsent:
    """What is recorded of a consent: all that stands of this person from now on."""

    subject_id: UUID | None
    """None: a person of whom nothing is recorded here yet."""
    subject: str
    subject_kind: SubjectKind
    scopes: frozenset[ConsentScope]
    obtained: Obtained
    given_on: date
    valid_until: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    subject_id: UUID
    scopes: frozenset[ConsentScope] | None
    """None: all of them."""
    withdrawn_on: date
    reason: str | None = None


@dataclass(frozen=True)
class ConsentedTo:
    """An item or a testimony: its id, the stream that tells of it, and that stream's object as entries name it."""

    id: UUID
    stream: UUID
    is_evidence: bool
    object: EntryObject


def give_item_consent(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, stated: GivenConsent
) -> tuple[Evidence, Consent]:
    """Raises NotFound, Forbidden, UnknownSubject, ConsentInFuture, ScopeWithoutVerification."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.RECORD_CONSENT, version=None)
    evidence.version += 1
    made = record_given(uow, grant, _item(uow.session, evidence), stated)
    uow.session.refresh(evidence)
    return evidence, made


def withdraw_item_consent(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, stated: Withdrawal
) -> tuple[Evidence, Consent]:
    """At once, for everybody. Raises NotFound, Forbidden, UnknownSubject, ConsentInFuture, NothingToWithdraw."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.WITHDRAW_CONSENT, version=None)
    evidence.version += 1
    made = record_withdrawn(uow, grant, _item(uow.session, evidence), stated)
    uow.session.refresh(evidence)
    return evidence, made


def list_item_consents(
    session: Session, actor: Actor, evidence_id: UUID, *, after: int, limit: int, at: Position | None = None
) -> Sequence[Consent]:
    """All acts, now or then, the first one first; those with a higher number than ``after``."""
    find_evidence(session, actor, evidence_id, Operation.READ_WITHDRAWN)
    return acts_of(session, evidence_id, after=after, limit=limit, at=at)


def acts_of(
    session: Session, item_id: UUID, *, after: int, limit: int, at: Position | None = None
) -> Sequence[Consent]:
    """No permission check."""
    stood = standing_at(at, Consent.recorded_act)
    query = select(Consent).where(Consent.item_id == item_id, Consent.number > after, stood)
    return session.scalars(query.order_by(Consent.number).limit(limit)).all()


def record_given(uow: UnitOfWork, grant: Grant, about: ConsentedTo, stated: GivenConsent) -> Consent:
    """For services that locked the item and made their check; what this person consented to before is superseded."""
    if ConsentScope.VERIFICATION not in stated.scopes:
        raise ScopeWithoutVerification("Add 'verification' to the scopes: what is shared is kept and examined first.")
    _require_past(stated.given_on)
    last = None if stated.subject_id is None else _last_of(uow.session, about.id, stated.subject_id)
    made = Consent(
        **_of(uow.session, grant, about),
        act=ConsentAct.GIVEN,
        subject_id=new_id() if last is None else last.subject_id,
        subject_kind=stated.subject_kind,
        pseudonym=stated.subject,
        scopes=_in_order(stated.scopes),
        obtained=stated.obtained,
        stated_on=stated.given_on,
        valid_until=stated.valid_until,
    )
    uow.session.add(made)
    uow.session.flush()
    kind = EvidenceConsentGiven if about.is_evidence else IncidentConsentGiven
    uow.record(
        kind(
            stream=about.stream,
            actor=grant.entry_actor,
            object=about.object,
            consent=made.id,
            number=made.number,
            person=made.subject_id,
            subject_kind=made.subject_kind,
            scope=tuple(made.scopes),
            stated_on=made.stated_on.isoformat(),
            testimony=None if about.is_evidence else about.id,
            subject=made.pseudonym,
            obtained=stated.obtained,
            valid_until=made.valid_until,
            note=stated.note,
        )
    )
    return made


def record_withdrawn(uow: UnitOfWork, grant: Grant, about: ConsentedTo, stated: Withdrawal) -> Consent:
    """The same for a withdrawal. Raises UnknownSubject, ConsentInFuture, NothingToWithdraw."""
    _require_past(stated.withdrawn_on)
    last = _last_of(uow.session, about.id, stated.subject_id)
    scopes = withdrawn_with(frozenset(ConsentScope) if stated.scopes is None else stated.scopes)
    if not scopes & _standing_of(uow.session, about.id, stated.subject_id):
        raise NothingToWithdraw("Nothing of this stands; nothing was changed.")
    pseudonym = None if "pseudonym" in last.erased else last.pseudonym
    made = Consent(
        **_of(uow.session, grant, about),
        act=ConsentAct.WITHDRAWN,
        subject_id=stated.subject_id,
        subject_kind=last.subject_kind,
        pseudonym=pseudonym,
        scopes=_in_order(scopes),
        stated_on=stated.withdrawn_on,
        reason=stated.reason,
    )
    uow.session.add(made)
    uow.session.flush()
    if ConsentScope.VERIFICATION in scopes:  # An answer kept for a repeated request would show it again.
        forget_answers(uow.session, {about.id})
    kind = EvidenceConsentWithdrawn if about.is_evidence else IncidentConsentWithdrawn
    uow.record(
        kind(
            stream=about.stream,
            actor=grant.entry_actor,
            object=about.object,
            consent=made.id,
            number=made.number,
            person=made.subject_id,
            subject_kind=made.subject_kind,
            scope=tuple(made.scopes),
            stated_on=made.stated_on.isoformat(),
            testimony=None if about.is_evidence else about.id,
            subject=pseudonym,
            reason=stated.reason,
        )
    )
    return made


def _item(session: Session, evidence: Evidence) -> ConsentedTo:
    return ConsentedTo(evidence.id, evidence.id, True, entry_object(session, evidence))


def _of(session: Session, grant: Grant, about: ConsentedTo) -> dict[str, object]:
    last = session.scalar(
        select(Consent.number).where(Consent.item_id == about.id).order_by(Consent.number.desc()).limit(1)
    )
    return {
        "id": new_id(),
        "item_id": about.id,
        "evidence_id": about.id if about.is_evidence else None,
        "stream_id": about.stream,
        "number": (last or 0) + 1,
        "recorded_by": grant.account_id,
        "recorded_at": utc_now(),
    }


def _last_of(session: Session, item_id: UUID, subject_id: UUID) -> Consent:
    query = select(Consent).where(Consent.item_id == item_id, Consent.subject_id == subject_id)
    found = session.scalar(query.order_by(Consent.number.desc()).limit(1))
    if found is None:
        raise UnknownSubject("No consent of this person is recorded here.")
    return found


def _standing_of(session: Session, item_id: UUID, subject_id: UUID) -> set[ConsentScope]:
    """What can still be withdrawn."""
    query = select(ConsentStanding.scope).where(
        ConsentStanding.item_id == item_id,
        ConsentStanding.subject_id == subject_id,
        ConsentStanding.stands_until.is_(None) | (ConsentStanding.stands_until > utc_now()),
    )
    return {ConsentScope(scope) for scope in session.scalars(query)}


def _in_order(scopes: frozenset[ConsentScope]) -> list[str]:
    return [str(scope) for scope in ConsentScope if scope in scopes]


def _require_past(day: date) -> None:
    """A day may have begun already east of here."""
    if (day - utc_now().date()).days > 1:
        raise ConsentInFuture("This day has not come.")
