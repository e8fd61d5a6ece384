"""How far two points are from each other and in which direction, along the ellipsoid WGS 84. Pure.

By GeographicLib (Karney, Algorithms for geodesics, 2013): right to nanometres for any two points, also across the
antimeridian, at the poles and nearly opposite each other. What counts is how well the points are known.
"""

import math
from dataclasses import dataclass
from importlib.metadata import version

from geographiclib.geodesic import Geodesic

METHOD = (
    f"Shortest path on the ellipsoid WGS 84: GeographicLib {version('geographiclib')} (Karney, 2013). Heights are left "
    "out."
)
SAME_M = 1e-6


@dataclass(frozen=True)
class Point:
    """Degrees, WGS 84. ``uncertainty_m``: the true point is within so many metres of it."""

    latitude: float
    longitude: float
    uncertainty_m: float = 0.0


@dataclass(frozen=True)
class Distance:
    distance_m: float
    distance_uncertainty_m: float
    bearing_deg: float | None
    """At the first point towards the second, from true north by east; None: they are one point."""
    final_bearing_deg: float | None
    """On arrival at the second, in the same direction of travel."""
    back_bearing_deg: float | None
    """At the second point towards the first."""
    bearing_uncertainty_deg: float | None
    """None: the points may be one, and the direction any."""


def distance_between(first: Point, second: Point) -> Distance:
    found = Geodesic.WGS84.Inverse(first.latitude, first.longitude, second.latitude, second.longitude)
    metres = float(found["s12"])
    uncertainty = first.uncertainty_m + second.uncertainty_m
    is_same = metres < SAME_M
    return Distance(
        distance_m=metres,
        distance_uncertainty_m=uncertainty,
        bearing_deg=None if is_same else float(found["azi1"]) % 360,
        final_bearing_deg=None if is_same else float(found["azi2"]) % 360,
        back_bearing_deg=None if is_same else (float(found["azi2"]) + 180) % 360,
        bearing_uncertainty_deg=(
            None if is_same or uncertainty >= metres else math.degrees(math.asin(uncertainty / metres))
        ),
    )
