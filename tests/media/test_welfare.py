"""What looking counts, and when somebody must rest: the rules of docs/domain.md, "Safety of people"."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cases.policy import Policy
from app.media.welfare import LABEL_NAMES, LONGEST_S, PICTURE_S, SeenInADay, break_ends_at, label_names, seconds_counted

NOON = datetime(2026, 7, 14, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 15, tzinfo=UTC)


def seen(items: int, seconds: int, last_at: datetime = NOON) -> SeenInADay:
    return SeenInADay(last_at.date(), items, seconds, last_at)


@pytest.mark.parametrize(
    ("is_original", "duration_ms", "counted"),
    [
        (True, 61_001, 62),
        (True, 2_000, PICTURE_S),
        (True, None, PICTURE_S),
        (False, 61_001, PICTURE_S),
        (True, 10**15, LONGEST_S),
        (True, -5, PICTURE_S),
        (True, "90000", PICTURE_S),
        (True, True, PICTURE_S),
    ],
)
def test_viewing_when_counted_then_a_recording_is_its_length_and_all_else_a_picture(
    is_original: bool, duration_ms: object, counted: int
) -> None:
    assert seconds_counted(is_original=is_original, duration_ms=duration_ms) == counted


def test_labels_when_named_then_each_flag_and_the_level_and_nothing_else() -> None:
    assert label_names(None) == ["unlabelled"]
    labels = {"graphic_level": "severe", "child": True, "sexual_violence": False, "languages": ["uk"]}
    assert label_names(labels) == ["graphic_severe", "child"]
    assert set(label_names(labels)) < set(LABEL_NAMES)


def test_break_when_no_cap_is_set_or_reached_then_there_is_none() -> None:
    assert break_ends_at(Policy(break_minutes=60), [seen(10**4, 10**6)], NOON) is None
    assert break_ends_at(Policy(exposure_items_per_day=3, exposure_minutes_per_day=2), [seen(2, 119)], NOON) is None


@pytest.mark.parametrize("policy", [Policy(exposure_items_per_day=3), Policy(exposure_minutes_per_day=2)])
def test_break_when_a_cap_is_reached_then_lasts_until_the_day_is_over(policy: Policy) -> None:
    assert break_ends_at(policy, [seen(3, 120)], NOON) == MIDNIGHT
    assert break_ends_at(policy, [seen(3, 120)], MIDNIGHT) is None


def test_break_when_the_cap_is_reached_at_night_then_lasts_its_minutes_into_the_next_day() -> None:
    policy = Policy(exposure_items_per_day=1, break_minutes=480)
    late = MIDNIGHT - timedelta(minutes=10)
    assert break_ends_at(policy, [seen(1, 30, late)], MIDNIGHT) == late + timedelta(hours=8)
    assert break_ends_at(policy, [seen(1, 30, late)], late + timedelta(hours=8)) is None


@given(st.integers(0, 20), st.integers(0, 3000), st.integers(1, 10), st.integers(1, 30), st.integers(0, 1439))
def test_break_when_more_was_seen_then_never_ends_earlier(
    items: int, seconds: int, item_cap: int, minute_cap: int, minute: int
) -> None:
    policy = Policy(exposure_items_per_day=item_cap, exposure_minutes_per_day=minute_cap, break_minutes=90)
    at = NOON.replace(hour=0) + timedelta(minutes=minute)
    less, more = (break_ends_at(policy, [seen(items + by, seconds + by, at)], at) for by in (0, 1))
    assert more is None or less is None or more == less
    assert less is None or more is not None
    assert (less is not None) == (items >= item_cap or seconds >= minute_cap * 60)
