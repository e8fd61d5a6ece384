"""Sealing who a source is; and opening it by two persons: one asks, another approves, the first one opens, once.

Nothing here returns an identity but :func:`open_identity`. What belongs to what is a :class:`Subject`: the services of
items and of testimonies say which, and who may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, Grant, authorise, holds_role_for, pseudonym_of
from app.kernel.errors import NotFound
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.unit_of_work import UnitOfWork
from app.vault.errors import (
    ALREADY_REQUESTED,
    SECOND_PERSON,
    IdentityDestroyed,
    IdentityNotSealed,
    OpeningAlreadyDecided,
    OpeningNotApproved,
    OpeningOfAnother,
    OpeningUsed,
    VaultKeyMissing,
)
from app.vault.events import (
    EvidenceIdentitySealed,
    EvidenceIdentityUnsealed,
    EvidenceOpeningApproved,
    EvidenceOpeningRefused,
    EvidenceOpeningRequested,
    IncidentIdentitySealed,
    IncidentIdentityUnsealed,
    IncidentOpeningApproved,
    IncidentOpeningRefused,
    IncidentOpeningRequested,
)
from app.vault.models import VaultIdentity, VaultOpening, VaultSecret
from app.vault.sealing import NotSealedHere, Record, Sealed, VaultKey, seal, unseal

Decision = Literal["approve", "refuse"]
SubjectKind = Literal["evidence", "testimony"]

SEALED: Mapping[str, type[Any]] = {"evidence": EvidenceIdentitySealed, "testimony": IncidentIdentitySealed}
REQUESTED: Mapping[str, type[Any]] = {"evidence": EvidenceOpeningRequested, "testimony": IncidentOpeningRequested}
APPROVED: Mapping[str, type[Any]] = {"evidence": EvidenceOpeningApproved, "testimony": IncidentOpeningApproved}
REFUSED: Mapping[str, type[Any]] = {"evidence": EvidenceOpeningRefused, "testimony": IncidentOpeningRefused}
UNSEALED: Mapping[str, type[Any]] = {"evidence": EvidenceIdentityUnsealed, "testimony": IncidentIdentityUnsealed}

_OPEN = text("SELECT wrapped_key, ciphertext, wrapped_by FROM exhibit_open_identity(:opening)")


@dataclass(frozen=True)
class Subject:
    """Whose source it is: an item, or a testimony of an incident; ``stream`` is the custody log that tells of it."""

    kind: SubjectKind
    id: UUID
    stream: UUID
    case_id: UUID
    object: Callable[[Session], EntryObject]
    """The stream's own object, as an entry names it."""


Find = Callable[[Session, SubjectKind, UUID], Subject]
"""Of a kind and an id, for those who know the tables of both."""


@dataclass(frozen=True)
class SealedSource:
    """What is shown of a sealed identity, in force or not."""

    identity: VaultIdentity
    is_destroyed: bool


def seal_identity(
    uow: UnitOfWork, grant: Grant, subject: Subject, identity: Mapping[str, Any], key: VaultKey
) -> VaultIdentity:
    """Seal who it is; it supersedes what was sealed before. The caller has locked the subject.

    Raises VaultKeyMissing.
    """
    _require_own_key(uow.session, key)
    before = newest_identity(uow.session, subject.kind, subject.id)
    number = _next_number(uow.session, subject.case_id) if before is None else before.number
    made_id = new_id()
    sealed = seal(identity, Record(made_id, subject.case_id, subject.kind, subject.id), key)
    made = VaultIdentity(
        id=made_id,
        case_id=subject.case_id,
        stream_id=subject.stream,
        subject_kind=subject.kind,
        subject_id=subject.id,
        number=number,
        version=1 if before is None else before.version + 1,
        supersedes=None if before is None else before.id,
        key_id=sealed.key_id,
        ciphertext_sha256=sealed.ciphertext_sha256,
        sealed_by=grant.account_id,
        sealed_at=utc_now(),
    )
    uow.session.add(made)
    uow.session.flush()
    uow.session.add(VaultSecret(identity_id=made.id, wrapped_key=sealed.wrapped_key, ciphertext=sealed.ciphertext))
    facts = {"number": made.version, "supersedes": made.supersedes, "key_id": made.key_id}
    _record(uow, SEALED, grant, subject, made, ciphertext_sha256=made.ciphertext_sha256, **facts)
    return made


def newest_identity(session: Session, kind: SubjectKind, subject_id: UUID) -> VaultIdentity | None:
    """The one in force (no permission check)."""
    query = select(VaultIdentity).where(VaultIdentity.subject_kind == kind, VaultIdentity.subject_id == subject_id)
    return session.scalar(query.order_by(VaultIdentity.version.desc()).limit(1))


def sealed_source(session: Session, kind: SubjectKind, subject_id: UUID, sealing: int | None = None) -> SealedSource:
    """That an identity is sealed, for services that made their check; the last sealing, or an earlier one by its
    number. Raises IdentityNotSealed."""
    identity = newest_identity(session, kind, subject_id)
    if identity is None:
        raise IdentityNotSealed("Nobody has sealed an identity here.")
    if sealing is not None and sealing != identity.version:
        one = {"subject_kind": kind, "subject_id": subject_id, "version": sealing}
        identity = session.scalars(select(VaultIdentity).filter_by(**one)).one_or_none()
        if identity is None:
            raise IdentityNotSealed(f"There is no sealing {sealing} here.")
    return SealedSource(identity, _is_destroyed(session, identity.id))


def request_opening(
    uow: UnitOfWork, grant: Grant, subject: Subject, *, purpose: str, reason: str, sealing: int | None = None
) -> tuple[VaultOpening, VaultIdentity]:
    """Ask for the identity in force, or for what an earlier sealing holds: whoever sealed something else over it has
    not made it unreachable. Raises IdentityNotSealed, IdentityDestroyed, OpeningAlreadyRequested."""
    source = sealed_source(uow.session, subject.kind, subject.id, sealing)
    if source.is_destroyed:
        raise IdentityDestroyed("It was erased; nobody can open it any more.")
    own = (VaultOpening.requested_by == grant.account_id, VaultOpening.decision.is_(None))
    if uow.session.scalar(select(VaultOpening.id).where(VaultOpening.identity_id == source.identity.id, *own)):
        raise ALREADY_REQUESTED
    opening = VaultOpening(
        id=new_id(),
        case_id=subject.case_id,
        stream_id=subject.stream,
        identity_id=source.identity.id,
        purpose=purpose,
        requested_by=grant.account_id,
        requested_at=utc_now(),
    )
    uow.session.add(opening)
    _record(uow, REQUESTED, grant, subject, source.identity, opening=opening.id, purpose=purpose, reason=reason)
    return opening, source.identity


def decide_opening(
    uow: UnitOfWork, actor: Actor, opening_id: UUID, find: Find, *, decision: Decision, reason: str | None = None
) -> VaultOpening:
    """Approve, as another coordinator or custodian, or refuse.

    Raises NotFound, Forbidden, OpeningNeedsAnother, OpeningAlreadyDecided.
    """
    grant, opening, identity = _lock_opening(uow.session, actor, opening_id, Operation.DECIDE_OPENING)
    if opening.decision is not None:
        raise OpeningAlreadyDecided("Nothing was changed by you.", extra={"decision": opening.decision})
    if decision == "approve" and opening.requested_by == grant.account_id:
        raise SECOND_PERSON
    opening.decision, opening.decided_by, opening.decided_at = decision, grant.account_id, utc_now()
    _record(
        uow,
        APPROVED if decision == "approve" else REFUSED,
        grant,
        _subject_of(uow.session, identity, find),
        identity,
        opening=opening.id,
        second_person=pseudonym_of(uow.session, grant.case_id, opening.requested_by),
        reason=reason,
    )
    return opening


def open_identity(
    uow: UnitOfWork, actor: Actor, opening_id: UUID, find: Find, key: VaultKey
) -> tuple[VaultOpening, VaultIdentity, dict[str, Any]]:
    """The identity itself, to the one who asked, once, soon after another person approved.

    Show it only after the commit: then the entry stands. Raises NotFound, Forbidden, OpeningOfAnother,
    OpeningNotApproved, OpeningUsed, IdentityDestroyed, VaultKeyMissing.
    """
    grant, opening, identity = _lock_opening(uow.session, actor, opening_id, Operation.OPEN_IDENTITY)
    if opening.requested_by != grant.account_id:
        raise OpeningOfAnother("This request is another person's.")
    if opening.decision != "approve" or opening.decided_by is None:
        raise OpeningNotApproved(f"The request is {'refused' if opening.decision else 'not decided yet'}.")
    if opening.opened_at is not None:
        raise OpeningUsed("This request's identity was opened before.")
    if not holds_role_for(uow.session, opening.case_id, opening.decided_by, Operation.DECIDE_OPENING):
        raise OpeningNotApproved("Whoever approved it may not approve any more. Ask anew, and have another approve.")
    if _is_destroyed(uow.session, identity.id):
        raise IdentityDestroyed("It was erased since; nobody can open it any more.")
    boxed = uow.session.execute(_OPEN, {"opening": opening.id}).one()
    uow.session.refresh(opening)
    sealed = Sealed(identity.key_id, bytes(boxed.wrapped_key), bytes(boxed.ciphertext), boxed.wrapped_by)
    record = Record(identity.id, identity.case_id, identity.subject_kind, identity.subject_id)
    try:
        opened = unseal(sealed, record, key)
    except NotSealedHere as error:
        raise VaultKeyMissing("It was sealed under another key than this server has.") from error
    _record(
        uow,
        UNSEALED,
        grant,
        _subject_of(uow.session, identity, find),
        identity,
        opening=opening.id,
        purpose=opening.purpose,
        second_person=pseudonym_of(uow.session, grant.case_id, opening.decided_by),
    )
    return opening, identity, opened


def list_openings(
    session: Session, actor: Actor, case_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[tuple[VaultOpening, VaultIdentity]]:
    """The case's requests, oldest first, for those who may ask or decide. Raises NotFound, Forbidden."""
    authorise(session, actor, case_id, Operation.REQUEST_OPENING)
    query = select(VaultOpening, VaultIdentity).join(VaultIdentity, VaultIdentity.id == VaultOpening.identity_id)
    query = query.where(VaultOpening.case_id == case_id)
    if after is not None:
        query = query.where(tuple_(VaultOpening.requested_at, VaultOpening.id) > after)
    found = session.execute(query.order_by(VaultOpening.requested_at, VaultOpening.id).limit(limit))
    return [(row.VaultOpening, row.VaultIdentity) for row in found]


def destroy_identity(session: Session, identity_id: UUID) -> bool:
    """Its key and its ciphertext go, for an erasure that has its entry; False: they were gone. No dump opens it then,
    and a backup only by the ciphertext and key that it holds itself."""
    gone = delete(VaultSecret).where(VaultSecret.identity_id == identity_id).returning(VaultSecret.identity_id)
    return session.scalar(gone) is not None


def _lock_opening(
    session: Session, actor: Actor, opening_id: UUID, operation: Operation
) -> tuple[Grant, VaultOpening, VaultIdentity]:
    case_id = session.scalar(select(VaultOpening.case_id).where(VaultOpening.id == opening_id))
    grant = authorise(session, actor, case_id or NOWHERE, operation)
    query = select(VaultOpening).where(VaultOpening.id == opening_id).with_for_update()
    opening = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if opening is None:
        raise NotFound()
    identity = session.get(VaultIdentity, opening.identity_id)
    assert identity is not None
    return grant, opening, identity


def _subject_of(session: Session, identity: VaultIdentity, find: Find) -> Subject:
    kind: SubjectKind = "evidence" if identity.subject_kind == "evidence" else "testimony"
    return find(session, kind, identity.subject_id)


def _is_destroyed(session: Session, identity_id: UUID) -> bool:
    return session.scalar(select(VaultSecret.identity_id).where(VaultSecret.identity_id == identity_id)) is None


def _next_number(session: Session, case_id: UUID) -> int:
    """Under a lock of the case's numbers: of two that are sealed at once each gets its own."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"vault {case_id}", 0))))
    last = session.scalar(select(func.max(VaultIdentity.number)).where(VaultIdentity.case_id == case_id))
    return (last or 0) + 1


def _require_own_key(session: Session, key: VaultKey) -> None:
    """A data directory without its key would make a new one: it must not seal beside what it cannot open."""
    wraps = func.coalesce(VaultSecret.wrapped_by, VaultIdentity.key_id)
    query = select(VaultIdentity.id).join(VaultSecret, VaultSecret.identity_id == VaultIdentity.id)
    if session.scalar(query.where(wraps != key.id).limit(1)) is not None:
        raise VaultKeyMissing("What is sealed here was sealed under another key than this server has.")


def _record(
    uow: UnitOfWork,
    kinds: Mapping[str, type[Any]],
    grant: Grant,
    subject: Subject,
    identity: VaultIdentity,
    **facts: Any,
) -> None:
    uow.record(
        kinds[subject.kind](
            stream=subject.stream,
            actor=grant.entry_actor,
            object=subject.object(uow.session),
            identity=identity.id,
            source=identity.number,
            testimony=subject.id if subject.kind == "testimony" else None,
            **facts,
        )
    )
