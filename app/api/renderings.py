"""What was made from an item's file: a list, and the unblurred renderings, which are content."""

import base64
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.content import SANDBOX, OriginalReader, Purpose, stated_purpose
from app.api.headers import sends
from app.api.http import Requires, Shape, reading, services, working
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.blobs.store import BlobMissing, BlobUnreadable
from app.kernel.primitives import Sha256Hex
from app.media import viewing
from app.media.errors import ContentUnavailable
from app.media.models import Derivative

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence", tags=["Content"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
ContentKind = Literal["thumbnail", "strip"]

OF_RENDERING = ("Cache-Control", "Content-Disposition", "Content-Security-Policy", "ETag", "Repr-Digest")


class RenderingShape(Shape):
    """A file made anew from the item's pixels, without metadata. How it was made, and when the item got it, stands in a
    custody entry, too."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "strip",
                    "is_content": True,
                    "sha256": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
                    "size_bytes": 48211,
                    "media_type": "image/jpeg",
                    "tool": "pillow",
                    "tool_version": "13.0.0",
                    "parameters": {"rule": "strip/1", "frames_at_most": 24, "side_pixels": 160},
                    "parameters_sha256": "5f1c2d0a9b3e4c6d7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6",
                    "input_sha256": "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90",
                    "details": {"width": 320, "height": 90, "tile_width": 160, "tile_height": 90, "times_ms": [0, 9]},
                }
            ]
        }
    )

    kind: Literal["preview", "thumbnail", "strip", "frames"]
    is_content: bool = Field(description="Whether looking at it is reading content: with a purpose, and an entry.")
    sha256: str
    size_bytes: int
    media_type: str
    tool: str
    tool_version: str
    parameters: dict[str, Any] = Field(description="The rule by which it was made.")
    parameters_sha256: str = Field(description="Of the parameters as canonical JSON (RFC 8785).")
    input_sha256: str = Field(description="The original that it was made from.")
    details: dict[str, Any] = Field(
        description="`width` and `height` in pixels. Of a strip also the size of its tiles, which stand in a row from "
        "the left, and `times_ms`: each one's time since the video's first frame. Of `frames`, those of the first one, "
        "and how many there are: see `/frames`."
    )


class RenderingsShape(Shape):
    renderings: list[RenderingShape] = Field(description="At most one of each kind. Empty until the file is decoded.")


@router.get(
    "/{evidence_id}/renderings",
    name="getRenderings",
    summary="What was made from the file",
    response_model=RenderingsShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_renderings(evidence_id: UUID, request: Request, actor: Reader) -> RenderingsShape:
    """How each was made, and its digest; no pixel. `no_content` (409) for a lead."""
    with reading(request) as session:
        return RenderingsShape(
            renderings=[_shape(each) for each in viewing.list_renderings(session, actor, evidence_id)]
        )


@router.get(
    "/{evidence_id}/renderings/{kind}",
    name="getRendering",
    summary="Look at an unblurred rendering",
    response_class=Response,
    responses={
        200: sends(
            *OF_RENDERING,
            description="A JPEG without metadata.",
            content={"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        ),
        **problem_responses(401, 403, 404, 409, 422, 503),
    },
)
def get_rendering(
    evidence_id: UUID, kind: ContentKind, request: Request, actor: OriginalReader, purpose: Purpose = None
) -> Response:
    """With a purpose, by whoever may read the original: it shows what that shows. It is a custody entry, committed
    before the first byte leaves; looks of one person for one purpose within 15 minutes are one entry.

    `preview_not_ready` (404) while it is made; `no_rendering` (404) when there is none; `no_content` (409) for a lead;
    `labels_missing` (409) until somebody has labelled the item, unless you brought it.
    """
    provided = services(request)
    logged: dict[str, Any] = {"act": "viewed", "rendering": kind, "purpose": stated_purpose(purpose)}
    logged["window_s"] = provided.settings.view_window_s
    with reading(request) as session:
        found, grant = viewing.find_rendering(session, actor, evidence_id, kind)
        is_logged = viewing.is_logged(session, grant, evidence_id, **logged)
        sha256, size_bytes, media_type = Sha256Hex(found.sha256), found.size_bytes, found.media_type
    try:
        content = b"".join(provided.blobs.read_range(sha256))
    except (BlobMissing, BlobUnreadable) as error:
        raise ContentUnavailable() from error
    if not is_logged:
        with working(request) as uow:
            viewing.log_reading(uow, actor, evidence_id, size_bytes=size_bytes, **logged)
            uow.commit()
    return Response(content, media_type=media_type, headers=_headers(evidence_id, kind, sha256))


def _headers(evidence_id: UUID, kind: str, sha256: Sha256Hex) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
    return {
        "Content-Disposition": f'attachment; filename="{evidence_id}-{kind}.jpg"',
        "ETag": f'"{sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _shape(found: Derivative) -> RenderingShape:
    return RenderingShape.model_validate(
        {
            **{name: getattr(found, name) for name in RenderingShape.model_fields if hasattr(found, name)},
            "details": {name: value for name, value in found.details.items() if name != "index"},
            "is_content": found.kind in viewing.CONTENT_KINDS,
            "input_sha256": found.blob_sha256,
        }
    )
