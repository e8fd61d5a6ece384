"""Ranges of casualties: a hull of what sources say, whatever their order, that no further source makes narrower."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from app.facts.ranges import Bounds, Count, Victims, fold_counts
from app.facts.words import CasualtyOutcome, Comparator, PersonGroup

CIVILIANS = Victims(CasualtyOutcome.KILLED, PersonGroup.CIVILIAN)
CHILDREN = Victims(CasualtyOutcome.KILLED, PersonGroup.CHILD)


@st.composite
def counts(draw: st.DrawFn) -> Count:
    victims = Victims(draw(st.sampled_from(CasualtyOutcome)), draw(st.sampled_from(PersonGroup)))
    comparator = draw(st.sampled_from(Comparator))
    low = draw(st.integers(0, 500))
    high: int | None = low + draw(st.integers(0, 500))
    if comparator is Comparator.EXACT:
        high = low
    elif comparator in (Comparator.AT_LEAST, Comparator.MORE_THAN):
        high = None
    return Count(victims, comparator, low, high)


many = st.lists(counts(), max_size=12)


def holds(outer: Bounds, inner: Bounds) -> bool:
    is_below = outer.maximum is None or (inner.maximum is not None and inner.maximum <= outer.maximum)
    return outer.minimum <= inner.minimum and is_below


@given(many, counts())
def test_range_when_a_source_is_added_then_never_narrower_and_others_as_they_were(
    known: list[Count], one: Count
) -> None:
    before, after = fold_counts(known), fold_counts([*known, one])
    assert {*before, one.victims} == set(after)
    assert all(holds(after[victims], bounds) for victims, bounds in before.items())
    assert holds(after[one.victims], Bounds(one.minimum, one.maximum))
    assert {v: b for v, b in after.items() if v != one.victims} == {v: b for v, b in before.items() if v != one.victims}


@given(many, st.randoms(use_true_random=False))
def test_ranges_when_sources_come_in_another_order_then_the_same(known: list[Count], random: Random) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)
    assert list(fold_counts(shuffled).items()) == list(fold_counts(known).items())


@given(many)
def test_range_when_folded_then_begins_and_ends_at_what_some_source_said(known: list[Count]) -> None:
    for victims, bounds in fold_counts(known).items():
        same = [each for each in known if each.victims == victims]
        assert bounds.sources == len(same)
        assert bounds.minimum == min(each.minimum for each in same)
        ends = [each.maximum for each in same]
        assert bounds.maximum == (None if None in ends else max(end for end in ends if end is not None))


def test_groups_when_they_overlap_then_have_ranges_of_their_own() -> None:
    stated = [
        Count(CIVILIANS, Comparator.EXACT, 2, 2),
        Count(CHILDREN, Comparator.EXACT, 1, 1),
        Count(CIVILIANS, Comparator.MORE_THAN, 4, None),
    ]
    assert fold_counts(stated) == {CIVILIANS: Bounds(2, None, 2), CHILDREN: Bounds(1, 1, 1)}
    assert fold_counts([]) == {}
