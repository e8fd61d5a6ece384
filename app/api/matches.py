"""Fingerprints, found similarities and people's decisions about them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at
from app.api.evidence_shapes import Prose
from app.api.headers import sends
from app.api.http import Input, Requires, commit, reading, working
from app.api.match_shapes import MatchPage, MatchShape, RelationShape, RelationWord, match_shape, relation_shape
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.fingerprints import reading as queries
from app.fingerprints import service
from app.fingerprints.seeing import find_match
from app.media.items import find_evidence

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Matches"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Decider = Annotated[Actor, Depends(Requires(Operation.VERIFY))]


class DecisionCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"relation": "same_capture", "reason": "The same frame, encoded anew by a messenger."}]
        },
    )

    relation: RelationWord = Field(
        description="`potential` defers the decision; `unrelated` ends it. Where the bytes are the same: `exact_copy`"
        " or `potential`."
    )
    reason: Prose
    evidence_id: UUID | None = Field(
        default=None, description="The item that is `excerpt_of`, `contains` or `edited_from` the other."
    )


@router.get(
    "/evidence/{evidence_id}/matches",
    name="listMatches",
    summary="What the item resembles, and why",
    response_model=MatchPage,
    responses=problem_responses(401, 403, 404, 422),
)
def list_matches(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    undecided: Annotated[bool, Query(description="Only those that are found, and about which nobody decided.")] = False,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order in which they were found. Of many items with the same bytes, the earliest are matched. What
    resembles an item of another case is there for members of both cases, and for nobody else. With `as_of`: those that
    had been found, with the tier, the explanation and the decision of then."""
    with reading(request) as session:
        find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
        at = position_at(session, as_of)
        rows = queries.list_matches(
            session, actor, evidence_id, undecided_only=undecided, after=read_cursor_at(cursor), limit=limit + 1, at=at
        )
        found = page(
            request,
            response,
            rows,
            limit,
            lambda row: match_shape(row, at),
            lambda row: cursor_at(row.match.found_at, row.match.id),
        )
        left_out = queries.likely_left_out(session, evidence_id) if at is None else None
        return dated(found, at) | {"likely_left_out": left_out}


@router.get(
    "/matches/{match_id}",
    name="getMatch",
    summary="Read a match",
    response_model=MatchShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_match(match_id: UUID, request: Request, actor: Reader, as_of: AsOf = None) -> MatchShape:
    """With its explanation and the decision in force; with `as_of`, those of then."""
    with reading(request) as session:
        at = position_at(session, as_of)
        return match_shape(queries.get_match(session, actor, match_id, at=at), at)


@router.post(
    "/matches/{match_id}/decision",
    name="decideMatch",
    status_code=201,
    summary="Decide what a match means",
    response_model=MatchShape,
    responses={201: sends("Location"), **problem_responses(401, 403, 404, 409, 422)},
)
def decide_match(
    match_id: UUID, body: DecisionCreate, request: Request, actor: Decider, key: IdempotencyKey = None
) -> JSONResponse:
    """With a reason, in the streams of both items. A later decision supersedes it; none is edited."""
    with working(request) as uow:
        digest = request_digest(str(match_id), body)
        answer = replay(
            uow,
            actor,
            key,
            operation="decideMatch",
            request_sha256=digest,
            authorise=lambda: _require_deciding(uow.session, actor, match_id),
        )
        if answer is not None:
            return answer
        decided = service.decide_match(
            uow, actor, match_id, relation=body.relation, reason=body.reason, subject_id=body.evidence_id
        )
        shape = match_shape(decided)
        return commit(
            uow,
            lambda receipts: shape.model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
            location=f"/v1/matches/{match_id}",
        )


def _require_deciding(session: Session, actor: Actor, match_id: UUID) -> None:
    find_match(session, actor, match_id, Operation.VERIFY)


@router.get(
    "/evidence/{evidence_id}/relations",
    name="listRelations",
    summary="Decisions in force about the item",
    response_model=DatedPage[RelationShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_relations(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order in which they were made. A relation is said of `evidence_id` toward `other_id`."""
    with reading(request) as session:
        find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
        at = position_at(session, as_of)
        after = read_cursor_at(cursor)
        rows = queries.list_relations(session, actor.account_id, evidence_id, after=after, limit=limit + 1, at=at)
        answer = page(
            request, response, rows, limit, relation_shape, lambda row: cursor_at(row[0].decided_at, row[0].id)
        )
        return dated(answer, at)
