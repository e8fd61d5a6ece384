"""The picture that shows why two items match."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.api.content import PreviewReader
from app.api.frames import OF_PICTURE, ContentPurpose, content_operation, picture_headers
from app.api.headers import sends
from app.api.http import reading, services, working
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.fingerprints.comparing import ComparedItem, FoundComparison, drawn_comparison, find_comparison
from app.kernel.primitives import new_id
from app.media import viewing

router = APIRouter(route_class=LedgerRoute, prefix="/v1/matches", tags=["Matches"])


@router.get(
    "/{match_id}/comparison.png",
    name="getComparison",
    summary="See why two items match",
    response_class=Response,
    responses={
        200: sends(
            *OF_PICTURE,
            description="A PNG, 1280 pixels wide.",
            content={"image/png": {"schema": {"type": "string", "format": "binary"}}},
        ),
        **problem_responses(401, 403, 404, 409, 422, 503),
    },
)
def get_comparison(
    match_id: UUID,
    request: Request,
    actor: PreviewReader,
    rendering: Annotated[
        Literal["preview", "comparison"],
        Query(description="`preview`: the pictures grey and blurred. `comparison`: as they are, with a purpose."),
    ] = "preview",
    purpose: ContentPurpose = None,
) -> Response:
    """Both items side by side, the same way up, drawn from their working pictures. Of pictures: lines between points
    that correspond, the outline of one in the other, the part that both show at one scale, and where it differs. Of
    recordings: all aligned spans, time against time, and up to six pairs of frames. With tier, grounds and ids.

    The pictures are blurred unless `rendering=comparison` asks for them as they are: that is a read of the content of
    both items, for those who may read both originals. It needs a `purpose`, and is an entry in both streams, committed
    before the first byte leaves; looks of one person for one purpose within 15 minutes are one entry in each. Of items
    of two cases either entry is as of a look at one frame, and says nothing of the other.

    `no_frame` (404) when there are no working pictures of one of them; `purpose_needed` (422). Unblurred,
    `labels_missing` (409) until both items are labelled, but for one that you brought.
    """
    provided = services(request)
    is_content = rendering == "comparison"
    content_operation(actor, is_content=is_content, purpose=purpose)
    logged: dict[str, Any] = {"act": "viewed", "purpose": purpose, "window_s": provided.settings.view_window_s}
    with reading(request) as session:
        found = find_comparison(session, actor, match_id, is_content=is_content)
        logged["rendering"] = found.rendering
        unlogged = [
            side
            for side in found.sides
            if is_content and not viewing.is_logged(session, side.grant, side.evidence_id, **logged)
        ]
    content = drawn_comparison(provided.blobs, found)
    if unlogged:
        with working(request) as uow:
            for side in unlogged:
                viewing.log_reading(uow, actor, side.evidence_id, **_read_of(found, side, content), **logged)
            uow.commit()
    name = f"{match_id}-comparison.png" if is_content else f"{match_id}-comparison-blurred.png"
    return Response(content, media_type="image/png", headers=picture_headers(content, name, is_content=is_content))


def _read_of(found: FoundComparison, side: ComparedItem, content: bytes) -> dict[str, Any]:
    """What the entry says was read. Of two cases: of either item its first working picture, under an id of its own."""
    if not found.is_across:
        return {"size_bytes": len(content)}
    return {"size_bytes": side.frames[0].size_bytes, "request_id": new_id()}
