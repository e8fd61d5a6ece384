"""Reviewers' own keys in a case: to request, to bind, to revoke."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, StringConstraints

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.headers import sends
from app.api.http import Changed, Erased, Input, Page, ReceiptShape, Requires, commit, reading, working
from app.api.incident_shapes import LongText
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.signing_shapes import (
    ENVELOPE_EXAMPLE,
    HEX32,
    PUBLIC_KEY,
    EnvelopeInput,
    StatementShape,
    statement_shape,
)
from app.api.waiting import LedgerRoute
from app.cases.service import authorise
from app.verification import reviewer_keys
from app.verification.reviewer_keys import KeyStanding, StatedKey
from app.verification.rules import RevocationReason

router = APIRouter(route_class=LedgerRoute, prefix="/v1/cases/{case_id}/reviewer-keys", tags=["Reviewer keys"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Verifier = Annotated[Actor, Depends(Requires(Operation.VERIFY))]
Manager = Annotated[Actor, Depends(Requires(Operation.MANAGE_CASE))]
Revoker = Annotated[Actor, Depends(Requires(Operation.REVOKE_REVIEWER_KEY))]

KeyId = Annotated[str, Path(pattern=HEX32, description="SHA-256 of the key's DER SubjectPublicKeyInfo, hexadecimal.")]
PublicKey = Annotated[str, StringConstraints(pattern=HEX32)]


class ReviewerKeyRequest(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"public_key": PUBLIC_KEY, "envelope": ENVELOPE_EXAMPLE}]},
    )

    public_key: PublicKey = Field(description="The Ed25519 public key: 32 bytes, hexadecimal.")
    envelope: EnvelopeInput = Field(description="The statement of `…/reviewer-keys/statement`, signed with the key.")


class ReviewerKeyBind(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"checked_how": "She read the keyid to me from her own screen, in person."}]}
    )

    checked_how: LongText = Field(description="How you made sure that it is this person's key; sealed in the ledger.")


class ReviewerKeyRevoke(Input):
    model_config = ConfigDict(
        strict=False, json_schema_extra={"examples": [{"reason_code": "key_lost", "reason": "The laptop was stolen."}]}
    )

    reason_code: RevocationReason
    reason: LongText | None = None


class ReviewerKeyShape(Changed):
    keyid: str = Field(description="SHA-256 of the key's DER SubjectPublicKeyInfo.")
    alg: Literal["ed25519"] = "ed25519"
    public_key: str
    case_id: UUID
    holder_id: UUID
    holder_pseudonym: UUID = Field(description="The holder's id in this case's custody entries.")
    standing: KeyStanding
    requested_at: datetime
    envelope: dict[str, Any] = Field(description="The holder's proof of possession, as kept.")
    dsse_sha256: str
    bound_at: datetime | None
    checked_by: UUID | None = Field(description="Who vouched for it.")
    checked_how: str | None
    key_bound: str | None = Field(description="The commitment of the entry `case.reviewer_key_bound`.")
    revoked_at: datetime | None
    revoked_by: UUID | None
    reason_code: RevocationReason | None
    erased: list[str] = Erased


@router.get(
    "/statement",
    name="prepareReviewerKey",
    summary="Get the statement that shows you hold a key",
    response_model=StatementShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def prepare_reviewer_key(
    case_id: UUID,
    request: Request,
    actor: Verifier,
    public_key: Annotated[str, Query(pattern=HEX32, description="32 bytes, hexadecimal.", examples=[PUBLIC_KEY])],
) -> StatementShape:
    """Sign it with that key, then `POST …/reviewer-keys`. Nothing is recorded by asking."""
    with reading(request) as session:
        statement = reviewer_keys.prepare(session, actor, case_id, public_key=public_key)
    return statement_shape(statement.payload(), statement.keyid)


@router.post(
    "",
    name="requestReviewerKey",
    status_code=201,
    summary="Bring your own key into a case",
    response_model=ReviewerKeyShape,
    responses={201: sends("Location"), **problem_responses(401, 403, 404, 409, 422)},
)
def request_reviewer_key(
    case_id: UUID, body: ReviewerKeyRequest, request: Request, actor: Verifier, key: IdempotencyKey = None
) -> JSONResponse:
    """With proof that you hold it. It signs verdicts once a coordinator, another person, has bound it."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="requestReviewerKey",
            request_sha256=request_digest(str(case_id), body),
            authorise=lambda: authorise(uow.session, actor, case_id, Operation.VERIFY),
        )
        if answer is not None:
            return answer
        found = reviewer_keys.request(
            uow, actor, case_id, public_key=body.public_key, envelope=body.envelope.model_dump()
        )
        return commit(
            uow,
            lambda receipts: _key(found, receipts),
            actor=actor,
            key=key,
            status=201,
            location=f"/v1/cases/{case_id}/reviewer-keys/{found.key.keyid}",
        )


@router.get(
    "",
    name="listReviewerKeys",
    summary="List the reviewers' keys of a case",
    response_model=Page[ReviewerKeyShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_reviewer_keys(
    case_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """In order of request: requested, bound and revoked ones."""
    with reading(request) as session:
        rows = reviewer_keys.list_keys(session, actor, case_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _key, lambda row: cursor_at(row.key.requested_at, row.key.id))


@router.get(
    "/{keyid}",
    name="getReviewerKey",
    summary="Read a reviewer's key",
    response_model=ReviewerKeyShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_reviewer_key(case_id: UUID, keyid: KeyId, request: Request, actor: Reader) -> ReviewerKeyShape:
    """Whose it is, who vouched for it, and whether it may sign."""
    with reading(request) as session:
        return _key(reviewer_keys.get_key(session, actor, case_id, keyid))


@router.post(
    "/{keyid}/binding",
    name="bindReviewerKey",
    summary="Vouch for a reviewer's key",
    response_model=ReviewerKeyShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def bind_reviewer_key(
    case_id: UUID, keyid: KeyId, body: ReviewerKeyBind, request: Request, actor: Manager
) -> JSONResponse:
    """By a coordinator who has checked whose it is, never by its holder. From then on the key signs verdicts."""
    with working(request) as uow:
        found = reviewer_keys.bind(uow, actor, case_id, keyid, checked_how=body.checked_how)
        return commit(uow, lambda receipts: _key(found, receipts))


@router.post(
    "/{keyid}/revocation",
    name="revokeReviewerKey",
    summary="Revoke a reviewer's key",
    response_model=ReviewerKeyShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def revoke_reviewer_key(
    case_id: UUID, keyid: KeyId, body: ReviewerKeyRevoke, request: Request, actor: Revoker
) -> JSONResponse:
    """By its holder or a coordinator. Verdicts that it signed before stay signed; later ones are refused."""
    with working(request) as uow:
        found = reviewer_keys.revoke(uow, actor, case_id, keyid, reason_code=body.reason_code, reason=body.reason)
        return commit(uow, lambda receipts: _key(found, receipts))


def _key(found: StatedKey, receipts: list[ReceiptShape] | None = None) -> ReviewerKeyShape:
    key, binding, revocation = found.key, found.binding, found.revocation
    bound = next((each.commitment for each in receipts or () if each.type == "case.reviewer_key_bound"), None)
    return ReviewerKeyShape(
        keyid=key.keyid,
        public_key=key.public_key,
        case_id=key.case_id,
        holder_id=key.holder_id,
        holder_pseudonym=found.holder,
        standing=found.standing,
        requested_at=key.requested_at,
        envelope=json.loads(key.envelope),
        dsse_sha256=key.dsse_sha256,
        bound_at=None if binding is None else binding.bound_at,
        checked_by=None if binding is None else binding.checked_by,
        checked_how=None if binding is None else binding.checked_how,
        key_bound=bound or found.binding_commitment,
        revoked_at=None if revocation is None else revocation.revoked_at,
        revoked_by=None if revocation is None else revocation.revoked_by,
        reason_code=None if revocation is None else RevocationReason(revocation.reason_code),
        erased=[] if binding is None else binding.erased,
        receipts=receipts or [],
    )
