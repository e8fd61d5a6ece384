"""The limits of a month: every moment is in exactly one, in every time zone, whatever its clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auditing.months import Month, ended_months, first_moment, limits, month_at

ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
DAYS = st.integers(1, 28)
MONTHS = st.builds(Month, st.integers(1971, 2036), st.integers(1, 12))
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


@given(MONTHS, DAYS, ZONES)
def test_months_when_one_follows_another_then_no_moment_is_between_them_or_in_both(
    month: Month, day: int, zone: ZoneInfo
) -> None:
    since, until = limits(month, day, zone)
    assert since < until == limits(month.next(), day, zone)[0]
    assert timedelta(days=26) < until - since < timedelta(days=33)


@given(MONTHS, DAYS, ZONES)
def test_a_month_when_it_begins_then_clocks_show_its_day_for_the_first_time(
    month: Month, day: int, zone: ZoneInfo
) -> None:
    since, _ = limits(month, day, zone)
    begins = date(month.year, month.number, day)
    assert since.astimezone(zone).date() >= begins
    assert (since - timedelta(milliseconds=1)).astimezone(zone).date() < begins


@given(MOMENTS, DAYS, ZONES)
def test_a_moment_when_looked_up_then_it_is_in_the_month_that_is_given(
    moment: datetime, day: int, zone: ZoneInfo
) -> None:
    since, until = limits(month_at(moment, day, zone), day, zone)
    assert since <= moment < until


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("UTC", date(2026, 11, 1), "2026-11-01T00:00:00+00:00"),
        ("Europe/Kyiv", date(2026, 11, 1), "2026-10-31T22:00:00+00:00"),
        ("Africa/Cairo", date(2024, 4, 26), "2024-04-25T22:00:00+00:00"),  # Midnight is skipped: 00:00 is 01:00.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00+00:00"),  # Midnight is shown twice.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00+00:00"),  # The whole day is skipped.
    ],
)
def test_a_day_when_clocks_change_then_it_begins_when_they_first_show_it(zone: str, day: date, first: str) -> None:
    assert first_moment(day, ZoneInfo(zone)).isoformat() == first


def test_months_when_several_ended_then_all_are_given_in_order_and_the_present_one_is_not() -> None:
    zone, grace = ZoneInfo("Europe/Kyiv"), timedelta(minutes=10)
    now = limits(Month(2027, 1), 5, zone)[1] + grace
    ended = [str(month) for month in ended_months(Month(2026, 11), 5, zone, now, grace)]
    assert ended == ["2026-11", "2026-12", "2027-01"]
    assert len(list(ended_months(Month(2026, 11), 5, zone, now - timedelta(seconds=1), grace))) == 2
