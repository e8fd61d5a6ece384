"""Independent origins against a model that tries every way in which what is open may turn out."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprints.origins import Bounds, ContradictionKind, Item, Lineage, Link
from tests.support.examples import examples

RELATIONS = (
    *("same_capture", "same_capture", "excerpt_of", "edited_from", "contains", "same_event_other_camera"),
    *("unrelated", "potential", None),
)
Effect = tuple[str, int, int]


def item_id(number: int) -> UUID:
    return UUID(int=number + 1)


def items_of(blobs: Sequence[int]) -> list[Item]:
    return [Item(item_id(number), f"{blob:064x}") for number, blob in enumerate(blobs)]


def link(subject: int, relation: str | None, other: int, number: int = 0, tier: str = "same_picture") -> Link:
    first, second = sorted((item_id(subject), item_id(other)))
    decided = None if relation is None else item_id(subject)
    return Link(UUID(int=1000 + 100 * subject + other + number), first, second, tier, relation, decided)


def lineage(count: int, *links: Link) -> Lineage:
    return Lineage(items_of(range(count)), links)


def origins(made: Lineage) -> tuple[int, int]:
    bounds = made.bounds(range(len(made.items)))
    return bounds.at_least, bounds.at_most


# --- what each relation says ------------------------------------------------------------------------------------------


def test_items_when_nothing_links_them_then_each_is_an_origin() -> None:
    assert origins(lineage(3)) == (3, 3)


def test_copies_when_the_bytes_are_the_same_then_are_one_origin_whatever_was_decided() -> None:
    made = Lineage(items_of([7, 7, 8]), [link(0, "unrelated", 1, tier="exact")])
    assert origins(made) == (2, 2)
    assert made.contradictions == []


def test_copies_when_decided_to_be_the_same_capture_then_are_one_origin() -> None:
    assert origins(lineage(3, link(0, "same_capture", 1), link(1, "same_capture", 2))) == (1, 1)


def test_excerpts_when_they_are_of_one_recording_then_are_one_origin_with_it_and_without_it() -> None:
    made = lineage(3, link(1, "excerpt_of", 0), link(2, "excerpt_of", 0))
    assert origins(made) == (1, 1)
    assert made.bounds([1, 2]) == Bounds(1, 1)


def test_compilation_when_edited_from_two_recordings_then_they_stay_two_origins_and_it_adds_none() -> None:
    made = lineage(3, link(2, "edited_from", 0), link(2, "edited_from", 1))
    assert origins(made) == (2, 2)
    assert made.bounds([2]) == Bounds(1, 1)
    assert made.bounds([0, 2]) == Bounds(1, 1)


def test_container_when_of_two_parts_then_they_may_be_cut_from_it_or_it_made_of_them() -> None:
    assert origins(lineage(3, link(0, "contains", 1), link(0, "contains", 2))) == (1, 2)


def test_open_matches_when_nobody_decided_or_deferred_then_are_a_range() -> None:
    assert origins(lineage(3, link(0, None, 1), link(1, "potential", 2))) == (1, 3)


def test_other_cameras_when_linked_by_open_matches_then_are_two_origins_at_least() -> None:
    made = lineage(3, link(0, None, 1), link(1, None, 2), link(0, "same_event_other_camera", 2))
    assert origins(made) == (2, 3)


def test_unrelated_items_when_both_may_be_of_a_third_then_may_still_be_one_origin() -> None:
    """Two parts of one recording look like nothing of each other."""
    assert origins(lineage(3, link(0, None, 1), link(1, None, 2), link(0, "unrelated", 2))) == (1, 3)


def test_decision_when_reversed_then_the_number_is_another() -> None:
    assert origins(lineage(2, link(0, "same_capture", 1))) == (1, 1)
    assert origins(lineage(2, link(0, "unrelated", 1))) == (2, 2)


# --- contradictions ---------------------------------------------------------------------------------------------------


def test_copies_of_copies_when_decided_to_be_unrelated_then_the_contradiction_is_told_and_left_open() -> None:
    apart = link(0, "unrelated", 2)
    made = lineage(3, link(0, "same_capture", 1), link(1, "same_capture", 2), apart)
    assert [(one.kind, one.matches) for one in made.contradictions] == [
        (ContradictionKind.SAME_AND_APART, (apart.match_id,))
    ]
    assert origins(made) == (1, 3)


def test_excerpts_of_one_recording_when_decided_to_be_unrelated_then_nothing_contradicts_it() -> None:
    excerpts = link(1, "excerpt_of", 0), link(2, "excerpt_of", 0)
    made = lineage(3, *excerpts, link(1, "unrelated", 2))
    assert made.contradictions == []
    assert origins(made) == (1, 1)
    other_cameras = lineage(3, *excerpts, link(1, "same_event_other_camera", 2))
    assert [one.kind for one in other_cameras.contradictions] == [ContradictionKind.DERIVED_AND_APART]


def test_excerpt_when_decided_to_be_of_another_camera_than_its_source_then_it_is_told() -> None:
    made = lineage(3, link(1, "excerpt_of", 0), link(2, "same_capture", 0), link(2, "same_event_other_camera", 1))
    assert [one.kind for one in made.contradictions] == [ContradictionKind.DERIVED_AND_APART]
    assert origins(made) == (1, 2)


def test_items_when_each_is_edited_from_the_next_then_the_circle_is_told() -> None:
    circle = [link(0, "edited_from", 1), link(1, "edited_from", 2), link(2, "edited_from", 0)]
    made = lineage(4, *circle, link(3, "excerpt_of", 0))
    (contradiction,) = made.contradictions
    assert (contradiction.kind, set(contradiction.matches)) == (
        ContradictionKind.CIRCLE,
        {one.match_id for one in circle},
    )
    assert origins(made) == (1, 3)


def test_copy_when_decided_to_be_made_from_its_capture_then_it_is_told_and_is_one_origin() -> None:
    made = lineage(3, link(0, "same_capture", 1), link(1, "same_capture", 2), link(0, "edited_from", 2))
    assert [one.kind for one in made.contradictions] == [ContradictionKind.SAME_AND_DERIVED]
    assert origins(made) == (1, 1)


# --- against the model ------------------------------------------------------------------------------------------------


def ways(one: Link, *, is_doubted: bool) -> list[Effect | None]:
    """What may be true of two items by this decision."""
    first = one.subject or one.first
    a, b = first.int - 1, (one.second if first == one.first else one.first).int - 1
    made_of = ("made_of", a, b), ("made_of", b, a)
    found: list[Effect | None]
    match one.relation:
        case "same_capture":
            found = [("same", a, b)]
        case "excerpt_of" | "edited_from":
            found = [made_of[0]]
        case "contains":
            found = [*made_of]
        case "same_event_other_camera":
            found = [("cameras", a, b)]
        case "unrelated":
            found = [("unrelated", a, b)]
        case _:
            found = [None, ("same", a, b), *made_of]
    return [*found, None] if is_doubted else found


def independent(blobs: Sequence[int], effects: Sequence[Effect | None]) -> int | None:
    """So many items can be chosen that have nothing in common; None when the effects contradict each other."""
    stated = [effect for effect in effects if effect is not None]
    capture = list(blobs)
    for kind, a, b in stated:
        if kind == "same":
            capture = [capture[b] if one == capture[a] else one for one in capture]
    above = {one: {one} for one in capture}
    edges = {(capture[a], capture[b]) for kind, a, b in stated if kind == "made_of"}
    edges = {(child, parent) for child, parent in edges if child != parent}
    for _ in capture:
        for child, parent in edges:
            above[child] = above[child] | above[parent]
    if any(child in above[parent] for child, parent in edges):
        return None
    for kind, a, b in stated:
        one, other = capture[a], capture[b]
        if kind == "unrelated" and (one in above[other] or other in above[one]):
            return None
        if kind == "cameras" and above[one] & above[other]:
            return None
    distinct = sorted(set(capture))
    for size in range(len(distinct), 1, -1):
        for chosen in combinations(distinct, size):
            if all(not above[one] & above[other] for one, other in combinations(chosen, 2)):
                return size
    return 1


def worlds(blobs: Sequence[int], links: Sequence[Link], doubted: set[UUID]) -> Iterator[int]:
    for effects in product(*(ways(one, is_doubted=one.match_id in doubted) for one in links)):
        found = independent(blobs, effects)
        if found is not None:
            yield found


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[int], list[Link]]:
    count = draw(st.integers(2, 5))
    blobs = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    pairs = [(a, b) for a, b in combinations(range(count), 2) if blobs[a] != blobs[b]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=6)) if pairs else []
    links: list[Link] = []
    for pair in chosen:
        a, b = draw(st.sampled_from([pair, pair[::-1]]))
        open_so_far = sum(one.relation in (None, "potential") for one in links)
        links.append(link(a, draw(st.sampled_from(RELATIONS[: 9 if open_so_far < 3 else 7])), b))
    return blobs, links


@settings(max_examples=examples(120), deadline=None)
@given(situations())
def test_bounds_when_anything_open_turns_out_either_way_then_hold(made: tuple[list[int], list[Link]]) -> None:
    blobs, links = made
    known = Lineage(items_of(blobs), links)
    bounds = known.bounds(range(len(blobs)))
    assert 1 <= bounds.at_least <= bounds.at_most
    for found in worlds(blobs, links, known.doubted):
        assert bounds.at_least <= found <= bounds.at_most


@settings(max_examples=examples(120), deadline=None)
@given(situations())
def test_contradictions_when_told_then_there_is_no_way_in_which_all_decisions_are_right(
    made: tuple[list[int], list[Link]],
) -> None:
    blobs, links = made
    known = Lineage(items_of(blobs), links)
    told = {one.kind for one in known.contradictions} - {ContradictionKind.SAME_AND_DERIVED}
    is_possible = any(True for _ in worlds(blobs, links, set()))
    if known.open:
        told -= {ContradictionKind.CIRCLE}  # Were the open match of copies, it would be said of one capture.
    if told:
        assert not is_possible
    elif not known.contradictions and not any(one.relation == "contains" for one in links):
        assert is_possible


@settings(max_examples=examples(80), deadline=None)
@given(situations())
def test_bounds_when_all_is_decided_and_each_comes_from_one_at_most_then_are_one_number(
    made: tuple[list[int], list[Link]],
) -> None:
    blobs, links = made
    decided = [one for one in links if one.relation in ("same_capture", "unrelated")]
    known = Lineage(items_of(blobs), decided)
    bounds = known.bounds(range(len(blobs)))
    if not known.contradictions:
        assert {bounds.at_least, bounds.at_most} == set(worlds(blobs, decided, set()))


@settings(max_examples=examples(60), deadline=None)
@given(situations(), st.randoms())
def test_lineage_when_matches_come_in_another_order_then_is_the_same(
    made: tuple[list[int], list[Link]], random: st.DrawFn
) -> None:
    blobs, links = made
    shuffled = list(links)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Lineage(items_of(blobs), links), Lineage(items_of(blobs), shuffled)
    everything = range(len(blobs))
    assert one.bounds(everything) == other.bounds(everything)
    assert one.doubted == other.doubted
    assert {(each.kind, frozenset(each.matches)) for each in one.contradictions} == {
        (each.kind, frozenset(each.matches)) for each in other.contradictions
    }
