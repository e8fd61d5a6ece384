"""The JSON shapes of incidents and links, and how they become the domain's values and back."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.api.as_of import PositionShape, position_shape
from app.api.grading_shapes import PresentShape, present_shape
from app.api.http import Changed, Erased, Input, Moment, Readable, Shape, WrittenText
from app.gradings.present import Present
from app.incidents.models import Incident, IncidentEvidence
from app.incidents.places import PLACE_COLUMNS
from app.incidents.rules import (
    MAXIMUM_RADIUS_M,
    MICRODEGREES,
    WITHIN_M,
    IncidentKind,
    Occurrence,
    Place,
    PlacePrecision,
)
from app.ledger.positions import Position

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]*$"), Readable]
LongText = WrittenText

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
    "radius_m": 10,
    "administrative_units": ["Ukraine", "Kyiv"],
}


class OccurrenceShape(Shape):
    """When it happened: an interval, the zone in which people there count their time, and how this is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Moment = Field(alias="from")
    to: Moment
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
    radius_m: int | None = Field(
        None,
        ge=0,
        le=MAXIMUM_RADIUS_M,
        description="The true place lies within so many metres of the point; at most 10 where it is `exact`, 100 in a "
        "`vicinity`, 1000 in a `locality`.",
    )
    administrative_units: list[ShortText] = Field(default_factory=list, max_length=8)

    @model_validator(mode="after")
    def _whole_point(self) -> Self:
        if (self.latitude is None) is not (self.longitude is None):
            raise ValueError("a point has both 'latitude' and 'longitude'")
        if self.radius_m is not None and self.latitude is None:
            raise ValueError("'radius_m' is of a point")
        limit_m = MAXIMUM_RADIUS_M if self.precision is None else WITHIN_M.get(self.precision, MAXIMUM_RADIUS_M)
        if self.radius_m is not None and self.radius_m > limit_m:
            raise ValueError(f"'{self.precision}' is within {limit_m} m")
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
    external_reference: ShortText | None = Field(
        None, description="What another system calls the incident: once in the case."
    )


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
    external_reference: str | None
    present: PresentShape
    created_by: UUID
    created_at: datetime
    version: int
    as_of: PositionShape | None = Field(description="The position as of which it stood so; null: now.")
    erased: list[str] = Erased


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
    erased: list[str] = Erased


def occurrence_of(stated: OccurrenceShape | None) -> Occurrence | None:
    return None if stated is None else Occurrence(stated.from_, stated.to, stated.zone, stated.basis)


def place_of(stated: PlaceShape | None) -> Place | None:
    if stated is None:
        return None
    return Place(
        stated.name,
        _microdegrees(stated.latitude),
        _microdegrees(stated.longitude),
        stated.precision,
        stated.radius_m,
        tuple(stated.administrative_units),
    )


def _microdegrees(degrees: float | None) -> int | None:
    return None if degrees is None else round(degrees * MICRODEGREES)


def _degrees(microdegrees: int | None) -> float | None:
    return None if microdegrees is None else microdegrees / MICRODEGREES


def incident_shape(row: Incident, present: Present, at: Position | None = None) -> IncidentShape:
    has_place = bool(row.place_name or row.place_precision or row.administrative_units)
    return IncidentShape(
        id=row.id,
        case_id=row.case_id,
        code=row.code,
        title=row.title,
        kind=IncidentKind(row.kind),
        occurred=_stated_occurrence(row),
        place=_stated_place(row) if has_place or row.latitude_microdegrees is not None else None,
        external_reference=row.external_reference,
        present=present_shape(present),
        created_by=row.created_by,
        created_at=row.created_at,
        version=row.version,
        as_of=position_shape(at),
        erased=_erased_fields(row),
    )


def _erased_fields(row: Incident) -> list[str]:
    """As the API names them: a place is erased as a whole, and of an interval its basis."""
    names = {"occurred_basis": "occurred.basis", **dict.fromkeys(PLACE_COLUMNS, "place")}
    return sorted({names.get(column, column) for column in row.erased})


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
        radius_m=row.place_radius_m,
        administrative_units=row.administrative_units,
    )


def link_shape(row: IncidentEvidence) -> LinkShape:
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
        erased=row.erased,
    )
