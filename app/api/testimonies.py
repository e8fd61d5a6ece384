"""What witnesses said of an incident, with their consent; and who they are, in the vault."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, PositionShape, dated, position_at, position_shape
from app.api.consents import ConsentInput, ConsentShape, WithdrawalInput, consent_shape
from app.api.evidence_shapes import Language, Line, Prose
from app.api.headers import sends
from app.api.http import Changed, Erased, Input, ReceiptShape, Requires, commit, reading, services, working
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.sources import IDENTITY_EXAMPLE, Identity, OpeningInput, OpeningShape, opening_shape
from app.api.waiting import LedgerRoute
from app.consent.rules import ConsentScope
from app.incidents.service import find_incident
from app.kernel.primitives import encode_cursor
from app.ledger.positions import Position
from app.testimonies import service
from app.testimonies.models import Testimony
from app.testimonies.rules import TestimonyMethod
from app.vault.service import SealedSource

router = APIRouter(prefix="/v1", tags=["Incidents"], route_class=LedgerRoute)

Reader = Annotated[Actor, Depends(Requires(Operation.READ_TESTIMONIES))]
ConsentReader = Annotated[Actor, Depends(Requires(Operation.READ_WITNESS_CONSENTS))]
Editor = Annotated[Actor, Depends(Requires(Operation.EDIT_INCIDENTS))]
Recorder = Annotated[Actor, Depends(Requires(Operation.RECORD_CONSENT))]
Withdrawer = Annotated[Actor, Depends(Requires(Operation.WITHDRAW_CONSENT))]
Sealer = Annotated[Actor, Depends(Requires(Operation.SEAL_IDENTITY))]
Asker = Annotated[Actor, Depends(Requires(Operation.REQUEST_OPENING))]
_EXAMPLE: dict[str, Any] = {
    "witness": "W-17",
    "text": "She was in the corridor when the ceiling fell.",
    "language": "uk",
    "taken_on": "2026-07-14",
    "taken_by": "An interviewer of the hub",
    "method": "interview_in_person",
    "required_scope": "legal_proceedings",
    "supersedes": None,
}
_CONSENT: dict[str, Any] = {
    "subject": "W-17",
    "subject_kind": "witness",
    "scopes": ["verification", "legal_proceedings"],
    "obtained": "recorded",
    "given_on": "2026-07-14",
}


class TestimonyInput(Input):
    """A testimony as it was taken; or, with `supersedes`, what stands in the place of an earlier version."""

    model_config = ConfigDict(strict=False, json_schema_extra={"examples": [{**_EXAMPLE, "consent": _CONSENT}]})

    witness: Line = Field(description="What the witness is called here: no name. Sealed in the ledger, as all texts.")
    text: Prose
    language: Language = Field(description="In which it was told.")
    taken_on: date
    taken_by: Line
    method: TestimonyMethod
    required_scope: ConsentScope = Field(description="What the witness must consent to for it to be used so.")
    supersedes: UUID | None = Field(description="The `id` of the version that stands; null: a new testimony.")
    consent: ConsentInput | None = Field(
        None, description="The witness's, with `required_scope` among its scopes. A new version has none of its own."
    )


class WitnessInput(Input):
    model_config = ConfigDict(
        strict=False, json_schema_extra={"examples": [{"identity": IDENTITY_EXAMPLE, "supersedes": None}]}
    )

    identity: Identity
    supersedes: UUID | None = Field(description="The `identity_id` of what is sealed already; null: nothing is.")


class TestimonyShape(Changed):
    """The version of a testimony that stands."""

    id: UUID = Field(description="Of this version.")
    testimony_id: UUID = Field(description="Of the testimony: the id of its first version, by which it is asked for.")
    incident_id: UUID
    number: int = Field(description="Counts what was stated of the incident in this way, from 1.")
    revision: int = Field(description="Counts the testimony's versions, from 1.")
    supersedes: UUID | None
    witness: str
    text: str
    language: str
    taken_on: date
    taken_by: str
    method: TestimonyMethod
    required_scope: ConsentScope
    author_id: UUID
    recorded_at: datetime
    closed_at: datetime | None = Field(description="When it is closed, as far as consents say; null: no end.")
    erased: list[str] = Erased
    as_of: PositionShape | None = Field(None, description="The position as of which it stood so; null: now.")


class WitnessShape(Changed):
    """That a witness's identity is sealed, and nothing of it."""

    testimony_id: UUID
    identity_id: UUID
    number: int = Field(description="The witness's among the sources of the case.")
    pseudonym: str = Field(examples=["Source 3"])
    sealings: int
    sealed_by: UUID
    sealed_at: datetime
    is_destroyed: bool


@router.post(
    "/incidents/{incident_id}/testimonies",
    name="recordTestimony",
    status_code=201,
    summary="Record a testimony, with its witness's consent",
    response_model=TestimonyShape,
    responses={201: sends("Location"), **problem_responses(401, 403, 404, 409, 422)},
)
def record_testimony(
    incident_id: UUID, body: TestimonyInput, request: Request, actor: Editor, key: IdempotencyKey = None
) -> JSONResponse:
    """Or a new version of one: what was stated before stays in the custody log, as long as its witness lets it."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="recordTestimony",
            request_sha256=request_digest(str(incident_id), body),
            authorise=lambda: find_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS),
        )
        if answer is not None:
            return answer
        stated = {
            name: getattr(body, name) for name in TestimonyInput.model_fields if name not in ("consent", "witness")
        }
        consent = None if body.consent is None else body.consent.stated()
        made = service.record_testimony(
            uow, actor, incident_id, service.StatedTestimony(**stated, pseudonym=body.witness, consent=consent)
        )
        return commit(
            uow,
            lambda receipts: _testimony(made, receipts),
            actor=actor,
            key=key,
            status=201,
            location=f"/v1/testimonies/{made.fact_id}",
        )


@router.get(
    "/incidents/{incident_id}/testimonies",
    name="listTestimonies",
    summary="List an incident's testimonies",
    response_model=DatedPage[TestimonyShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_testimonies(
    incident_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The versions that stand, or with `as_of` stood then, in the order in which they were stated; none that is
    withdrawn now."""
    with reading(request) as session:
        at = position_at(session, as_of)
        after = read_cursor_at(cursor)
        rows = service.list_testimonies(session, actor, incident_id, after=after, limit=limit + 1, at=at)
        answer = page(
            request,
            response,
            rows,
            limit,
            lambda row: _testimony(row, at=at),
            lambda row: cursor_at(row.recorded_at, row.id),
        )
        return dated(answer, at)


@router.get(
    "/testimonies/{testimony_id}",
    name="getTestimony",
    summary="Read a testimony",
    response_model=TestimonyShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_testimony(testimony_id: UUID, request: Request, actor: Reader, as_of: AsOf = None) -> TestimonyShape:
    """The version that stands, or with `as_of` stood then. `testimony_withdrawn` (404) once its witness withdrew it, as
    of any time."""
    with reading(request) as session:
        at = position_at(session, as_of)
        return _testimony(service.get_testimony(session, actor, testimony_id, at=at), at=at)


@router.post(
    "/testimonies/{testimony_id}/consents",
    name="giveTestimonyConsent",
    status_code=201,
    summary="Record a witness's consent",
    response_model=ConsentShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def give_consent(
    testimony_id: UUID, body: ConsentInput, request: Request, actor: Recorder, key: IdempotencyKey = None
) -> JSONResponse:
    """Anew, with `subject_id`; or of somebody else whom it concerns, a guardian. One closed is opened by it."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="giveTestimonyConsent",
            request_sha256=request_digest(str(testimony_id), body),
            authorise=lambda: service.require(uow.session, actor, testimony_id, Operation.RECORD_CONSENT),
            tells_closed=True,
        )
        if answer is not None:
            return answer
        testimony, made = service.give_consent(uow, actor, testimony_id, body.stated())
        return commit(
            uow, lambda receipts: consent_shape(made, testimony.closed_at, receipts), actor=actor, key=key, status=201
        )


@router.post(
    "/testimonies/{testimony_id}/consents/withdrawals",
    name="withdrawTestimonyConsent",
    status_code=201,
    summary="Record that a witness withdraws",
    response_model=ConsentShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def withdraw_consent(
    testimony_id: UUID, body: WithdrawalInput, request: Request, actor: Withdrawer, key: IdempotencyKey = None
) -> JSONResponse:
    """At once. When `verification` goes, no version of the testimony is shown to anybody any more."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="withdrawTestimonyConsent",
            request_sha256=request_digest(str(testimony_id), body),
            authorise=lambda: service.require(uow.session, actor, testimony_id, Operation.WITHDRAW_CONSENT),
            tells_closed=True,
        )
        if answer is not None:
            return answer
        testimony, made = service.withdraw_consent(uow, actor, testimony_id, body.stated())
        return commit(
            uow, lambda receipts: consent_shape(made, testimony.closed_at, receipts), actor=actor, key=key, status=201
        )


@router.get(
    "/testimonies/{testimony_id}/consents",
    name="listTestimonyConsents",
    summary="List a testimony's consents and withdrawals",
    response_model=DatedPage[ConsentShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_consents(
    testimony_id: UUID,
    request: Request,
    response: Response,
    actor: ConsentReader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In their order, with `as_of` as far as then; of a withdrawn one to coordinators and custodians alone."""
    parts = read_cursor(cursor, int)
    after = 0 if parts is None else int(parts[0])
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_consents(session, actor, testimony_id, after=after, limit=limit + 1, at=at)
        answer = page(request, response, rows, limit, consent_shape, lambda row: encode_cursor(row.number))
        return dated(answer, at)


@router.post(
    "/testimonies/{testimony_id}/witness",
    name="sealWitness",
    status_code=201,
    summary="Seal who a witness is",
    response_model=WitnessShape,
    responses=problem_responses(401, 403, 404, 409, 422, 503),
)
def seal_witness(testimony_id: UUID, body: WitnessInput, request: Request, actor: Sealer) -> JSONResponse:
    """By whoever recorded the testimony, or a coordinator; as an item's source (`PUT /v1/evidence/{id}/source`)."""
    with working(request) as uow:
        found = service.seal_witness(
            uow,
            actor,
            testimony_id,
            supersedes=body.supersedes,
            identity=body.identity.model_dump(mode="json", exclude_defaults=True),
            key=services(request).vault_key,
        )
        return commit(uow, lambda receipts: _witness(found, receipts), status=201)


@router.get(
    "/testimonies/{testimony_id}/witness",
    name="getWitness",
    summary="Whether a witness's identity is sealed, and its number",
    response_model=WitnessShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_witness(testimony_id: UUID, request: Request, actor: Reader) -> WitnessShape:
    """A pseudonym and nothing of the identity. `identity_not_sealed` (404) without one."""
    with reading(request) as session:
        return _witness(service.get_witness(session, actor, testimony_id))


@router.post(
    "/testimonies/{testimony_id}/witness/openings",
    name="requestWitnessOpening",
    status_code=201,
    summary="Ask to be told who a witness is",
    response_model=OpeningShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def request_witness_opening(testimony_id: UUID, body: OpeningInput, request: Request, actor: Asker) -> JSONResponse:
    """Decided and opened as a source's: `POST /v1/identity-openings/{id}/decision`, then `…/identity`."""
    with working(request) as uow:
        opening, identity = service.request_witness(uow, actor, testimony_id, **body.model_dump())
        return commit(uow, lambda receipts: opening_shape(opening, identity, receipts), status=201)


def _testimony(
    row: Testimony, receipts: list[ReceiptShape] | None = None, at: Position | None = None
) -> TestimonyShape:
    stated = {name: getattr(row, name) for name in TestimonyShape.model_fields if hasattr(row, name)}
    return TestimonyShape(
        **stated,
        testimony_id=row.fact_id,
        witness=row.pseudonym,
        revision=row.version,
        receipts=receipts or [],
        as_of=position_shape(at),
    )


def _witness(found: SealedSource, receipts: list[ReceiptShape] | None = None) -> WitnessShape:
    identity = found.identity
    return WitnessShape(
        testimony_id=identity.subject_id,
        identity_id=identity.id,
        number=identity.number,
        pseudonym=f"Source {identity.number}",
        sealings=identity.version,
        sealed_by=identity.sealed_by,
        sealed_at=identity.sealed_at,
        is_destroyed=found.is_destroyed,
        receipts=receipts or [],
    )
