"""Aids for dating and placing pictures: the sun, shadows, distances. They need no network and keep nothing.

They are asked by POST although they change nothing: which place somebody looks at belongs in no server's log of
addresses.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from app.access.actors import Actor
from app.access.rules import Operation
from app.aids import distances, shadows, sun
from app.api.http import Input, Moment, Requires, Shape
from app.api.incident_shapes import ZoneName
from app.api.problems import problem_responses

router = APIRouter(prefix="/v1/aids", tags=["Aids"])

Asker = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]


def _within_the_series(moment: datetime) -> datetime:
    if not sun.FIRST_YEAR <= moment.year <= sun.LAST_YEAR:
        raise ValueError(f"the sun's place is computed for the years {sun.FIRST_YEAR} to {sun.LAST_YEAR}")
    return moment


def _day_within_the_series(day: date) -> date:
    if not sun.FIRST_YEAR <= day.year <= sun.LAST_YEAR:
        raise ValueError(f"the sun's place is computed for the years {sun.FIRST_YEAR} to {sun.LAST_YEAR}")
    return day


SunMoment = Annotated[Moment, AfterValidator(_within_the_series)]
SunDay = Annotated[date, AfterValidator(_day_within_the_series)]
Latitude = Annotated[float, Field(ge=-90, le=90, description="Degrees, WGS 84; north is positive.")]
Longitude = Annotated[float, Field(ge=-180, le=180, description="Degrees, WGS 84; east is positive.")]

_POLES = (
    "At a pole every direction is south (or north); azimuths there are those that one comes to along the given "
    "longitude's meridian."
)


class SunQuestion(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"latitude": 50.450033, "longitude": 30.482331, "time": "2026-07-03T08:20:00+03:00"}]
        },
    )

    latitude: Latitude
    longitude: Longitude
    time: SunMoment


class ShadowOfOne(Shape):
    """Of an upright thing on level ground."""

    azimuth_deg: float = Field(description="Where it points, from true north by east.")
    length_ratio: float = Field(description="Its length by the thing's height.")
    shortest_ratio: float = Field(description="The edge is blurred between this and the next, as the sun is a disk.")
    longest_ratio: float | None = Field(description="Null: so near the horizon that it has no end.")


class SunAnswer(Shape):
    azimuth_deg: float = Field(description=f"From true north by east. {_POLES}")
    azimuth_uncertainty_deg: float = Field(description="Large where the sun is near the zenith.")
    elevation_deg: float = Field(description="Of the disk's centre above the level horizon, as if there were no air.")
    apparent_elevation_deg: float = Field(description="As it is seen: lifted by refraction in standard air.")
    elevation_uncertainty_deg: float = Field(description="Of the apparent one: 0.02 and a quarter of the refraction.")
    standing: Literal["up", "at_horizon", "down"] = Field(description="`at_horizon`: part of the disk is above it.")
    shadow: ShadowOfOne | None = Field(description="Null while the disk's centre is not seen above the horizon.")
    method: str


@router.post(
    "/sun",
    name="askSun",
    summary="Where the sun stands, and the shadow it throws",
    response_model=SunAnswer,
    responses=problem_responses(401, 403, 422),
)
def ask_sun(body: SunQuestion, _: Asker) -> SunAnswer:
    """At a place and time. Hills and houses are not known here: the horizon is level."""
    found = sun.sun_at(body.latitude, body.longitude, body.time)
    return SunAnswer.model_validate({**vars(found), "method": sun.METHOD})


class MeasuredAngle(Input):
    model_config = ConfigDict(strict=False)

    value: float = Field(ge=0, lt=360, description="Where the shadow points, degrees from true north by east.")
    tolerance: float = Field(ge=0.1, le=90, description="How far it may be off, degrees.")


class MeasuredRatio(Input):
    model_config = ConfigDict(strict=False)

    value: float = Field(gt=0, le=100, description="The shadow's length by the height of what throws it.")
    tolerance: float = Field(ge=0.001, le=50, description="How far it may be off.")


class ShadowQuestion(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "latitude": 50.450033,
                    "longitude": 30.482331,
                    "first_day": "2026-07-03",
                    "zone": "Europe/Kyiv",
                    "azimuth": {"value": 278, "tolerance": 4},
                    "length_ratio": {"value": 1.8, "tolerance": 0.2},
                }
            ]
        },
    )

    latitude: Latitude
    longitude: Longitude
    first_day: SunDay
    last_day: SunDay | None = Field(None, description="At most 366 days; null: the first day alone.")
    zone: ZoneName = Field(description="Whose midnights part the days.")
    azimuth: MeasuredAngle | None = None
    length_ratio: MeasuredRatio | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.azimuth is None and self.length_ratio is None:
            raise ValueError("give 'azimuth', 'length_ratio' or both")
        days = (self.until - self.first_day).days + 1
        if not 1 <= days <= shadows.MOST_DAYS:
            raise ValueError(f"'last_day' must follow 'first_day' within {shadows.MOST_DAYS} days")
        return self

    @property
    def until(self) -> date:
        return self.first_day if self.last_day is None else self.last_day


class FitShape(Shape):
    from_: datetime = Field(alias="from", description="To the second, UTC; cut at the days' midnights.")
    to: datetime
    closest: datetime = Field(description="Where what was measured fits best.")
    sun_azimuth_deg: float = Field(description="At `closest`; the shadow points the other way.")
    sun_apparent_elevation_deg: float = Field(description="At `closest`, with refraction.")


class DayOfFits(Shape):
    date: date
    sun: Literal["rises_and_sets", "up_all_day", "down_all_day"] = Field(
        description="Of the disk's centre, over a level horizon. `up_all_day`, `down_all_day`: polar day, polar night."
    )
    fits: list[FitShape]


class ShadowAnswer(Shape):
    days_asked: int
    days: list[DayOfFits] = Field(
        description="The days on which something fits, in order; a day that was asked for alone also without."
    )
    position_uncertainty_deg: float = Field(description="Of the sun's place; a tolerance should be well above it.")
    method: str


@router.post(
    "/shadow",
    name="askShadow",
    summary="When a measured shadow can have fallen",
    response_model=ShadowAnswer,
    responses=problem_responses(401, 403, 422),
)
def ask_shadow(body: ShadowQuestion, _: Asker) -> ShadowAnswer:
    """The times, on one day or each of up to 366, at which a shadow's direction, its length by the height of what
    throws it, or both, are within the tolerances. On level ground: measure where it is, or widen the tolerance."""
    question = shadows.Question(
        body.latitude,
        body.longitude,
        None if body.azimuth is None else shadows.Measured(body.azimuth.value, body.azimuth.tolerance),
        None if body.length_ratio is None else shadows.Measured(body.length_ratio.value, body.length_ratio.tolerance),
    )
    found = list(shadows.days_that_fit(question, body.first_day, body.until, ZoneInfo(body.zone)))
    shown: Sequence[shadows.Day] = found if len(found) == 1 else [day for day in found if day.fits]
    return ShadowAnswer(
        days_asked=len(found),
        days=[_day(day) for day in shown],
        position_uncertainty_deg=sun.POSITION_DEG,
        method=sun.METHOD,
    )


def _day(day: shadows.Day) -> DayOfFits:
    fits = [FitShape.model_validate({"from": fit.from_, **vars(fit)}) for fit in day.fits]
    return DayOfFits.model_validate({"date": day.date, "sun": day.sun, "fits": fits})


class PointInput(Input):
    model_config = ConfigDict(strict=False)

    latitude: Latitude
    longitude: Longitude
    uncertainty_m: float = Field(
        0, ge=0, le=20_000_000, description="The true point is within so many metres: `exact` is 10, `vicinity` 100."
    )


class DistanceQuestion(Input):
    model_config = ConfigDict(
        strict=False,
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "from": {"latitude": 50.450033, "longitude": 30.482331, "uncertainty_m": 10},
                    "to": {"latitude": 50.4547, "longitude": 30.5238, "uncertainty_m": 10},
                }
            ]
        },
    )

    from_: PointInput = Field(alias="from")
    to: PointInput


class DistanceAnswer(Shape):
    distance_m: float
    distance_uncertainty_m: float = Field(description="The two points' together; computing adds none.")
    bearing_deg: float | None = Field(
        description=f"At the first point towards the second, from true north; null where they are one. {_POLES}"
    )
    final_bearing_deg: float | None = Field(description="On arrival at the second, going the same way.")
    back_bearing_deg: float | None = Field(description="At the second point towards the first.")
    bearing_uncertainty_deg: float | None = Field(
        description="From the points' uncertainty; null where the points may be one and the bearing any."
    )
    method: str


@router.post(
    "/distance",
    name="askDistance",
    summary="How far two points are from each other, and in which direction",
    response_model=DistanceAnswer,
    responses=problem_responses(401, 403, 422),
)
def ask_distance(body: DistanceQuestion, _: Asker) -> DistanceAnswer:
    """The shortest path on the ellipsoid, heights left out. Of points that lie exactly opposite each other several
    paths are the shortest; one is given."""
    found = distances.distance_between(_point(body.from_), _point(body.to))
    return DistanceAnswer.model_validate({**vars(found), "method": distances.METHOD})


def _point(given: PointInput) -> distances.Point:
    return distances.Point(given.latitude, given.longitude, given.uncertainty_m)
