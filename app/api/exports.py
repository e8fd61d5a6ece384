"""Packages that prove themselves: asked for, built by a job, taken as a zip."""

import base64
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.content import BYTES, OF_BYTES, SANDBOX, IfRange, Range
from app.api.custody import PURPOSE
from app.api.headers import sends
from app.api.http import (
    Changed,
    Input,
    Page,
    Public,
    ReceiptShape,
    Requires,
    Shape,
    WrittenText,
    commit,
    reading,
    services,
    working,
)
from app.api.ledger import published_key
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.ranges import requested_range
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.blobs.store import BlobMissing, BlobUnreadable
from app.consent.rules import ConsentScope
from app.erasure.places import PLACES
from app.exports import approval, export_service, verifier_page
from app.exports.bag_profile import profile_json
from app.exports.dossier import package_name
from app.exports.export_service import ExportAsked
from app.exports.models import Export
from app.exports.verifier import verify
from app.kernel.primitives import Sha256Hex
from app.media.errors import ContentUnavailable

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Exports"])

Exporter = Annotated[Actor, Depends(Requires(Operation.EXPORT))]
Decider = Annotated[Actor, Depends(Requires(Operation.DECIDE_EXPORT))]
FIELD = r"^[a-z][a-z0-9_]{0,59}$"
MOST_SELECTED = 1000

Audience = Literal["partners", "legal_proceedings", "publication"]
Scope = Literal["case", "incident", "evidence", "selection"]
FieldName = Annotated[str, StringConstraints(pattern=FIELD)]


SEALED = frozenset(name for _, name in PLACES)
"""Every field that some entry seals."""


def _each_once_and_sealed(names: list[str]) -> list[str]:
    """Whoever misspells a field would hand over a package that opens nothing, and not see it."""
    if len(set(names)) < len(names):
        raise ValueError("a name stands here twice")
    if unknown := [name for name in names if name not in SEALED]:
        raise ValueError(f"no entry seals {', '.join(unknown)}; there are {', '.join(sorted(SEALED))}")
    return names


class ExportCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "scope": "incident",
                    "ids": ["5f0c1c39-7c1f-4f0e-9d0a-0c5b4d3b7a11"],
                    "media": True,
                    "disclosures": ["title", "place"],
                    "purpose": "court",
                }
            ]
        },
    )

    scope: Scope = Field(
        description="`case`: everything that was ever registered in it; `incident`: it and every item that was ever "
        "linked to it; `evidence`: one item; `selection`: these items and incidents, each whole."
    )
    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_SELECTED)] = Field(
        description="One id, that of the case, incident or item; several for `selection`, all of one case."
    )
    media: bool | Literal["redacted"] = Field(
        False,
        description="With the originals, or with the newest redacted copy of each item's pictures in their place; for "
        "those who may read the originals. Items must be labelled, and have a copy (`redactions_missing`, 409).",
    )
    disclosures: (
        Literal["none", "all"]
        | Annotated[list[FieldName], Field(min_length=1, max_length=100), AfterValidator(_each_once_and_sealed)]
    ) = Field(
        "none",
        description="Which sealed fields are opened: none, all, or those of these names. With `rationale` or `all` "
        "the verdicts that reviewers signed themselves go along.",
    )
    audience: Audience = Field(
        "legal_proceedings",
        description="For whom it is. What somebody's consent closes to these goes along neither as media nor opened.",
    )
    purpose: Annotated[str, StringConstraints(pattern=PURPOSE)] = Field(
        description="Why, as one word: it stays readable in every copy of the log.", examples=["court"]
    )
    reason: WrittenText | None = Field(None, max_length=2000, description="More about why; sealed in the ledger.")

    def asked(self) -> ExportAsked:
        opens = {"none": frozenset[str](), "all": None}
        chosen = opens[self.disclosures] if isinstance(self.disclosures, str) else frozenset(self.disclosures)
        return ExportAsked(
            self.scope,
            tuple(self.ids),
            self.media is True,
            chosen,
            ConsentScope(self.audience),
            self.purpose,
            self.reason,
            is_redacted=self.media == "redacted",
        )


State = Literal["awaiting_approval", "refused", "building", "sealed", "ready", "failed", "erased", "expired"]


class ExportDecision(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "approve", "reason": "The court's order of 3 March covers it."}]}
    )

    decision: Literal["approve", "refuse"]
    reason: WrittenText = Field(max_length=2000, description="Sealed in the ledger.")


class Progress(Shape):
    """Bytes of media that were read and written, of all that will be; both 0 without media."""

    done_bytes: int
    total_bytes: int


class ExportShape(Changed):
    id: UUID
    case_id: UUID
    scope: Scope
    media: bool | Literal["redacted"]
    disclosures: Literal["none", "all"] | list[str]
    audience: Audience
    state: State = Field(
        description="`awaiting_approval` by another person, where the case's policy says so; `refused`, and nothing is "
        "made; `building` until its seal is logged, `sealed` until the file is stored, `ready`; or `failed`. "
        "`erased`: something in it was erased since, and the file removed. `expired`: its time was over, and the file "
        "removed; ask for a new one."
    )
    error: str | None = Field(description="Of a failed one, why: a stable word.")
    progress: Progress
    needs_approval: bool = Field(description="As the case's policy had it when it was asked for.")
    decision: Literal["approve", "refuse"] | None = Field(description="Null while nobody decided, or needs to.")
    decided_by: UUID | None
    decided_at: datetime | None
    requested_by: UUID
    requested_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None = Field(
        description="From then on its file may be removed, unless it was released. Null: not ready, or never."
    )
    size_bytes: int | None = Field(description="Of the finished zip.")
    sha256: str | None = Field(description="Of the finished zip.")


@router.post(
    "/exports",
    name="createExport",
    status_code=202,
    summary="Have a package made that proves itself",
    response_model=ExportShape,
    responses={
        202: sends("Location", description="It is being made: ask at Location"),
        **problem_responses(401, 403, 404, 409, 422, 503, 507),
    },
)
def create_export(body: ExportCreate, request: Request, actor: Exporter, key: IdempotencyKey = None) -> Response:
    """A BagIt zip of custody streams, proofs and, if asked for, originals, sealed by a later entry. Asking is an entry
    (`export.created`) in every stream of the package and in the case's.
    """
    published_key(services(request).settings)  # Nothing is written in vain while no integrator ever ran.
    asked = body.asked()
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createExport",
            request_sha256=request_digest(body),
            authorise=lambda: export_service.require_exporting(uow.session, actor, asked),
        )
        if answer is not None:
            return answer
        export = export_service.request_export(uow, actor, asked)
        provided = services(request)
        reserve_bytes = provided.settings.free_space_reserve_bytes
        export_service.require_room(export, provided.packages.free_bytes() - reserve_bytes)

        def build(receipts: list[ReceiptShape]) -> ExportShape:
            return _shape(export, receipts)

        return commit(uow, build, actor=actor, key=key, status=202, location=f"/v1/exports/{export.id}")


@router.get(
    "/exports",
    name="listExports",
    summary="List a case's packages",
    response_model=Page[ExportShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_exports(
    request: Request,
    response: Response,
    actor: Exporter,
    case_id: Annotated[UUID, Query(description="The case whose packages are listed.")],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The newest first."""
    before = read_cursor_at(cursor)
    with reading(request) as session:
        found = export_service.list_exports(session, actor, case_id, before=before, limit=limit + 1)
        return page(
            request,
            response,
            found,
            limit,
            _shape,
            lambda export: cursor_at(export.requested_at, export.id),
        )


@router.get(
    "/exports/{export_id}",
    name="getExport",
    summary="Read how far a package is",
    response_model=ExportShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_export(export_id: UUID, request: Request, actor: Exporter) -> ExportShape:
    """Its state, and the digest of the file once it is ready."""
    with reading(request) as session:
        return _shape(export_service.get_export(session, actor, export_id))


@router.post(
    "/exports/{export_id}/decision",
    name="decideExport",
    summary="Approve or refuse a package that another asked for",
    response_model=ExportShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def decide_export(export_id: UUID, body: ExportDecision, request: Request, actor: Decider) -> Response:
    """Where the case's policy says so nothing is made before that. Once; by somebody else than the one who asked, who
    may refuse it themselves to take it back (`export_needs_another`, 403, when they approve)."""
    with working(request) as uow:
        export = approval.decide_export(uow, actor, export_id, decision=body.decision, reason=body.reason)
        return commit(uow, lambda receipts: _shape(export, receipts))


@router.get(
    "/exports/{export_id}/content",
    name="getExportContent",
    summary="Take a package",
    response_class=StreamingResponse,
    responses={
        200: sends(*OF_BYTES, description="The zip.", content=BYTES),
        206: sends(*OF_BYTES, "Content-Range", description="The range asked for.", content=BYTES),
        **problem_responses(401, 403, 404, 409, 410, 416, 422, 503),
    },
)
def get_export_content(
    export_id: UUID, request: Request, actor: Exporter, byte_range: Range = None, if_range: IfRange = None
) -> Response:
    """The whole file or one range of it, so that a broken download goes on. One custody entry (`export.downloaded`) a
    person within the window, committed before the first byte leaves.
    """
    provided = services(request)
    window_s = provided.settings.view_window_s
    with reading(request) as session:
        export, grant = export_service.find_package(session, actor, export_id)
        is_logged = export_service.is_download_logged(session, grant, export_id, window_s=window_s)
        sha256, size_bytes = export.package_sha256, export.size_bytes
        headers = _headers(export)
    assert sha256 is not None
    assert size_bytes is not None
    wanted = requested_range(byte_range, if_range, headers["ETag"], size_bytes)
    start, end = (0, size_bytes) if wanted is None else (wanted.start, wanted.end)
    try:
        chunks = provided.packages.read_range(Sha256Hex(sha256), start, end)
    except (BlobMissing, BlobUnreadable) as error:
        raise ContentUnavailable() from error
    if not is_logged:
        with working(request) as uow:
            export_service.log_download(uow, actor, export_id, window_s=window_s)
            uow.commit()
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range
    return StreamingResponse(chunks, 200 if wanted is None else 206, headers)


@router.get(
    "/export-verifier",
    name="getExportVerifier",
    summary="The program that checks packages offline",
    response_class=Response,
    responses={
        200: sends(
            *("Content-Disposition", "Cache-Control"),
            description="Python source",
            content={"text/x-python": {"schema": {"type": "string"}}},
        )
    },
    dependencies=[Depends(Public())],
)
def get_export_verifier() -> Response:
    """One file of Python 3.11 or newer that needs nothing else. Read it before you trust it."""
    return Response(
        Path(verify.__file__).read_bytes(),
        media_type="text/x-python; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="verify.py"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


@router.get(
    "/export-verifier.html",
    name="getExportVerifierPage",
    summary="The page that checks packages in a browser",
    response_class=HTMLResponse,
    responses={
        200: sends(
            *("Content-Security-Policy", "Cache-Control"),
            description="One page that needs nothing else",
            content={"text/html": {"schema": {"type": "string"}}},
        )
    },
    dependencies=[Depends(Public())],
)
def get_export_verifier_page() -> HTMLResponse:
    """Open it, or save it and open the file: it makes the checks of `verify.py`, and sends nothing to anybody."""
    page = verifier_page.page()
    return HTMLResponse(
        page,
        headers={"Content-Security-Policy": verifier_page.content_policy(page), "Cache-Control": "no-store"},
    )


@router.get(
    "/export-profile",
    name="getExportProfile",
    summary="The BagIt profile of packages",
    response_class=Response,
    responses={
        200: sends(
            "Cache-Control",
            description="bagit-profiles 1.3.0",
            content={"application/json": {"schema": {"type": "object"}}},
        )
    },
    dependencies=[Depends(Public())],
)
def get_export_profile() -> Response:
    """What every package has, for programs that check bags by profiles."""
    return Response(profile_json(), media_type="application/json", headers={"Cache-Control": "no-cache"})


def _shape(export: Export, receipts: list[ReceiptShape] | None = None) -> ExportShape:
    return ExportShape(
        receipts=receipts or [],
        id=export.id,
        case_id=export.case_id,
        scope=export.scope,
        media="redacted" if export.is_redacted else export.has_media,
        disclosures=export.fields if export.disclosed == "fields" else export.disclosed,
        audience=export.audience,
        state=export.state,
        error=export.error,
        progress=Progress(done_bytes=export.done_bytes or 0, total_bytes=export.total_bytes or 0),
        needs_approval=export.needs_approval,
        decision=export.decision,
        decided_by=export.decided_by,
        decided_at=export.decided_at,
        requested_by=export.requested_by,
        requested_at=export.requested_at,
        ready_at=export.ready_at,
        expires_at=export.expires_at,
        size_bytes=export.size_bytes,
        sha256=export.package_sha256,
    )


def _headers(export: Export) -> dict[str, str]:
    assert export.package_sha256 is not None
    digest = base64.b64encode(bytes.fromhex(export.package_sha256)).decode("ascii")
    return {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{package_name(export.scope, export.id)}.zip"',
        "Accept-Ranges": "bytes",
        "ETag": f'"{export.package_sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
