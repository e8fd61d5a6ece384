"""When a shadow of this length and direction can have fallen at a place: the times of each day that fit. Pure.

Each day is looked at by the minute, and by the second where what is looked for begins, ends, passes or is nearest: so
what lasts a second is found, and the ends are right to the second. The minutes that fit as a whole are not looked into:
so a year at any tolerance costs little more than its minutes.
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
_FAR = 1e9
"""Tolerances: for what is infinitely far."""


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
    looked_at = _moments_to_look_at(question, found, moments)
    fits = tuple(_fits(question, looked_at)) if len(looked_at) else ()
    return Day(day, sun, fits)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime.combine(day, time(0), zone).timestamp()


def _moments_to_look_at(question: Question, found: Positions, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every second of the minutes in which something begins to fit, ceases to, is passed or is nearest; and the ends of
    those that fit as a whole."""
    distance = _distance(question, found)
    is_near = (distance[:-1] <= 1) | (distance[1:] <= 1)
    is_passed = np.zeros_like(is_near)
    for signed in _signed(question, found):
        is_passed |= np.sign(signed[:-1]) != np.sign(signed[1:])
    is_near |= is_passed
    is_near &= (found.apparent[:-1] > 0) | (found.apparent[1:] > 0)
    is_whole = is_near & ~is_passed & _fits_throughout(distance) & ~_is_nearest(distance)
    starts, ends = moments[:-1], moments[1:]
    looked_into = is_near & ~is_whole
    stretches = [np.arange(a, b + 1) for a, b in zip(starts[looked_into], ends[looked_into], strict=True)]
    return np.unique(np.concatenate([starts[is_whole], ends[is_whole], *stretches]))


def _fits_throughout(distance: Angles) -> NDArray[np.bool_]:
    """Of each minute, whether it cannot leave the tolerance: its ends, and those of its neighbours, are farther within
    than the distance changes in any of the three."""
    edged = np.pad(np.minimum(distance, _FAR), 1, mode="edge")
    change = np.abs(np.diff(edged))
    farthest = np.maximum.reduce([edged[:-3], edged[1:-2], edged[2:-1], edged[3:]])
    is_within: NDArray[np.bool_] = farthest + np.maximum.reduce([change[:-2], change[1:-1], change[2:]]) <= 1
    return is_within


def _is_nearest(distance: Angles) -> NDArray[np.bool_]:
    """Of each minute, whether it begins or ends with a moment that is nearer than those before and after it."""
    edged = np.pad(np.minimum(distance, _FAR), 1, constant_values=_FAR)
    is_low = (edged[1:-1] < edged[:-2]) & (edged[1:-1] <= edged[2:])
    return is_low[:-1] | is_low[1:]


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
    """Stretches of moments that fit without one between that does not: what was left out between two, fits."""
    found = positions(question.latitude, question.longitude, seconds)
    distance = _distance(question, found)
    fitting = np.flatnonzero(distance <= 1)
    if len(fitting) == 0:
        return
    breaks = np.flatnonzero((np.diff(fitting) > 1) | (np.diff(seconds[fitting]) > STEP_S)) + 1
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
