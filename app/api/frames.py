"""Single frames of an item: working pictures made at fingerprinting, blurred by default, as they are with a purpose."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_scope
from app.access.rules import Operation
from app.api.content import PREVIEW_LIFE_S, SANDBOX, PreviewReader, PurposeWord
from app.api.headers import sends
from app.api.http import Page, Requires, Shape, reading, services, working
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.fingerprints.models import VideoShot
from app.fingerprints.reading import shots_between
from app.kernel.primitives import Sha256Hex, encode_cursor, sha256_hex
from app.media import viewing
from app.media.errors import NoFrame, PurposeNeeded
from app.media.frames import PackedFrame, index_of, opened
from app.media.previews import as_pixels, preview_of

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence", tags=["Content"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
ContentPurpose = Annotated[
    PurposeWord | None,
    Query(alias="purpose", description="Why you need to see it unblurred. It stands in the custody entry."),
]
OF_PICTURE = ("Cache-Control", "Content-Disposition", "Content-Security-Policy", "ETag", "Repr-Digest")
LAST_FRAME = 9999


class FrameShape(Shape):
    """A working picture: at most 640 pixels a side, made anew from pixels, without metadata."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "n": 12,
                    "time_ms": 11500,
                    "shot": 1,
                    "size_bytes": 41873,
                    "sha256": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
                }
            ]
        }
    )

    n: int = Field(description="From 0 in order of time.")
    time_ms: int = Field(description="Since the recording's first frame; 0 of a picture; of the k-th page k seconds.")
    shot: int | None = Field(description="The number of the shot that it lies in; null where there are no shots.")
    size_bytes: int
    sha256: str = Field(description="Of the unblurred JPEG.")


@router.get(
    "/{evidence_id}/frames",
    name="listFrames",
    summary="The frames that can be looked at",
    response_model=Page[FrameShape],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_frames(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time; no pixel. Of a picture one, and one for each of its further frames or pages. Of a recording a
    frame a second and one a shot; of a long one fewer, evenly. Empty until the file is decoded; `no_content` (409) for
    a lead."""
    with reading(request) as session:
        evidence, frames = viewing.list_frames(session, actor, evidence_id)
        after = read_cursor(cursor, int)
        start = 0 if after is None else max(0, after[0] + 1)
        rows = frames[start : start + limit + 1]
        shots = _shots_of(session, evidence.blob_sha256, rows)
        return page(
            request,
            response,
            rows,
            limit,
            lambda frame: _shape(frame, shots),
            lambda frame: encode_cursor(frame.number),
        )


def _shots_of(session: Session, sha256: str | None, frames: Sequence[PackedFrame]) -> Sequence[VideoShot]:
    if sha256 is None or not frames:
        return []
    return shots_between(session, sha256, frames[0].time_ms, frames[-1].time_ms)


def _shape(frame: PackedFrame, shots: Sequence[VideoShot]) -> FrameShape:
    within = (shot.number for shot in shots if shot.from_ms <= frame.time_ms < shot.to_ms)
    return FrameShape(
        n=frame.number,
        time_ms=frame.time_ms,
        shot=next(within, None),
        size_bytes=frame.size_bytes,
        sha256=frame.sha256,
    )


@router.get(
    "/{evidence_id}/frames/{n}",
    name="getFrame",
    summary="Look at a frame",
    response_class=Response,
    responses={
        200: sends(
            *OF_PICTURE,
            description="A JPEG without metadata.",
            content={"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        ),
        **problem_responses(401, 403, 404, 409, 422, 503),
    },
)
def get_frame(
    evidence_id: UUID,
    n: Annotated[int, Path(ge=0, le=LAST_FRAME, description="As `/frames` numbers them.")],
    request: Request,
    actor: PreviewReader,
    rendering: Annotated[
        Literal["preview", "frame"],
        Query(description="`preview`: grey and blurred. `frame`: as it is, with a purpose."),
    ] = "preview",
    purpose: ContentPurpose = None,
) -> Response:
    """Grey and blurred, as the safe preview is, unless `rendering=frame` asks for it as it is: that is a read of
    content, for those who may read the original. It needs a `purpose`, and is a custody entry, committed before the
    first byte leaves; looks of one person at one item's frames for one purpose within 15 minutes are one entry.

    `preview_not_ready` (404) while frames are made; `no_frame` (404) for one that there is not; `no_content` (409) for
    a lead; `purpose_needed` (422). Unblurred, `labels_missing` (409) until somebody has labelled the item, unless you
    brought it.
    """
    provided = services(request)
    is_content = rendering == "frame"
    operation = content_operation(actor, is_content=is_content, purpose=purpose)
    logged: dict[str, Any] = {"act": "viewed", "rendering": "frame", "purpose": purpose}
    logged["window_s"] = provided.settings.view_window_s
    with reading(request) as session:
        _, pack, grant = viewing.find_frames(session, actor, evidence_id, operation)
        frames = [] if pack is None else index_of(pack.details)
        if pack is None or n >= len(frames):
            raise NoFrame(f"There are {len(frames)} frames of this item, numbered from 0.")
        pack_sha256 = Sha256Hex(pack.sha256)
        is_logged = not is_content or viewing.is_logged(session, grant, evidence_id, **logged)
    content = viewing.read_frame(provided.blobs, pack_sha256, frames[n])
    if not is_logged:
        with working(request) as uow:
            viewing.log_reading(uow, actor, evidence_id, size_bytes=len(content), **logged)
            uow.commit()
    if not is_content:
        content = preview_of(as_pixels(opened(content))).content
    name = f"{evidence_id}-frame-{n}-blurred.jpg" if not is_content else f"{evidence_id}-frame-{n}.jpg"
    return Response(content, media_type="image/jpeg", headers=picture_headers(content, name, is_content=is_content))


def content_operation(actor: Actor, *, is_content: bool, purpose: str | None) -> Operation:
    """What a look at a picture is. Raises PurposeNeeded, and Forbidden for a token that was not made for content."""
    if not is_content:
        return Operation.READ_PREVIEW
    require_scope(actor, Operation.READ_ORIGINAL)
    if purpose is None:
        raise PurposeNeeded("Unblurred, this is a read of content. Add purpose=verification, or another one.")
    return Operation.READ_ORIGINAL


def picture_headers(content: bytes, name: str, *, is_content: bool) -> dict[str, str]:
    """Content is kept by no cache; the blurred step by the reader's own, for minutes."""
    sha256 = sha256_hex(content)
    digest = base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "ETag": f'"{sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store" if is_content else f"private, max-age={PREVIEW_LIFE_S}",
    }
