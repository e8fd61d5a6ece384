"""Times of frames by stamps that are missing, go back, or jump."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.media.jail.clock import ASSUMED_STEP_MS, LONGEST_RECORDING_MS, LONGEST_STEP_MS, FrameClock

HOUR_S = 3600.0
WRAP_S = 2**33 / 90_000
"""Where the counter of an MPEG transport stream runs over."""


def times_of(stamps: list[float | None], step_ms: int | None = 40) -> list[int]:
    clock = FrameClock(step_ms)
    return [clock.time_of(stamp) for stamp in stamps]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0.0, 0.04, 0.08], [0, 40, 80]),
        ([-1.5, -1.0, 0.25], [0, 500, 1750]),
        ([7.0, 7.001, 7.002], [0, 1, 2]),
        ([0.0, HOUR_S, 2 * HOUR_S], [0, 3_600_000, 7_200_000]),
        ([None, None, None], [0, 40, 80]),
        ([None, 5.0, 5.5], [0, 40, 540]),
        ([1.0, None, 1.08], [0, 40, 80]),
        ([0.0, 0.08, 0.04, 0.12], [0, 80, 80, 120]),
        ([10.0, 12.0, 0.0, 1.0], [0, 2000, 2040, 3040]),
        ([WRAP_S - 1, WRAP_S - 0.5, 0.0, 0.5], [0, 500, 540, 1040]),
        ([0.0, 1.0, 1e9, 1e9 + 1], [0, 1000, 1040, 2040]),
        ([0.0, float("nan"), float("inf"), 0.12], [0, 40, 80, 120]),
        ([5.0], [0]),
    ],
    ids=[
        *("constant", "negative_start", "thousand_a_second", "one_an_hour", "none", "late_begin", "one_missing"),
        *("disordered", "set_anew", "ran_over", "jump_of_decades", "not_finite", "single"),
    ],
)
def test_time_when_stamps_are_odd_then_it_goes_on_in_order(stamps: list[float | None], expected: list[int]) -> None:
    assert times_of(stamps) == expected


stamp_s = st.none() | st.floats() | st.floats(-100, 100) | st.integers(-(2**63), 2**63).map(float)


@given(st.lists(stamp_s, min_size=1, max_size=60), st.none() | st.integers(-10, 2**40))
@example([0.0, *(24 * HOUR_S * day for day in range(1, 60))], 40)
def test_time_when_stamps_are_anything_then_times_begin_at_zero_and_never_go_back(
    stamps: list[float | None], step_ms: int | None
) -> None:
    times = times_of(stamps, step_ms)
    assert times[0] == 0
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[-1] <= LONGEST_RECORDING_MS + len(times) * LONGEST_STEP_MS


def test_time_when_the_frame_rate_is_unusable_then_a_usual_one_is_assumed() -> None:
    assert times_of([None, None], 0) == times_of([None, None], None) == [0, ASSUMED_STEP_MS]
