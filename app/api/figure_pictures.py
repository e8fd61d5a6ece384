"""Figures as pictures for reports: the chart of a series, and incidents on a graticule."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.api.as_of import AsOf, position_at
from app.api.figure_queries import FigureCases, Level, Series
from app.api.figures import Chosen, Of, Reader, figure_query
from app.api.frames import OF_PICTURE, picture_headers
from app.api.headers import sends
from app.api.http import reading
from app.api.problems import problem_responses
from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.charted import Shown, chart_of
from app.figures.mapped import map_of
from app.figures.service import ask
from app.figures.standing import hold_snapshot
from app.pictures.chart import PictureFormat
from app.pictures.render import draw_chart, draw_map

router = APIRouter(prefix="/v1", tags=["Statistics"])

MEDIA_TYPES = {PictureFormat.SVG: "image/svg+xml", PictureFormat.PNG: "image/png"}
Format = Annotated[
    PictureFormat,
    Query(alias="format", description="`svg`: text stays text, and is read aloud. `png`: 1125 pixels wide."),
]
_FILES = sends(
    *OF_PICTURE,
    description="The picture, in greys. Its title and description say in words all that it shows.",
    content={
        "image/svg+xml": {"schema": {"type": "string"}},
        "image/png": {"schema": {"type": "string", "format": "binary"}},
    },
)


@router.get(
    "/statistics/{measure}/chart",
    name="drawFigure",
    summary="Draw a series as a chart",
    response_class=Response,
    responses={200: _FILES, **problem_responses(401, 403, 404, 422)},
)
def draw_figure(
    measure: Of,
    request: Request,
    actor: Reader,
    case: FigureCases,
    filters: Chosen,
    by: Series = None,
    level: Level = 1,
    outcome: Annotated[CasualtyOutcome | None, Query(description="Of casualties.")] = None,
    person_group: Annotated[PersonGroup | None, Query(description="Of casualties; groups overlap.")] = None,
    collapsed: Annotated[bool, Query(description="Of items: copies of one capture count once.")] = False,
    as_of: AsOf = None,
    picture_format: Format = PictureFormat.SVG,
) -> Response:
    """What `GET /v1/statistics/{measure}` answers, as bars: a range from its minimum to its maximum, an open one with
    an arrow; hatched what nothing is known of; in words what is suppressed, and what nobody states. Of months those
    between are drawn, too. Under it stand the query's SHA-256, the time and the ledger position that it was drawn from:
    asked as of it the picture is the same for ever, but for what is withdrawn or erased, and for names.

    Of casualties by something, name `outcome` and `person_group`; without `by` all of them are drawn.
    `figure_not_asked` (422): no series, or one that is not given so. `too_many_to_draw` (422): more than 120 bars."""
    shown = Shown(outcome, person_group, collapsed)
    query = figure_query(measure, case, filters, by, level)
    shown.check(measure, by)
    with reading(request) as session:
        hold_snapshot(session)
        chart = chart_of(ask(session, actor, query, position_at(session, as_of)), shown)
    return _file(draw_chart(chart, picture_format), f"{measure}-{by or 'all'}", picture_format)


@router.get(
    "/cases/{case_id}/incidents/map",
    name="drawIncidents",
    summary="Draw a case's incidents on a graticule",
    response_class=Response,
    responses={200: _FILES, **problem_responses(401, 403, 404, 422)},
)
def draw_incidents(
    case_id: UUID,
    request: Request,
    actor: Reader,
    filters: Chosen,
    as_of: AsOf = None,
    picture_format: Format = PictureFormat.SVG,
) -> Response:
    """The incidents that `GET /v1/statistics/incidents?by=kind` counts with the same filters, as points between
    meridians and parallels: no map lies under them. A circle is as wide as the place is imprecise; an empty mark is one
    of which nobody says how precise it is. How many have no point is said under it, with the query's SHA-256, the time
    and the ledger position. Kinds whose figure is suppressed are not drawn.

    `too_many_to_draw` (422): more than 1000 incidents."""
    with reading(request) as session:
        hold_snapshot(session)
        shown = map_of(session, actor, case_id, filters, position_at(session, as_of))
    return _file(draw_map(shown, picture_format), f"{case_id}-incidents", picture_format)


def _file(content: bytes, name: str, picture_format: PictureFormat) -> Response:
    """Kept by no cache: what is withdrawn is in the next picture no more."""
    headers = picture_headers(content, f"{name}.{picture_format}", is_content=True)
    return Response(content, media_type=MEDIA_TYPES[picture_format], headers=headers)
