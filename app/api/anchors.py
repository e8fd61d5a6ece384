"""Time stamps over the log's heads, for everybody: what was asked, what came, and the exact bytes that were stamped.

They tell sizes and times, as the public log does, and nothing of any case. Verified by ``openssl ts -verify``.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import Field

from app.anchors import standing
from app.anchors.models import Anchor
from app.anchors.standing import NoSuchAnchor
from app.anchors.timestamps import REQUEST_TYPE, RESPONSE_TYPE
from app.api.http import Page, Public, Shape, reading
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses

router = APIRouter(prefix="/v1/ledger/anchors", tags=["Ledger"])

Size = Annotated[int, Path(ge=1, le=2**63 - 1, description="The tree size of the checkpoint that was stamped.")]
AuthorityName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="As `authority` in the list.")]
NEVER_CHANGES = {"Cache-Control": "public, max-age=31536000, immutable"}
MAY_CHANGE = {"Cache-Control": "no-cache"}


def _octets(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


class AnchorShape(Shape):
    """One authority's time stamp over one checkpoint. `confirmed`: the response was verified when it came."""

    size: int = Field(description="The tree size of the checkpoint.", examples=[4711])
    authority: str = Field(examples=["hub"])
    state: Literal["pending", "confirmed", "refused", "failed"] = Field(
        description="`refused`: it answered, and no answer was a time stamp of this; `failed`: it did not answer. Both "
        "only when a request for a newer checkpoint took its place."
    )
    reason: str | None = Field(description="Why the last attempt did not confirm it.", examples=["timeout"])
    attempts: int
    requested_at: datetime
    settled_at: datetime | None
    stamped_at: datetime | None = Field(description="The authority's time: the checkpoint existed then.")
    response_sha256: str | None = Field(description="Of the whole response; in the ledger as `system.head_anchored`.")


@router.get(
    "",
    name="listAnchors",
    summary="Time stamps over the log's heads",
    response_model=Page[AnchorShape],
    responses=problem_responses(422),
    dependencies=[Depends(Public())],
)
def list_anchors(request: Request, response: Response, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    """The newest first. Each covers every entry of its tree, so of older ones too."""
    with reading(request) as session:
        rows = standing.list_anchors(session, before=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _shape, lambda row: cursor_at(row.requested_at, row.id))


@router.get(
    "/{size}/checkpoint",
    name="getAnchoredCheckpoint",
    summary="The bytes that were stamped",
    response_class=PlainTextResponse,
    responses=problem_responses(404, 422),
    dependencies=[Depends(Public())],
)
def get_anchored_checkpoint(size: Size, request: Request) -> PlainTextResponse:
    """The checkpoint as the log signed it, without cosignatures: `-data` for `openssl ts -verify`."""
    with reading(request) as session:
        checkpoint = standing.stamped_checkpoint(session, size)
    return PlainTextResponse(checkpoint.note, headers=NEVER_CHANGES)


@router.get(
    "/{size}/{authority}/request",
    name="getAnchorRequest",
    summary="The time-stamp query that was sent",
    response_class=Response,
    responses={**_octets(REQUEST_TYPE), **problem_responses(404, 422)},
    dependencies=[Depends(Public())],
)
def get_anchor_request(size: Size, authority: AuthorityName, request: Request) -> Response:
    """The whole query (RFC 3161, `.tsq`) with its nonce."""
    with reading(request) as session:
        content = standing.find_anchor(session, size, authority).request
    return Response(content, media_type=REQUEST_TYPE, headers=NEVER_CHANGES)


@router.get(
    "/{size}/{authority}/response",
    name="getAnchorResponse",
    summary="The authority's response",
    response_class=Response,
    responses={**_octets(RESPONSE_TYPE), **problem_responses(404, 422)},
    dependencies=[Depends(Public())],
)
def get_anchor_response(size: Size, authority: AuthorityName, request: Request) -> Response:
    """The whole response (RFC 3161, `.tsr`), byte for byte as it came; while pending, the last one, if any came."""
    with reading(request) as session:
        anchor = standing.find_anchor(session, size, authority)
        content, is_settled = anchor.response, anchor.state != "pending"
    if content is None:
        raise NoSuchAnchor("The authority has not answered yet.")
    return Response(content, media_type=RESPONSE_TYPE, headers=NEVER_CHANGES if is_settled else MAY_CHANGE)


def _shape(anchor: Anchor) -> AnchorShape:
    return AnchorShape.model_validate(anchor)
