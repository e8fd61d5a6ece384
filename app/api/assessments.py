"""The preliminary assessment of leads: five questions before anything is collected."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, JsonValue

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, PositionShape, dated, position_at, position_shape, with_version_at
from app.api.evidence_shapes import Prose
from app.api.http import Changed, Erased, IfMatch, Input, Requires, Shape, commit, reading, required_version, working
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.kernel.primitives import encode_cursor
from app.media import assessment
from app.media.assessment import (
    QUESTIONS,
    Assessed,
    CollectionSafety,
    Obligations,
    Relevance,
    Reliability,
    RemovalRisk,
)
from app.media.models import LeadAssessment

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence/{evidence_id}", tags=["Evidence"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Assessor = Annotated[Actor, Depends(Requires(Operation.ASSESS_LEAD))]

_EXAMPLE: dict[str, JsonValue] = {
    "relevance": {"answer": "relevant", "reason": "It is said to show the strike of 3 July."},
    "reliability": {"answer": "credible"},
    "removal_risk": {"answer": "imminent", "reason": "The channel was threatened with closure."},
    "collection_safety": {"answer": "safe_with_precautions", "reason": "Not from an account of ours."},
    "obligations": {"answer": "can_be_met", "reason": "A child's face: outward copies blurred."},
}


class _Answer(Input):
    model_config = ConfigDict(strict=False)

    reason: Prose | None = None


class RelevanceAnswer(_Answer):
    answer: Relevance


class ReliabilityAnswer(_Answer):
    answer: Reliability


class RemovalRiskAnswer(_Answer):
    answer: RemovalRisk


class CollectionSafetyAnswer(_Answer):
    answer: CollectionSafety


class ObligationsAnswer(_Answer):
    answer: Obligations


class AssessmentInput(Input):
    """All five are answered; `unknown` is an answer."""

    model_config = ConfigDict(strict=False, json_schema_extra={"examples": [_EXAMPLE]})

    relevance: RelevanceAnswer = Field(description="To the case.")
    reliability: ReliabilityAnswer = Field(description="At first sight: nothing was verified yet.")
    removal_risk: RemovalRiskAnswer = Field(description="Whether it may soon be gone.")
    collection_safety: CollectionSafetyAnswer = Field(
        description="For who collects, for the source and for those shown. `unsafe` refuses the lead's file; it needs "
        "a reason, and so does any other answer after it."
    )
    obligations: ObligationsAnswer = Field(description="Consent, a source's protection, laws: can they be met?")

    def assessed(self) -> Assessed:
        given = {question: getattr(self, question) for question in QUESTIONS}
        reasons = {question: each.reason for question, each in given.items() if each.reason is not None}
        return Assessed(**{question: each.answer for question, each in given.items()}, reasons=reasons)


class AssessmentFacts(Shape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "7d0c7c7e-0a34-4a57-9f35-7a2b7f6b2d11",
                    "evidence_id": "0c5b1e43-52a4-4c6f-9a53-90bb0b1c7c11",
                    "number": 1,
                    "supersedes": None,
                    "relevance": "relevant",
                    "reliability": "credible",
                    "removal_risk": "imminent",
                    "collection_safety": "safe_with_precautions",
                    "obligations": "can_be_met",
                    "reasons": {"removal_risk": "The channel was threatened with closure."},
                    "assessed_by": "b5e4d1a0-6c1f-4a53-8a57-4f7a2c9d0e12",
                    "assessed_at": "2026-07-14T09:30:00Z",
                    "erased": [],
                }
            ]
        }
    )

    id: UUID
    evidence_id: UUID
    number: int = Field(description="From 1; the highest one is in force.")
    supersedes: UUID | None
    relevance: Relevance
    reliability: Reliability
    removal_risk: RemovalRisk
    collection_safety: CollectionSafety
    obligations: Obligations
    reasons: dict[str, str] = Field(description="Question → reason, of those that were given one.")
    assessed_by: UUID
    assessed_at: datetime
    erased: list[str] = Erased


class AssessmentInForce(AssessmentFacts):
    """The assessment in force, now or as of a position."""

    as_of: PositionShape | None = Field(description="The position as of which it was in force; null: now.")


class AssessmentShape(AssessmentFacts, Changed):
    """An assessment, and the receipt of its entry when it was just made."""


@router.put(
    "/assessment",
    name="assessLead",
    summary="Assess a lead",
    response_model=AssessmentShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def assess_lead(
    evidence_id: UUID, body: AssessmentInput, request: Request, actor: Assessor, if_match: IfMatch = None
) -> JSONResponse:
    """The five questions, by whoever may register leads. It supersedes the assessment before, which stays; none is ever
    edited. If-Match names the item's version. Answers are readable in the ledger for ever, reasons are sealed.

    While collecting is `unsafe`, the lead's file is refused (`collecting_unsafe`, 409) until a newer assessment says
    otherwise. `assessment_reason_needed` (422): unsafe, or safe again, without a reason. `wrong_state` (409): no lead.
    """
    with working(request) as uow:
        made = assessment.assess_lead(
            uow, actor, evidence_id, body.assessed(), version=(version := required_version(if_match))
        )
        return commit(uow, lambda receipts: AssessmentShape(**_facts(made), receipts=receipts), version=version + 1)


@router.get(
    "/assessment",
    name="getAssessment",
    summary="Read the assessment in force",
    response_model=AssessmentInForce,
    responses=problem_responses(401, 403, 404, 422),
)
def get_assessment(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, as_of: AsOf = None
) -> AssessmentInForce:
    """The latest one, or with `as_of` the latest of then; also of an item that was collected or declined since.
    `not_assessed` (404) without any."""
    with reading(request) as session:
        at = position_at(session, as_of)
        found, version = assessment.get_assessment(session, actor, evidence_id, at)
        with_version_at(response, version, at)
        return AssessmentInForce(**_facts(found), as_of=position_shape(at))


@router.get(
    "/assessments",
    name="listAssessments",
    summary="List all assessments",
    response_model=DatedPage[AssessmentFacts],
    responses=problem_responses(401, 403, 404, 422),
)
def list_assessments(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order in which they were made: the last one is in force, or was with `as_of`."""
    with reading(request) as session:
        at = position_at(session, as_of)
        start = read_cursor(cursor, int)
        rows = assessment.list_assessments(
            session, actor, evidence_id, after=0 if start is None else start[0], limit=limit + 1, at=at
        )
        answer = page(
            request,
            response,
            rows,
            limit,
            lambda row: AssessmentFacts(**_facts(row)),
            lambda row: encode_cursor(row.number),
        )
        return dated(answer, at)


def _facts(row: LeadAssessment) -> dict[str, Any]:
    names = [name for name in AssessmentFacts.model_fields if name != "reasons"]
    return {**{name: getattr(row, name) for name in names}, "reasons": row.reasons or {}}
