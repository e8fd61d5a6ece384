"""Transfers: to whom a package was handed over, and the receipt of somebody who has no account here."""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, StringConstraints

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.custody import PURPOSE
from app.api.http import Changed, Input, Page, Public, ReceiptShape, Requires, WrittenText, commit, reading, working
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.exports import transfers
from app.exports.errors import ReceiptSignatureInvalid
from app.exports.release_models import Transfer
from app.kernel.primitives import utc_now

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Exports"])

Reader = Annotated[Actor, Depends(Requires(Operation.EXPORT))]
Transferrer = Annotated[Actor, Depends(Requires(Operation.TRANSFER_EXPORT))]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
SIGNATURE_CHARACTERS = 88
LONGEST_DAYS = 366


class TransferCreate(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "counterparty": "Office of the Prosecutor, evidence unit",
                    "purpose": "court",
                    "valid_days": 14,
                }
            ]
        }
    )

    counterparty: WrittenText = Field(max_length=500, description="To whom. Sealed in the ledger.")
    purpose: Annotated[str, StringConstraints(pattern=PURPOSE)] = Field(
        description="Why, as one word: it stays readable in every copy of the log."
    )
    valid_days: int = Field(14, ge=1, le=LONGEST_DAYS, description="How long the receipt may be given.")
    public_key: Hex32 | None = Field(
        None,
        description="An Ed25519 key of theirs (32 bytes, hexadecimal), got over a way that you trust. Then the receipt "
        "has to be signed with it, and anybody can check later what they confirmed.",
    )
    note: WrittenText | None = Field(None, max_length=2000, description="How, and through whom; sealed in the ledger.")


class TransferRevocation(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Sent to a wrong address."}]})

    reason: WrittenText = Field(max_length=2000, description="Sealed in the ledger.")


class ReceiptInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "token": "exr_pR0vZ1mJ2xq6uO8b3kY7tW5sA4dF9gHcLnE-iVwXyQo",
                    "package_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                }
            ]
        }
    )

    token: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
    package_sha256: Hex32 = Field(description="Of the zip as you have it: `sha256sum FILE.zip`.")
    signature: Annotated[str, StringConstraints(max_length=SIGNATURE_CHARACTERS)] | None = Field(
        None, description="Base64 of the Ed25519 signature over the bytes of `statement`, if a key of yours was named."
    )


class TransferShape(Changed):
    id: UUID
    export_id: UUID
    state: Literal["transferred", "accepted", "revoked", "expired"] = Field(
        description="`transferred` until the other side confirms (`accepted`), you revoke it, or its time is over."
    )
    counterparty: str | None = Field(description="Null where it was erased, or your role shows you no content.")
    public_key: str | None
    transferred_by: UUID
    transferred_at: datetime
    expires_at: datetime
    confirmed_sha256: str | None = Field(description="Of the zip, as the other side computed it.")
    signature: str | None = Field(description="Base64; of the statement, with `public_key`.")
    accepted_at: datetime | None
    revoked_by: UUID | None
    revoked_at: datetime | None


class TransferMade(TransferShape):
    """With the token, in this one answer, and what the other side confirms."""

    token: str = Field(description="Give it to the counterparty over another way than the package. It works once.")
    statement: str = Field(description="Canonical JSON: what is confirmed, and signed where a key was named.")


class AcceptedShape(Changed):
    """The receipt as it stands in the custody ledger: keep it, with `receipts`."""

    transfer_id: UUID
    export_id: UUID
    package_sha256: str
    accepted_at: datetime
    statement: str


@router.post(
    "/exports/{export_id}/transfers",
    name="createTransfer",
    status_code=201,
    summary="Say to whom a package is handed over",
    response_model=TransferMade,
    responses=problem_responses(401, 403, 404, 409, 410, 422),
)
def create_transfer(
    export_id: UUID, body: TransferCreate, request: Request, actor: Transferrer, key: IdempotencyKey = None
) -> Response:
    """An entry names the counterparty, sealed. The answer holds a token that works once, by which they confirm what
    they got, without an account: `POST /v1/transfer-receipts`. How the file reaches them is yours to choose."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createTransfer",
            request_sha256=request_digest(str(export_id), body),
            authorise=lambda: transfers.require_transferring(uow.session, actor, export_id),
        )
        if answer is not None:
            return answer
        made, token = transfers.transfer_export(
            uow,
            actor,
            export_id,
            counterparty=body.counterparty,
            valid_for=timedelta(days=body.valid_days),
            public_key=None if body.public_key is None else bytes.fromhex(body.public_key),
            purpose=body.purpose,
            note=body.note,
        )
        statement = transfers.statement_of(uow.session, made).decode()

        def build(receipts: list[ReceiptShape]) -> TransferMade:
            told = _facts(made, {made.id: body.counterparty}, receipts)
            return TransferMade.model_validate({**told, "token": token, "statement": statement})

        location = f"/v1/exports/{export_id}/transfers/{made.id}"
        return commit(uow, build, actor=actor, key=key, status=201, location=location, holds_secret=True)


@router.get(
    "/exports/{export_id}/transfers",
    name="listTransfers",
    summary="List to whom a package was handed over",
    response_model=Page[TransferShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_transfers(
    export_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """The newest first, with their receipts."""
    before = read_cursor_at(cursor)
    with reading(request) as session:
        rows, named = transfers.list_transfers(session, actor, export_id, before=before, limit=limit + 1)
        return page(
            request,
            response,
            rows,
            limit,
            lambda row: TransferShape.model_validate(_facts(row, named)),
            lambda row: cursor_at(row.transferred_at, row.id),
        )


@router.get(
    "/exports/{export_id}/transfers/{transfer_id}",
    name="getTransfer",
    summary="Read a transfer and its receipt",
    response_model=TransferShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_transfer(export_id: UUID, transfer_id: UUID, request: Request, actor: Reader) -> TransferShape:
    """Whether the other side confirmed, which digest, and with which signature."""
    with reading(request) as session:
        found, named = transfers.get_transfer(session, actor, export_id, transfer_id)
        return TransferShape.model_validate(_facts(found, named))


@router.post(
    "/exports/{export_id}/transfers/{transfer_id}/revocation",
    name="revokeTransfer",
    summary="Take back a receipt's token",
    response_model=TransferShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def revoke_transfer(
    export_id: UUID, transfer_id: UUID, body: TransferRevocation, request: Request, actor: Transferrer
) -> Response:
    """The token works no more. It brings no file back; what was accepted stays accepted (`transfer_ended`, 409)."""
    with working(request) as uow:
        ended = transfers.revoke_transfer(uow, actor, export_id, transfer_id, reason=body.reason)
        return commit(uow, lambda receipts: TransferShape.model_validate(_facts(ended, {}, receipts)))


@router.post(
    "/transfer-receipts",
    name="acceptTransfer",
    summary="Confirm a package that was handed to you",
    response_model=AcceptedShape,
    responses=problem_responses(404, 409, 410, 422),
    dependencies=[Depends(Public())],
)
def accept_transfer(body: ReceiptInput, request: Request) -> Response:
    """Without an account, by the token that came with the package: once. Compute the SHA-256 of the file that you have;
    `receipt_digest_differs` (409) when it is not the one that was handed over, and the token stays good. The
    answer's `receipts` name the entry in the custody ledger, so that you can have it proven later."""
    with working(request) as uow:
        made = transfers.accept_transfer(
            uow, token=body.token, package_sha256=body.package_sha256, signature=_signature(body.signature)
        )
        statement = transfers.statement_of(uow.session, made).decode()

        def build(receipts: list[ReceiptShape]) -> AcceptedShape:
            assert made.accepted_at is not None
            return AcceptedShape(
                receipts=receipts,
                transfer_id=made.id,
                export_id=made.export_id,
                package_sha256=body.package_sha256,
                accepted_at=made.accepted_at,
                statement=statement,
            )

        return commit(uow, build)


def _signature(given: str | None) -> bytes | None:
    """Raises ReceiptSignatureInvalid for any spelling but the canonical one of 64 bytes."""
    if given is None:
        return None
    try:
        signature = base64.b64decode(given.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ReceiptSignatureInvalid("It is not base64.") from error
    if len(signature) != 64 or base64.b64encode(signature).decode("ascii") != given:
        raise ReceiptSignatureInvalid("It is not the canonical base64 of 64 bytes.")
    return signature


def _facts(transfer: Transfer, named: Any, receipts: list[ReceiptShape] | None = None) -> dict[str, Any]:
    facts = {name: getattr(transfer, name) for name in TransferShape.model_fields if hasattr(transfer, name)}
    signature = None if transfer.signature is None else base64.b64encode(transfer.signature).decode("ascii")
    return {
        **facts,
        **transfers.facts_of(transfer, utc_now()),
        "receipts": receipts or [],
        "counterparty": named.get(transfer.id),
        "public_key": None if transfer.public_key is None else transfer.public_key.hex(),
        "signature": signature,
    }
