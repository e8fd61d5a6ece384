"""Whatever is stated, in whatever order: the same figures; a further source never narrows a range; what is added later
never changes an answer."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.facts.ranges import Bounds, Count, Victims, fold_counts
from app.facts.words import CasualtyOutcome, Comparator, PersonGroup
from app.figures.service import numbers_of
from app.figures.words import By, Measure
from tests.figures.desk import Desk

FEW = settings(max_examples=3, phases=(Phase.generate,), suppress_health_check=[HealthCheck.function_scoped_fixture])
Stated = tuple[int, int, int, int | None, CasualtyOutcome, PersonGroup]
"""Incident and source by number, minimum, how much greater the maximum is (None: open), of whom."""
STATED: st.SearchStrategy[Stated] = st.tuples(
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 30),
    st.none() | st.integers(0, 9),
    st.sampled_from(CasualtyOutcome),
    st.sampled_from([PersonGroup.CIVILIAN, PersonGroup.CHILD]),
)
MANY = st.lists(STATED, min_size=4, max_size=12, unique_by=lambda one: (one[0], one[1], one[4], one[5]))


def load(desk: Desk, counts: list[Stated]) -> list[Any]:
    """Into three new incidents; their ids."""
    incidents = [desk.incident() for _ in range(3)]
    sources = [desk.ngo, desk.service, desk.organisation(f"Press {desk.made}")]
    for which, source, minimum, wider, outcome, group in counts:
        desk.casualties(
            incidents[which],
            minimum,
            None if wider is None else minimum + wider,
            is_open=wider is None,
            outcome=outcome,
            group=group,
            source=sources[source],
        )
    return incidents


def expected(counts: list[Stated]) -> dict[Victims, Bounds]:
    """Folded within each incident by the facts' own rule, then added."""
    added: dict[Victims, Bounds] = {}
    for which in range(3):
        of_one = [
            Count(Victims(one[4], one[5]), Comparator.ABOUT, one[2], None if one[3] is None else one[2] + one[3])
            for one in counts
            if one[0] == which
        ]
        for victims, bounds in fold_counts(of_one).items():
            before = added.get(victims, Bounds(0, 0, 0))
            is_open = before.maximum is None or bounds.maximum is None
            added[victims] = Bounds(
                before.minimum + bounds.minimum,
                None if is_open else (before.maximum or 0) + (bounds.maximum or 0),
                before.sources + bounds.sources,
            )
    return added


def found(desk: Desk, incidents: list[Any]) -> dict[Victims, Bounds]:
    answer = desk.ask(Measure.CASUALTIES, incident=set(incidents))
    return {
        Victims(one.outcome, one.person_group): Bounds(one.minimum or 0, one.maximum, one.sources or 0)
        for one in answer.total.ranges or ()
    }


@FEW
@given(counts=MANY, order=st.randoms(use_true_random=False))
def test_casualties_when_loaded_in_any_order_then_are_those_of_the_facts_own_rule(
    desk: Desk, counts: list[Stated], order: Any
) -> None:
    first = found(desk, load(desk, counts))
    order.shuffle(counts)
    assert first == found(desk, load(desk, counts)) == expected(counts)


@pytest.mark.thorough
@FEW
@given(counts=MANY)
def test_ranges_when_another_source_counts_the_same_victims_then_never_shrink_and_as_of_before_stay(
    desk: Desk, counts: list[Stated]
) -> None:
    incidents = load(desk, counts)
    before = found(desk, incidents)
    then = desk.ask(Measure.CASUALTIES, By.INCIDENT, incident=set(incidents))
    another = desk.organisation(f"Radio {desk.made}")
    for which, _, minimum, _, outcome, group in counts[:3]:
        if not any(one[0] == which and one[1] == 3 for one in counts):
            desk.casualties(incidents[which], 30 - minimum, outcome=outcome, group=group, source=another)
            another = desk.organisation(f"Radio {minimum} of {outcome} {group} {which} {desk.made}")
    for victims, bounds in found(desk, incidents).items():
        assert bounds.minimum <= before[victims].minimum
        highest, of_before = bounds.maximum, before[victims].maximum
        assert highest is None or (of_before is not None and highest >= of_before)
    again = desk.ask(Measure.CASUALTIES, By.INCIDENT, incident=set(incidents), at=then.position)
    assert (numbers_of(again), again.counted) == (numbers_of(then), then.counted)


@pytest.mark.thorough
@FEW
@given(steps=st.lists(st.tuples(st.sampled_from(range(7)), st.integers(0, 5)), min_size=6, max_size=12))
def test_answers_when_anything_is_done_then_as_of_their_tree_never_change(
    desk: Desk, steps: list[tuple[int, int]]
) -> None:
    incidents = [desk.incident(), desk.incident()]
    items = [desk.verified(incidents[0], content=b"one"), desk.item(b"one"), desk.item()]
    links = [desk.link(items[0], incidents[1])]
    acts: tuple[Callable[[int], Any], ...] = (
        lambda which: desk.casualties(incidents[which % 2], which),
        lambda which: desk.sign_off(items[which % 3]),
        lambda which: desk.reopen(items[which % 3]),
        lambda which: links.append(desk.link(items[which % 3], incidents[which % 2])),
        lambda which: desk.unlink(incidents[1], links[which % len(links)]),
        lambda _: incidents.append(desk.incident()),
        lambda which: desk.verified(incidents[which % 2]),
    )
    asked: tuple[tuple[Measure, By], ...] = (
        (Measure.ITEMS, By.INCIDENT),
        (Measure.CASUALTIES, By.INCIDENT),
        (Measure.INCIDENTS, By.METHOD),
    )
    given_then = [desk.ask(*question) for question in asked]
    for step, which in steps:
        desk.try_to(partial(acts[step], which))
    given_then += [desk.ask(*question) for question in asked]
    desk.try_to(lambda: desk.reopen(items[0]))
    desk.sign()
    for answer in given_then:
        again = desk.ask(answer.query.measure, answer.query.by, at=answer.position)
        assert (numbers_of(again), again.counted) == (numbers_of(answer), answer.counted), answer.position
