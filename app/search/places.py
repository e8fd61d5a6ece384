"""Whether an incident's point lies in a circle or a box, as a condition on its row."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_

from app.facts.filters import EARTH_RADIUS_M, Box, Near, box_around
from app.incidents.rules import MICRODEGREES


def lies_in(of: Any, near: Near | None, box: Box | None) -> ColumnElement[bool]:
    """Both, where both are given. What has no point lies nowhere; how wide a place is uncertain is not asked."""
    conditions = [] if box is None else [_in_box(of, box)]
    if near is not None:
        conditions += [_in_box(of, box_around(near)), _distance_m(of, near) <= near.radius_m]
    return and_(*conditions)


def _in_box(of: Any, box: Box) -> ColumnElement[bool]:
    west, east = of.longitude_microdegrees >= box.west, of.longitude_microdegrees <= box.east
    within = or_(west, east) if box.west > box.east else and_(west, east)
    return and_(of.latitude_microdegrees.between(box.south, box.north), within)


def _distance_m(of: Any, near: Near) -> ColumnElement[float]:
    """By haversines, on a sphere."""
    here, there = func.radians(near.latitude_microdegrees / MICRODEGREES), _radians(of.latitude_microdegrees)
    half_up = (there - here) / 2
    half_along = (_radians(of.longitude_microdegrees) - func.radians(near.longitude_microdegrees / MICRODEGREES)) / 2
    square = func.power(func.sin(half_up), 2) + func.cos(here) * func.cos(there) * func.power(func.sin(half_along), 2)
    return 2 * EARTH_RADIUS_M * func.asin(func.sqrt(func.least(square, 1.0)))


def _radians(microdegrees: Any) -> Any:
    return func.radians(microdegrees / float(MICRODEGREES))
