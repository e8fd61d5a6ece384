"""Who a source is: sealed in the vault, asked for, approved by a second person, opened once."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, model_validator

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import Line, Prose
from app.api.headers import sends
from app.api.http import (
    Changed,
    IfMatch,
    Input,
    Page,
    ReceiptShape,
    Requires,
    commit,
    reading,
    required_version,
    services,
    with_version,
    working,
)
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.testimonies.service import find_subject
from app.vault import service, sources
from app.vault.models import VaultIdentity, VaultOpening

router = APIRouter(prefix="/v1", tags=["Sources"], route_class=LedgerRoute)

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Sealer = Annotated[Actor, Depends(Requires(Operation.SEAL_IDENTITY))]
Asker = Annotated[Actor, Depends(Requires(Operation.REQUEST_OPENING))]
Decider = Annotated[Actor, Depends(Requires(Operation.DECIDE_OPENING))]
Opener = Annotated[Actor, Depends(Requires(Operation.OPEN_IDENTITY))]
Purpose = Literal[
    "source_safety", "contacting_source", "consent", "verification", "legal_proceedings", "data_subject_request"
]
IDENTITY_EXAMPLE: dict[str, Any] = {"name": "Iryna Example", "contacts": ["a messenger, by its number"]}


class Identity(Input):
    """Who it is, and how they are reached safely. Encrypted before it is stored, and in no log, entry or list."""

    model_config = ConfigDict(json_schema_extra={"examples": [IDENTITY_EXAMPLE]})

    name: Line | None = None
    contacts: list[Line] = Field(default_factory=list, max_length=20, description="Each a way to reach them.")
    whereabouts: Prose | None = None
    precautions: Prose | None = Field(None, description="What endangers them, and how not to approach them.")
    notes: Prose | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Identity":
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("nothing is stated: at least one of its members is needed")
        return self


class SourceInput(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"identity": IDENTITY_EXAMPLE}]})

    identity: Identity


class OpeningInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"purpose": "source_safety", "reason": "The channel was seized; they must be warned."}]
        }
    )

    purpose: Purpose = Field(description="Stays readable in the ledger for ever.")
    reason: Prose = Field(description="Sealed in the ledger; the one who decides reads it in the custody log.")
    sealing: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Which sealing, from 1: for who was sealed before another took their place. Without it: the last.",
    )


class OpeningDecision(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "approve"}]})

    decision: Literal["approve", "refuse"]
    reason: Prose | None = Field(None, description="Sealed in the ledger.")


class SourceShape(Changed):
    """That an identity is sealed, and nothing of it."""

    evidence_id: UUID
    identity_id: UUID
    number: int = Field(description="The source's number in the case: all that lists, logs and exports call it by.")
    pseudonym: str = Field(examples=["Source 3"])
    version: int = Field(description="The item's, for `If-Match`.")
    sealings: int = Field(description="How often it was sealed: the last one is in force.")
    sealed_by: UUID
    sealed_at: datetime
    is_destroyed: bool = Field(description="Whether it was erased: then nothing opens it any more.")


class OpeningShape(Changed):
    """A request to be told who a source is."""

    id: UUID
    case_id: UUID
    subject_kind: Literal["evidence", "testimony"]
    subject_id: UUID
    identity_id: UUID
    number: int = Field(description="The source's, in the case.")
    purpose: Purpose
    requested_by: UUID
    requested_at: datetime
    decision: Literal["approve", "refuse"] | None = Field(description="Null while nobody decided.")
    decided_by: UUID | None
    decided_at: datetime | None = Field(description="An approval holds for 15 minutes from then.")
    opened_at: datetime | None = Field(description="When the one who asked was told.")


class OpenedIdentity(OpeningShape):
    """The identity, in this one answer."""

    identity: dict[str, Any] = Field(examples=[IDENTITY_EXAMPLE], description="As it was sealed.")


@router.put(
    "/evidence/{evidence_id}/source",
    name="sealSource",
    summary="Seal who an item's source is",
    response_model=SourceShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428, 503),
)
def seal_source(
    evidence_id: UUID, body: SourceInput, request: Request, actor: Sealer, if_match: IfMatch = None
) -> JSONResponse:
    """By whoever registered or received the item, or a coordinator. It is encrypted under a key of its own and kept
    apart from the item; what was sealed before is superseded, not shown, and can still be asked for by its number.
    Nobody reads it back by themselves.

    The item's own fields `source` and `collector` stay as they are: write a pseudonym there.
    """
    with working(request) as uow:
        evidence, _ = sources.seal_source(
            uow,
            actor,
            evidence_id,
            version=required_version(if_match),
            identity=body.identity.model_dump(mode="json", exclude_defaults=True),
            key=services(request).vault_key,
        )
        uow.session.flush()
        found = service.sealed_source(uow.session, "evidence", evidence_id)
        return commit(uow, lambda receipts: _source(evidence.version, found, receipts), version=evidence.version)


@router.get(
    "/evidence/{evidence_id}/source",
    name="getSource",
    summary="Whether an item's source is sealed, and its number",
    response_model=SourceShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_source(evidence_id: UUID, request: Request, response: Response, actor: Reader) -> SourceShape:
    """To the members of its case: a pseudonym and nothing of the identity. `identity_not_sealed` (404) without one."""
    with reading(request) as session:
        evidence, found = sources.get_source(session, actor, evidence_id)
        with_version(response, evidence.version)
        return _source(evidence.version, found)


@router.post(
    "/evidence/{evidence_id}/source/openings",
    name="requestSourceOpening",
    status_code=201,
    summary="Ask to be told who a source is",
    response_model=OpeningShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def request_source_opening(evidence_id: UUID, body: OpeningInput, request: Request, actor: Asker) -> JSONResponse:
    """With a purpose and a reason. Another person decides: a coordinator or a custodian of the case."""
    with working(request) as uow:
        opening, identity = sources.request_source(uow, actor, evidence_id, **body.model_dump())
        return commit(uow, lambda receipts: opening_shape(opening, identity, receipts), status=201)


@router.get(
    "/cases/{case_id}/identity-openings",
    name="listIdentityOpenings",
    summary="List a case's requests for identities",
    response_model=Page[OpeningShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_identity_openings(
    case_id: UUID, request: Request, response: Response, actor: Asker, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """To those who may ask or decide, oldest first, decided ones too. Reasons stand in the custody log."""
    with reading(request) as session:
        rows = service.list_openings(session, actor, case_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(
            request,
            response,
            rows,
            limit,
            lambda row: opening_shape(*row),
            lambda row: cursor_at(row[0].requested_at, row[0].id),
        )


@router.post(
    "/identity-openings/{opening_id}/decision",
    name="decideIdentityOpening",
    summary="Approve or refuse that an identity is opened",
    response_model=OpeningShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def decide_identity_opening(opening_id: UUID, body: OpeningDecision, request: Request, actor: Decider) -> JSONResponse:
    """As the second person, who is told nothing of it. Whoever asked may only refuse: take it back."""
    with working(request) as uow:
        opening = service.decide_opening(
            uow, actor, opening_id, find_subject, decision=body.decision, reason=body.reason
        )
        identity = uow.session.get_one(VaultIdentity, opening.identity_id)
        return commit(uow, lambda receipts: opening_shape(opening, identity, receipts))


@router.post(
    "/identity-openings/{opening_id}/identity",
    name="openIdentity",
    summary="Be told who a source is, once",
    response_model=OpenedIdentity,
    responses={200: sends("Cache-Control"), **problem_responses(401, 403, 404, 409, 422, 503)},
)
def open_identity(opening_id: UUID, request: Request, actor: Opener) -> JSONResponse:
    """To the one who asked, within 15 minutes of the approval, once; with an entry that names both persons. This
    answer alone holds it: nothing keeps or repeats it. If it was lost on the way, ask anew."""
    with working(request) as uow:
        opening, identity, opened = service.open_identity(
            uow, actor, opening_id, find_subject, services(request).vault_key
        )
        return commit(
            uow,
            lambda receipts: OpenedIdentity(**opening_shape(opening, identity, receipts).model_dump(), identity=opened),
            holds_secret=True,
        )


def _source(version: int, found: service.SealedSource, receipts: list[ReceiptShape] | None = None) -> SourceShape:
    identity = found.identity
    return SourceShape(
        evidence_id=identity.subject_id,
        identity_id=identity.id,
        number=identity.number,
        pseudonym=f"Source {identity.number}",
        version=version,
        sealings=identity.version,
        sealed_by=identity.sealed_by,
        sealed_at=identity.sealed_at,
        is_destroyed=found.is_destroyed,
        receipts=receipts or [],
    )


def opening_shape(
    opening: VaultOpening, identity: VaultIdentity, receipts: list[ReceiptShape] | None = None
) -> OpeningShape:
    own = {name: getattr(opening, name) for name in OpeningShape.model_fields if hasattr(opening, name)}
    return OpeningShape(
        **own,
        subject_kind=identity.subject_kind,
        subject_id=identity.subject_id,
        number=identity.number,
        receipts=receipts or [],
    )
