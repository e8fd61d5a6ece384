"""Casualties as arrays: any counts fold and add as the facts' own rule says, one incident after the other."""

import struct
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from app.facts.ranges import Count, Victims, fold_counts
from app.facts.words import CasualtyOutcome, Comparator, PersonGroup
from app.figures.casualties import OPEN, VICTIMS, Casualties
from app.figures.figure import CasualtyRange, Figure

INCIDENTS = st.integers(1, 5)
COUNTS = st.lists(
    st.tuples(INCIDENTS, st.sampled_from(VICTIMS), st.integers(0, 30), st.none() | st.integers(0, 2_000_000_000)),
    max_size=20,
)
"""Incident, of whom, minimum, how much greater the maximum is (None: open)."""
Counts = list[tuple[int, Victims, int, int | None]]
SENSITIVE = {2, 3, 9}


def maximum(minimum: int, wider: int | None) -> int | None:
    return None if wider is None else minimum + wider


def together(counts: Counts) -> Figure:
    """Folded in each incident, then added."""
    incidents = {incident for incident, *_ in counts}
    found: dict[Victims, CasualtyRange] = {}
    for incident in incidents:
        stated = [
            Count(of, Comparator.ABOUT, low, maximum(low, wider)) for at, of, low, wider in counts if at == incident
        ]
        is_sensitive = int(incident in SENSITIVE)
        for victims, one in fold_counts(stated).items():
            before = found.get(victims, CasualtyRange(*victims, 0, 0, 0, 0))
            is_open = before.maximum is None or one.maximum is None
            found[victims] = CasualtyRange(
                *victims,
                (before.minimum or 0) + one.minimum,
                None if is_open else (before.maximum or 0) + (one.maximum or 0),
                (before.incidents or 0) + 1,
                (before.sources or 0) + one.sources,
                before.sensitive + is_sensitive,
            )
    ranges = tuple(found[victims] for victims in VICTIMS if victims in found)
    return Figure(len(incidents), ranges=ranges, sensitive=len(incidents & SENSITIVE))


def casualties(counts: Counts) -> Casualties:
    rows = (
        struct.pack(">qii", at * len(VICTIMS) + VICTIMS.index(of), low, OPEN if wider is None else low + wider)
        for at, of, low, wider in counts
    )
    return Casualties(b"".join(rows), numbers(SENSITIVE))


def numbers(some: set[int] | list[int]) -> bytes:
    return b"".join(struct.pack(">q", each) for each in some)


def test_victims_when_listed_then_are_every_outcome_of_every_group_in_the_order_of_their_words() -> None:
    assert [(one.outcome, one.person_group) for one in VICTIMS] == [
        (outcome, group) for outcome in CasualtyOutcome for group in PersonGroup
    ]


@given(COUNTS)
def test_counts_when_there_are_any_then_fold_within_incidents_and_add_over_them(counts: Counts) -> None:
    assert casualties(counts).total() == together(counts)


@given(COUNTS, st.randoms(use_true_random=False))
def test_counts_when_in_any_order_then_are_the_same(counts: Counts, order: Random) -> None:
    before = casualties(counts).total()
    order.shuffle(counts)
    assert casualties(counts).total() == before


@given(COUNTS, INCIDENTS, st.sampled_from(VICTIMS), st.integers(0, 30), st.none() | st.integers(0, 100))
def test_ranges_when_another_source_counts_the_same_victims_then_never_shrink(
    counts: Counts, incident: int, of: Victims, low: int, wider: int | None
) -> None:
    before = {one.victims: one for one in casualties([*counts, (incident, of, 7, 7)]).total().ranges or ()}
    after = {
        one.victims: one
        for one in casualties([*counts, (incident, of, 7, 7), (incident, of, low, wider)]).total().ranges or ()
    }
    assert before.keys() == after.keys()
    for victims, one in after.items():
        assert (one.minimum or 0) <= (before[victims].minimum or 0)
        highest, of_before = one.maximum, before[victims].maximum
        assert highest is None or (of_before is not None and highest >= of_before)


@given(COUNTS, st.dictionaries(st.sampled_from(["a", "b", None]), st.lists(st.integers(1, 7), max_size=6)))
def test_keys_when_incidents_have_some_then_each_counts_under_each_and_without_any_under_none(
    counts: Counts, keyed: dict[str | None, list[int]]
) -> None:
    with_key = {incident for key, named in keyed.items() if key is not None for incident in named}
    none = {incident for incident, *_ in counts if incident not in with_key} | set(keyed.get(None, ()))
    parts = {**{key: set(named) for key, named in keyed.items()}, None: none}
    expected = {key: [count for count in counts if count[0] in named] for key, named in parts.items()}
    found = casualties(counts).by_key([(key, numbers(named)) for key, named in keyed.items()])
    assert found == {key: together(some) for key, some in expected.items() if some}
