"""An item's bytes: the original with a purpose and an entry, a short-lived address for a player, the safe preview."""

import base64
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.access.actors import Actor, actor_of_token
from app.access.rules import Operation
from app.api.headers import sends
from app.api.http import Input, Public, Requires, Services, Shape, reading, services, working
from app.api.problems import problem_responses
from app.api.ranges import requested_range
from app.api.waiting import LedgerRoute
from app.blobs.store import BlobMissing, BlobUnreadable
from app.cases.service import Grant
from app.kernel.errors import Unauthenticated
from app.kernel.primitives import Sha256Hex, utc_now
from app.media import viewing
from app.media.errors import ContentAddressInvalid, ContentUnavailable, PurposeNeeded
from app.media.models import Blob
from app.media.signed_urls import MAX_TICKET_CHARACTERS, Ticket, read_ticket, sign_ticket

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence", tags=["Content"])

OriginalReader = Annotated[Actor, Depends(Requires(Operation.READ_ORIGINAL))]
PreviewReader = Annotated[Actor, Depends(Requires(Operation.READ_PREVIEW))]

PurposeWord = Literal[
    "verification", "review", "sign_off", "legal_analysis", "incident_documentation", "integrity_check", "disclosure"
]
Purpose = Annotated[
    PurposeWord | None,
    Query(description="Why you need to see it. It stands in the custody entry. Needed (`purpose_needed`, 422)."),
]
UnusedPurpose = Annotated[
    PurposeWord | None,
    Query(alias="purpose", description="As in the address of a download; not needed, since nothing is read."),
]
Range = Annotated[str | None, Header(alias="Range", description="One range of bytes, such as `bytes=0-1023`.")]
IfRange = Annotated[str | None, Header(alias="If-Range")]

SANDBOX = "sandbox; default-src 'none'"
PREVIEW_LIFE_S = 300
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
OF_BYTES = ("Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Security-Policy", "ETag", "Repr-Digest")


class ContentUrlCreate(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"purpose": "verification"}]})

    purpose: PurposeWord | None = Field(None, description="Needed (`purpose_needed`, 422).")


class ContentUrl(Shape):
    url: str = Field(description="Relative to this server. It works without a header, for you alone.")
    expires_at: datetime


@router.get(
    "/{evidence_id}/content",
    name="getContent",
    summary="Download the original",
    response_class=StreamingResponse,
    responses={
        200: sends(*OF_BYTES, description="The original's bytes.", content=BYTES),
        206: sends(*OF_BYTES, "Content-Range", description="The range asked for.", content=BYTES),
        **problem_responses(401, 403, 404, 409, 416, 422, 503),
    },
)
def get_content(
    evidence_id: UUID,
    request: Request,
    actor: OriginalReader,
    purpose: Purpose = None,
    byte_range: Range = None,
    if_range: IfRange = None,
) -> Response:
    """With a purpose. It is a custody entry, committed before the first byte leaves; repeated reads are one entry.

    `labels_missing` (409) until somebody has labelled the item, unless you brought it; `no_content` (409) for a lead.
    """
    return _send(request, actor, evidence_id, "downloaded", stated_purpose(purpose), byte_range, if_range)


@router.head(
    "/{evidence_id}/content",
    name="headContent",
    summary="Size, type and digest of the original",
    responses={200: sends(*OF_BYTES), **problem_responses(401, 403, 404, 409, 422)},
)
def head_content(
    evidence_id: UUID, request: Request, actor: OriginalReader, _purpose: UnusedPurpose = None
) -> Response:
    """What a download would answer, its refusals too, without a byte of content: no entry is written."""
    with reading(request) as session:
        evidence, blob, _ = viewing.find_original(session, actor, evidence_id)
        return Response(headers={**_headers(evidence.id, blob), "Content-Length": str(blob.size_bytes)})


@router.post(
    "/{evidence_id}/content-url",
    name="createContentUrl",
    summary="A short-lived address for a player",
    response_model=ContentUrl,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def create_content_url(evidence_id: UUID, body: ContentUrlCreate, request: Request, actor: OriginalReader) -> Response:
    """At most five minutes, for you alone: a browser's `<video>` cannot send a token. Its use is a custody entry. It is
    refused when a download would be."""
    settings = services(request).settings
    purpose = stated_purpose(body.purpose)
    with reading(request) as session:
        viewing.require_viewable(session, actor, evidence_id, purpose=purpose, window_s=settings.view_window_s)
    expires_at = utc_now().replace(microsecond=0) + timedelta(seconds=settings.signed_url_ttl_s)
    ticket = sign_ticket(Ticket(evidence_id, actor.token_id, purpose, expires_at), services(request).url_key)
    made = ContentUrl(url=f"/v1/evidence/{evidence_id}/signed-content?ticket={ticket}", expires_at=expires_at)
    return Response(made.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get(
    "/{evidence_id}/signed-content",
    name="getSignedContent",
    summary="Play the original by a signed address",
    response_class=StreamingResponse,
    responses={
        200: sends(*OF_BYTES, description="The original's bytes.", content=BYTES),
        206: sends(*OF_BYTES, "Content-Range", description="The range asked for.", content=BYTES),
        **problem_responses(401, 403, 404, 409, 416, 422, 503),
    },
    dependencies=[Depends(Public())],
)
def get_signed_content(
    evidence_id: UUID,
    ticket: Annotated[str, Query(max_length=MAX_TICKET_CHARACTERS, description="As `content-url` gave it.")],
    request: Request,
    byte_range: Range = None,
    if_range: IfRange = None,
) -> Response:
    """The ticket stands for the person who asked for it: still active, still permitted, or refused."""
    now = utc_now()
    allowed = read_ticket(ticket, services(request).url_key, evidence_id=evidence_id, now=now)
    with reading(request) as session:
        try:
            actor = actor_of_token(session, allowed.token_id)
        except Unauthenticated as error:
            raise ContentAddressInvalid("Who asked for this address may not use it any more.") from error
    return _send(request, actor, evidence_id, "viewed", allowed.purpose, byte_range, if_range)


def stated_purpose(purpose: PurposeWord | None) -> PurposeWord:
    """What stands in the entry of a read of content. Raises PurposeNeeded."""
    if purpose is None:
        raise PurposeNeeded("This is a read of content. Add purpose=verification, or another one.")
    return purpose


def _send(
    request: Request,
    actor: Actor,
    evidence_id: UUID,
    act: viewing.Act,
    purpose: str,
    range_header: str | None,
    if_range: str | None,
) -> Response:
    """The original or one range of it, after its entry is committed."""
    provided = services(request)
    with reading(request) as session:
        _, blob, grant = viewing.find_original(session, actor, evidence_id)
        sha256, size_bytes = Sha256Hex(blob.sha256), blob.size_bytes
        headers = _headers(evidence_id, blob)
        wanted = requested_range(range_header, if_range, headers["ETag"], size_bytes)
        is_logged = _is_logged(provided, session, grant, evidence_id, act, purpose)
    start, end = (0, size_bytes) if wanted is None else (wanted.start, wanted.end)
    try:
        chunks = provided.blobs.read_range(sha256, start, end)
    except (BlobMissing, BlobUnreadable) as error:
        raise ContentUnavailable() from error
    if not is_logged:
        with working(request) as uow:
            window_s = provided.settings.view_window_s
            viewing.log_reading(
                uow,
                actor,
                evidence_id,
                act=act,
                rendering=viewing.ORIGINAL,
                size_bytes=size_bytes,
                purpose=purpose,
                window_s=window_s,
            )
            uow.commit()
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range
    return StreamingResponse(chunks, 200 if wanted is None else 206, headers)


def _is_logged(
    provided: Services, session: Session, grant: Grant, evidence_id: UUID, act: viewing.Act, purpose: str
) -> bool:
    return viewing.is_logged(
        session,
        grant,
        evidence_id,
        act=act,
        rendering=viewing.ORIGINAL,
        purpose=purpose,
        window_s=provided.settings.view_window_s,
    )


def _headers(evidence_id: UUID, blob: Blob) -> dict[str, str]:
    """Never rendered by a browser as a page, never kept by a cache; the digest is that of the whole (RFC 9530)."""
    digest = base64.b64encode(bytes.fromhex(blob.sha256)).decode("ascii")
    return {
        "Content-Type": blob.media_type or "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{evidence_id}.{blob.extension or "bin"}"',
        "Accept-Ranges": "bytes",
        "ETag": f'"{blob.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
