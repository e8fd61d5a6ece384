"""Erasing a value, and an entry's whole body."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import Code, Prose
from app.api.http import Changed, Input, Page, ReceiptShape, Requires, Shape, commit, reading, working
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.erasure import accounts, service
from app.erasure.models import ErasureRequest
from app.erasure.service import Erasure, Ground
from app.ledger.erasing import OpenField

router = APIRouter(prefix="/v1", tags=["Erasure"], route_class=LedgerRoute)

Eraser = Annotated[Actor, Depends(Requires(Operation.ERASE))]
Administrator = Annotated[Actor, Depends(Requires(Operation.ADMINISTER))]
Commitment = Annotated[
    str, Path(pattern=r"^[0-9a-f]{64}$", description="Of the entry, as its receipt and the custody log show it.")
]
_GROUND: JsonDict = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}


class GroundInput(Input):
    """Why. The two words stay readable in every copy of the log; what else there is to say is sealed."""

    reason_code: Code = Field(examples=["consent_withdrawn"])
    authority: Code = Field(description="By what right, as one word.", examples=["data_subject_request"])
    reason: Prose | None = Field(None, description="More about why; sealed. Do not repeat what is being erased.")

    def ground(self) -> Ground:
        return Ground(reason_code=self.reason_code, authority=self.authority, reason=self.reason)


class FieldErasure(GroundInput):
    model_config = ConfigDict(json_schema_extra={"examples": [{"field": "collector", **_GROUND}]})

    field: str = Field(
        min_length=1,
        max_length=80,
        pattern=r"^[a-z_]+$",
        description="A sealed field of the entry; of one that says that a source was sealed: `identity`.",
    )


class AccountErasure(GroundInput):
    model_config = ConfigDict(json_schema_extra={"examples": [{"field": "name", **_GROUND}]})

    field: Literal["name", "email", "token_names"]


class BodyErasure(GroundInput):
    model_config = ConfigDict(json_schema_extra={"examples": [_GROUND]})


class ErasureDecision(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "approve"}]})

    decision: Literal["approve", "refuse"]
    reason: Prose | None = Field(None, description="Sealed in the ledger.")


class ErasedField(Shape):
    """One sealed field of one entry."""

    stream: UUID
    seq: int
    type: str
    commitment: str
    field: str


class ErasureShape(Changed):
    """What is gone: the value wherever it stood in the entry's stream, and in other streams of the same act."""

    erased: list[ErasedField]
    still_mentioned_in: list[ErasedField] = Field(
        description="Other fields of these streams in which the erased words still stand, inside a longer text."
    )


class ErasureRequestShape(Changed):
    """A request to erase an entry's whole body."""

    id: UUID
    case_id: UUID
    stream_id: UUID
    seq: int
    commitment: str
    reason_code: str
    authority: str
    requested_by: UUID
    requested_at: datetime
    decision: Literal["approve", "refuse"] | None = Field(description="Null while nobody decided.")
    decided_by: UUID | None
    decided_at: datetime | None


@router.post(
    "/ledger/entries/{commitment}/erasures",
    name="eraseField",
    status_code=201,
    summary="Erase a sealed field's value",
    response_model=ErasureShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def erase_field(commitment: Commitment, body: FieldErasure, request: Request, actor: Eraser) -> JSONResponse:
    """By a custodian, for ever. The log, and every copy of it that was given out, verify as before.

    The value goes at once from the ledger, from the item, incident or case, and from answers kept for repeated
    requests; from the server's files with `exhibit ledger purge`. It reaches neither backups nor others' copies.
    """
    with working(request) as uow:
        erasure = service.erase_field(uow, actor, commitment, field=body.field, ground=body.ground())
        return commit(uow, lambda receipts: _erasure(erasure, receipts), status=201)


@router.post(
    "/users/{account_id}/erasures",
    name="eraseAccountField",
    status_code=201,
    summary="Erase a person's name, address or tokens' names",
    response_model=ErasureShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def erase_account_field(account_id: UUID, body: AccountErasure, request: Request, actor: Administrator) -> JSONResponse:
    """By an administrator, of a deactivated account. A name goes from the cases too in which it had a role."""
    with working(request) as uow:
        erasure = accounts.erase_account_field(uow, actor, account_id, field=body.field, ground=body.ground())
        return commit(uow, lambda receipts: _erasure(erasure, receipts), status=201)


@router.post(
    "/ledger/entries/{commitment}/erasure-requests",
    name="requestEntryErasure",
    status_code=201,
    summary="Ask for an entry's whole body to be erased",
    response_model=ErasureRequestShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def request_entry_erasure(commitment: Commitment, body: BodyErasure, request: Request, actor: Eraser) -> JSONResponse:
    """Exceptional: for what stands openly in an entry and should not. A second custodian decides."""
    with working(request) as uow:
        made = service.request_body_erasure(uow, actor, commitment, ground=body.ground())
        return commit(uow, lambda receipts: _request(made, receipts), status=201)


@router.get(
    "/cases/{case_id}/erasure-requests",
    name="listErasureRequests",
    summary="List a case's requests to erase an entry",
    response_model=Page[ErasureRequestShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_erasure_requests(
    case_id: UUID, request: Request, response: Response, actor: Eraser, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """To its custodians, oldest first, decided ones too."""
    with reading(request) as session:
        rows = service.list_body_erasures(session, actor, case_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _request, lambda row: cursor_at(row.requested_at, row.id))


@router.post(
    "/erasure-requests/{request_id}/decision",
    name="decideErasureRequest",
    summary="Approve or refuse the erasure of an entry",
    response_model=ErasureRequestShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def decide_erasure_request(request_id: UUID, body: ErasureDecision, request: Request, actor: Eraser) -> JSONResponse:
    """By another custodian than the one who asked, who may only refuse. Approved, the body is gone; its number, labels
    and commitment stay, so that chain and tree verify."""
    with working(request) as uow:
        made = service.decide_body_erasure(uow, actor, request_id, decision=body.decision, reason=body.reason)
        return commit(uow, lambda receipts: _request(made, receipts))


def _erasure(erasure: Erasure, receipts: list[ReceiptShape]) -> ErasureShape:
    return ErasureShape(
        erased=[_field(each) for each in erasure.fields],
        still_mentioned_in=[_field(each) for each in erasure.mentions],
        receipts=receipts,
    )


def _field(each: OpenField) -> ErasedField:
    entry = each.entry
    return ErasedField(
        stream=entry.stream, seq=entry.seq, type=entry.type, commitment=entry.commitment, field=each.field
    )


def _request(row: ErasureRequest, receipts: list[ReceiptShape] | None = None) -> ErasureRequestShape:
    return ErasureRequestShape.model_validate(row).model_copy(update={"receipts": receipts or []})
