"""Who held a place at a time: known only where what is stated covers it and agrees."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.facts.control import Held, Resolved, Unresolved, resolve_control
from app.facts.folding import fold_area
from app.facts.words import Control

DAY0 = datetime(2024, 7, 8, tzinfo=UTC)
UNITS = ("Ukraine", "Donetsk", "Bakhmut")
A, B = UUID(int=1), UUID(int=2)
FIRST, SECOND = UUID(int=11), UUID(int=12)


def day(number: int) -> datetime:
    return DAY0 + timedelta(days=number)


def held(
    who: UUID | None, since: int, until: int | None, *, by: UUID = FIRST, area: tuple[str, ...] = UNITS, name: int = 0
) -> Held:
    """From the beginning of a day until before another's."""
    control = Control.CONTESTED if who is None else Control.CONTROLLED
    return Held(
        UUID(int=100 + name), fold_area(area), control, who, by, day(since), None if until is None else day(until)
    )


def resolve(*stated: Held, since: int = 10, until: int = 12) -> Resolved:
    return resolve_control(UNITS, day(since), day(until), stated)


@pytest.mark.parametrize(
    ("stated", "unknown"),
    [
        ((), Unresolved.NOT_COVERED),
        ((held(A, 0, 10),), Unresolved.NOT_COVERED),  # It ends as the incident's interval begins.
        ((held(A, 13, None),), Unresolved.NOT_COVERED),
        ((held(A, 11, None),), Unresolved.PARTLY_COVERED),
        ((held(A, 0, 12),), Unresolved.PARTLY_COVERED),
        ((held(A, 0, 11), held(A, 12, None)), Unresolved.PARTLY_COVERED),
        ((held(A, 0, 11), held(B, 11, None)), Unresolved.CHANGED_MEANWHILE),
        ((held(A, 0, None), held(B, 0, None, by=SECOND)), Unresolved.SOURCES_DISAGREE),
        ((held(A, 0, None), held(None, 0, None, by=SECOND)), Unresolved.SOURCES_DISAGREE),
    ],
)
def test_control_when_not_covered_or_not_agreed_then_unknown_and_why(
    stated: tuple[Held, ...], unknown: Unresolved
) -> None:
    found = resolve(*stated)
    assert (found.unknown, found.control, found.controller_id) == (unknown, None, None)


def test_control_when_covered_and_agreed_then_known() -> None:
    assert resolve(held(A, 0, None)).controller_id == A
    joined = resolve(held(A, 0, 11, name=1), held(A, 11, 13, name=2, by=SECOND), held(B, 13, None))
    assert joined == Resolved(None, Control.CONTROLLED, A, (UUID(int=101), UUID(int=102)))
    assert resolve(held(None, 0, None)) == Resolved(None, Control.CONTESTED, None, (UUID(int=100),))


def test_control_when_a_smaller_unit_is_stated_then_it_decides_and_homonyms_elsewhere_do_not() -> None:
    wide, small = held(B, 0, None, area=UNITS[:1]), held(A, 0, None)
    elsewhere = held(B, 0, None, area=("Elsewhere", "Bakhmut"), by=SECOND)
    assert resolve(wide, small, elsewhere).controller_id == A
    assert resolve(wide, elsewhere).controller_id == B
    assert resolve(wide, held(A, 11, None)).unknown is Unresolved.PARTLY_COVERED


def test_incident_when_without_time_or_place_then_unknown() -> None:
    assert resolve_control(UNITS, None, None, [held(A, 0, None)]).unknown is Unresolved.NO_TIME
    assert resolve_control((), day(1), day(1), [held(A, 0, None)]).unknown is Unresolved.NO_PLACE


statements = st.lists(
    st.builds(
        lambda who, since, length, by, number: held(
            who, since, None if length is None else since + length, by=by, name=number
        ),
        st.sampled_from([A, B, None]),
        st.integers(0, 20),
        st.none() | st.integers(1, 20),
        st.sampled_from([FIRST, SECOND]),
        st.integers(0, 1000),
    ),
    max_size=6,
)


@given(statements, st.integers(0, 20), st.integers(0, 3))
def test_control_when_known_then_every_moment_was_held_by_that_one_and_no_other(
    stated: list[Held], since: int, length: int
) -> None:
    """Against the definition, hour by hour."""
    until = since + length
    found = resolve_control(UNITS, day(since), day(until), stated)
    hours = [day(since) + timedelta(hours=hour) for hour in range(length * 24 + 1)]
    at = [
        {each.holder for each in stated if each.valid_from <= hour and (each.valid_to is None or hour < each.valid_to)}
        for hour in hours
    ]
    agreed = set().union(*at)
    assert (found.unknown is None) == (len(agreed) == 1 and all(at))
    if found.unknown is None:
        assert agreed == {(found.control, found.controller_id)}
    assert resolve_control(UNITS, day(since), day(until), stated[::-1]) == found
