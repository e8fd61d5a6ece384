"""Contradictions: what two places in a file state and cannot both be so; rounding and missing zones are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.agreement import TIMES, TOLERANCES, contradict, readings
from app.media.claim_reading import Claim, with_contradictions


@pytest.mark.parametrize(
    ("quantity", "one", "other", "expected"),
    [
        ("gps_latitude", "50.4501000", "50.4501999", False),
        ("gps_latitude", "50.4501000", "50.4502100", True),
        ("gps_longitude", "-2.2944444", "2.2944444", True),
        ("gps_altitude_m", "12.40", "+013", False),
        ("gps_altitude_m", "-123.40", "123.40", True),
        ("gps_direction_degrees", "90.2", "91", False),
        ("taken_at", "2024-05-06T07:08:09", "2024-05-06T07:08:09.25", False),
        ("taken_at", "2024-05-06T07:08:09", "2024-05-06T07:08:10", True),
        ("taken_at", "2024-05-06T07:08:09+03:00", "2024-05-06T04:08:09Z", False),
        ("taken_at", "2024-05-06T07:08:09+03:00", "2024-05-06T07:08:09Z", True),
        ("taken_at", "2024-05-06T07:08:09", "2024-05-06T04:08:09Z", False),
        ("taken_at", "2024-05-06T09:53:09", "2024-05-06T04:08:09Z", False),
        ("taken_at", "2024-05-06T07:09:09", "2024-05-06T04:08:09Z", True),
        ("taken_at", "2024-05-06T18:08:09", "2024-05-06T04:08:09Z", False),
        ("taken_at", "2024-05-06T18:23:09", "2024-05-06T04:08:09Z", True),
        ("taken_at", "2024-05-05T16:08:09", "2024-05-06T04:08:09Z", False),
        ("taken_at", "2024-05-05T15:53:09", "2024-05-06T04:08:09Z", True),
        ("taken_at", "2024-05-06", "2024-05-06T07:08:09", False),
        ("taken_at", "2024:05:07", "2024-05-06T07:08:09", True),
        ("taken_at", "yesterday", "2024-05-06T07:08:09", False),
        ("artist", "N. N.", "n.n.\n", False),
        ("artist", "N. N.", "O. O.", True),
        ("title", "2024-05-06 A street", "2024-05-06 A square", True),
        ("iso_speed", 100, "100", False),
    ],
)
def test_contradictions_when_two_are_stated_then_only_what_cannot_both_be_so_is_one(
    quantity: str, one: str, other: str, expected: bool
) -> None:
    assert contradict(quantity, one, other) is expected
    assert contradict(quantity, other, one) is expected


def test_contradictions_when_a_container_states_a_place_then_it_is_compared_with_coordinates() -> None:
    place = {"gps_latitude": "+48.8583", "gps_longitude": "+002.2944"}
    assert readings("location", "+48.8583+002.2944/") == place
    assert readings("location", "+48.8583+002.2944+035.0CRSWGS_84/") == {**place, "gps_altitude_m": "+035.0"}
    assert readings("location", "+4851.50+00217.66/") == {"location": "+4851.50+00217.66/"}
    shown = [
        Claim("gps_latitude", "exif", "48.8583333", "disclosed"),
        Claim("gps_longitude", "exif", "-2.2944000", "disclosed"),
        Claim("gps_longitude", "xmp", None, "withheld"),
        Claim("location", "container", "+48.8583+002.2944/", "disclosed"),
        Claim("make", "exif", "Exhibit", "open"),
    ]
    assert [claim.contradicted_by for claim in with_contradictions(shown)] == [(), ("container",), (), ("exif",), ()]


_STATED = st.one_of(
    st.text(max_size=30), st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.+Z-]{0,20}"), st.integers(), st.booleans()
)


@given(st.sampled_from([*TIMES, *TOLERANCES, "location", "artist"]), _STATED, _STATED)
def test_contradictions_when_anything_is_stated_then_nothing_breaks_and_nothing_contradicts_itself(
    quantity: str, one: str | int, other: str | int
) -> None:
    assert contradict(quantity, one, other) is contradict(quantity, other, one)
    assert not contradict(quantity, one, one)
    for stated in readings(quantity, one).values():
        assert isinstance(stated, str | int)
