"""Distances and bearings against published ones, and where directions lose their meaning."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.aids.distances import Point, distance_between


def degrees(d: int, m: int, s: float) -> float:
    return math.copysign(abs(d) + m / 60 + s / 3600, d)


FLINDERS_PEAK = Point(degrees(-37, 57, 3.72030), degrees(144, 25, 29.52440))
BUNINYONG = Point(degrees(-37, 39, 10.15610), degrees(143, 55, 35.38390))
points = st.builds(Point, st.floats(-90, 90), st.floats(-180, 180))


def test_distance_when_of_the_survey_points_of_the_geodetic_manual_then_to_the_millimetre() -> None:
    """Geocentric Datum of Australia, Technical Manual 2.4, chapter 4: Flinders Peak to Buninyong."""
    found = distance_between(FLINDERS_PEAK, BUNINYONG)
    assert found.distance_m == pytest.approx(54_972.271, abs=0.001)
    assert found.bearing_deg == pytest.approx(degrees(306, 52, 5.37), abs=0.01 / 3600)
    assert found.back_bearing_deg == pytest.approx(degrees(127, 10, 25.07), abs=0.01 / 3600)
    assert found.distance_uncertainty_m == 0
    assert found.bearing_uncertainty_deg == 0


def test_distance_when_of_a_meridian_then_the_published_quarter_of_wgs_84() -> None:
    """10,001,965.729 m: the quarter meridian of WGS 84."""
    assert distance_between(Point(0, 0), Point(90, 0)).distance_m == pytest.approx(10_001_965.729, abs=0.001)


def test_distance_when_over_the_antimeridian_then_the_short_way() -> None:
    found = distance_between(Point(-17, 179.99), Point(-17, -179.99))
    assert found.distance_m < 2_200
    assert found.bearing_deg == pytest.approx(90, abs=0.01)


def test_distance_when_points_are_one_then_no_direction() -> None:
    for twin in (Point(10, 180), Point(10, -180)):
        found = distance_between(Point(10, 180), twin)
        assert found.distance_m == pytest.approx(0, abs=1e-6)
        assert (found.bearing_deg, found.final_bearing_deg, found.back_bearing_deg) == (None, None, None)


def test_distance_when_points_are_uncertain_then_so_are_both_answers() -> None:
    found = distance_between(Point(50, 30, 10), Point(50, 30.01, 100))
    assert found.distance_uncertainty_m == 110
    assert found.bearing_uncertainty_deg == pytest.approx(math.degrees(math.asin(110 / found.distance_m)))
    near = distance_between(Point(50, 30, 10), Point(50, 30.0001, 10))
    assert near.bearing_uncertainty_deg is None
    assert near.bearing_deg is not None


@given(points, points)
def test_distance_when_asked_the_other_way_then_the_same_and_bearings_swap(first: Point, second: Point) -> None:
    there, back = distance_between(first, second), distance_between(second, first)
    assert there.distance_m == pytest.approx(back.distance_m, abs=1e-6)
    assert there.distance_m < 20_003_932
    if (
        there.bearing_deg is not None
        and 1 < there.distance_m < 19_900_000
        and max(abs(first.latitude), abs(second.latitude)) < 89
    ):
        assert back.bearing_deg is not None
        assert there.back_bearing_deg is not None
        assert abs((there.back_bearing_deg - back.bearing_deg + 180) % 360 - 180) < 1e-6
