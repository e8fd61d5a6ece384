"""The vote for pictures that share points is what its rule says, however the points are divided into blocks."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprints.algorithms.local_features import OCTAVES, POINT_BYTES, SIDE_PIXELS, pack_points
from app.fingerprints.search import points
from app.fingerprints.search.files import open_index, writing
from app.fingerprints.search.points import (
    BANDS,
    RADIUS_BITS,
    SET,
    STEPS,
    WEIGHT,
    PointBlock,
    PointRows,
    PointSide,
    block_of,
    fill,
    near_points,
    shapes_of,
    unpacked,
    vote,
)
from tests.support.examples import examples

Sets = list[tuple[bytes, bytes]]
"""Key and packed points of each."""


class Drawn:
    """Sets of points that often share some: turned, scaled, a few bits otherwise."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.known = self.chance.integers(0, 2, (12, 256), dtype=np.uint8)

    def points(self) -> bytes:
        count, chance = int(self.chance.integers(0, 9)), self.chance
        bits = self.known[chance.integers(0, len(self.known), count)]
        bits ^= chance.random(bits.shape) < chance.uniform(0, 0.35, (count, 1))
        xy = chance.integers(0, SIDE_PIXELS, (count, 2))
        return pack_points(xy, chance.integers(0, OCTAVES, count), chance.uniform(0, 360, count), np.packbits(bits, 1))

    def sets(self, count: int) -> Sets:
        return [(key(self.chance.bytes(32), number), self.points()) for number in range(count)]


def key(blob: bytes, time_ms: int) -> bytes:
    return np.array((blob, 1, time_ms), SET).tobytes()


def rows_of(sets: Sets) -> PointRows:
    return PointRows.of([packed for _, packed in sets], np.frombuffer(b"".join(one for one, _ in sets), SET))


def expected_votes(sets: Sets, query: bytes) -> dict[bytes, int]:
    """The rule once more, point by point."""
    answers = defaultdict(list)
    words, turns = unpacked(query)
    for name, packed in sets:
        for their_words, their_turn in zip(*unpacked(packed), strict=True):
            for number, (our_words, our_turn) in enumerate(zip(words, turns, strict=True)):
                apart = np.unpackbits((their_words ^ our_words)[None].view(np.uint8))
                bands = [int(apart[band : 240 : BANDS.count].sum()) for band in range(BANDS.count)]
                if apart.sum() <= RADIUS_BITS and min(bands) <= STEPS:
                    turned = (int(their_turn >> 3) - int(our_turn >> 3)) % 512 // 32
                    answers[number].append((name, turned, int(their_turn & 7) - int(our_turn & 7)))
    cells: dict[tuple[bytes, int, int], set[int]] = defaultdict(set)
    for number, found in answers.items():
        for name, turned, scaled in found:
            for turn in (turned, (turned + 1) % 16):
                for scale in (scaled - 1, scaled, scaled + 1):
                    cells[name, turn, scale].add(number)
    weight = {number: round(WEIGHT / len({one[0] for one in found}) ** 0.5) for number, found in answers.items()}
    votes: dict[bytes, int] = Counter()
    for (name, _, _), numbers in cells.items():
        votes[name] = max(votes[name], sum(weight[number] for number in numbers))
    return votes


@given(st.integers(0, 2**32), st.lists(st.integers(0, 6), max_size=5))
@settings(max_examples=examples(30))
def test_votes_when_points_are_divided_into_blocks_then_are_those_of_the_rule(seed: int, divided: list[int]) -> None:
    drawn = Drawn(seed)
    parts = [drawn.sets(count) for count in divided]
    blocks = [PointBlock.in_memory(rows_of(part)) for part in parts if part]
    query, everything = drawn.points(), [one for part in parts for one in part]

    voted = vote(blocks, query, limit=100)

    assert {one.which.tobytes(): one.votes for one in voted} == expected_votes(everything, query)
    assert [one.votes for one in voted] == sorted((one.votes for one in voted), reverse=True)
    assert [tuple(one) for one in vote(blocks, query, limit=3)] == [tuple(one) for one in voted[:3]]


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=2, max_size=4), st.sampled_from([60, 10_000]))
@settings(max_examples=examples(20))
def test_votes_when_asked_among_some_sets_then_no_other_set_counts(seed: int, divided: list[int], most: int) -> None:
    """Neither for which keys are rare, nor for what a point weighs."""
    drawn = Drawn(seed)
    parts = [drawn.sets(count) for count in divided]
    query, own = drawn.points(), [one for part in parts[::2] for one in part]
    allowed = np.concatenate([np.full(len(part), number % 2 == 0) for number, part in enumerate(parts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points, "MOST_COMPARED", most)
        found = vote([PointBlock.in_memory(rows_of(part)) for part in parts], query, 100, allowed)
        alone = vote([PointBlock.in_memory(rows_of(own))], query, 100)
    assert [(one.which.tobytes(), one.votes) for one in found] == [(one.which.tobytes(), one.votes) for one in alone]


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=8))
@settings(max_examples=examples(20))
def test_votes_when_points_came_in_any_order_then_are_the_same(seed: int, divided: list[int]) -> None:
    drawn = Drawn(seed)
    parts = [drawn.sets(count) for count in divided]
    query = drawn.points()
    sides = []
    for order in (parts, [parts[place] for place in drawn.chance.permutation(len(parts))]):
        side = PointSide()
        for number, part in enumerate(order):
            side.add(rows_of(part))
            if number % 2:
                side.snapshot()
        sides.append(side)
    assert len({tuple((one.which.tobytes(), one.votes) for one in vote(s.snapshot(), query, 50)) for s in sides}) == 1


def test_votes_when_points_lie_in_a_file_then_are_those_of_points_in_memory(tmp_path: Path) -> None:
    drawn = Drawn(3)
    sets = drawn.sets(40)
    rows = rows_of(sets)
    with writing(tmp_path / "features", {}, shapes_of(len(rows.words), len(rows.sets))) as arrays:
        arrays["words"][:], arrays["turns"][:], arrays["owners"][:] = rows.words, rows.turns, rows.owners
        arrays["sets"][:] = rows.sets.view(np.uint8).reshape(len(rows.sets), -1)
        fill(arrays)
    in_file = block_of(open_index(tmp_path / "features").arrays)
    for _ in range(10):
        query = drawn.points()
        found = [vote([block], query, 100) for block in (in_file, PointBlock.in_memory(rows))]
        first, second = ([(one.which.tobytes(), one.votes) for one in part] for part in found)
        assert first == second


def test_keys_when_too_many_points_lie_under_them_then_the_rarest_are_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a hundred pictures have costs a hundred comparisons a key; what one has is found all the same."""
    drawn = Drawn(5)
    common, rare = drawn.chance.bytes(32), drawn.chance.bytes(32)

    def packed(*descriptors: bytes) -> bytes:
        count = len(descriptors)
        bits = np.frombuffer(b"".join(descriptors), np.uint8).reshape(count, 32)
        return pack_points(np.zeros((count, 2)), np.zeros(count), np.zeros(count), bits)

    crowd = PointBlock.in_memory(rows_of([(key(bytes(32), number), packed(common)) for number in range(100)]))
    one = PointBlock.in_memory(rows_of([(key(b"\1" * 32, 0), packed(common, rare))]))
    query = packed(common, rare)
    assert len(vote([crowd, one], query, 200)) == 101

    monkeypatch.setattr(points, "MOST_COMPARED", 500)

    assert [voted.which.tobytes() for voted in vote([crowd, one], query, 200)] == [key(b"\1" * 32, 0)]
    hits = near_points([crowd, one], unpacked(query)[0])
    assert [len(found.rows) for found in hits] == [0, 1]
    # Who asks among one's own sets alone is answered as if there were no others.
    own = np.array([False] * 100 + [True])
    assert [(voted.which.tobytes(), voted.votes) for voted in vote([crowd, one], query, 200, own)] == [
        (voted.which.tobytes(), voted.votes) for voted in vote([one], query, 200)
    ]
    monkeypatch.setattr(points, "MOST_COMPARED", 40)
    monkeypatch.setattr(points, "MOST_FILTERED", 500)
    hits = near_points([crowd, one], unpacked(query)[0], own)
    assert [len(found.rows) for found in hits] == [0, 1], "beyond that, of everybody's again"


@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=4))
@settings(max_examples=examples(20))
def test_votes_when_few_sets_are_asked_for_then_each_point_is_compared_and_says_what_the_tables_say(
    seed: int, divided: list[int]
) -> None:
    drawn = Drawn(seed)
    parts = [drawn.sets(count) for count in divided]
    blocks, query = [PointBlock.in_memory(rows_of(part)) for part in parts], drawn.points()
    allowed = drawn.chance.random(sum(divided)) < 0.5
    found = vote(blocks, query, 100, allowed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points, "_few_rows", lambda *_: None)
        by_tables = vote(blocks, query, 100, allowed)
    assert [(one.which.tobytes(), *one[1:]) for one in found] == [(one.which.tobytes(), *one[1:]) for one in by_tables]


@pytest.mark.parametrize(("differing", "answers"), [(23, 1), (24, 0)], ids=["one band in one bit", "each in two"])
def test_point_when_every_band_differs_in_more_than_a_bit_then_answers_nobody_however_few_are_asked(
    differing: int, answers: int
) -> None:
    """Bit ``i`` is of band ``i % 12``; all is far below the radius."""
    bits = np.zeros((2, 256), np.uint8)
    bits[1, :differing] = 1
    query, other = (pack_points(np.zeros((1, 2)), np.zeros(1), np.zeros(1), np.packbits(one[None], 1)) for one in bits)
    block = PointBlock.in_memory(rows_of([(key(b"\1" * 32, 0), other)]))
    assert [len(vote([block], query, 9, allowed)) for allowed in (None, np.ones(1, bool))] == [answers, answers]


def sharing(chance: np.random.Generator, count: int, shared: int) -> tuple[bytes, bytes]:
    """Points of two pictures, of which so many are the same, all turned and scaled alike."""
    descriptors = chance.integers(0, 256, (2, count, 32), dtype=np.uint8)
    descriptors[1, :shared] = descriptors[0, :shared]
    xy, none = chance.integers(0, SIDE_PIXELS, (count, 2)), np.zeros(count)
    packed = [pack_points(xy, none, none, one) for one in descriptors]
    return packed[0], packed[1]


@pytest.mark.parametrize(
    ("count", "shared", "is_by_chance"),
    [(500, 23, True), (500, 24, False), (250, 5, True), (250, 6, False), (40, 1, False)],
)
def test_votes_when_no_more_points_agree_than_of_pictures_with_nothing_in_common_then_are_by_chance(
    count: int, shared: int, is_by_chance: bool
) -> None:
    query, other = sharing(np.random.default_rng(7), count, shared)
    crowd = PointBlock.in_memory(rows_of([(key(b"\2" * 32, 0), other), (key(b"\1" * 32, 0), query)]))
    last = PointBlock.in_memory(rows_of([(key(b"\3" * 32, 0), other)]))

    found = {bytes(one.which["blob"])[:1]: one.is_by_chance for one in vote([crowd, last], query, 9)}

    assert found == {b"\1": False, b"\2": is_by_chance, b"\3": is_by_chance}


def test_votes_when_crowded_keys_were_left_out_then_none_is_said_to_be_by_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query, other = sharing(np.random.default_rng(7), 500, 10)
    sets = [(key(b"\1" * 32, 0), other), (key(b"\2" * 32, 0), other[: 5 * POINT_BYTES])]
    block = PointBlock.in_memory(rows_of(sets))
    found = {one.which.tobytes(): one.is_by_chance for one in vote([block], query, 9)}
    assert found == {sets[0][0]: True, sets[1][0]: False}

    monkeypatch.setattr(points, "_rarest", lambda counts, _: counts <= 1)

    assert [(one.which.tobytes(), one.is_by_chance) for one in vote([block], query, 9)] == [(sets[0][0], False)]
