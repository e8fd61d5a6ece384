"""Leases, findings, verdicts and reviews of an item; and the one door through which its state changes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at
from app.api.finding_shapes import FindingCreate, FindingShape, finding_shape
from app.api.http import (
    Changed,
    Erased,
    IfMatch,
    Input,
    ReceiptShape,
    Requires,
    Shape,
    commit,
    reading,
    required_version,
    services,
    working,
)
from app.api.incident_shapes import LongText
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.media.closing import closed_among
from app.media.items import find_evidence
from app.media.models import Evidence
from app.media.rules import State
from app.verification import findings, leases, second, service
from app.verification.models import Review, SecondVerdict
from app.verification.rules import Outcome, ReviewKind, SignatureMode

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence/{evidence_id}", tags=["Verification"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Verifier = Annotated[Actor, Depends(Requires(Operation.VERIFY))]


class LeaseShape(Changed):
    """Who works on the item, and until when; both null when the lease is free."""

    evidence_id: UUID
    holder: UUID | None
    expires_at: datetime | None
    taken_at: datetime | None = Field(description="Since when the holder has it, however often it was made longer.")
    version: int = Field(description="The item's version: every change of the lease is one.")


class VerdictSignatureShape(Shape):
    """The author's own signature, by the key that was bound to them in the case."""

    keyid: str
    alg: Literal["ed25519"] = "ed25519"
    public_key: str
    key_bound: str = Field(description="The commitment of the entry by which another person vouched for the key.")
    dsse_sha256: str = Field(description="Of the envelope: `GET …/verdicts/{verdict_id}/envelope`.")


class VerdictShape(Changed):
    id: UUID
    evidence_id: UUID
    round: int
    version: int
    outcome: Outcome
    rationale: str
    incident_id: UUID | None = Field(description="The incident for which it holds.")
    finding_ids: list[UUID] = Field(description="The findings that stood when it was submitted.")
    policy_version: int
    signature_mode: SignatureMode = Field(description="`own_key`: signed by its author; `none`: it is not.")
    signature: VerdictSignatureShape | None
    self_reviewed: bool = Field(
        description="Its author was the only one who could review it, and the installation allowed that: they said so "
        "when they submitted it."
    )
    supersedes: UUID | None
    author_id: UUID
    submitted_at: datetime
    withdrawn: bool
    signed_off: bool
    erased: list[str] = Erased


class SecondVerdictCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"outcome": "misattributed", "rationale": "The bridge stood until March; the post is of May."}]
        },
    )

    outcome: Outcome
    rationale: LongText


class SecondVerdictShape(Changed):
    id: UUID
    evidence_id: UUID
    verdict_id: UUID = Field(description="The first's, beside which it stands.")
    round: int
    outcome: Outcome
    rationale: str
    finding_ids: list[UUID] = Field(description="The second's own findings.")
    policy_version: int
    author_id: UUID
    submitted_at: datetime
    erased: list[str] = Erased


class ReviewShape(Changed):
    id: UUID
    evidence_id: UUID
    verdict_id: UUID
    round: int
    kind: ReviewKind
    leads_to: State = Field(description="The state that the item took by it.")
    comment: str | None
    checked_sha256: str | None = Field(description="For a sign-off: the digest of the stored bytes, computed for it.")
    reviewer_id: UUID
    reviewed_at: datetime
    erased: list[str] = Erased


@router.post(
    "/lease",
    name="takeLease",
    summary="Take or extend the lease",
    response_model=LeaseShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def take_lease(evidence_id: UUID, request: Request, actor: Verifier) -> JSONResponse:
    """Of the work that the item's state awaits: its verification, its review, its adjudication or its sign-off, by one
    who may do it; the review of a round whose `blind` is `pending` begins as the second verification. When nobody has
    it, or it has run out; one's own is made longer, up to a day in all.

    `lease_taken` (409): another person works on it. `assigned_to_another` (409): a coordinator gave it to one person.
    `lease_at_longest` (409): it is not made longer any more.
    """
    settings = services(request).settings
    with working(request) as uow:
        evidence = leases.take_lease(
            uow, actor, evidence_id, ttl_s=settings.lease_ttl_s, longest_s=settings.lease_longest_s
        )
        return commit(uow, lambda receipts: _lease(evidence, receipts), version=evidence.version)


@router.delete(
    "/lease",
    name="endLease",
    summary="Give the lease back, or end another's",
    response_model=LeaseShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def end_lease(evidence_id: UUID, request: Request, actor: Verifier, if_match: IfMatch = None) -> JSONResponse:
    """One's own; a coordinator ends anybody's. If-Match is the item's version."""
    with working(request) as uow:
        evidence = leases.end_lease(uow, actor, evidence_id, version=required_version(if_match))
        return commit(uow, lambda receipts: _lease(evidence, receipts), version=evidence.version)


@router.post(
    "/findings",
    name="recordFinding",
    status_code=201,
    summary="Record a finding",
    response_model=FindingShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def record_finding(
    evidence_id: UUID, body: FindingCreate, request: Request, actor: Verifier, key: IdempotencyKey = None
) -> JSONResponse:
    """By the lease's holder, in verification or as the second of a blind round. A newer one on the same dimension
    supersedes; nothing is edited. Your draft on the dimension ends with it."""
    with working(request) as uow:
        digest = request_digest(str(evidence_id), body)
        answer = replay(
            uow,
            actor,
            key,
            operation="recordFinding",
            request_sha256=digest,
            authorise=lambda: find_evidence(uow.session, actor, evidence_id, Operation.VERIFY),
        )
        if answer is not None:
            return answer
        finding = findings.record_finding(uow, actor, evidence_id, body.stated())
        return commit(
            uow,
            lambda receipts: finding_shape(finding).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
        )


@router.get(
    "/findings",
    name="listFindings",
    summary="List the findings on an item",
    response_model=DatedPage[FindingShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_findings(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time, superseded ones too. While the item's `blind` is `pending`: of this round your own alone."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = findings.list_findings(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1, at=at)
        closed = closed_among(session, findings.cited_by(session, [row.id for row in rows]))
        answer = page(
            request,
            response,
            rows,
            limit,
            lambda row: finding_shape(row, closed),
            lambda row: cursor_at(row.recorded_at, row.id),
        )
        return dated(answer, at)


@router.get(
    "/verdicts",
    name="listVerdicts",
    summary="List the versions of an item's verdict",
    response_model=DatedPage[VerdictShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_verdicts(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of submission. The last one that is `signed_off` holds until a newer one is. While the item's `blind` is
    `pending`: of this round your own alone."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_verdicts(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1, at=at)
        answer = page(
            request,
            response,
            rows,
            limit,
            _verdict,
            lambda row: cursor_at(row.verdict.submitted_at, row.verdict.id),
        )
        return dated(answer, at)


@router.post(
    "/second-verdicts",
    name="submitSecondVerdict",
    status_code=201,
    summary="Submit the second verdict of a blind round",
    response_model=SecondVerdictShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def submit_second_verdict(
    evidence_id: UUID, body: SecondVerdictCreate, request: Request, actor: Verifier, key: IdempotencyKey = None
) -> JSONResponse:
    """By the lease's holder, no author of the item, with a finding of their own on every required dimension, before
    anything of the first's is shown. Then both are shown: concur or dissent next; of two outcomes, dissent."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="submitSecondVerdict",
            request_sha256=request_digest(str(evidence_id), body),
            authorise=lambda: find_evidence(uow.session, actor, evidence_id, Operation.VERIFY),
        )
        if answer is not None:
            return answer
        _, verdict = second.submit_second_verdict(
            uow, actor, evidence_id, outcome=body.outcome, rationale=body.rationale
        )
        return commit(
            uow,
            lambda receipts: _second_verdict(verdict).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
        )


@router.get(
    "/second-verdicts",
    name="listSecondVerdicts",
    summary="List the second verdicts of an item's blind rounds",
    response_model=DatedPage[SecondVerdictShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_second_verdicts(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One a round, in order of submission."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = second.list_second_verdicts(
            session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1, at=at
        )
        answer = page(request, response, rows, limit, _second_verdict, lambda row: cursor_at(row.submitted_at, row.id))
        return dated(answer, at)


@router.get(
    "/reviews",
    name="listReviews",
    summary="List the reviews of an item's verdicts",
    response_model=DatedPage[ReviewShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_reviews(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time: peer reviews, adjudications, sign-offs, returns and reopenings."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_reviews(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1, at=at)
        answer = page(request, response, rows, limit, _review, lambda row: cursor_at(row.reviewed_at, row.id))
        return dated(answer, at)


def _lease(evidence: Evidence, receipts: list[ReceiptShape]) -> LeaseShape:
    return LeaseShape(
        evidence_id=evidence.id,
        holder=evidence.lease_holder,
        expires_at=evidence.lease_expires_at,
        taken_at=evidence.lease_taken_at,
        version=evidence.version,
        receipts=receipts,
    )


def _verdict(row: service.StatedVerdict) -> VerdictShape:
    verdict = row.verdict
    return VerdictShape(
        id=verdict.id,
        evidence_id=verdict.evidence_id,
        round=verdict.round,
        version=verdict.version,
        outcome=Outcome(verdict.outcome),
        rationale=verdict.rationale,
        incident_id=verdict.incident_id,
        finding_ids=verdict.finding_ids,
        policy_version=verdict.policy_version,
        signature_mode=SignatureMode(verdict.signature_mode),
        signature=None if row.signature is None else VerdictSignatureShape.model_validate(row.signature),
        self_reviewed=verdict.self_reviewed,
        supersedes=verdict.supersedes,
        author_id=verdict.author_id,
        submitted_at=verdict.submitted_at,
        withdrawn=row.is_withdrawn,
        signed_off=row.is_signed_off,
        erased=verdict.erased,
    )


def _second_verdict(row: SecondVerdict) -> SecondVerdictShape:
    return SecondVerdictShape.model_validate(row)


def _review(row: Review) -> ReviewShape:
    return ReviewShape.model_validate(row)
