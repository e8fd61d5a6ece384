"""When a shadow can have fallen: what was thrown at a time is found at that time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.aids import shadows
from app.aids.shadows import Measured, Question, days_that_fit
from app.aids.sun import length_ratio, positions, sun_at
from tests.support.examples import examples

KYIV = ZoneInfo("Europe/Kyiv")
DAY = date(2026, 7, 3)


@given(
    st.floats(-89.9, 89.9),
    st.floats(-180, 180),
    st.integers(0, 364),
    st.integers(0, 86_399),
    st.sampled_from(["azimuth", "ratio", "both"]),
)
def test_shadow_when_thrown_at_a_time_then_that_time_is_found(
    latitude: float, longitude: float, day: int, second: int, measured: str
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=second)
    thrown = sun_at(latitude, longitude, moment).shadow
    if thrown is None or thrown.length_ratio > 100:
        return
    azimuth = Measured(thrown.azimuth_deg, 0.1) if measured != "ratio" else None
    ratio = Measured(thrown.length_ratio, 0.001) if measured != "azimuth" else None
    [found] = days_that_fit(
        Question(latitude, longitude, azimuth, ratio), moment.date(), moment.date(), ZoneInfo("UTC")
    )
    slack = timedelta(seconds=1)
    assert any(fit.from_ - slack <= moment <= fit.to + slack for fit in found.fits)
    for fit in found.fits:
        at_best = sun_at(latitude, longitude, fit.closest).shadow
        assert at_best is not None
        if azimuth is not None:
            assert abs((at_best.azimuth_deg - azimuth.value + 180) % 360 - 180) <= 0.102
        if ratio is not None:
            assert at_best.length_ratio == pytest.approx(ratio.value, abs=0.0012, rel=0.001)


def test_shadow_when_only_its_length_is_known_then_a_morning_and_an_afternoon_fit() -> None:
    [day] = days_that_fit(Question(50.45, 30.48, None, Measured(1.8, 0.1)), DAY, DAY, KYIV)
    assert day.sun == "rises_and_sets"
    morning, afternoon = day.fits
    assert morning.sun_azimuth_deg < 180 < afternoon.sun_azimuth_deg
    # Alike by what is left and right of the highest sun, about 13:02 there.
    middle = morning.closest + (afternoon.closest - morning.closest) / 2
    assert abs(middle - datetime(2026, 7, 3, 10, 2, tzinfo=UTC)) < timedelta(minutes=2)
    assert morning.from_ < morning.closest < morning.to


def test_shadow_when_shorter_than_any_of_that_day_then_nothing_fits() -> None:
    [day] = days_that_fit(Question(50.45, 30.48, None, Measured(0.2, 0.01)), DAY, DAY, KYIV)
    assert day.fits == ()


@pytest.mark.parametrize(("month", "sun"), [(6, "up_all_day"), (12, "down_all_day")])
def test_shadow_when_polar_day_or_night_then_said_and_found_only_in_the_day(month: int, sun: str) -> None:
    first = date(2026, month, 21)
    [day] = days_that_fit(Question(78.2, 15.6, Measured(90, 5), None), first, first, ZoneInfo("UTC"))
    assert day.sun == sun
    assert bool(day.fits) == (sun == "up_all_day")


@pytest.mark.thorough
def test_shadow_when_asked_for_a_year_then_the_days_that_fit_lie_in_two_seasons() -> None:
    """At noon the shadow is as long in spring as in late summer: the length at a known direction gives two dates."""
    question = Question(50.45, 30.48, Measured(0, 1), Measured(1.0, 0.02))
    days = [day.date for day in days_that_fit(question, date(2026, 1, 1), date(2026, 12, 31), KYIV) if day.fits]
    assert {day.month for day in days} <= {3, 4, 9}
    assert {day.month for day in days} & {3, 4}
    assert 9 in {day.month for day in days}


def test_shadow_when_clocks_change_or_a_day_is_missing_then_days_are_as_long_as_there() -> None:
    always = Measured(180, 180)
    for day, pole, hours in ((date(2026, 3, 29), 90, 23), (date(2026, 10, 25), -90, 25)):
        [found] = days_that_fit(Question(pole, 0, always, None), day, day, KYIV)
        [whole] = found.fits
        assert whole.to - whole.from_ == timedelta(hours=hours)
    [missing] = days_that_fit(
        Question(-13.8, -171.8, always, None), date(2011, 12, 30), date(2011, 12, 30), ZoneInfo("Pacific/Apia")
    )
    assert missing.date == date(2011, 12, 30)
    assert missing.fits == ()


def test_shadow_when_tolerance_is_small_and_the_sun_near_the_zenith_then_the_seconds_are_found() -> None:
    """Where the azimuth runs through many degrees in a minute."""
    noon = datetime(2026, 3, 20, 12, 7, tzinfo=UTC)
    target = sun_at(0.1, 0, noon).shadow
    assert target is not None
    [day] = days_that_fit(
        Question(0.1, 0, Measured(target.azimuth_deg, 0.1), None), noon.date(), noon.date(), ZoneInfo("UTC")
    )
    assert any(abs(fit.closest - noon) <= timedelta(seconds=1) for fit in day.fits)


@pytest.mark.parametrize(
    ("latitude", "azimuth", "ratio"),
    [
        (-90, Measured(45, 90), None),
        (90, Measured(180, 180), Measured(2.5, 50)),
        (78.2, Measured(90, 90), Measured(3, 50)),
        (0, Measured(0, 90), None),
        (23.4, None, Measured(50, 50)),
        (50.45, None, Measured(1.5, 0.001)),
    ],
)
def test_shadow_when_asked_for_a_year_then_little_more_than_its_minutes_is_computed(
    monkeypatch: pytest.MonkeyPatch, latitude: float, azimuth: Measured | None, ratio: Measured | None
) -> None:
    computed = 0

    def counted(latitude: float, longitude: float, moments: Any) -> Any:
        nonlocal computed
        computed += len(moments)
        return positions(latitude, longitude, moments)

    monkeypatch.setattr(shadows, "positions", counted)
    question = Question(latitude, 0.3, azimuth, ratio)
    days = list(days_that_fit(question, date(2026, 3, 1), date(2026, 3, 30), ZoneInfo("UTC")))
    assert any(day.fits for day in days)
    assert computed < 3 * 1440 * len(days)


@settings(max_examples=examples(25))
@given(
    st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0, 23.43])),
    st.integers(0, 364),
    st.one_of(st.none(), st.builds(Measured, st.floats(0, 359.9), st.floats(0.1, 90))),
    st.builds(Measured, st.floats(0.1, 30), st.floats(0.001, 50)),
)
def test_shadow_when_found_then_as_if_every_second_had_been_looked_at(
    latitude: float, day: int, azimuth: Measured | None, ratio: Measured
) -> None:
    begins = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    question = Question(latitude, 12.5, azimuth, ratio)
    [found] = days_that_fit(question, begins.date(), begins.date(), ZoneInfo("UTC"))
    seconds = begins.timestamp() + np.arange(86_401.0)
    at = positions(latitude, 12.5, seconds)
    fits = np.abs(length_ratio(at.apparent) - ratio.value) <= ratio.tolerance
    if azimuth is not None:
        fits &= np.abs((at.azimuth - azimuth.value) % 360 - 180) <= azimuth.tolerance
    edges = np.flatnonzero(np.diff(np.concatenate([[False], fits, [False]]).astype(int)))
    expected = [(seconds[a], seconds[b - 1]) for a, b in edges.reshape(-1, 2)]
    got = [(fit.from_.timestamp(), fit.to.timestamp()) for fit in found.fits]
    assert got == [pytest.approx(each, abs=1) for each in expected]
    for fit in found.fits:
        assert fit.from_ <= fit.closest <= fit.to
