"""When a shadow of this length and direction can have fallen at a place: the times of each day that fit. Pure.

Each day is looked at by the minute, and by the second where what is looked for begins, ends or passes: so what lasts a
second is found, and the ends are right to the second.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from app.aids.sun import Angles, Positions, length_ratio, positions

MOST_DAYS = 366
STEP_S = 60


@dataclass(frozen=True)
class Measured:
    """What was measured in a picture, and how far it may be off."""

    value: float
    tolerance: float


@dataclass(frozen=True)
class Question:
    """``azimuth``: where the shadow points, from true north; ``ratio``: its length by the thing's height."""

    latitude: float
    longitude: float
    azimuth: Measured | None
    ratio: Measured | None


@dataclass(frozen=True)
class Fit:
    """A stretch of time in which all that was measured is within its tolerance; ``closest`` is where it is nearest."""

    from_: datetime
    to: datetime
    closest: datetime
    sun_azimuth_deg: float
    sun_apparent_elevation_deg: float
    """Both at ``closest``."""


@dataclass(frozen=True)
class Day:
    date: date
    sun: str
    """``rises_and_sets``, ``up_all_day``, ``down_all_day``: its centre, in air, seen from level ground."""
    fits: tuple[Fit, ...]


def days_that_fit(question: Question, first: date, last: date, zone: ZoneInfo) -> Iterator[Day]:
    """Each day from the first to the last, as people in this zone count them."""
    for number in range((last - first).days + 1):
        yield _day(question, first + timedelta(days=number), zone)


def _day(question: Question, day: date, zone: ZoneInfo) -> Day:
    begins, ends = (_midnight(each, zone) for each in (day, day + timedelta(days=1)))
    moments = np.arange(begins, ends, STEP_S, dtype=np.float64)
    moments = np.append(moments, ends)
    found = positions(question.latitude, question.longitude, moments)
    is_up = found.apparent > 0
    sun = "up_all_day" if is_up.all() else "rises_and_sets" if is_up.any() else "down_all_day"
    if not is_up.any():
        return Day(day, sun, ())
    seconds = _seconds_to_look_at(question, found, moments)
    fits = tuple(_fits(question, seconds)) if len(seconds) else ()
    return Day(day, sun, fits)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime.combine(day, time(0), zone).timestamp()


def _seconds_to_look_at(question: Question, found: Positions, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every second of the minutes in which something fits, or is passed."""
    is_near = _distance(question, found) <= 1
    is_near = is_near[:-1] | is_near[1:]
    for signed in _signed(question, found):
        is_near |= np.sign(signed[:-1]) != np.sign(signed[1:])
    is_near &= (found.apparent[:-1] > 0) | (found.apparent[1:] > 0)
    starts = moments[:-1][is_near]
    lengths = np.diff(moments)[is_near]
    if len(starts) == 0:
        return starts
    return np.unique(np.concatenate([np.arange(a, a + n + 1) for a, n in zip(starts, lengths, strict=True)]))


def _signed(question: Question, found: Positions) -> Iterator[Angles]:
    """How far each quantity is from what was measured, with its sign."""
    if question.azimuth is not None:
        yield (found.azimuth + 180 - question.azimuth.value + 180) % 360 - 180
    if question.ratio is not None:
        yield length_ratio(found.apparent) - question.ratio.value


def _distance(question: Question, found: Positions) -> Angles:
    """From what was measured, in tolerances: the worst of the quantities. Infinite while the sun is down."""
    worst = np.where(found.apparent > 0, 0.0, np.inf)
    measured = [each for each in (question.azimuth, question.ratio) if each is not None]
    for signed, each in zip(_signed(question, found), measured, strict=True):
        worst = np.maximum(worst, np.abs(signed) / each.tolerance)
    return worst


def _fits(question: Question, seconds: NDArray[np.float64]) -> Iterator[Fit]:
    found = positions(question.latitude, question.longitude, seconds)
    distance = _distance(question, found)
    fitting = np.flatnonzero(distance <= 1)
    if len(fitting) == 0:
        return
    breaks = np.flatnonzero(np.diff(seconds[fitting]) > 1) + 1
    for run in np.split(fitting, breaks):
        best = run[np.argmin(distance[run])]
        yield Fit(
            from_=_moment(seconds[run[0]]),
            to=_moment(seconds[run[-1]]),
            closest=_moment(seconds[best]),
            sun_azimuth_deg=float(found.azimuth[best]),
            sun_apparent_elevation_deg=float(found.apparent[best]),
        )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
