"""By what incidents are looked for and counted: the words and places of queries, one way for all. Pure."""

import math
import re
from dataclasses import dataclass

from app.facts.errors import FilterUnreadable
from app.incidents.rules import MAXIMUM_RADIUS_M, MICRODEGREES

EARTH_RADIUS_M = 6_371_008.8
_NUMBER = r"\s*(-?[0-9]{1,3}(?:\.[0-9]{1,6})?)\s*"
_POINT = re.compile(f"{_NUMBER},{_NUMBER}")
_BOX = re.compile(f"{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}")


@dataclass(frozen=True)
class Near:
    """Within so many metres of a point, on a sphere."""

    latitude_microdegrees: int
    longitude_microdegrees: int
    radius_m: int

    def document(self) -> list[int]:
        return [self.latitude_microdegrees, self.longitude_microdegrees, self.radius_m]


@dataclass(frozen=True)
class Box:
    """Between two parallels and two meridians; ``west`` greater than ``east``: across the 180th."""

    south: int
    west: int
    north: int
    east: int

    def document(self) -> list[int]:
        return [self.south, self.west, self.north, self.east]


def read_near(text: str, radius_m: int) -> Near:
    """``latitude,longitude`` in degrees. Raises FilterUnreadable."""
    found = _POINT.fullmatch(text)
    if found is None:
        raise FilterUnreadable("'near' is a latitude and a longitude in degrees: 50.4501,30.5234.")
    if not 0 < radius_m <= MAXIMUM_RADIUS_M:
        raise FilterUnreadable(f"'radius_m' is from 1 to {MAXIMUM_RADIUS_M}.")
    latitude, longitude = _microdegrees(found[1], 90), _microdegrees(found[2], 180)
    return Near(latitude, longitude, radius_m)


def read_box(text: str) -> Box:
    """``south,west,north,east`` in degrees. Raises FilterUnreadable."""
    found = _BOX.fullmatch(text)
    if found is None:
        raise FilterUnreadable("'box' is south,west,north,east in degrees: 44.0,22.0,52.5,40.3.")
    south, west, north, east = (_microdegrees(found[place], 180 - 90 * (place % 2)) for place in range(1, 5))
    if south > north:
        raise FilterUnreadable("The south of 'box' is north of its north.")
    return Box(south, west, north, east)


def _microdegrees(text: str, limit: int) -> int:
    value = round(float(text) * MICRODEGREES)
    if abs(value) > limit * MICRODEGREES:
        raise FilterUnreadable(f"{text} is no such place on Earth.")
    return value


def box_around(near: Near) -> Box:
    """The smallest box that holds the circle: for an index, before the distance is asked."""
    angle = near.radius_m / EARTH_RADIUS_M
    latitude = math.radians(near.latitude_microdegrees / MICRODEGREES)
    south = max(near.latitude_microdegrees - math.ceil(math.degrees(angle) * MICRODEGREES), -90 * MICRODEGREES)
    north = min(near.latitude_microdegrees + math.ceil(math.degrees(angle) * MICRODEGREES), 90 * MICRODEGREES)
    if abs(latitude) + angle >= math.pi / 2:  # It holds a pole, and every meridian.
        return Box(south, -180 * MICRODEGREES, north, 180 * MICRODEGREES)
    wide = math.ceil(math.degrees(math.asin(math.sin(angle) / math.cos(latitude))) * MICRODEGREES)
    turn = 360 * MICRODEGREES
    west, east = near.longitude_microdegrees - wide, near.longitude_microdegrees + wide
    west, east = (west + turn if west < -turn // 2 else west), (east - turn if east > turn // 2 else east)
    return Box(south, west, north, east)
