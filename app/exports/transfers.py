"""Handing a package to somebody outside, and their receipt: a token that works once, and if agreed a signature.

The other side has no account. Whoever holds the token says which file they have, by its SHA-256; another file than the
one that was handed over is refused, and the token stays good. Where a key of theirs was named beforehand, the receipt
has to be signed with it: then the custody entry alone shows, to anybody with the key, what they confirmed.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, Grant, authorise
from app.exports.custody_service import may_open
from app.exports.errors import (
    ReceiptDigestDiffers,
    ReceiptSignatureInvalid,
    TransferEnded,
    TransferExpired,
    TransferUnknown,
)
from app.exports.events import ExportAccepted, ExportTransferred, ExportTransferRevoked
from app.exports.export_service import find_package
from app.exports.models import Export
from app.exports.release_models import Transfer
from app.kernel.errors import NotFound
from app.kernel.primitives import canonical_json, new_id, sha256_hex, utc_now
from app.ledger import log, reading
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork
from app.verification.dsse import require_strong

TOKEN_PREFIX = "exr_"  # noqa: S105 - it names what follows
STATEMENT_FORMAT = "exhibit-receipt/v1"

_TRANSFERRED = text("""
    SELECT e.commitment, b.body FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment
    WHERE e.type = 'export.transferred' AND e.object_id = :export
""")


def transfer_export(
    uow: UnitOfWork,
    actor: Actor,
    export_id: UUID,
    *,
    counterparty: str,
    valid_for: timedelta,
    public_key: bytes | None,
    purpose: str,
    note: str | None,
) -> tuple[Transfer, str]:
    """That a finished package is handed over; and the token for the receipt, which is told this once.

    Raises NotFound, Forbidden, ReviewerKeyWeak, and what taking the package would.
    """
    grant = require_transferring(uow.session, actor, export_id)
    export, _ = find_package(uow.session, actor, export_id)
    if public_key is not None:
        require_strong(public_key)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = utc_now()
    transfer = Transfer(
        id=new_id(),
        case_id=export.case_id,
        export_id=export.id,
        state="transferred",
        token_sha256=sha256_hex(token.encode()),
        public_key=public_key,
        transferred_by=actor.account_id,
        transferred_at=now,
        expires_at=now + valid_for,
    )
    uow.session.add(transfer)
    uow.record(
        ExportTransferred(
            stream=export.case_id,
            actor=grant.entry_actor,
            object=_object(export),
            transfer=transfer.id,
            expires_at=transfer.expires_at,
            public_key=None if public_key is None else public_key.hex(),
            purpose=purpose,
            counterparty=counterparty,
            note=note,
        )
    )
    return transfer, token


def require_transferring(session: Session, actor: Actor, export_id: UUID) -> Grant:
    """Raises NotFound, Forbidden."""
    case_id = session.scalar(select(Export.case_id).where(Export.id == export_id))
    return authorise(session, actor, case_id or NOWHERE, Operation.TRANSFER_EXPORT)


def statement_of(session: Session, transfer: Transfer) -> bytes:
    """What the other side confirms, and signs if a key was named: canonical JSON, with nothing personal in it."""
    export = session.get_one(Export, transfer.export_id)
    return canonical_json(
        {
            "format": STATEMENT_FORMAT,
            "log": log.installation(session).origin,
            "transfer": str(transfer.id),
            "export": str(export.id),
            "package_sha256": export.package_sha256,
            "manifest_sha256": export.manifest_sha256,
        }
    )


def accept_transfer(uow: UnitOfWork, *, token: str, package_sha256: str, signature: bytes | None) -> Transfer:
    """The receipt, by whoever holds the token. It works once; what is refused does not use it up.

    Raises TransferUnknown, TransferEnded, TransferExpired, ReceiptDigestDiffers, ReceiptSignatureInvalid.
    """
    query = select(Transfer).where(Transfer.token_sha256 == sha256_hex(token.encode()))
    transfer = uow.session.scalar(query.with_for_update())
    if transfer is None:
        raise TransferUnknown("No transfer has this token.")
    if transfer.state != "transferred":
        raise TransferEnded(f"The transfer is '{transfer.state}' since {transfer.accepted_at or transfer.revoked_at}.")
    now = utc_now()
    if transfer.expires_at <= now:
        raise TransferExpired(f"Its time was over at {transfer.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
    export = uow.session.get_one(Export, transfer.export_id)
    if package_sha256 != export.package_sha256:
        raise ReceiptDigestDiffers("This is not the SHA-256 of the file that was handed over.")
    statement = statement_of(uow.session, transfer)
    _require_signature(transfer, statement, signature)
    transfer.state, transfer.accepted_at = "accepted", now
    transfer.confirmed_sha256, transfer.signature = package_sha256, signature
    uow.record(
        ExportAccepted(
            stream=export.case_id,
            actor=EntryActor(transfer.id, "token", None),
            object=_object(export),
            transfer=transfer.id,
            package_sha256=package_sha256,
            statement_sha256=sha256_hex(statement),
            signature=None if signature is None else signature.hex(),
            public_key=None if transfer.public_key is None else transfer.public_key.hex(),
        )
    )
    return transfer


def _require_signature(transfer: Transfer, statement: bytes, signature: bytes | None) -> None:
    """Raises ReceiptSignatureInvalid."""
    if transfer.public_key is None:
        if signature is not None:
            raise ReceiptSignatureInvalid("No key was named for this transfer: leave 'signature' out.")
        return
    try:
        Ed25519PublicKey.from_public_bytes(transfer.public_key).verify(signature or b"", statement)
    except (InvalidSignature, ValueError):
        raise ReceiptSignatureInvalid(
            "It is not the signature of the key that was named, over the statement."
        ) from None


def revoke_transfer(uow: UnitOfWork, actor: Actor, export_id: UUID, transfer_id: UUID, *, reason: str) -> Transfer:
    """The token works no more. What was accepted stays so. Raises NotFound, Forbidden, TransferEnded."""
    grant = require_transferring(uow.session, actor, export_id)
    query = select(Transfer).where(Transfer.id == transfer_id, Transfer.export_id == export_id)
    transfer = uow.session.scalar(query.with_for_update())
    if transfer is None:
        raise NotFound()
    if transfer.state != "transferred":
        raise TransferEnded(f"The transfer is '{transfer.state}'.")
    transfer.state, transfer.revoked_by, transfer.revoked_at = "revoked", actor.account_id, utc_now()
    uow.record(
        ExportTransferRevoked(
            stream=transfer.case_id,
            actor=grant.entry_actor,
            object=EntryObject("export", export_id),
            transfer=transfer.id,
            reason=reason,
        )
    )
    return transfer


def list_transfers(
    session: Session, actor: Actor, export_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> tuple[Sequence[Transfer], Mapping[UUID, str]]:
    """Of one package, the newest first; and the counterparties that the actor may see. Raises NotFound, Forbidden."""
    grant = _grant(session, actor, export_id)
    query = select(Transfer).where(Transfer.export_id == export_id)
    if before is not None:
        query = query.where(tuple_(Transfer.transferred_at, Transfer.id) < before)
    query = query.order_by(Transfer.transferred_at.desc(), Transfer.id.desc()).limit(limit)
    return session.scalars(query).all(), _counterparties(session, grant, export_id)


def get_transfer(
    session: Session, actor: Actor, export_id: UUID, transfer_id: UUID
) -> tuple[Transfer, Mapping[UUID, str]]:
    """Raises NotFound, Forbidden."""
    grant = _grant(session, actor, export_id)
    transfer = session.get(Transfer, transfer_id)
    if transfer is None or transfer.export_id != export_id:
        raise NotFound()
    return transfer, _counterparties(session, grant, export_id)


def _grant(session: Session, actor: Actor, export_id: UUID) -> Grant:
    case_id = session.scalar(select(Export.case_id).where(Export.id == export_id))
    return authorise(session, actor, case_id or NOWHERE, Operation.EXPORT)


def _counterparties(session: Session, grant: Grant, export_id: UUID) -> dict[UUID, str]:
    """By transfer, from the entries' opened fields: none to who sees entries without content, nor of erased ones."""
    if not may_open(grant):
        return {}
    bodies = {bytes(row.commitment).hex(): row.body for row in session.execute(_TRANSFERRED, {"export": export_id})}
    return {
        UUID(json.loads(bytes(bodies[commitment]))["data"]["transfer"]): json.loads(fields["counterparty"])["value"]
        for commitment, fields in reading.disclosures_of(session, list(bodies)).items()
        if "counterparty" in fields
    }


def _object(export: Export) -> EntryObject:
    return EntryObject("export", export.id, sha256=export.package_sha256, size=export.size_bytes)


def facts_of(transfer: Transfer, now: datetime) -> dict[str, Any]:
    """``state`` as people read it: an open transfer whose time is over is ``expired``."""
    is_over = transfer.state == "transferred" and transfer.expires_at <= now
    return {"state": "expired" if is_over else transfer.state}
