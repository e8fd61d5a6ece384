"""Redacted copies of an item's picture: asked for with boxes, read, looked at before they go out."""

import base64
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.content import SANDBOX, OriginalReader, Purpose, stated_purpose
from app.api.frames import LAST_FRAME
from app.api.headers import sends
from app.api.http import (
    Changed,
    Input,
    Page,
    ReceiptShape,
    Requires,
    Shape,
    WrittenText,
    commit,
    reading,
    services,
    working,
)
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.renderings import OF_RENDERING
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.blobs.store import BlobMissing, BlobUnreadable
from app.kernel.primitives import Sha256Hex
from app.media import redactions, viewing
from app.media.errors import ContentUnavailable
from app.media.items import find_evidence
from app.media.models import Redaction
from app.media.redacting import MEDIA_TYPE, MOST_BOXES, Box, wanted_of

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence", tags=["Content"])

Redactor = Annotated[Actor, Depends(Requires(Operation.REDACT))]
Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
MOST_PIXELS = 1_000_000


class BoxInput(Input):
    """In pixels of the picture as it is displayed: upright, as large as `width` and `height` of its claims say."""

    left: int = Field(ge=0, le=MOST_PIXELS)
    top: int = Field(ge=0, le=MOST_PIXELS)
    width: int = Field(ge=1, le=MOST_PIXELS)
    height: int = Field(ge=1, le=MOST_PIXELS)


class RedactionCreate(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "boxes": [{"left": 120, "top": 64, "width": 90, "height": 110}],
                    "reason": "The face of a child, and a number plate.",
                }
            ]
        }
    )

    boxes: list[BoxInput] = Field(
        max_length=MOST_BOXES,
        description="What becomes black, and a little around it. None: a copy without metadata that shows all.",
    )
    frame: int | None = Field(
        None,
        ge=0,
        le=LAST_FRAME,
        description="Of a recording, or of a file of several pages: which frame, as `/frames` numbers them; boxes are "
        "in that frame's pixels. Null: the image's own picture.",
    )
    reason: WrittenText | None = Field(None, max_length=2000, description="What is covered, and why; sealed.")


class BoxShape(Shape):
    left: int
    top: int
    width: int
    height: int


class RedactionShape(Changed):
    """A copy of the picture with parts of it covered. The newest of a picture is the one that packages take."""

    id: UUID
    evidence_id: UUID
    state: Literal["pending", "done", "failed"]
    error: str | None = Field(description="Of a failed one, why: a stable word.")
    frame_time_ms: int | None = Field(description="Of the frame that is covered; null: the image's own picture.")
    of_width: int = Field(description="Of the displayed picture in which the boxes were given.")
    of_height: int
    boxes: list[BoxShape]
    requested_by: UUID
    requested_at: datetime
    input_sha256: str = Field(description="The original that it is made from.")
    parameters_sha256: str = Field(description="Of rule and boxes as canonical JSON; it stands in the custody entries.")
    tool: str | None
    tool_version: str | None
    sha256: str | None = Field(description="Of the finished copy, a PNG without metadata.")
    size_bytes: int | None
    width: int | None = Field(description="Of the copy: at most 1024 pixels a side.")
    height: int | None
    made_at: datetime | None


@router.post(
    "/{evidence_id}/redactions",
    name="createRedaction",
    status_code=202,
    summary="Have a copy made with parts covered",
    response_model=RedactionShape,
    responses={
        202: sends("Location", description="It is being made: ask at Location"),
        **problem_responses(401, 403, 404, 409, 422),
    },
)
def create_redaction(
    evidence_id: UUID, body: RedactionCreate, request: Request, actor: Redactor, key: IdempotencyKey = None
) -> Response:
    """Boxes become black, every pixel, and a pixel more around them; the rest is written anew as a PNG without
    metadata, at most 1024 pixels a side. Look at the copy before it goes out: nobody else checks what it still shows.

    The original stays as it is. `not_redactable` (409) for what has no picture, and for a recording without `frame`.
    """
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createRedaction",
            request_sha256=request_digest(str(evidence_id), body),
            authorise=lambda: find_evidence(uow.session, actor, evidence_id, Operation.REDACT),
        )
        if answer is not None:
            return answer
        boxes = [Box(box.left, box.top, box.width, box.height) for box in body.boxes]
        made = redactions.request_redaction(uow, actor, evidence_id, boxes=boxes, frame=body.frame, reason=body.reason)

        def build(receipts: list[ReceiptShape]) -> RedactionShape:
            return _shape(made, receipts)

        location = f"/v1/evidence/{evidence_id}/redactions/{made.id}"
        return commit(uow, build, actor=actor, key=key, status=202, location=location)


@router.get(
    "/{evidence_id}/redactions",
    name="listRedactions",
    summary="List an item's redacted copies",
    response_model=Page[RedactionShape],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_redactions(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """The newest first: of one picture that one is in force."""
    before = read_cursor_at(cursor)
    with reading(request) as session:
        found = redactions.list_redactions(session, actor, evidence_id, before=before, limit=limit + 1)
        return page(request, response, found, limit, _shape, lambda each: cursor_at(each.requested_at, each.id))


@router.get(
    "/{evidence_id}/redactions/{redaction_id}",
    name="getRedaction",
    summary="Read how a redacted copy is made",
    response_model=RedactionShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def get_redaction(evidence_id: UUID, redaction_id: UUID, request: Request, actor: Reader) -> RedactionShape:
    """Its boxes, state and digest; no pixel."""
    with reading(request) as session:
        return _shape(redactions.get_redaction(session, actor, evidence_id, redaction_id))


@router.get(
    "/{evidence_id}/redactions/{redaction_id}/content",
    name="getRedactionContent",
    summary="Look at a redacted copy",
    response_class=Response,
    responses={
        200: sends(
            *OF_RENDERING,
            description="A PNG without metadata.",
            content={"image/png": {"schema": {"type": "string", "format": "binary"}}},
        ),
        **problem_responses(401, 403, 404, 409, 422, 503),
    },
)
def get_redaction_content(
    evidence_id: UUID, redaction_id: UUID, request: Request, actor: OriginalReader, purpose: Purpose = None
) -> Response:
    """With a purpose, by whoever may read the original: what is not covered shows what that shows. It is a custody
    entry, committed before the first byte leaves; looks of one person for one purpose within 15 minutes are one entry.
    """
    provided = services(request)
    logged: dict[str, Any] = {"act": "viewed", "rendering": "redacted", "purpose": stated_purpose(purpose)}
    logged["window_s"] = provided.settings.view_window_s
    with reading(request) as session:
        found, grant = redactions.find_copy(session, actor, evidence_id, redaction_id)
        is_logged = viewing.is_logged(session, grant, evidence_id, **logged)
        assert found.sha256 is not None
        assert found.size_bytes is not None
        sha256, size_bytes = Sha256Hex(found.sha256), found.size_bytes
    try:
        content = b"".join(provided.blobs.read_range(sha256))
    except (BlobMissing, BlobUnreadable) as error:
        raise ContentUnavailable() from error
    if not is_logged:
        with working(request) as uow:
            viewing.log_reading(uow, actor, evidence_id, size_bytes=size_bytes, **logged)
            uow.commit()
    digest = base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
    headers = {
        "Content-Disposition": f'attachment; filename="{evidence_id}-redacted.png"',
        "ETag": f'"{sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


def _shape(found: Redaction, receipts: list[ReceiptShape] | None = None) -> RedactionShape:
    wanted = wanted_of(found.parameters)
    same = RedactionShape.model_fields.keys() & {column.key for column in Redaction.__table__.columns}
    return RedactionShape.model_validate(
        {
            **{name: getattr(found, name) for name in same},
            "receipts": receipts or [],
            "frame_time_ms": found.time_ms,
            "of_width": wanted.width,
            "of_height": wanted.height,
            "boxes": [BoxShape(left=b.left, top=b.top, width=b.width, height=b.height) for b in wanted.boxes],
            "input_sha256": found.blob_sha256,
        }
    )
