"""What is known of an item's pictures from elsewhere in the case: appearances before the event, verdicts on copies."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Erased, Page, Requires, Shape, reading
from app.api.match_shapes import Tier
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.verification import recycled, recycled_notices, suggestions
from app.verification.rules import Outcome, RecycledAnswer

router = APIRouter(prefix="/v1/evidence/{evidence_id}", tags=["Verification"])

case_router = APIRouter(prefix="/v1/cases/{case_id}/recycled", tags=["Verification"])

Coordinator = Annotated[Actor, Depends(Requires(Operation.READ_NOTICES))]
Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]


class EarlierAppearance(Shape):
    evidence_id: UUID = Field(description="The other item of the match, or a copy of it.")
    at: datetime = Field(description="By then the pictures existed, if the basis is true: the latest that it may mean.")
    basis: Literal["registered", "acquired", "claimed", "file"] = Field(
        description="`registered` is measured; the others are what a person or a file states."
    )


class EventTimeShape(Shape):
    incident_id: UUID | None = Field(description="Null: the time at which the item is claimed to have been recorded.")
    from_: datetime = Field(alias="from")
    to: datetime


class AnswerShape(Shape):
    finding_id: UUID
    answer: RecycledAnswer
    reason: str | None
    earliest_at: datetime = Field(description="The appearance that was known when it was given.")
    erased: list[str] = Erased


class QuestionShape(Shape):
    """The pictures of a match are known from before the event: recycled, or not, or is a date wrong?"""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "match_id": "0c5b1e43-52a4-4c6f-9a53-90bb0b1c7c11",
                    "other_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
                    "tier": "same_picture",
                    "open": True,
                    "earliest": {
                        "evidence_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
                        "at": "2024-02-01T10:00:00Z",
                        "basis": "acquired",
                    },
                    "events": [{"incident_id": None, "from": "2026-07-03T05:00:00Z", "to": "2026-07-03T06:00:00Z"}],
                    "answer": None,
                }
            ]
        },
    )

    match_id: UUID
    other_id: UUID = Field(description="The other item of the match.")
    tier: Tier = Field(description="Of the match, now: a `likely` one is for a person to look at first.")
    open: bool = Field(
        description="Not answered; or an earlier appearance has come since the answer; or a likely match that was"
        " answered `not_recycled` has become a firm one."
    )
    earliest: EarlierAppearance
    events: list[EventTimeShape] = Field(description="The events that it certainly precedes.")
    answer: AnswerShape | None


class SuggestionShape(Shape):
    """A copy of the item has a verdict that was signed off. It holds for that item alone."""

    evidence_id: UUID
    relation: Literal["exact_copy", "same_capture"] = Field(description="Of this other item to the one asked about.")
    verdict_id: UUID
    version: int
    outcome: Outcome
    incident_id: UUID | None = Field(description="The incident for which that verdict holds.")
    signed_off_at: datetime


@router.get(
    "/recycled",
    name="listRecycledQuestions",
    summary="Which matches show the pictures before the event",
    response_model=Page[QuestionShape],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_recycled_questions(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Each has to be answered by a finding on `provenance` (`recycled`) before the verdict is submitted. The event's
    time is what the item claims and what the incidents say that it depicts; only what was certainly before is asked
    about, of this case's items alone. One that opens after the sign-off changes nothing by itself: reopen the item."""
    with reading(request) as session:
        rows = recycled.list_questions(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _question, lambda row: cursor_at(row.found_at, row.match_id))


class RecycledNoticeShape(Shape):
    """A signed-off item's pictures turn out to be known from before its event, or no longer so. Nothing changes by
    itself."""

    id: UUID
    evidence_id: UUID
    match_id: UUID
    kind: Literal["opened", "ended"] = Field(
        description="`opened`: an earlier appearance asks a question that its verdict did not answer. `ended`: its "
        "verdict answered `recycled`, and since a date, the event's time or what was decided of the match has changed, "
        "nothing is asked any more."
    )
    earliest_at: datetime = Field(description="By then the pictures existed, if the basis is true.")
    basis: Literal["registered", "acquired", "claimed", "file"] | None = Field(description="Null of an `ended` one.")
    found_at: datetime


@case_router.get(
    "",
    name="listRecycledNotices",
    summary="Which signed-off items are questioned by an earlier appearance",
    response_model=Page[RecycledNoticeShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_recycled_notices(
    case_id: UUID, request: Request, response: Response, actor: Coordinator, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """For coordinators, as they were found: what came in or was changed after the sign-off. Look at the item's
    questions, as they are now, and reopen it if they matter."""
    with reading(request) as session:
        rows = recycled_notices.list_notices(session, actor, case_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(
            request,
            response,
            rows,
            limit,
            RecycledNoticeShape.model_validate,
            lambda row: cursor_at(row.found_at, row.id),
        )


@router.get(
    "/suggestions",
    name="listSuggestions",
    summary="Which copies of an item have a verdict",
    response_model=Page[SuggestionShape],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_suggestions(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Verdicts that were signed off on items with the same bytes, or decided to be the same capture, in the order of
    their registration. A verdict is never inherited: nothing of it is taken over."""
    with reading(request) as session:
        rows = suggestions.list_suggestions(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(
            request, response, rows, limit, _suggestion, lambda row: cursor_at(row.registered_at, row.evidence_id)
        )


def _question(row: recycled.Question) -> QuestionShape:
    events = [{"incident_id": each.incident_id, "from": each.from_, "to": each.to} for each in row.events]
    earliest = {
        "evidence_id": row.earliest.evidence_id,
        "at": row.earliest.certainly_by,
        "basis": row.earliest.basis.value,
    }
    return QuestionShape(
        match_id=row.match_id,
        other_id=row.other_id,
        tier=cast(Tier, row.tier),
        open=row.is_open,
        earliest=EarlierAppearance.model_validate(earliest),
        events=[EventTimeShape.model_validate(each) for each in events],
        answer=None if row.answer is None else AnswerShape.model_validate(row.answer),
    )


def _suggestion(row: suggestions.Suggestion) -> SuggestionShape:
    return SuggestionShape(
        evidence_id=row.evidence_id,
        relation=row.relation,
        verdict_id=row.verdict.id,
        version=row.verdict.version,
        outcome=Outcome(row.verdict.outcome),
        incident_id=row.verdict.incident_id,
        signed_off_at=row.signed_off_at,
    )
