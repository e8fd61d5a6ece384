"""The incidents of a case for a map: GeoJSON (RFC 7946), one page at a time."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, PositionShape, position_at, position_shape
from app.api.http import Requires, Shape, reading
from app.api.incident_shapes import incident_shape
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.gradings.present import Present, present_of
from app.gradings.rules import Grade
from app.gradings.service import graded_as
from app.incidents import service
from app.incidents.models import Incident
from app.incidents.rules import IncidentKind, PlacePrecision

router = APIRouter(prefix="/v1", tags=["Incidents"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]


class GeoJson(JSONResponse):
    media_type = "application/geo+json"


class MapPoint(Shape):
    """WGS 84, longitude first."""

    type: Literal["Point"] = "Point"
    coordinates: tuple[float, float]


class MapProperties(Shape):
    case_id: UUID
    code: str
    title: str
    kind: IncidentKind
    occurred_from: datetime | None
    occurred_to: datetime | None
    zone: str | None
    place: str | None
    precision: PlacePrecision | None
    radius_m: int | None = Field(description="The true place lies within so many metres of the point.")
    administrative_units: list[str]
    grade: Grade | None = Field(description="Its present grading.")
    erased: list[str]


class FeatureShape(Shape):
    type: Literal["Feature"] = "Feature"
    id: UUID
    geometry: MapPoint | None = Field(description="Null: no point is stated, or it was erased.")
    properties: MapProperties


class FeatureCollectionShape(Shape):
    """``as_of``, ``next_cursor`` and ``limit`` are foreign members (RFC 7946, 6.1)."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[FeatureShape]
    as_of: PositionShape | None = Field(description="The position as of which they stood so; null: now.")
    next_cursor: str | None
    limit: int


@router.get(
    "/cases/{case_id}/incidents/geojson",
    name="mapIncidents",
    summary="Read a case's incidents as GeoJSON",
    response_class=GeoJson,
    response_model=FeatureCollectionShape,
    responses=problem_responses(401, 403, 404, 422),
)
def map_incidents(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    kind: IncidentKind | None = None,
    occurred_after: Annotated[AwareDatetime | None, Query(description="Its interval ends then or later.")] = None,
    occurred_before: Annotated[AwareDatetime | None, Query(description="Its interval begins then or earlier.")] = None,
    grade: Annotated[Grade | None, Query(description="Its present grading.")] = None,
    as_of: AsOf = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> FeatureCollectionShape:
    """One page of a FeatureCollection, in order of their creation here; `next_cursor` leads to the next.

    A point is no more exact than `radius_m` and `precision` say: draw a circle. Incidents without a point have the
    geometry null, so that a map can say how many it does not show. With `as_of`: those that there were, and that passed
    the filters, then.
    """
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_incidents(
            session,
            actor,
            case_id,
            kinds=() if kind is None else (kind,),
            occurred_after=occurred_after,
            occurred_before=occurred_before,
            only=None if grade is None else graded_as((grade,), at),
            after=read_cursor_at(cursor),
            limit=limit + 1,
            at=at,
        )
        present = present_of(session, [row.id for row in rows], at)
        shown: dict[str, Any] = page(
            request,
            response,
            rows,
            limit,
            lambda row: _feature(row, present[row.id]),
            lambda row: cursor_at(row.created_at, row.id),
        )
        return FeatureCollectionShape(
            features=shown["items"], as_of=position_shape(at), next_cursor=shown["next_cursor"], limit=limit
        )


def _feature(row: Incident, present: Present) -> FeatureShape:
    shown = incident_shape(row, present)
    place, occurred = shown.place, shown.occurred
    point = None
    if place is not None and place.latitude is not None and place.longitude is not None:
        point = MapPoint(coordinates=(place.longitude, place.latitude))
    return FeatureShape(
        id=row.id,
        geometry=point,
        properties=MapProperties(
            case_id=row.case_id,
            code=row.code,
            title=row.title,
            kind=shown.kind,
            occurred_from=row.occurred_from,
            occurred_to=row.occurred_to,
            zone=None if occurred is None else occurred.zone,
            place=row.place_name,
            precision=None if place is None else place.precision,
            radius_m=row.place_radius_m,
            administrative_units=row.administrative_units,
            grade=None if shown.present.grading is None else shown.present.grading.grade,
            erased=shown.erased,
        ),
    )
