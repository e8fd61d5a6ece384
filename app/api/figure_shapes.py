"""The answers of figures."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from app.api.as_of import PositionShape
from app.api.http import Input, Shape
from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.figure import Figure
from app.figures.service import Answer
from app.figures.verifying import Difference
from app.figures.words import Measure


class FigureMediaShape(Shape):
    count: int | None
    collapsed: int | None = Field(description="Copies of one capture count once.")


class FigureRangeShape(Shape):
    """Of one outcome and group, over all incidents of the figure. Never add two groups: a child is a civilian too."""

    outcome: CasualtyOutcome
    person_group: PersonGroup
    minimum: int | None = Field(description="The incidents' minima, added.")
    maximum: int | None = Field(description="Their maxima, added; null, and not suppressed: open, as one of them is.")
    incidents: int | None = Field(description="In how many incidents anybody counts this outcome and group.")
    sources: int | None = Field(
        description="How many counts it was folded from; sources of the same victims are not added."
    )
    suppressed: bool = Field(description="As of figures: none of its numbers is given.")


class FigureShape(Shape):
    """`suppressed`: so small that it could show a person, or could be computed from such a one; no number is given."""

    count: int | None = Field(
        description="Incidents; verified items, copies too; of casualties the incidents of which any are stated."
    )
    collapsed: int | None = Field(description="Of items: copies of one capture count once.")
    images: FigureMediaShape | None = Field(description="Of items.")
    videos: FigureMediaShape | None = Field(description="Of items.")
    ranges: list[FigureRangeShape] | None = Field(description="Of casualties. What nobody states is not zero.")
    suppressed: bool


class FigurePointShape(FigureShape):
    key: str | None = Field(description="Null: what says nothing of it, or nothing sure. Comes last.")
    label: str | None = Field(description="The key as people read it; no part of what is proved.")


class FigureUnknownShape(Shape):
    count: int | None = Field(description="Of the point without a key.")
    share: float | None = Field(description="Of the total; null without one.")


class FigureHeadShape(Shape):
    origin: str = Field(description="The log.")
    size: int
    root: str | None = Field(description="Hexadecimal; null before the first tree.")


class FigureRecordsShape(Shape):
    count: int | None = Field(
        description="How many records: pages of members list them. Null where the total is suppressed."
    )
    sha256: str = Field(
        description="Of the line `exhibit-figures/v1 <measure>` and a line feed, and of each record by the order of "
        "ids: the id's 16 bytes; then of an item the 16 bytes of its verdict's id, else the version as 8 bytes."
    )


_EXAMPLE: Any = {
    "measure": "items",
    "query": {
        "form": "exhibit-figures/v1",
        "measure": "items",
        "cases": ["9414abb4-15b2-41bb-b83d-5df4cca27ec5"],
        "filters": {"kind": ["missile_strike"]},
        "by": "month",
    },
    "query_sha256": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
    "as_of": {"log": 1, "size": 4711, "time": "2026-11-18T12:00:00.250Z"},
    "head": {
        "origin": "exhibit.example/log",
        "size": 4711,
        "root": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "asked_at": "2026-11-18T12:00:01Z",
    "has_pending": False,
    "total": {
        "count": 21,
        "collapsed": 20,
        "images": {"count": 14, "collapsed": 14},
        "videos": {"count": 7, "collapsed": 6},
        "ranges": None,
        "suppressed": False,
    },
    "series": [
        {
            "key": "2024-07",
            "label": None,
            "count": 21,
            "collapsed": 20,
            "images": {"count": 14, "collapsed": 14},
            "videos": {"count": 7, "collapsed": 6},
            "ranges": None,
            "suppressed": False,
        }
    ],
    "unknown": {"count": 0, "share": 0.0},
    "suppressed": 0,
    "counted": {"count": 21, "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"},
}


class FigureAnswerShape(Shape):
    """Keep it whole: `POST /v1/statistics/verify` recomputes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    measure: Measure
    query: dict[str, Any] = Field(description="What was asked; its canonical form (RFC 8785) is what is hashed.")
    query_sha256: str
    as_of: PositionShape = Field(description="The signed tree it is of: asked as of it, it is the same for ever.")
    head: FigureHeadShape = Field(description="That tree's head, which anybody may hold.")
    asked_at: datetime = Field(description="What was withdrawn by then counts for nothing.")
    has_pending: bool = Field(description="Acts of these cases are in no signed tree yet: ask again a little later.")
    total: FigureShape
    series: list[FigurePointShape]
    unknown: FigureUnknownShape | None = Field(description="Of a series: how much is in no point with a key.")
    suppressed: int = Field(description="How many figures of it are not given.")
    counted: FigureRecordsShape


class FigurePositionInput(Input):
    model_config = ConfigDict(strict=False)

    log: int
    size: int
    time: AwareDatetime | None = None


class FigureHeadInput(Input):
    origin: str
    size: int
    root: str | None


class FigureRecordsInput(Input):
    count: int | None
    sha256: str


class FigureAnswerInput(Input):
    """An answer as it was given."""

    model_config = ConfigDict(strict=False, json_schema_extra={"examples": [_EXAMPLE]})

    measure: Measure
    query: dict[str, Any]
    query_sha256: str
    as_of: FigurePositionInput
    head: FigureHeadInput
    asked_at: AwareDatetime
    has_pending: bool = False
    total: dict[str, Any]
    series: list[dict[str, Any]]
    unknown: dict[str, Any] | None = None
    suppressed: int = 0
    counted: FigureRecordsInput


class FigureDifferenceShape(Shape):
    reason: Difference = Field(
        description="`withdrawn`: a consent to publication, or to being kept, was withdrawn or is over; `erased`: words"
        " or places were erased since; `altered`: the same is counted, and the numbers are not those of an answer; "
        "`unexplained`: none of these accounts for all."
    )
    count: int = Field(description="Records that count no more; erasures since; 1 of the others.")


class FigureVerificationShape(Shape):
    """`answer`: the same question as of the same tree, answered now."""

    result: Literal["equal", "differs"]
    summary: str = Field(examples=["differs: withdrawn 1"])
    reasons: list[FigureDifferenceShape]
    answer: FigureAnswerShape


class FigureRecordShape(Shape):
    id: UUID
    version: int | UUID = Field(description="Of an incident or a fact its number; of an item its verdict's id.")


def answer_shape(answer: Answer) -> FigureAnswerShape:
    position = answer.position
    return FigureAnswerShape(
        measure=answer.query.measure,
        query=answer.query.document(),
        query_sha256=answer.query.sha256,
        as_of=PositionShape(log=position.log_id, size=position.size, time=position.stands_from),
        head=FigureHeadShape.model_validate(answer.head),
        asked_at=answer.asked_at,
        has_pending=answer.has_pending,
        total=FigureShape(**_figure(answer.total)),
        series=[FigurePointShape(key=point.key, label=point.label, **_figure(point.figure)) for point in answer.series],
        unknown=None if answer.unknown is None else FigureUnknownShape.model_validate(answer.unknown),
        suppressed=answer.suppressed,
        counted=FigureRecordsShape.model_validate(answer.counted),
    )


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "count": figure.count,
        "collapsed": figure.collapsed,
        "images": figure.images and FigureMediaShape.model_validate(figure.images),
        "videos": figure.videos and FigureMediaShape.model_validate(figure.videos),
        "ranges": None if figure.ranges is None else [FigureRangeShape.model_validate(one) for one in figure.ranges],
        "suppressed": figure.suppressed,
    }
