"""The JSON shapes of findings and their drafts, and how they become what the domain states, and back."""

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.api.http import Changed, Erased, Input, NamesPlace, Readable, Shape
from app.api.incident_shapes import LongText, OccurrenceShape, ShortText
from app.incidents.rules import MICRODEGREES, PlacePrecision
from app.verification.models import Finding, FindingDraft
from app.verification.references import Reference, SourceKind
from app.verification.rules import (
    Confidence,
    Dimension,
    FindingResult,
    Method,
    Place,
    Point,
    RecycledAnswer,
    TimePrecision,
)
from app.verification.stated import Answer, Stated

PlainReference = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$"), Readable, NamesPlace
]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00]+$", max_length=2000)]
_DATED = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def _a_date(text: str) -> str:
    if not _DATED.fullmatch(text):
        raise ValueError("a date is written 2026, 2026-07 or 2026-07-01")
    date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text)
    return text


Dated = Annotated[str, AfterValidator(_a_date)]

_PLACE_EXAMPLE: JsonDict = {
    "result": "established",
    "confidence": "high",
    "place_precision": "exact",
    "point": {"latitude": 50.450033, "longitude": 30.482331},
    "methods": ["landmark_match", "satellite_match"],
    "rationale": "The water tower and the two gables stand as in the satellite picture of 1 July.",
    "references": [
        {
            "kind": "satellite_image",
            "title": "Scene 2026-07-01, 30 cm",
            "address": "https://example.org/tiles/2026-07-01",
            "dated": "2026-07-01",
            "shows": "Tower and gables, from above",
            "archived_at": "https://archive.example/2026/tiles",
        },
        {"kind": "evidence", "evidence_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11", "shows": "The same tower"},
    ],
}


class PointShape(Shape):
    """WGS 84."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latitude: float = Field(ge=-90, le=90, description="Degrees; kept to the sixth decimal (11 cm).")
    longitude: float = Field(ge=-180, le=180)

    def point(self) -> Point:
        return Point(round(self.latitude * MICRODEGREES), round(self.longitude * MICRODEGREES))


class EvidenceReference(Input):
    """Another item of the same case."""

    model_config = ConfigDict(strict=False)

    kind: Literal["evidence"]
    evidence_id: UUID
    shows: ShortText | None = Field(None, description="What in it bears on the finding.")


class SourceReference(Input):
    """Something outside: name it, and say where it is, of when, and what it shows."""

    model_config = ConfigDict(strict=False)

    kind: Literal[
        "satellite_image",
        "map",
        "street_view",
        "weather_record",
        "reverse_image_search_result",
        "news_report",
        "social_media_post",
        "other",
    ]
    title: ShortText | None = None
    address: Address | None = None
    dated: Dated | None = Field(None, description="Its date as far as it is known: `2026`, `2026-07`, `2026-07-01`.")
    shows: ShortText | None = Field(None, description="What in it bears on the finding.")
    archived_at: Address | None = Field(None, description="Where a copy of it is kept.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.title is None and self.address is None:
            raise ValueError("a source has a 'title', an 'address' or both")
        return self


ReferenceInput = EvidenceReference | SourceReference | PlainReference
References = Annotated[
    list[ReferenceInput],
    Field(max_length=20, description="Objects. A plain text is taken as the address or title of some `other` source."),
]


class ReferenceShape(Shape):
    """What a finding refers to; what is not known is null. Older findings' plain texts read as `other` sources."""

    kind: SourceKind
    evidence_id: UUID | None = Field(
        description="Of the kind `evidence`: the item, of the same case. Null, as what it shows: consent to that item "
        "was withdrawn."
    )
    title: str | None
    address: str | None
    dated: str | None
    shows: str | None
    archived_at: str | None


class AnswerInput(Input):
    """To the question that an earlier appearance of the same pictures opens (`GET …/recycled`)."""

    model_config = ConfigDict(strict=False)

    match_id: UUID
    answer: RecycledAnswer
    reason: LongText | None = Field(None, description="Needed for `not_recycled`.")


class _Statement(Input):
    """What a finding and a draft of one have in common."""

    model_config = ConfigDict(strict=False)

    place_precision: PlacePrecision | None = Field(None, description="For `location`.")
    point: PointShape | None = Field(None, description="For `location`, with a precision from `exact` to `area`.")
    time_precision: OccurrenceShape | None = Field(None, description="For `date` and `provenance`.")
    methods: list[Method] = Field(default_factory=list, max_length=len(Method))
    references: References = Field(default_factory=list)
    recycled: list[AnswerInput] = Field(
        default_factory=list, max_length=200, description="For `provenance`: what earlier appearances mean."
    )

    def _stated(self, dimension: Dimension, **given: Any) -> Stated:
        time = self.time_precision
        return Stated(
            dimension=dimension,
            methods=tuple(dict.fromkeys(self.methods)),
            references=tuple(_reference(each) for each in self.references),
            place_precision=self.place_precision,
            point=None if self.point is None else self.point.point(),
            time_precision=None if time is None else TimePrecision(time.from_, time.to, time.zone, time.basis),
            recycled=tuple(Answer(each.match_id, each.answer, each.reason) for each in self.recycled),
            **given,
        )


class FindingCreate(_Statement):
    model_config = ConfigDict(
        strict=False, json_schema_extra={"examples": [{"dimension": "location", **_PLACE_EXAMPLE}]}
    )

    dimension: Dimension
    result: FindingResult
    confidence: Confidence
    rationale: LongText
    methods: list[Method] = Field(
        default_factory=list,
        max_length=len(Method),
        description="At least one where the result is `established`, `partly_established` or `contradicted`.",
    )

    def stated(self) -> Stated:
        return self._stated(self.dimension, result=self.result, confidence=self.confidence, rationale=self.rationale)


class DraftInput(_Statement):
    """What is known so far; anything may be absent."""

    model_config = ConfigDict(
        strict=False,
        json_schema_extra={"examples": [{"result": "established", "rationale": "The water tower stands as in …"}]},
    )

    result: FindingResult | None = None
    confidence: Confidence | None = None
    rationale: LongText | None = None

    def stated(self, dimension: Dimension) -> Stated:
        return self._stated(dimension, result=self.result, confidence=self.confidence, rationale=self.rationale)


class FindingShape(Changed):
    id: UUID
    evidence_id: UUID
    round: int
    number: int = Field(description="Counts the item's findings.")
    dimension: Dimension
    result: FindingResult
    confidence: Confidence
    place_precision: PlacePrecision | None
    point: PointShape | None
    time_precision: OccurrenceShape | None
    methods: list[Method]
    rationale: str
    references: list[ReferenceShape]
    supersedes: UUID | None
    place: Place = Field(description="`second`: of the second verifier of a blind round, no part of the submission.")
    author_id: UUID
    recorded_at: datetime
    erased: list[str] = Erased


class DraftShape(Shape):
    """One's own draft, which nobody else sees; null and empty: not stated yet."""

    evidence_id: UUID
    dimension: Dimension
    version: int = Field(description="Counts how often it was saved.")
    saved_at: datetime
    missing: list[Literal["result", "confidence", "rationale", "methods"]] = Field(
        description="What it lacks of a finding still; `methods` where its result claims something."
    )
    result: FindingResult | None
    confidence: Confidence | None
    place_precision: PlacePrecision | None
    point: PointShape | None
    time_precision: OccurrenceShape | None
    methods: list[Method]
    rationale: str | None
    references: list[ReferenceShape]
    recycled: list[AnswerInput]


def finding_shape(row: Finding, closed: Collection[UUID] = ()) -> FindingShape:
    """``closed``: items of which nothing is shown any more; what refers to them says that alone."""
    time = None
    if row.time_from is not None and row.time_to is not None:
        time = TimePrecision(row.time_from, row.time_to, row.time_zone or "", row.time_basis or "")
    point = None
    if row.latitude_microdegrees is not None and row.longitude_microdegrees is not None:
        point = Point(row.latitude_microdegrees, row.longitude_microdegrees)
    return FindingShape(
        id=row.id,
        evidence_id=row.evidence_id,
        round=row.round,
        number=row.number,
        dimension=Dimension(row.dimension),
        result=FindingResult(row.result),
        confidence=Confidence(row.confidence),
        place_precision=None if row.place_precision is None else PlacePrecision(row.place_precision),
        point=_point_shape(point),
        time_precision=_time_shape(time),
        methods=[Method(method) for method in row.methods],
        rationale=row.rationale,
        references=[_reference_shape(each, closed) for each in (*row.references, *(row.sources or ()))],
        supersedes=row.supersedes,
        place=Place(row.place),
        author_id=row.author_id,
        recorded_at=row.recorded_at,
        erased=list(dict.fromkeys(_MEMBERS.get(name, name) for name in row.erased)),
    )


_MEMBERS = {
    "time_basis": "time_precision.basis",
    "sources": "references",
    "latitude_microdegrees": "point",
    "longitude_microdegrees": "point",
}
"""Under which name the answer shows a column."""


def draft_shape(row: FindingDraft) -> DraftShape:
    stated = Stated.of(row.dimension, row.content)
    return DraftShape(
        evidence_id=row.evidence_id,
        dimension=stated.dimension,
        version=row.version,
        saved_at=row.saved_at,
        missing=stated.missing,
        result=stated.result,
        confidence=stated.confidence,
        place_precision=stated.place_precision,
        point=_point_shape(stated.point),
        time_precision=_time_shape(stated.time_precision),
        methods=list(stated.methods),
        rationale=stated.rationale,
        references=[_reference_shape(each.document()) for each in stated.references],
        recycled=[AnswerInput.model_construct(**each._asdict()) for each in stated.recycled],
    )


def _reference(given: EvidenceReference | SourceReference | str) -> Reference:
    return Reference.of(given if isinstance(given, str) else given.model_dump(exclude_none=True))


def _reference_shape(kept: Mapping[str, Any] | str, closed: Collection[UUID] = ()) -> ReferenceShape:
    reference = Reference.of(kept)
    return ReferenceShape.model_validate(Reference(reference.kind) if reference.evidence_id in closed else reference)


def _point_shape(point: Point | None) -> PointShape | None:
    if point is None:
        return None
    return PointShape(latitude=point[0] / MICRODEGREES, longitude=point[1] / MICRODEGREES)


def _time_shape(time: TimePrecision | None) -> OccurrenceShape | None:
    return None if time is None else OccurrenceShape(from_=time.from_, to=time.to, zone=time.zone, basis=time.basis)
