"""Erasing one value, and an entry's whole body: by custodians of the case, also once it is closed.

A value is erased wherever it stands in the same stream, and in the other streams where the same act was recorded: a
correction repeats what it corrects, a link is an entry of two objects. Each gets its own erasing entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.models import Case
from app.cases.service import NOWHERE, Grant, authorise
from app.erasure.clearing import clear, clear_facts
from app.erasure.errors import (
    ALREADY_REQUESTED,
    SECOND_PERSON,
    AlreadyErased,
    EntryNotErasable,
    ErasureAlreadyDecided,
    FieldNotSealed,
)
from app.erasure.events import (
    CaseErased,
    EntryErased,
    EntryErasureRefused,
    EntryErasureRequested,
    EvidenceErased,
    FieldErased,
    IncidentErased,
)
from app.erasure.models import ErasureRequest
from app.exports.removal import remove_packages_with, remove_packages_with_body
from app.incidents.models import Incident
from app.kernel.errors import NotFound
from app.kernel.primitives import new_id, utc_now
from app.ledger import erasing
from app.ledger.erasing import ErasableEntry, OpenField
from app.ledger.event import EntryActor, EntryObject
from app.media.items import entry_object
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from app.vault.places import IDENTITY, SEALING_TYPES
from app.vault.service import destroy_identity

Decision = Literal["approve", "refuse"]
ERASED_IN: dict[str, type[FieldErased]] = {
    "evidence": EvidenceErased,
    "incident": IncidentErased,
    "case": CaseErased,
}

NOTHING = "00" * 32
"""No entry has this commitment."""
MENTION_CHARACTERS = 3
"""A shorter value is found in every text, and says nothing."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Why something is erased: two words that stay readable for ever, and more that is sealed."""

    reason_code: str
    authority: str
    reason: str | None = None


@dataclass(frozen=True)
class Erasure:
    """What was erased, and other values of the same streams in which the erased words still stand."""

    fields: Sequence[OpenField]
    mentions: Sequence[OpenField]


def require_erasing(session: Session, actor: Actor, commitment: str) -> None:
    """Raises NotFound, Forbidden."""
    _find(session, actor, commitment)


def erase_field(uow: UnitOfWork, actor: Actor, commitment: str, *, field: str, ground: Ground) -> Erasure:
    """One sealed field's value, by one custodian. Raises NotFound, Forbidden, FieldNotSealed, AlreadyErased."""
    entry, grant = _find(uow.session, actor, commitment)
    _lock_object(uow.session, entry)
    body = _present_body(uow.session, commitment)
    if field == IDENTITY and entry.type in SEALING_TYPES:
        return _erase_identity(uow, grant, entry, UUID(body["data"][IDENTITY]), ground)
    if field not in body["sealed"]:
        sealed = ", ".join(sorted(body["sealed"])) or "none"
        raise FieldNotSealed(f"Sealed fields of this entry: {sealed}.")
    beside = erasing.open_fields_beside(uow.session, entry)
    own = [each for each in beside if (each.entry.commitment, each.field) == (commitment, field)]
    if not own:
        raise AlreadyErased("This field's value is gone already.")
    same = [each for each in beside if each.value == own[0].value]
    clear(uow.session, same)
    remove_packages_with(uow, same)
    _record_fields(uow, grant.entry_actor, same, ground)
    return Erasure(same, _mentions(beside, same))


def _erase_identity(uow: UnitOfWork, grant: Grant, entry: ErasableEntry, identity_id: UUID, ground: Ground) -> Erasure:
    """Its key and its ciphertext, of which the entry says that they were sealed; they stand in no log."""
    if not destroy_identity(uow.session, identity_id):
        raise AlreadyErased("This identity is gone already.")
    destroyed = [OpenField(entry, IDENTITY, None)]
    _record_fields(uow, grant.entry_actor, destroyed, ground)
    return Erasure(destroyed, [])


def request_body_erasure(uow: UnitOfWork, actor: Actor, commitment: str, *, ground: Ground) -> ErasureRequest:
    """Ask for an entry's whole body to go. Raises AlreadyErased, EntryNotErasable, ErasureAlreadyRequested."""
    entry, grant = _find(uow.session, actor, commitment)
    _lock_object(uow.session, entry)
    _present_body(uow.session, commitment)
    if entry.is_for_ever:
        raise EntryNotErasable("Without it nobody could tell that the log is complete. Erase its sealed fields.")
    is_open = (ErasureRequest.commitment == commitment, ErasureRequest.decision.is_(None))
    if uow.session.scalar(select(ErasureRequest.id).where(*is_open)) is not None:
        raise ALREADY_REQUESTED
    request = ErasureRequest(
        id=new_id(),
        case_id=grant.case_id,
        stream_id=entry.stream,
        seq=entry.seq,
        commitment=commitment,
        reason_code=ground.reason_code,
        authority=ground.authority,
        requested_by=grant.account_id,
        requested_at=utc_now(),
    )
    uow.session.add(request)
    uow.record(
        EntryErasureRequested(
            stream=entry.stream,
            actor=grant.entry_actor,
            object=_object_of(uow.session, entry),
            request=request.id,
            seq=entry.seq,
            commitment=commitment,
            reason_code=ground.reason_code,
            authority=ground.authority,
            reason=ground.reason,
        )
    )
    return request


def decide_body_erasure(
    uow: UnitOfWork, actor: Actor, request_id: UUID, *, decision: Decision, reason: str | None = None
) -> ErasureRequest:
    """Approve, as another custodian, or refuse. Raises SecondPersonNeeded, ErasureAlreadyDecided."""
    commitment = uow.session.scalar(select(ErasureRequest.commitment).where(ErasureRequest.id == request_id))
    entry, grant = _find(uow.session, actor, commitment or NOTHING)
    _lock_object(uow.session, entry)
    request = uow.session.scalars(select(ErasureRequest).where(ErasureRequest.id == request_id).with_for_update()).one()
    if request.decision is not None:
        raise ErasureAlreadyDecided("Nothing was changed by you.", extra={"decision": request.decision})
    if decision == "approve" and request.requested_by == grant.account_id:
        raise SECOND_PERSON
    request.decision, request.decided_by, request.decided_at = decision, grant.account_id, utc_now()
    ground = Ground(reason_code=request.reason_code, authority=request.authority, reason=reason)
    if decision == "approve":
        _erase_body(uow, grant, entry, ground)
    _record_decision(uow, grant, entry, request, ground)
    return request


def list_body_erasures(
    session: Session, actor: Actor, case_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[ErasureRequest]:
    """The case's requests, oldest first, for its custodians. Raises NotFound, Forbidden."""
    authorise(session, actor, case_id, Operation.ERASE)
    query = select(ErasureRequest).where(ErasureRequest.case_id == case_id)
    if after is not None:
        query = query.where(tuple_(ErasureRequest.requested_at, ErasureRequest.id) > after)
    return session.scalars(query.order_by(ErasureRequest.requested_at, ErasureRequest.id).limit(limit)).all()


def _erase_body(uow: UnitOfWork, grant: Grant, entry: ErasableEntry, ground: Ground) -> None:
    """All of an entry's values wherever they stand, then its bytes. Other entries that hold a value tell it."""
    _present_body(uow.session, entry.commitment)
    beside = erasing.open_fields_beside(uow.session, entry)
    values = [each.value for each in beside if each.entry.commitment == entry.commitment]
    same = [each for each in beside if each.value in values]
    clear(uow.session, same)
    clear_facts(uow.session, entry)
    remove_packages_with(uow, same)
    remove_packages_with_body(uow, entry)
    others = [each for each in same if each.entry.commitment != entry.commitment]
    _record_fields(uow, grant.entry_actor, others, ground)
    erasing.delete_body(uow.session, entry.commitment)


def _record_decision(
    uow: UnitOfWork, grant: Grant, entry: ErasableEntry, request: ErasureRequest, ground: Ground
) -> None:
    made = EntryErased if request.decision == "approve" else EntryErasureRefused
    uow.record(
        made(
            stream=entry.stream,
            actor=grant.entry_actor,
            object=_object_of(uow.session, entry),
            request=request.id,
            seq=entry.seq,
            commitment=entry.commitment,
            reason_code=ground.reason_code,
            authority=ground.authority,
            reason=ground.reason,
        )
    )


def _record_fields(uow: UnitOfWork, actor: EntryActor, fields: Sequence[OpenField], ground: Ground) -> None:
    for each in fields:
        uow.record(
            ERASED_IN[each.entry.stream_kind](
                stream=each.entry.stream,
                actor=actor,
                object=_object_of(uow.session, each.entry),
                seq=each.entry.seq,
                commitment=each.entry.commitment,
                field=each.field,
                reason_code=ground.reason_code,
                authority=ground.authority,
                reason=ground.reason,
            )
        )


def _mentions(beside: Sequence[OpenField], erased: Sequence[OpenField]) -> list[OpenField]:
    words = erased[0].value
    if not isinstance(words, str) or len(words) < MENTION_CHARACTERS:
        return []
    return [each for each in beside if each not in erased and each.mentions(words)]


def _find(session: Session, actor: Actor, commitment: str) -> tuple[ErasableEntry, Grant]:
    """An entry of a case, and what permits its erasure. The system's own entries are not found here."""
    entry = erasing.find_entry(session, commitment)
    if entry is None or entry.case_id is None:
        authorise(session, actor, NOWHERE, Operation.ERASE)
        raise NotFound()
    # The case's own values change under its lock; an item's or an incident's under theirs.
    return entry, authorise(session, actor, entry.case_id, Operation.ERASE, is_alone=entry.stream_kind == "case")


def _lock_object(session: Session, entry: ErasableEntry) -> None:
    """Whoever changes the object, and may keep an answer that shows it, comes before or after."""
    if entry.stream_kind == "evidence":
        session.execute(select(Evidence.id).where(Evidence.id == entry.stream).with_for_update())
    elif entry.stream_kind == "incident":
        session.execute(select(Incident.id).where(Incident.id == entry.stream).with_for_update())


def _present_body(session: Session, commitment: str) -> dict[str, Any]:
    """The body as it stands now that its object is locked. Raises AlreadyErased."""
    entry = erasing.find_entry(session, commitment)
    if entry is None or entry.body is None:
        raise AlreadyErased("This entry's whole body was erased before.")
    return entry.body


def _object_of(session: Session, entry: ErasableEntry) -> EntryObject:
    """The stream's own object as it is after the erasure."""
    if entry.stream_kind == "evidence":
        evidence = session.get(Evidence, entry.stream, populate_existing=True)
        assert evidence is not None
        return entry_object(session, evidence)
    row: Case | Incident | None
    if entry.stream_kind == "case":
        row = session.get(Case, entry.stream, populate_existing=True)
    else:
        row = session.get(Incident, entry.stream, populate_existing=True)
    assert row is not None
    return EntryObject(entry.stream_kind, entry.stream, row.version)
