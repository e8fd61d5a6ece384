"""A reviewer's own key in a case: brought by its holder, vouched for by another person, revoked by either.

Three acts, each an entry in the case's stream. The holder sends the public key and a statement signed with it
(``request``); a coordinator who has checked that this key is this person's says how (``bind``); the holder or a
coordinator ends it (``revoke``). A key is bound in one case at a time by its own binding there, and is one person's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.models import Account
from app.access.rules import Operation
from app.cases.service import Grant, authorise, pseudonym_of
from app.kernel.errors import Forbidden, NotFound
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryObject
from app.unit_of_work import UnitOfWork
from app.verification.dsse import ALGORITHM, Envelope, keyid_of, read_envelope, require_signed, require_strong
from app.verification.errors import (
    NotTheKeysHolder,
    OwnKeyChecked,
    ReviewerKeyBound,
    ReviewerKeyKnown,
    ReviewerKeyNotBound,
    ReviewerKeyRevoked,
    ReviewerKeyTaken,
)
from app.verification.events import ReviewerKeyBound as BoundEvent
from app.verification.events import ReviewerKeyRequested
from app.verification.events import ReviewerKeyRevoked as RevokedEvent
from app.verification.key_models import ReviewerKey, ReviewerKeyBinding, ReviewerKeyHolder, ReviewerKeyRevocation
from app.verification.rules import RevocationReason
from app.verification.statements import KeyStatement, require_same


class KeyStanding(StrEnum):
    """Where a key stands in its case."""

    REQUESTED = "requested"
    BOUND = "bound"
    REVOKED = "revoked"


@dataclass(frozen=True)
class StatedKey:
    """A key and what became of it. ``binding_commitment``: of the entry that bound it."""

    key: ReviewerKey
    holder: UUID
    """The holder's pseudonym in the case."""
    binding: ReviewerKeyBinding | None
    revocation: ReviewerKeyRevocation | None
    binding_commitment: str | None

    @property
    def standing(self) -> KeyStanding:
        if self.revocation is not None:
            return KeyStanding.REVOKED
        return KeyStanding.REQUESTED if self.binding is None else KeyStanding.BOUND


_BINDING_ENTRY = text("""
    SELECT commitment FROM ledger_entries
    WHERE object_id = :key AND type = 'case.reviewer_key_bound' AND stream_id = :case ORDER BY id DESC LIMIT 1
""")


def prepare(session: Session, actor: Actor, case_id: UUID, *, public_key: str) -> KeyStatement:
    """The statement by which the actor shows that they hold this key: to be signed with it. Nothing is recorded.

    ``public_key``: 32 bytes in hexadecimal. Raises ReviewerKeyWeak.
    """
    grant = authorise(session, actor, case_id, Operation.VERIFY)
    return _statement(grant, public_key)


def request(uow: UnitOfWork, actor: Actor, case_id: UUID, *, public_key: str, envelope: Mapping[str, Any]) -> StatedKey:
    """Bring one's own key into a case; it signs nothing until another person has bound it.

    Raises ReviewerKeyWeak, EnvelopeMalformed, SignatureInvalid, StatementDiffers, ReviewerKeyTaken, ReviewerKeyKnown.
    """
    grant = authorise(uow.session, actor, case_id, Operation.VERIFY)
    statement = _statement(grant, public_key)
    signed = _possession(statement, envelope)
    _claim(uow.session, public_key, grant.account_id)
    if _find(uow.session, case_id, statement.keyid) is not None:
        raise ReviewerKeyKnown("A key is bound once in a case, and a revoked one never again. Make a new key.")
    key = ReviewerKey(
        id=new_id(),
        case_id=case_id,
        holder_id=grant.account_id,
        public_key=public_key,
        keyid=statement.keyid,
        envelope=signed.content,
        dsse_sha256=signed.sha256,
        requested_at=utc_now(),
    )
    uow.session.add(key)
    uow.session.flush()
    uow.record(ReviewerKeyRequested(**_facts(grant, key, grant.entry_actor.id), dsse_sha256=key.dsse_sha256))
    return StatedKey(key, grant.entry_actor.id, None, None, None)


def bind(uow: UnitOfWork, actor: Actor, case_id: UUID, keyid: str, *, checked_how: str) -> StatedKey:
    """Vouch, as a coordinator and another person than its holder, that a requested key is its holder's.

    Raises NotFound, OwnKeyChecked, ReviewerKeyBound, ReviewerKeyRevoked.
    """
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE, is_alone=True)
    found = _require(uow.session, case_id, keyid)
    if found.key.holder_id == grant.account_id:
        raise OwnKeyChecked("It is your own key. Another coordinator checks whose it is.")
    if found.revocation is not None:
        raise ReviewerKeyRevoked("A revoked key is not bound again. Make a new key.")
    if found.binding is not None:
        raise ReviewerKeyBound("The key is bound in this case already.")
    binding = ReviewerKeyBinding(
        key_id=found.key.id,
        case_id=case_id,
        holder_id=found.key.holder_id,
        checked_by=grant.account_id,
        checked_how=checked_how,
        bound_at=utc_now(),
    )
    uow.session.add(binding)
    uow.session.flush()
    name = uow.session.get_one(Account, grant.account_id).name
    uow.record(BoundEvent(**_facts(grant, found.key, found.holder), checked_by=name, checked_how=checked_how))
    return StatedKey(found.key, found.holder, binding, None, None)


def revoke(
    uow: UnitOfWork,
    actor: Actor,
    case_id: UUID,
    keyid: str,
    *,
    reason_code: RevocationReason,
    reason: str | None,
) -> StatedKey:
    """End a key in a case: by its holder or a coordinator. What it signed before stays as it is.

    Raises NotFound, Forbidden, ReviewerKeyRevoked.
    """
    grant = authorise(uow.session, actor, case_id, Operation.REVOKE_REVIEWER_KEY, is_alone=True)
    found = _require(uow.session, case_id, keyid)
    if grant.own_only and found.key.holder_id != grant.account_id:
        raise Forbidden("A key is revoked by its holder or by a coordinator.")
    if found.revocation is not None:
        raise ReviewerKeyRevoked("The key was revoked before.")
    revocation = ReviewerKeyRevocation(
        key_id=found.key.id,
        case_id=case_id,
        holder_id=found.key.holder_id,
        revoked_by=grant.account_id,
        reason_code=reason_code,
        reason=reason,
        revoked_at=utc_now(),
    )
    uow.session.add(revocation)
    uow.session.flush()
    uow.record(RevokedEvent(**_facts(grant, found.key, found.holder), reason_code=reason_code, reason=reason))
    return StatedKey(found.key, found.holder, found.binding, revocation, found.binding_commitment)


def get_key(session: Session, actor: Actor, case_id: UUID, keyid: str) -> StatedKey:
    authorise(session, actor, case_id, Operation.READ_METADATA)
    return _require(session, case_id, keyid)


def list_keys(
    session: Session, actor: Actor, case_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StatedKey]:
    """The case's keys in whatever standing, in order of request."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    query = _keys(case_id).order_by(ReviewerKey.requested_at, ReviewerKey.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(ReviewerKey.requested_at, ReviewerKey.id) > after)
    return [_stated(session, row) for row in session.execute(query)]


def signing_key(session: Session, grant: Grant, keyid: str) -> tuple[ReviewerKey, ReviewerKeyBinding, str]:
    """The actor's own key, its binding and that entry's commitment, for signing now in this case.

    Raises ReviewerKeyNotBound, NotTheKeysHolder, ReviewerKeyRevoked.
    """
    found = _find(session, grant.case_id, keyid)
    if found is None:
        raise ReviewerKeyNotBound("There is no such key in this case: POST /v1/cases/{case}/reviewer-keys.")
    if found.key.holder_id != grant.account_id:
        raise NotTheKeysHolder("A verdict is signed with its author's own key.")
    if found.revocation is not None:
        raise ReviewerKeyRevoked("What it signed before stays; it signs no more. Bind a new key.")
    if found.binding is None or found.binding_commitment is None:
        raise ReviewerKeyNotBound("A coordinator must first check and confirm that it is yours.")
    return found.key, found.binding, found.binding_commitment


def _statement(grant: Grant, public_key: str) -> KeyStatement:
    raw = bytes.fromhex(public_key)
    require_strong(raw)
    return KeyStatement(grant.case_id, grant.entry_actor.id, keyid_of(raw), public_key)


def _possession(statement: KeyStatement, document: Mapping[str, Any]) -> Envelope:
    """The envelope that shows possession. Raises EnvelopeMalformed, SignatureInvalid, StatementDiffers."""
    envelope = read_envelope(document)
    if envelope.keyid != statement.keyid:
        raise ReviewerKeyNotBound(f"The signature's keyid must be the key's own: {statement.keyid}.")
    require_signed(envelope, bytes.fromhex(statement.public_key))
    require_same(envelope.payload, statement.payload())
    return envelope


def _claim(session: Session, public_key: str, holder_id: UUID) -> None:
    """The key is this person's in all cases. Raises ReviewerKeyTaken; only who holds its private half learns that."""
    session.execute(
        insert(ReviewerKeyHolder).values(public_key=public_key, holder_id=holder_id).on_conflict_do_nothing()
    )
    owner = session.scalars(select(ReviewerKeyHolder.holder_id).where(ReviewerKeyHolder.public_key == public_key)).one()
    if owner != holder_id:
        raise ReviewerKeyTaken("Somebody else has brought this very key. Make one of your own.")


def _keys(case_id: UUID) -> Select[ReviewerKey, ReviewerKeyBinding, ReviewerKeyRevocation]:
    return (
        select(ReviewerKey, ReviewerKeyBinding, ReviewerKeyRevocation)
        .outerjoin(ReviewerKeyBinding, ReviewerKeyBinding.key_id == ReviewerKey.id)
        .outerjoin(ReviewerKeyRevocation, ReviewerKeyRevocation.key_id == ReviewerKey.id)
        .where(ReviewerKey.case_id == case_id)
    )


def _stated(session: Session, row: Row[ReviewerKey, ReviewerKeyBinding, ReviewerKeyRevocation]) -> StatedKey:
    key, binding, revocation = row
    commitment = None
    if binding is not None:
        stored = session.scalar(_BINDING_ENTRY, {"key": key.id, "case": key.case_id})
        commitment = None if stored is None else bytes(stored).hex()
    return StatedKey(key, pseudonym_of(session, key.case_id, key.holder_id), binding, revocation, commitment)


def _find(session: Session, case_id: UUID, keyid: str) -> StatedKey | None:
    row = session.execute(_keys(case_id).where(ReviewerKey.keyid == keyid)).one_or_none()
    return None if row is None else _stated(session, row)


def _require(session: Session, case_id: UUID, keyid: str) -> StatedKey:
    found = _find(session, case_id, keyid)
    if found is None:
        raise NotFound()
    return found


def _facts(grant: Grant, key: ReviewerKey, holder: UUID) -> dict[str, Any]:
    return {
        "stream": key.case_id,
        "actor": grant.entry_actor,
        "object": EntryObject("reviewer_key", key.id),
        "account": holder,
        "keyid": key.keyid,
        "alg": ALGORITHM,
        "public_key": key.public_key,
    }
