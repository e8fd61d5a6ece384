"""Changing the vault's key: the keys of all records are wrapped anew, in small transactions, each with its entry.

As the database's owner: the application's role reads no ciphertext. Nothing is opened on the way. Cut off anywhere, it
is repeated: what is wrapped anew says so, and until the last one is, both keys are needed.
"""

from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from app.kernel.primitives import utc_now
from app.ledger import log
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork
from app.vault.events import VaultKeyRotated
from app.vault.models import VaultIdentity, VaultKeyChange, VaultSecret
from app.vault.sealing import Record, Sealed, VaultKey, wrap_anew

BATCH = 100
_REWRAP = text("UPDATE vault_secrets SET wrapped_key = :wrapped_key, wrapped_by = :key WHERE identity_id = :id")
_WRAPS: ColumnElement[str] = func.coalesce(VaultSecret.wrapped_by, VaultIdentity.key_id)


def begin(uow: UnitOfWork, key: VaultKey, following: VaultKey) -> None:
    """From the commit on only the key that follows seals; idempotent.

    Whoever seals at this moment is waited for: after it nothing is left that the rewrapping would not see.
    """
    uow.session.execute(text("LOCK TABLE vault_identities IN SHARE ROW EXCLUSIVE MODE"))
    last = _last(uow.session)
    if last is not None and last.key_id == following.id:
        return
    number = 1 if last is None else last.number + 1
    uow.session.add(VaultKeyChange(number=number, key_id=following.id, since=utc_now()))
    _record(uow, "began", key, following)


def rewrap_some(uow: UnitOfWork, key: VaultKey, following: VaultKey) -> int:
    """The next records that the former key still wraps, at most :data:`BATCH`; how many. Raises NotSealedHere."""
    query = select(VaultIdentity, VaultSecret.wrapped_key, VaultSecret.ciphertext, VaultSecret.wrapped_by)
    query = query.join(VaultSecret, VaultSecret.identity_id == VaultIdentity.id).where(
        _WRAPS.is_distinct_from(following.id)
    )
    rows = uow.session.execute(query.order_by(VaultIdentity.id).limit(BATCH).with_for_update(of=VaultSecret)).all()
    for identity, wrapped_key, ciphertext, wrapped_by in rows:
        sealed = Sealed(identity.key_id, bytes(wrapped_key), bytes(ciphertext), wrapped_by)
        record = Record(identity.id, identity.case_id, identity.subject_kind, identity.subject_id)
        changed: dict[str, Any] = {"wrapped_key": wrap_anew(sealed, record, key, following), "id": identity.id}
        uow.session.execute(_REWRAP, {**changed, "key": following.id})
    if rows:
        _record(uow, "rewrapped", key, following, records=len(rows))
    return len(rows)


def finish(uow: UnitOfWork, key: VaultKey, following: VaultKey) -> None:
    """Say that nothing is left under the former key."""
    _record(uow, "finished", key, following)


def _last(session: Session) -> VaultKeyChange | None:
    return session.scalar(select(VaultKeyChange).order_by(VaultKeyChange.number.desc()).limit(1))


def _record(
    uow: UnitOfWork,
    stage: Literal["began", "rewrapped", "finished"],
    key: VaultKey,
    following: VaultKey,
    records: int | None = None,
) -> None:
    stream = log.installation(uow.session).system_stream
    uow.record(
        VaultKeyRotated(
            stream=stream,
            actor=EntryActor(stream, "system", None),
            object=EntryObject("system", stream),
            stage=stage,
            key_id=following.id,
            former_key_id=key.id,
            records=records,
        )
    )
