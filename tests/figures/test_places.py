"""Who held a place: between the same bounds it is resolved once, and for each incident as if for it alone."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.facts.control import Held, resolve_control
from app.facts.words import Control
from app.figures.places import CONTESTED, _moment, _Place, bounds_of

DAYS = st.integers(0, 6).map(lambda days: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days))
TIMES = st.tuples(DAYS, DAYS).map(sorted)


@st.composite
def held(draw: st.DrawFn) -> Held:
    since, until = draw(TIMES)
    holder = draw(st.sampled_from([None, UUID(int=1), UUID(int=2)]))
    control = Control.CONTESTED if holder is None else Control.CONTROLLED
    key = draw(st.sampled_from(["ukraine", "ukraine/kyiv"]))
    until_or_on = draw(st.sampled_from([None, until + timedelta(days=1)]))
    source = UUID(int=draw(st.integers(5, 6)))
    return Held(UUID(int=draw(st.integers(10, 99))), key, control, holder, source, since, until_or_on)


@given(st.lists(held(), max_size=4), st.lists(held(), max_size=4), st.lists(TIMES, min_size=1, max_size=8))
def test_place_when_asked_of_many_incidents_then_says_of_each_what_is_resolved_for_it(
    stated: list[Held], elsewhere: list[Held], asked: list[list[datetime]]
) -> None:
    place, bounds = _Place("Ukraine\x1fKyiv", stated), bounds_of([*stated, *elsewhere])
    for since, until in asked:
        found = resolve_control(["Ukraine", "Kyiv"], since, until, stated)
        expected = None if found.control is None else str(found.controller_id or CONTESTED)
        # The database tells of each time how many bounds are not after it.
        assert place.holder(*(_moment(bounds, bisect_right(bounds, time)) for time in (since, until))) == expected
