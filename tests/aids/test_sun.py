"""The sun's place against published tables, and where there is no sun."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.aids.sun import POSITION_DEG, RADIUS_DEG, Sun, positions, sun_at

# United States Naval Observatory, Astronomical Applications Department, topocentric configuration of the Sun, as
# collected by the project pysolar (usno_data_6259.txt): time UT, latitude, longitude east, azimuth, zenith distance
# without refraction. From the poles to the equator, day and night, sun near the zenith too.
NAVAL_OBSERVATORY = """
2008-04-02 05:17:18 13 11 84.93025 89.40817
2008-07-22 14:51:25 5 348 300.59919 32.19897
2008-01-15 00:10:14 61 143 146.11164 87.43150
2008-12-20 04:56:26 19 149 226.96028 60.15403
2008-05-04 06:07:59 71 107 203.06478 56.20000
2008-11-06 15:44:14 53 62 286.44022 122.04419
2008-03-12 13:03:45 88 282 115.60633 92.17986
2008-05-12 19:24:48 89 198 129.85425 70.98131
2008-11-11 12:23:00 88 88 277.09939 107.86336
2008-03-24 20:24:25 2 231 92.30892 4.41394
2008-08-17 13:39:55 10 341 303.56033 5.83475
2008-02-26 05:11:23 43 109 184.49236 52.05447
2008-10-09 19:36:16 69 221 157.86769 77.12194
2008-06-10 14:36:27 54 321 180.40536 30.93261
2008-12-26 07:53:11 46 122 232.80206 88.13631
2008-09-26 06:43:57 8 4 93.92239 73.20867
2008-03-22 13:02:48 87 279 112.93692 87.92294
2008-07-05 15:56:43 73 223 93.51336 65.12781
"""
# The same department's apparent topocentric places at Atlanta (33°45'36" N, 84°24'36" W), as the project PyEphem quotes
# them: declination at 0h UT1.
DECLINATIONS = {
    "2007-09-25": -(37 / 60 + 12.14 / 3600),
    "2007-09-27": -(1 + 23 / 60 + 55.14 / 3600),
    "2007-09-29": -(2 + 10 / 60 + 36.45 / 3600),
}
SUMMER, WINTER = datetime(2026, 6, 21, 12, tzinfo=UTC), datetime(2026, 12, 21, 12, tzinfo=UTC)


def separation(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Degrees between two directions, each azimuth and elevation."""
    (a, e), (b, f) = (tuple(map(math.radians, one)) for one in (first, second))
    haversine = math.sin((e - f) / 2) ** 2 + math.cos(e) * math.cos(f) * math.sin((a - b) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(haversine)))


@pytest.mark.parametrize("line", NAVAL_OBSERVATORY.strip().splitlines())
def test_sun_when_compared_with_the_naval_observatory_then_within_the_stated_uncertainty(line: str) -> None:
    day, time, latitude, longitude, azimuth, zenith = line.split()
    found = sun_at(float(latitude), float(longitude), datetime.fromisoformat(f"{day}T{time}Z"))
    there = float(azimuth), 90 - float(zenith)
    assert separation((found.azimuth_deg, found.elevation_deg), there) < POSITION_DEG
    assert abs((found.azimuth_deg - there[0] + 180) % 360 - 180) < found.azimuth_uncertainty_deg


@pytest.mark.parametrize(("day", "declination"), DECLINATIONS.items())
def test_sun_when_over_the_pole_then_as_high_as_its_published_declination(day: str, declination: float) -> None:
    found = sun_at(90, 0, datetime.fromisoformat(f"{day}T00:00:00Z"))
    assert found.elevation_deg == pytest.approx(declination, abs=POSITION_DEG)


def test_sun_when_compared_with_the_example_of_the_solar_position_algorithm_then_as_high_in_that_air() -> None:
    """Reda and Andreas, Solar Position Algorithm, NREL/TP-560-34302, table A5.1: zenith angle 50.11162, azimuth
    194.34024; at 820 mbar and 11 °C, where refraction is four fifths of that at sea level: 0.016, ours 0.019."""
    found = sun_at(39.742476, -105.1786, datetime(2003, 10, 17, 19, 30, 30, tzinfo=UTC))
    assert found.azimuth_deg == pytest.approx(194.34024, abs=POSITION_DEG)
    assert found.apparent_elevation_deg == pytest.approx(90 - 50.11162, abs=found.elevation_uncertainty_deg)
    assert found.standing == "up"


def test_shadow_when_the_sun_is_high_then_points_away_and_is_as_long_as_the_angle_says() -> None:
    found = sun_at(50.45, 30.48, datetime(2026, 7, 3, 9, tzinfo=UTC))
    assert found.shadow is not None
    assert found.shadow.azimuth_deg == pytest.approx(
        found.azimuth_deg - 180 if found.azimuth_deg > 180 else 180 + found.azimuth_deg
    )
    assert found.shadow.length_ratio == pytest.approx(1 / math.tan(math.radians(found.apparent_elevation_deg)))
    assert found.shadow.longest_ratio is not None
    assert found.shadow.shortest_ratio < found.shadow.length_ratio < found.shadow.longest_ratio


def test_sun_when_rising_then_at_the_horizon_and_its_shadow_has_no_end() -> None:
    seen = [sun_at(0, 0, datetime(2026, 3, 20, 6, minute, tzinfo=UTC)) for minute in range(20)]
    at_horizon = [one for one in seen if one.standing == "at_horizon"]
    assert 1 <= len(at_horizon) <= 3
    assert [one.shadow is None for one in seen] == [one.apparent_elevation_deg <= 0 for one in seen]
    assert all(one.shadow.longest_ratio is None for one in at_horizon if one.shadow is not None)
    assert at_horizon[0].elevation_uncertainty_deg > 0.1


@pytest.mark.parametrize(("latitude", "moment"), [(78, WINTER), (-78, SUMMER), (90, WINTER), (-90, SUMMER)])
def test_sun_when_polar_night_then_down_and_without_shadow(latitude: float, moment: datetime) -> None:
    found = sun_at(latitude, 15.6, moment)
    assert (found.standing, found.shadow) == ("down", None)


@pytest.mark.parametrize(("latitude", "moment"), [(90, SUMMER), (-90, WINTER)])
def test_sun_when_at_a_pole_in_its_summer_then_as_high_as_it_is_north(latitude: float, moment: datetime) -> None:
    found = sun_at(latitude, 0, moment)
    assert found.elevation_deg == pytest.approx(23.43, abs=POSITION_DEG)
    assert found.shadow is not None
    # Noon at Greenwich: the sun is over its meridian, to the south of the north pole and to the north of the other.
    assert abs(math.cos(math.radians(found.azimuth_deg))) == pytest.approx(1, abs=0.001)


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.datetimes(datetime(1901, 1, 2), datetime(2099, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_sun_when_asked_anywhere_then_an_angle_and_the_same_on_both_sides_of_the_antimeridian(
    latitude: float, longitude: float, moment: datetime
) -> None:
    found = sun_at(latitude, longitude, moment)
    assert 0 <= found.azimuth_deg < 360
    assert -90 <= found.elevation_deg <= found.apparent_elevation_deg <= 90.001
    east, west = sun_at(latitude, 180, moment), sun_at(latitude, -180, moment)
    assert separation((east.azimuth_deg, east.elevation_deg), (west.azimuth_deg, west.elevation_deg)) < 1e-4
    assert (found.shadow is None) == (found.apparent_elevation_deg <= 0)
    assert _is_consistent(found)


def _is_consistent(found: Sun) -> bool:
    return found.standing == ("up" if found.apparent_elevation_deg >= RADIUS_DEG else found.standing)


def test_positions_when_of_a_whole_day_then_those_of_each_moment() -> None:
    moments = np.arange(0, 86_401, 600, dtype=np.float64) + 1_790_000_000
    together = positions(48.5, 37.7, moments)
    alone = [sun_at(48.5, 37.7, datetime.fromtimestamp(float(each), UTC)) for each in moments]
    for number, one in enumerate(alone):
        together_at = float(together.azimuth[number]), float(together.elevation[number])
        assert separation(together_at, (one.azimuth_deg, one.elevation_deg)) < 0.001
