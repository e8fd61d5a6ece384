"""Receiving evidence: metadata and file in one streamed call, a lead without a file, the file of a lead."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import (
    Address,
    DuplicateShape,
    EvidenceMetadata,
    Prose,
    ReceivedShape,
    received,
)
from app.api.headers import sends
from app.api.http import IfMatch, Input, Requires, commit, reading, required_version, services, working
from app.api.problems import field_problems, problem_responses
from app.api.receiving import StorageFailed, Upload, open_upload, read_json, receive_upload
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.upload_form import METADATA_LIMIT_BYTES, is_json
from app.api.waiting import LedgerRoute
from app.blobs.store import BlobMissing, StoredBlob
from app.kernel.errors import Invalid
from app.kernel.primitives import Sha256Hex
from app.media import access, service
from app.media.acquisition import Acquisition, require_plausible_times
from app.media.models import Evidence
from app.media.orphans import hold_stored, remove_if_orphan
from app.media.reading import exact_duplicates, item_details
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Evidence"])

Receiver = Annotated[Actor, Depends(Requires(Operation.RECEIVE_EVIDENCE))]


class InvalidMetadata(Invalid):
    code = "invalid_metadata"
    title = "The metadata does not fit this operation"


class LeadCreate(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"lead_address": "https://example.org/post/17"}]})

    lead_address: Address | None = Field(
        None,
        description="As it was told, with or without a scheme; not what a browser would run (`javascript:` and its "
        "like): that is a claim, and belongs in `lead_claim`.",
    )
    lead_claim: Prose | None = None


def schema_of(model: type[Input]) -> dict[str, Any]:
    """The model's JSON schema in one piece: what no route declares as its body is not in the document's components."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            return resolve(definitions[name]) if name in definitions else {k: resolve(v) for k, v in part.items()}
        return [resolve(member) for member in part] if isinstance(part, list) else part

    return {key: resolve(value) for key, value in schema.items()}


FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["metadata", "file"],
    "properties": {
        "metadata": schema_of(EvidenceMetadata),
        "file": {"type": "string", "format": "binary"},
    },
}
FORM = {"schema": FORM_SCHEMA, "encoding": {"metadata": {"contentType": "application/json"}}}


@router.post(
    "/cases/{case_id}/evidence",
    name="receiveEvidence",
    status_code=201,
    summary="Receive evidence, or register a lead",
    response_model=ReceivedShape,
    responses={201: sends("Location"), **problem_responses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 507)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": FORM,
                "application/json": {"schema": schema_of(LeadCreate)},
            },
        }
    },
)
async def receive_evidence(case_id: UUID, request: Request, actor: Receiver, key: IdempotencyKey = None) -> Response:
    """Part `metadata` (JSON, at most 64 kB) first, part `file` second. The answer comes when the bytes are durable.

    A second upload of the same bytes is a second item, and `duplicates` names the first. With `application/json`, an
    address or claim without a file becomes a lead.

    The item's version moves on by itself after the answer: when a job has read the stored bytes back (`preserved`, or
    `quarantined`), and again when it is fingerprinted. So the ETag of this answer may be stale a moment later: read the
    item before you change it, and again on `412`.
    """
    await run_in_threadpool(_check_case, request, actor, case_id)
    if is_json(request.headers.get("Content-Type")):
        with open_upload(actor.token_id):
            body = await read_json(request, services(request).settings, METADATA_LIMIT_BYTES)
        return await run_in_threadpool(_register_lead, request, actor, case_id, key, body)
    with open_upload(actor.token_id):
        upload = await receive_upload(
            request, services(request).settings, services(request).blobs, _understanding(EvidenceMetadata)
        )
    return await run_in_threadpool(_store_item, request, actor, case_id, key, upload)


@router.post(
    "/evidence/{evidence_id}/content",
    name="receiveContent",
    status_code=200,
    summary="Receive the file of a lead",
    response_model=ReceivedShape,
    responses={
        200: sends("Location"),
        **problem_responses(400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 503, 507),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": FORM}}},
)
async def receive_content(evidence_id: UUID, request: Request, actor: Receiver, if_match: IfMatch = None) -> Response:
    """The same form as for a new item. The lead becomes `collected`.

    As after an upload, the version then moves on by itself (preserved, fingerprinted): this ETag may soon be stale.
    """
    version = required_version(if_match)
    await run_in_threadpool(_check_lead, request, actor, evidence_id, version)
    with open_upload(actor.token_id):
        upload = await receive_upload(
            request, services(request).settings, services(request).blobs, _understanding(EvidenceMetadata)
        )
    return await run_in_threadpool(_store_for_lead, request, actor, evidence_id, version, upload)


def _check_case(request: Request, actor: Actor, case_id: UUID) -> None:
    with reading(request) as session:
        access.require_receiving(session, actor, case_id)


def _check_lead(request: Request, actor: Actor, evidence_id: UUID, version: int) -> None:
    with reading(request) as session:
        access.require_receiving_for_lead(session, actor, evidence_id, version=version)


def _understanding(
    shape: type[EvidenceMetadata],
) -> Callable[[bytes], Awaitable[tuple[EvidenceMetadata, str | None]]]:
    async def understand(raw: bytes) -> tuple[EvidenceMetadata, str | None]:
        metadata = parse_metadata(shape, raw)
        require_plausible_times(metadata.acquisition())
        return metadata, metadata.expected_sha256

    return understand


def parse_metadata(shape: Any, raw: bytes) -> Any:
    """Raises InvalidMetadata for broken JSON, unknown or missing fields and impossible values."""
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidMetadata(
            "See 'errors' for each field and what is wrong with it.", extra={"errors": field_problems(error.errors())}
        ) from error


def _register_lead(request: Request, actor: Actor, case_id: UUID, key: str | None, body: bytes) -> Response:
    lead: LeadCreate = parse_metadata(LeadCreate, body)
    with working(request) as uow:
        digest = request_digest("lead", str(case_id), lead)
        answer = replay(
            uow,
            actor,
            key,
            operation="receiveEvidence",
            request_sha256=digest,
            authorise=lambda: access.require_receiving(uow.session, actor, case_id),
        )
        if answer is not None:
            return answer
        evidence = service.register_lead(uow, actor, case_id, address=lead.lead_address, claim=lead.lead_claim)
        return _received(uow, actor, evidence, status=201, key=key)


def _store_item(
    request: Request, actor: Actor, case_id: UUID, key: str | None, upload: Upload[EvidenceMetadata]
) -> Response:
    with _registering(request, upload.file.blob) as uow:
        digest = _digest_of(case_id, upload)
        answer = replay(
            uow,
            actor,
            key,
            operation="receiveEvidence",
            request_sha256=digest,
            authorise=lambda: access.require_receiving(uow.session, actor, case_id),
        )
        if answer is not None:
            return answer
        evidence = service.receive_evidence(
            uow, actor, case_id, **_facts(upload), idempotency_sha256=None if key is None else digest
        )
        return _received(uow, actor, evidence, status=201, key=key)


def _store_for_lead(
    request: Request, actor: Actor, evidence_id: UUID, version: int, upload: Upload[EvidenceMetadata]
) -> Response:
    with _registering(request, upload.file.blob) as uow:
        evidence = service.receive_for_lead(uow, actor, evidence_id, version=version, **_facts(upload))
        return _received(uow, actor, evidence, status=200)


@contextmanager
def _registering(request: Request, blob: StoredBlob) -> Iterator[UnitOfWork]:
    """A unit of work on a file that is stored already; when it fails, a file that came for it alone is removed.

    Raises StorageFailed when a refused upload of the same bytes has just taken the file away.
    """
    blobs = services(request).blobs
    try:
        with working(request) as uow:
            hold_stored(uow.session, blobs, blob.sha256)
            yield uow
    except BlobMissing as error:
        raise StorageFailed("The storage lost this file before it was registered. Send it again.") from error
    except Exception:
        with services(request).sessions() as session:
            remove_if_orphan(session, blobs, blob)
        raise


def _facts(upload: Upload[EvidenceMetadata]) -> dict[str, Any]:
    labels = upload.metadata.labels
    return {
        "file": upload.file,
        "acquisition": Acquisition(**upload.metadata.acquisition()),
        "labels": None if labels is None else labels.model_dump(),
    }


def _digest_of(case_id: UUID, upload: Upload[EvidenceMetadata]) -> Sha256Hex:
    return request_digest("item", str(case_id), upload.metadata, upload.file.name, upload.file.blob.sha256)


def _received(
    uow: UnitOfWork, actor: Actor, evidence: Evidence, *, status: int, key: str | None = None
) -> JSONResponse:
    duplicates = [DuplicateShape.model_validate(row) for row in exact_duplicates(uow.session, actor, evidence)]
    details = item_details(uow.session, actor, evidence)
    return commit(
        uow,
        lambda receipts: received(details, duplicates, receipts),
        actor=actor,
        key=key,
        status=status,
        version=evidence.version,
        location=f"/v1/evidence/{evidence.id}",
    )
