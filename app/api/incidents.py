"""Incidents, and the items linked to them."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.access.rules import Operation
from app.access.service import Actor
from app.api.http import (
    Changed,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Input,
    Limit,
    Page,
    Requires,
    Shape,
    commit,
    cursor_at,
    page,
    read_cursor_at,
    reading,
    replay,
    request_digest,
    required_version,
    with_version,
    working,
)
from app.api.problems import problem_responses
from app.incidents import service
from app.incidents.models import Incident, IncidentEvidence
from app.incidents.rules import MICRODEGREES, IncidentKind, Occurrence, Place, PlacePrecision, Segment

router = APIRouter(prefix="/v1", tags=["Incidents"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Editor = Annotated[Actor, Depends(Requires(Operation.EDIT_INCIDENTS))]

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]*$")]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]

_ZONES = frozenset(available_timezones())


def _known_zone(zone: str) -> str:
    if zone not in _ZONES:
        raise ValueError("not an IANA time zone such as Europe/Kyiv or UTC")
    return zone


ZoneName = Annotated[str, AfterValidator(_known_zone), Field(examples=["Europe/Kyiv"])]

_OCCURRENCE: JsonDict = {
    "from": "2026-07-03T05:10:00Z",
    "to": "2026-07-03T05:25:00Z",
    "zone": "Europe/Kyiv",
    "basis": "Two upload times and the air-raid log",
}
_PLACE: JsonDict = {
    "name": "Children's hospital",
    "latitude": 50.450033,
    "longitude": 30.482331,
    "precision": "exact",
    "administrative_units": ["Ukraine", "Kyiv"],
}


class OccurrenceShape(Shape):
    """When it happened: an interval, the zone in which people there count their time, and how this is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: AwareDatetime = Field(alias="from")
    to: AwareDatetime
    zone: ZoneName
    basis: ShortText

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError("'to' is before 'from'")
        return self


class PlaceShape(Shape):
    """Where it happened: a name, a point (WGS 84), how near that is, and the administrative units from the country."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ShortText | None = None
    latitude: float | None = Field(None, ge=-90, le=90, description="Degrees; kept to the sixth decimal (11 cm).")
    longitude: float | None = Field(None, ge=-180, le=180)
    precision: PlacePrecision | None = None
    administrative_units: list[ShortText] = Field(default_factory=list, max_length=8)

    @model_validator(mode="after")
    def _whole_point(self) -> Self:
        if (self.latitude is None) is not (self.longitude is None):
            raise ValueError("a point has both 'latitude' and 'longitude'")
        return self


class IncidentCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "code": "KY-2026-014",
                    "title": "Strike on a hospital",
                    "kind": "missile_strike",
                    "occurred": _OCCURRENCE,
                    "place": _PLACE,
                }
            ]
        },
    )

    code: Code = Field(description="The organisation's own reference; unique in the case.")
    title: ShortText
    kind: IncidentKind
    occurred: OccurrenceShape | None = None
    place: PlaceShape | None = None


class IncidentUpdate(Input):
    """What is stated anew; what is left out stays as it was."""

    model_config = ConfigDict(
        strict=False, json_schema_extra={"examples": [{"title": "Strike on a children's hospital", "place": _PLACE}]}
    )

    code: Code | None = None
    title: ShortText | None = None
    kind: IncidentKind | None = None
    occurred: OccurrenceShape | None = None
    place: PlaceShape | None = None


class IncidentShape(Changed):
    id: UUID
    case_id: UUID
    code: str
    title: str
    kind: IncidentKind
    occurred: OccurrenceShape | None
    place: PlaceShape | None
    created_by: UUID
    created_at: datetime
    version: int


class SegmentShape(Shape):
    """The part of a video that shows the incident, in milliseconds from its beginning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_ms: int = Field(ge=0, le=10**12)
    to_ms: int = Field(gt=0, le=10**12)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_ms <= self.from_ms:
            raise ValueError("'to_ms' must be after 'from_ms'")
        return self


class LinkCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "evidence_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
                    "depicts": True,
                    "segment": {"from_ms": 3000, "to_ms": 14500},
                    "counted": True,
                }
            ]
        },
    )

    evidence_id: UUID
    depicts: bool = Field(description="Whether it shows the incident itself; else it only bears on it.")
    segment: SegmentShape | None = None
    counted: bool = Field(True, description="Whether it counts in the incident's figures.")
    note: LongText | None = None


class LinkEnd(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "It shows another street."}]})

    reason: LongText


class LinkShape(Changed):
    id: UUID
    incident_id: UUID
    evidence_id: UUID
    depicts: bool
    segment: SegmentShape | None
    counted: bool
    note: str | None
    linked_by: UUID
    linked_at: datetime
    unlinked_by: UUID | None
    unlinked_at: datetime | None
    unlink_reason: str | None


@router.post(
    "/cases/{case_id}/incidents",
    name="createIncident",
    status_code=201,
    summary="Open an incident",
    response_model=IncidentShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def create_incident(
    case_id: UUID, body: IncidentCreate, request: Request, actor: Editor, key: IdempotencyKey = None
) -> JSONResponse:
    """With a custody stream of its own; the case's stream registers it."""
    with working(request) as uow:
        answer = replay(uow, actor, key, operation="createIncident", request_sha256=request_digest(str(case_id), body))
        if answer is not None:
            return answer
        incident = service.create_incident(
            uow,
            actor,
            case_id,
            code=body.code,
            title=body.title,
            kind=body.kind,
            occurrence=_occurrence(body.occurred),
            place=_place(body.place),
        )
        return commit(
            uow,
            lambda receipts: _incident(incident).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
            version=incident.version,
            location=f"/v1/incidents/{incident.id}",
        )


@router.get(
    "/cases/{case_id}/incidents",
    name="listIncidents",
    summary="List a case's incidents",
    response_model=Page[IncidentShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_incidents(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    kind: IncidentKind | None = None,
    code: Annotated[str | None, Query(max_length=40)] = None,
    occurred_after: Annotated[AwareDatetime | None, Query(description="Its interval ends then or later.")] = None,
    occurred_before: Annotated[AwareDatetime | None, Query(description="Its interval begins then or earlier.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of their creation here."""
    with reading(request) as session:
        rows = service.list_incidents(
            session,
            actor,
            case_id,
            kind=kind,
            code=code,
            occurred_after=occurred_after,
            occurred_before=occurred_before,
            after=read_cursor_at(cursor),
            limit=limit + 1,
        )
        return page(request, response, rows, limit, _incident, lambda row: cursor_at(row.created_at, row.id))


@router.get(
    "/incidents/{incident_id}",
    name="getIncident",
    summary="Read an incident",
    response_model=IncidentShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_incident(incident_id: UUID, request: Request, response: Response, actor: Reader) -> IncidentShape:
    """To the members of its case."""
    with reading(request) as session:
        incident = service.get_incident(session, actor, incident_id)
        with_version(response, incident.version)
        return _incident(incident)


@router.patch(
    "/incidents/{incident_id}",
    name="updateIncident",
    summary="State some of an incident anew",
    response_model=IncidentShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def update_incident(
    incident_id: UUID, body: IncidentUpdate, request: Request, actor: Editor, if_match: IfMatch = None
) -> JSONResponse:
    """Place and time are each stated as a whole. What was stated before stays in the custody log."""
    changes = service.Changes(body.code, body.title, body.kind, _occurrence(body.occurred), _place(body.place))
    with working(request) as uow:
        incident = service.update_incident(uow, actor, incident_id, version=required_version(if_match), changes=changes)
        return commit(
            uow,
            lambda receipts: _incident(incident).model_copy(update={"receipts": receipts}),
            version=incident.version,
        )


@router.post(
    "/incidents/{incident_id}/evidence",
    name="linkEvidence",
    status_code=201,
    summary="Link an item to an incident",
    response_model=LinkShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def link_evidence(
    incident_id: UUID, body: LinkCreate, request: Request, actor: Editor, key: IdempotencyKey = None
) -> JSONResponse:
    """From `preserved` on; item and incident are of one case. One custody entry in each one's stream."""
    with working(request) as uow:
        answer = replay(
            uow, actor, key, operation="linkEvidence", request_sha256=request_digest(str(incident_id), body)
        )
        if answer is not None:
            return answer
        link = service.link_evidence(
            uow,
            actor,
            incident_id,
            evidence_id=body.evidence_id,
            depicts=body.depicts,
            counted=body.counted,
            segment=None if body.segment is None else Segment(body.segment.from_ms, body.segment.to_ms),
            note=body.note,
        )
        return commit(
            uow,
            lambda receipts: _link(link).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
        )


@router.get(
    "/incidents/{incident_id}/evidence",
    name="listIncidentEvidence",
    summary="List the items linked to an incident",
    response_model=Page[LinkShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_incident_evidence(
    incident_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    with_ended: Annotated[bool, Query(description="Also links that were ended.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of linking."""
    with reading(request) as session:
        rows = service.list_links(
            session, actor, incident_id, with_ended=with_ended, after=read_cursor_at(cursor), limit=limit + 1
        )
        return page(request, response, rows, limit, _link, lambda row: cursor_at(row.linked_at, row.id))


@router.post(
    "/incidents/{incident_id}/evidence/{link_id}/end",
    name="unlinkEvidence",
    summary="End a link, with a reason",
    response_model=LinkShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def unlink_evidence(incident_id: UUID, link_id: UUID, body: LinkEnd, request: Request, actor: Editor) -> JSONResponse:
    """The link's row stays. A link is ended once, so no If-Match is needed; linking again makes a new one."""
    with working(request) as uow:
        link = service.unlink_evidence(uow, actor, incident_id, link_id, reason=body.reason)
        return commit(uow, lambda receipts: _link(link).model_copy(update={"receipts": receipts}))


def _occurrence(stated: OccurrenceShape | None) -> Occurrence | None:
    return None if stated is None else Occurrence(stated.from_, stated.to, stated.zone, stated.basis)


def _place(stated: PlaceShape | None) -> Place | None:
    if stated is None:
        return None
    return Place(
        stated.name,
        _microdegrees(stated.latitude),
        _microdegrees(stated.longitude),
        stated.precision,
        tuple(stated.administrative_units),
    )


def _microdegrees(degrees: float | None) -> int | None:
    return None if degrees is None else round(degrees * MICRODEGREES)


def _degrees(microdegrees: int | None) -> float | None:
    return None if microdegrees is None else microdegrees / MICRODEGREES


def _incident(row: Incident) -> IncidentShape:
    has_place = bool(row.place_name or row.place_precision or row.administrative_units)
    return IncidentShape(
        id=row.id,
        case_id=row.case_id,
        code=row.code,
        title=row.title,
        kind=IncidentKind(row.kind),
        occurred=_stated_occurrence(row),
        place=_stated_place(row) if has_place or row.latitude_microdegrees is not None else None,
        created_by=row.created_by,
        created_at=row.created_at,
        version=row.version,
    )


def _stated_occurrence(row: Incident) -> OccurrenceShape | None:
    if row.occurred_from is None or row.occurred_to is None:
        return None
    return OccurrenceShape(
        from_=row.occurred_from, to=row.occurred_to, zone=row.occurred_zone or "", basis=row.occurred_basis or ""
    )


def _stated_place(row: Incident) -> PlaceShape:
    return PlaceShape(
        name=row.place_name,
        latitude=_degrees(row.latitude_microdegrees),
        longitude=_degrees(row.longitude_microdegrees),
        precision=None if row.place_precision is None else PlacePrecision(row.place_precision),
        administrative_units=row.administrative_units,
    )


def _link(row: IncidentEvidence) -> LinkShape:
    segment = None
    if row.segment_from_ms is not None and row.segment_to_ms is not None:
        segment = SegmentShape(from_ms=row.segment_from_ms, to_ms=row.segment_to_ms)
    return LinkShape(
        id=row.id,
        incident_id=row.incident_id,
        evidence_id=row.evidence_id,
        depicts=row.depicts,
        segment=segment,
        counted=row.counted,
        note=row.note,
        linked_by=row.linked_by,
        linked_at=row.linked_at,
        unlinked_by=row.unlinked_by,
        unlinked_at=row.unlinked_at,
        unlink_reason=row.unlink_reason,
    )
