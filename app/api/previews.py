"""The safe preview and the frame strip, and the steps from there to the small picture as it is."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.content import PreviewReader
from app.api.frames import OF_PICTURE, ContentPurpose, content_operation, picture_headers
from app.api.headers import sends
from app.api.http import reading, services, working
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.blobs.store import BlobMissing, BlobStore, BlobUnreadable
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media import viewing
from app.media.errors import ContentUnavailable
from app.media.frames import opened
from app.media.previews import in_step

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence", tags=["Content"])

StepWord = Literal["blurred", "softened", "grey", "clear"]
ShownStep = Annotated[
    StepWord,
    Query(
        description="`blurred`: at most 16 values a side, in 16 greys. `softened`: at most 48 values a side, grey. "
        "`grey`: not blurred. `clear`: in colour. All but `blurred` are content: with a purpose."
    ),
]
Kind = Literal["thumbnail", "strip"]
PICTURE = sends(
    *OF_PICTURE,
    description="A small JPEG without metadata.",
    content={"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
)


@router.get(
    "/{evidence_id}/preview",
    name="getPreview",
    summary="The safe preview, and the steps beyond it",
    response_class=Response,
    responses={200: PICTURE, **problem_responses(401, 403, 404, 409, 422, 503)},
)
def get_preview(
    evidence_id: UUID,
    request: Request,
    actor: PreviewReader,
    step: ShownStep = "blurred",
    purpose: ContentPurpose = None,
) -> Response:
    """Small, grey and blurred, made by the server. Looking at it is no entry.

    Each further `step` shows more, and is a read of content, for those who may read the original. It needs labels on
    the item, unless you brought it, and a `purpose`; it counts as exposure, and is a custody entry that names the step,
    committed before the first byte leaves. Looks of one person at one step for one purpose within 15 minutes are one.

    `preview_not_ready` (404) while it is made; `no_preview` (404) when none can be; `no_content` (409) for a lead;
    `labels_missing` (409); `purpose_needed` (422).
    """
    if step != "blurred":
        return _step(request, actor, evidence_id, "thumbnail", step, purpose)
    with reading(request) as session:
        preview = viewing.get_preview(session, actor, evidence_id)
        sha256 = Sha256Hex(preview.sha256)
    content = _stored(services(request).blobs, sha256)
    return _answer(content, f"{evidence_id}-preview-blurred.jpg", is_content=False)


@router.get(
    "/{evidence_id}/strip",
    name="getStrip",
    summary="A recording's frames in a row",
    response_class=Response,
    responses={200: PICTURE, **problem_responses(401, 403, 404, 409, 422, 503)},
)
def get_strip(
    evidence_id: UUID,
    request: Request,
    actor: PreviewReader,
    step: ShownStep = "blurred",
    purpose: ContentPurpose = None,
) -> Response:
    """Up to 24 frames over the whole of it, so that nobody must watch the whole; silent. The steps are those of the
    preview, of each frame by itself: blurred by default, then it is no entry.

    `no_rendering` (404) of what does not move; else the refusals of `/preview`. Sizes and times: `/renderings`.
    """
    return _step(request, actor, evidence_id, "strip", step, purpose)


def _step(
    request: Request, actor: Actor, evidence_id: UUID, kind: Kind, step: StepWord, purpose: str | None
) -> Response:
    """Made anew of the stored small picture or strip, whose digest is compared before it is opened."""
    provided = services(request)
    is_content = step != "blurred"
    operation = content_operation(actor, is_content=is_content, purpose=purpose)
    logged: dict[str, Any] = {"act": "viewed", "rendering": _rendering(kind, step), "purpose": purpose}
    logged["window_s"] = provided.settings.view_window_s
    with reading(request) as session:
        found, grant = viewing.find_step(session, actor, evidence_id, kind, operation)
        sha256, tile_width = Sha256Hex(found.sha256), found.details.get("tile_width")
        is_logged = operation is Operation.READ_PREVIEW or viewing.is_logged(session, grant, evidence_id, **logged)
    content = _stored(provided.blobs, sha256)
    if step != "clear":
        content = in_step(opened(content), step, tile_width)
    if not is_logged:
        with working(request) as uow:
            viewing.log_reading(uow, actor, evidence_id, size_bytes=len(content), **logged)
            uow.commit()
    name = "preview" if kind == "thumbnail" else kind
    return _answer(content, f"{evidence_id}-{name}-{step}.jpg", is_content=is_content)


def _rendering(kind: Kind, step: StepWord) -> str:
    """As the entry names it: the clear step is the rendering that it is made of."""
    return kind if step == "clear" else f"{'preview' if kind == 'thumbnail' else kind}_{step}"


def _stored(blobs: BlobStore, sha256: Sha256Hex) -> bytes:
    """Raises ContentUnavailable, also for other bytes than were stored."""
    try:
        content = b"".join(blobs.read_range(sha256))
    except (BlobMissing, BlobUnreadable) as error:
        raise ContentUnavailable() from error
    if sha256_hex(content) != sha256:
        raise ContentUnavailable("The storage gives other bytes than were stored for this picture.")
    return content


def _answer(content: bytes, name: str, *, is_content: bool) -> Response:
    return Response(content, media_type="image/jpeg", headers=picture_headers(content, name, is_content=is_content))
