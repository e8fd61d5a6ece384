"""Drafts of findings: one's own, saved as often as one likes, no act until the verdict is submitted."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.finding_shapes import DraftInput, DraftShape, draft_shape
from app.api.http import IfMatch, Page, Requires, reading, required_version, with_version, working
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.verification import drafts
from app.verification.rules import Dimension

router = APIRouter(prefix="/v1/evidence/{evidence_id}/drafts", tags=["Verification"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Verifier = Annotated[Actor, Depends(Requires(Operation.VERIFY))]


@router.get(
    "",
    name="listDrafts",
    summary="List your drafts on an item",
    response_model=Page[DraftShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_drafts(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Your own: nobody else's are ever shown, nor yours to anybody. The one saved last comes last."""
    with reading(request) as session:
        rows = drafts.list_drafts(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, draft_shape, lambda row: cursor_at(row.saved_at, row.id))


@router.get(
    "/{dimension}",
    name="getDraft",
    summary="Read your draft on a dimension",
    response_model=DraftShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_draft(
    evidence_id: UUID, dimension: Dimension, request: Request, response: Response, actor: Reader
) -> DraftShape:
    """It outlives your lease; to save it again, take the lease."""
    with reading(request) as session:
        row = drafts.get_draft(session, actor, evidence_id, dimension)
        with_version(response, row.version)
        return draft_shape(row)


@router.put(
    "/{dimension}",
    name="saveDraft",
    summary="Save your draft on a dimension",
    response_model=DraftShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422),
)
def save_draft(
    evidence_id: UUID,
    dimension: Dimension,
    body: DraftInput,
    request: Request,
    response: Response,
    actor: Verifier,
    if_match: IfMatch = None,
) -> DraftShape:
    """By the lease's holder, in verification; the whole of it, as often as you like. No act: nothing of it is in the
    ledger. When you submit the verdict, all your drafts become findings with it. If-Match is yours to send: without
    it the draft is made, or overwritten whatever stands there, and the last one counts; with it, a draft that was saved
    elsewhere meanwhile is not overwritten (412). `"0"` stands for none yet."""
    with working(request) as uow:
        version = None if if_match is None else required_version(if_match)
        row = drafts.save_draft(uow, actor, evidence_id, body.stated(dimension), version=version)
        saved = draft_shape(row)
        uow.commit()
    with_version(response, saved.version)
    return saved


@router.delete(
    "/{dimension}",
    name="discardDraft",
    summary="Discard your draft on a dimension",
    status_code=204,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def discard_draft(evidence_id: UUID, dimension: Dimension, request: Request, actor: Verifier) -> Response:
    """Also without the lease. It is gone: nobody but you knew it."""
    with working(request) as uow:
        drafts.discard_draft(uow, actor, evidence_id, dimension)
        uow.commit()
    return Response(status_code=204)
