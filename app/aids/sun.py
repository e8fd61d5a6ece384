"""Where the sun stands at a place and a moment, and what shadow it throws on level ground. Pure.

Declination and equation of time are those of ``astral`` (Meeus, Astronomical Algorithms, low accuracy, as NOAA's
calculator has them), and so is the refraction (NOAA, standard air). The triangle is solved here, for many moments at
once and up to the poles, where astral stops at 89.8 degrees. Against the naval observatory's tables the result is
within :data:`POSITION_DEG`; the tests have them. Angles are degrees; azimuths go from true north by east.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version

import numpy as np
from astral import refraction_at_zenith
from astral.julian import julianday_to_juliancentury
from astral.sun import eq_of_time, sun_declination
from numpy.typing import NDArray

FIRST_YEAR, LAST_YEAR = 1901, 2099
"""The years for which the series are made."""
POSITION_DEG = 0.02
"""How far from the true place the sun's geometric centre is computed at the most."""
RADIUS_DEG = 0.27
"""The sun is a disk: so far from its centre a shadow's edge is sharp nowhere."""
KNOT_S = 21_600
"""Declination and equation of time are computed so often; between, a line is within a thousandth of a degree."""

Angles = NDArray[np.float64]

METHOD = (
    f"Declination and equation of time: astral {version('astral')} (Meeus, Astronomical Algorithms, low accuracy, as "
    "in NOAA's solar calculator), UT1 taken for UTC. Refraction: NOAA's formula, 1013.25 hPa and 10 °C at sea level."
)


@dataclass(frozen=True)
class Positions:
    """The sun at many moments, degrees."""

    azimuth: Angles
    elevation: Angles
    """Of the centre, without the air."""
    apparent: Angles
    """The same lifted by refraction."""


@dataclass(frozen=True)
class Shadow:
    """Of an upright thing on level ground."""

    azimuth_deg: float
    """Where it points."""
    length_ratio: float
    """Its length by the thing's height."""
    shortest_ratio: float
    longest_ratio: float | None
    """Between these the blurred edge lies, and our own error; None: it has no end."""


@dataclass(frozen=True)
class Sun:
    azimuth_deg: float
    azimuth_uncertainty_deg: float
    elevation_deg: float
    apparent_elevation_deg: float
    elevation_uncertainty_deg: float
    """Of the apparent one: with what real air does near the horizon."""
    standing: str
    """``up``, ``at_horizon`` (part of the disk), ``down``."""
    shadow: Shadow | None
    """None while the sun's centre is not above the horizon."""


def sun_at(latitude: float, longitude: float, moment: datetime) -> Sun:
    """The sun at one moment."""
    found = positions(latitude, longitude, np.array([moment.timestamp()]))
    azimuth, elevation, apparent = (float(each[0]) for each in (found.azimuth, found.elevation, found.apparent))
    uncertainty = POSITION_DEG + (apparent - elevation) / 4
    return Sun(
        azimuth_deg=azimuth,
        azimuth_uncertainty_deg=min(180.0, POSITION_DEG / max(math.cos(math.radians(elevation)), 1e-9)),
        elevation_deg=elevation,
        apparent_elevation_deg=apparent,
        elevation_uncertainty_deg=uncertainty,
        standing="up" if apparent >= RADIUS_DEG else "at_horizon" if apparent > -RADIUS_DEG else "down",
        shadow=_shadow(azimuth, apparent, uncertainty) if apparent > 0 else None,
    )


def positions(latitude: float, longitude: float, moments: NDArray[np.float64]) -> Positions:
    """The sun at moments in order, in seconds since 1970 (UTC)."""
    declination, equation_min = _ephemeris(moments)
    hour = np.radians((moments % 86_400) / 240 + equation_min / 4 + longitude - 180)
    phi = math.radians(latitude)
    sin_phi, cos_phi = math.sin(phi), math.cos(phi)
    up = sin_phi * np.sin(declination) + cos_phi * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = cos_phi * np.sin(declination) - sin_phi * np.cos(declination) * np.cos(hour)
    elevation = np.degrees(np.arctan2(up, np.hypot(east, north)))
    return Positions(np.degrees(np.arctan2(east, north)) % 360, elevation, elevation + _refraction(elevation))


def length_ratio(apparent: Angles) -> Angles:
    """Shadow by height; infinite where the centre is not above the horizon."""
    with np.errstate(divide="ignore"):
        return np.where(apparent > 0, 1 / np.tan(np.radians(np.maximum(apparent, 0))), np.inf)


def _shadow(azimuth: float, apparent: float, uncertainty: float) -> Shadow:
    blur = uncertainty + RADIUS_DEG
    return Shadow(
        azimuth_deg=(azimuth + 180) % 360,
        length_ratio=_cotangent(apparent),
        shortest_ratio=_cotangent(min(apparent + blur, 90.0)),
        longest_ratio=_cotangent(apparent - blur) if apparent > blur else None,
    )


def _cotangent(degrees: float) -> float:
    return max(0.0, math.cos(math.radians(degrees)) / math.sin(math.radians(degrees)))


def _ephemeris(moments: NDArray[np.float64]) -> tuple[Angles, Angles]:
    """Declination in radians, equation of time in minutes; of one moment alone exactly, else between knots that do not
    depend on which moments are asked for."""
    first, last = float(moments[0]), float(moments[-1])
    knots = np.arange(first // KNOT_S, last // KNOT_S + 2) * KNOT_S if first != last else np.array([first])
    centuries = [julianday_to_juliancentury(knot / 86_400 + 2_440_587.5) for knot in knots]
    return (
        np.interp(moments, knots, np.radians([sun_declination(each) for each in centuries])),
        np.interp(moments, knots, np.array([eq_of_time(each) for each in centuries])),
    )


def _refraction(elevation: Angles) -> Angles:
    grid, table = _refraction_table()
    return np.interp(elevation, grid, table)


@cache
def _refraction_table() -> tuple[Angles, Angles]:
    """By elevation, each hundredth of a degree; far below the horizon nobody sees any."""
    grid = np.arange(-200, 9_001) / 100
    return grid, np.array([refraction_at_zenith(90 - float(each)) for each in grid])
