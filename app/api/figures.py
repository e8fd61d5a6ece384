"""Figures with their proof: asked, their members listed, an old answer recomputed."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at
from app.api.figure_queries import FigureCases, Level, Series, figure_filters
from app.api.figure_shapes import (
    FigureAnswerInput,
    FigureAnswerShape,
    FigureDifferenceShape,
    FigureRecordShape,
    FigureVerificationShape,
    answer_shape,
)
from app.api.http import Requires, reading
from app.api.paging import BadCursor, Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.figures.errors import FigureNotAsked
from app.figures.figure import Counted
from app.figures.query import FigureQuery, Filters, can_be_by
from app.figures.service import Head, Record, ask, members
from app.figures.standing import hold_snapshot
from app.figures.verifying import Kept, verify_answer
from app.figures.words import By, Measure
from app.kernel.primitives import encode_cursor

router = APIRouter(prefix="/v1/statistics", tags=["Statistics"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Of = Annotated[Measure, Path(description="What is counted.", examples=["items"])]
Chosen = Annotated[Filters, Depends(figure_filters)]


def figure_query(measure: Measure, cases: str, filters: Filters, by: By | None = None, level: int = 1) -> FigureQuery:
    """Raises FigureNotAsked."""
    if not can_be_by(measure, by):
        raise FigureNotAsked(f"'{measure}' cannot be by '{by}': items alone have a media type, and an incident is one.")
    named = tuple(sorted({UUID(part) for part in cases.split(",")}))
    return FigureQuery(measure, named, by, level if by is By.PLACE else 1, filters)


@router.post(
    "/verify",
    name="verifyFigure",
    summary="Recompute an old figure",
    response_model=FigureVerificationShape,
    responses=problem_responses(401, 403, 404, 422),
)
def verify_figure(body: FigureAnswerInput, request: Request, actor: Reader) -> FigureVerificationShape:
    """Send an answer as it was given, however long ago: the question in it is asked again as of the signed tree that it
    names. `equal`: the same is counted, and every number is the same. Else why not: only what was withdrawn or erased
    since makes a difference, or an answer that was altered. Who asks must be a member of each of its cases.

    `not_an_answer` (422): no such question, or no such tree, was ever answered here."""
    kept = kept_of(body)
    with reading(request) as session:
        hold_snapshot(session)
        found = verify_answer(session, actor, kept)
        return FigureVerificationShape(
            result="differs" if found.reasons else "equal",
            summary=found.summary,
            reasons=[FigureDifferenceShape.model_validate(reason) for reason in found.reasons],
            answer=answer_shape(found.answer),
        )


def kept_of(body: FigureAnswerInput) -> Kept:
    """An answer as somebody kept it, in the form that is recomputed."""
    return Kept(
        body.query,
        body.query_sha256,
        body.as_of.log,
        Head(body.head.origin, body.head.size, body.head.root),
        body.asked_at,
        {"total": body.total, "series": [_without_label(point) for point in body.series]},
        Counted(body.counted.count, body.counted.sha256),
    )


def _without_label(point: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name != "label"}


@router.get(
    "/{measure}",
    name="getFigure",
    summary="Count incidents, verified items or casualties",
    response_model=FigureAnswerShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_figure(
    measure: Of,
    request: Request,
    actor: Reader,
    case: FigureCases,
    filters: Chosen,
    by: Series = None,
    level: Level = 1,
    as_of: AsOf = None,
) -> FigureAnswerShape:
    """Of the cases named, of which you are a member each. As of the newest signed tree, or of another with `as_of`; it
    names the tree, and asked as of it the answer is the same for ever, but for what is withdrawn or erased.

    An incident that is stated to be a duplicate of another one counts for nothing. A *verified item* is signed off with
    the verdict `verified`; it counts in incidents to which a counting link joins it and for which its verdict holds. It
    counts twice, with its copies and without. Casualties are ranges: see `ranges`. Filters are combined.

    A count of fewer than five in which sexual violence is, or below what a case's policy asks, is not given."""
    with reading(request) as session:
        hold_snapshot(session)
        query = figure_query(measure, case, filters, by, level)
        return answer_shape(ask(session, actor, query, position_at(session, as_of)))


@router.get(
    "/{measure}/members",
    name="listFigureMembers",
    summary="List what a figure counts",
    response_model=DatedPage[FigureRecordShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_figure_members(
    measure: Of,
    request: Request,
    response: Response,
    actor: Reader,
    case: FigureCases,
    filters: Chosen,
    as_of: AsOf = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """By id, each with the version that is counted; the answer's `counted.sha256` is made of all of them. Pages keep
    the position of the first one. Where the answer does not tell how many they are, nor a range of it, there is no list
    of them (`figure_suppressed`)."""
    with reading(request) as session:
        hold_snapshot(session)
        named, after = _after(cursor)
        query = figure_query(measure, case, filters)
        position, rows = members(
            session, actor, query, position_at(session, as_of or named), after=after, limit=limit + 1
        )
        return dated(
            page(
                request,
                response,
                rows,
                limit,
                FigureRecordShape.model_validate,
                lambda record: _cursor(record, str(position)),
            ),
            position,
        )


def _cursor(record: Record, position: str) -> str:
    return encode_cursor(position, str(record.id))


def _after(cursor: str | None) -> tuple[str | None, UUID | None]:
    """Raises BadCursor."""
    parts = read_cursor(cursor, str, str)
    if parts is None:
        return None, None
    try:
        return parts[0], UUID(parts[1])
    except ValueError as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error
