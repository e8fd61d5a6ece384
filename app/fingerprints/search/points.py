"""Local features of many pictures, filed by parts of their descriptors, and the vote for pictures that share some.

A point answers a query's point when their descriptors differ in ``RADIUS_BITS`` or fewer of 256 bits, and in one bit
or none of one of twelve bands of twenty bits (``multi_index.Bands``): of two that differ in 20, 40, 60 bits at chance,
99.9, 88 and 34 of a hundred do. That is the rule, wherever a point is filed: in the file or beside it, alone or with
others. So what is proposed depends on what is stored, and not on when and in which order.

Of one query's keys the rarest are looked up first, up to ``MOST_COMPARED`` points: what very many pictures have
(letters, a grid, a logo's edge) tells nothing and costs most. How many points lie under a key is counted over all
blocks, so that this too depends on nothing else. A search among some sets counts theirs alone: what others have stored
neither hides a picture nor weighs its points, up to ``MOST_FILTERED`` of all. Every answer votes for its picture, the
less the more pictures answer the point, and for the turn and the scale between the two points; the votes of one turn
and one scale count together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from app.fingerprints.algorithms.local_features import DESCRIPTOR_BYTES, OCTAVES, POINT_BYTES
from app.fingerprints.search.hamming import NO_HITS, Hits, Words, distances_between, distances_bits
from app.fingerprints.search.multi_index import (
    Bands,
    Table,
    fetched,
    fill_tables,
    groups_of,
    masks_within,
    near_among,
    table_shapes,
)
from app.kernel.numbers import Numbers, begins, distinct, spread

BANDS = Bands(12, 20)
STEPS = 1
RADIUS_BITS = 64
MOST_COMPARED = 16_000_000
"""Points for one set of a query: 2 s of one processor at most."""
MOST_FILTERED = 256_000_000
"""Points of which it is looked up whose they are, where a search is among some sets: again 2 to 3 s at most."""

CHANCE = 24 / 500**2
"""Of two sets that have nothing in common, so many points agree in turn and scale for each pair of points that there
is, or fewer: 24 where both have 500. Measured: docs/decisions/0076."""

TURN_BINS = 16
"""Steps of a full turn; a vote counts in two neighbouring ones."""
SCALE_BINS = 2 * OCTAVES + 1
"""Octaves between two points; a vote counts in three neighbouring ones."""
WEIGHT = 1_000
"""Of a point that one picture alone answers; of one that n do it is this by the root of n."""

MOST_COUNTED = 1_000
"""Of so many sets, those that answer most points, votes are counted by turn and scale."""

SET: np.dtype[Any] = np.dtype([("blob", "V32"), ("decoding", "<u4"), ("time_ms", "<i8")])
"""Which picture, or frame, a point belongs to."""

Array = np.ndarray[Any, np.dtype[Any]]

_BIT = np.left_shift(1, np.arange(8)).astype(np.uint8)


@dataclass(frozen=True)
class PointRows:
    """Points of whole sets.

    ``words``: n × 4, uint64 · ``turns``: n, uint16, the octave (3 bits) and the angle (9) · ``owners``: n, uint32, the
    place of each point's set in ``sets``.
    """

    words: Words
    turns: Array
    owners: Array
    sets: Array

    @classmethod
    def of(cls, packed: Sequence[bytes], sets: Array) -> "PointRows":
        """The points of each set as they are stored."""
        words, turns = unpacked(b"".join(packed))
        counts = [len(points) // POINT_BYTES for points in packed]
        return cls(words, turns, np.repeat(np.arange(len(sets), dtype=np.uint32), counts), sets)

    @classmethod
    def joined(cls, parts: Sequence["PointRows"]) -> "PointRows":
        before = np.cumsum([0, *(len(part.sets) for part in parts)])
        owners = [part.owners + np.uint32(start) for part, start in zip(parts, before, strict=False)]
        return cls(
            np.concatenate([part.words for part in parts]),
            np.concatenate([part.turns for part in parts]),
            np.concatenate(owners),
            np.concatenate([part.sets for part in parts]),
        )

    def spans(self, sets: Numbers) -> tuple[Numbers, Numbers]:
        """Where the points of each of these sets begin and end: they are in order of their sets."""
        first, end = (np.searchsorted(self.owners, sets.astype(np.uint32), side) for side in ("left", "right"))
        return first, end


def unpacked(packed: bytes) -> tuple[Words, Array]:
    """Descriptors and turns of points as they are stored. Raises ValueError for bytes that are no whole points."""
    rows = np.frombuffer(packed, np.dtype([("geometry", "<u4"), ("descriptor", "u1", (DESCRIPTOR_BYTES,))]))
    words = np.ascontiguousarray(rows["descriptor"]).view(np.uint64)
    return words, (rows["geometry"] >> 20).astype(np.uint16)


class Tables(Protocol):
    """Where the rows under a key begin in ``ids``, and how many they are."""

    @property
    def ids(self) -> Table: ...

    def spans(self, keys: Array) -> tuple[Array, Array]:
        """Of ``(queries, bands, keys)`` the same shape twice, uint32."""


@dataclass(frozen=True)
class OffsetTables:
    """For many points: a place for every possible key."""

    offsets: Table
    ids: Table

    def spans(self, keys: Array) -> tuple[Array, Array]:
        starts, lengths = np.empty(keys.shape, np.uint32), np.empty(keys.shape, np.uint32)
        for band, offsets in enumerate(self.offsets):
            starts[:, band] = offsets[keys[:, band]]
            np.subtract(offsets[keys[:, band] + np.uint32(1)], starts[:, band], out=lengths[:, band])
        return starts, lengths


@dataclass(frozen=True)
class SortedTables:
    """For few points: the keys that there are, in order, and of every possible key one bit that says whether it is
    there. Of a query's keys some nineteen in twenty are not, and a bit is told in a tenth of a search's time."""

    keys: Table
    ids: Table
    is_held: Array
    """``(bands, 2 ** width / 8)``, uint8: bit ``key & 7`` of byte ``key >> 3``."""

    @classmethod
    def of(cls, words: Words) -> "SortedTables":
        keys = BANDS.keys(words).T
        ids = np.argsort(keys, axis=1, kind="stable").astype(np.uint32)
        is_held = np.zeros((BANDS.count, 2**BANDS.width // 8), np.uint8)
        for band, own in enumerate(keys):
            np.bitwise_or.at(is_held[band], own >> 3, _BIT[own & 7])
        return cls(np.take_along_axis(keys, ids.astype(np.int64), axis=1), ids, is_held)

    def spans(self, keys: Array) -> tuple[Array, Array]:
        starts, lengths = np.zeros(keys.shape, np.uint32), np.zeros(keys.shape, np.uint32)
        for band, held in enumerate(self.keys):
            asked = np.ascontiguousarray(keys[:, band])
            places = np.flatnonzero(self.is_held[band][asked >> 3] & _BIT[asked & 7])
            there = asked.ravel()[places]
            first = np.searchsorted(held, there)
            rows, columns = np.divmod(places, asked.shape[1])
            starts[rows, band, columns] = first
            lengths[rows, band, columns] = np.searchsorted(held, there, side="right") - first
        return starts, lengths


@dataclass(frozen=True)
class PointBlock:
    """Points with their tables: in a file or in memory; nothing changes them."""

    rows: PointRows
    tables: Tables

    @classmethod
    def in_memory(cls, rows: PointRows) -> "PointBlock":
        return cls(rows, SortedTables.of(rows.words))

    def __len__(self) -> int:
        return len(self.rows.words)


class PointSide:
    """The points that came after the file, in blocks each more than twice as large as the next: to add some costs
    little on average. Not for two threads at once, but what :meth:`snapshot` gave may be searched while another adds.
    """

    def __init__(self) -> None:
        self._blocks: list[PointBlock] = []
        self._fresh: list[PointRows] = []

    def __len__(self) -> int:
        return sum(map(len, self._blocks)) + sum(len(rows.words) for rows in self._fresh)

    def add(self, rows: PointRows) -> None:
        self._fresh.append(rows)

    def snapshot(self) -> list[PointBlock]:
        if self._fresh:
            fresh = PointRows.joined(self._fresh)
            while self._blocks and len(self._blocks[-1]) <= 2 * len(fresh.words):
                fresh = PointRows.joined([self._blocks.pop().rows, fresh])
            self._blocks.append(PointBlock.in_memory(fresh))
            self._fresh = []
        return list(self._blocks)


class Voted(NamedTuple):
    """A picture or frame, ``sets`` row, and its votes."""

    which: Any
    votes: int
    is_by_chance: bool
    """Whether no more points agree than do of two pictures that have nothing in common."""


@dataclass(frozen=True)
class _Answers:
    """Which of the query's points was answered by which set (numbered over all blocks), and the turn between them."""

    points: Numbers
    sets: Numbers
    turned: Numbers
    """In 512 steps of a full turn."""
    scaled: Numbers
    """In octaves, from 0 for the query's being seven above."""
    are_all: bool
    """Whether no key was left out for being crowded."""

    @cached_property
    def pairs(self) -> Numbers:
        """Each point with each set that answers it, once: ``point << 32 | set``."""
        return distinct(self.points << 32 | self.sets)

    @cached_property
    def weights(self) -> Numbers:
        """By how many sets answer the point."""
        counts = np.bincount(self.pairs >> 32, minlength=int(self.points.max(initial=0)) + 1)
        weights: Numbers = np.rint(WEIGHT / np.sqrt(np.maximum(counts, 1))).astype(np.int64)
        return weights


def vote(blocks: Sequence[PointBlock], packed: bytes, limit: int, allowed: Array | None = None) -> list[Voted]:
    """The sets with most votes of the points (as they are stored), best first, in an order that depends on the sets
    alone. ``allowed``: of all the blocks' sets one after the other, which are asked for."""
    words, turns = unpacked(packed)
    sets = np.concatenate([block.rows.sets for block in blocks]) if blocks else np.empty(0, SET)
    if not len(words) or not len(sets):
        return []
    answers = _answers(blocks, words, turns, allowed)
    sums = _sums(answers, len(sets))
    votes, agreeing = _votes(answers, _most(sums))
    some = np.flatnonzero(votes)
    if len(some) > limit:
        some = some[votes[some] >= np.partition(votes[some], -limit)[-limit]]
    order = np.lexsort((sets["time_ms"][some], sets["blob"][some].view("S32"), -votes[some]))[:limit]
    some = some[order]
    # Where keys were left out, more would agree than is known.
    is_by_chance = (agreeing[some] < CHANCE * len(words) * _counts(blocks, some)) & answers.are_all
    voted = zip(sets[some], votes[some].tolist(), is_by_chance.tolist(), strict=True)
    return [Voted(*one) for one in voted]


def _counts(blocks: Sequence[PointBlock], sets: Numbers) -> Numbers:
    """How many points each of these sets has, which are numbered over all blocks."""
    counts, before = np.zeros(len(sets), np.int64), 0
    for block in blocks:
        own = np.flatnonzero((sets >= before) & (sets < before + len(block.rows.sets)))
        first, end = block.rows.spans(sets[own] - before)
        counts[own] = end - first
        before += len(block.rows.sets)
    return counts


def _answers(blocks: Sequence[PointBlock], words: Words, turns: Array, allowed: Array | None) -> _Answers:
    found: list[tuple[Numbers, ...]] = []
    before = 0
    near, is_all = _near(blocks, words, allowed)
    for block, hits in zip(blocks, near, strict=True):
        theirs, ours = block.rows.turns[hits.rows].astype(np.int64), turns[hits.queries].astype(np.int64)
        turned, scaled = ((theirs >> 3) - (ours >> 3)) % 512, (theirs & 7) - (ours & 7) + OCTAVES
        found.append((hits.queries, block.rows.owners[hits.rows].astype(np.int64) + before, turned, scaled))
        before += len(block.rows.sets)
    points, sets, turns_between, scales_between = (np.concatenate(column) for column in zip(*found, strict=True))
    return _Answers(points, sets, turns_between, scales_between, is_all)


def near_points(blocks: Sequence[PointBlock], words: Words, allowed: Array | None = None) -> list[Hits]:
    """What answers each of the query's points, in each block. ``allowed``: see :func:`vote`."""
    return _near(blocks, words, allowed)[0]


def _near(blocks: Sequence[PointBlock], words: Words, allowed: Array | None) -> tuple[list[Hits], bool]:
    """See :func:`near_points`; and whether that is all: no key was left out."""
    if not blocks:
        return [], True
    few = None if allowed is None else _few_rows(blocks, allowed, len(words))
    if few is not None:
        return [_answering(block, rows, words) for block, rows in zip(blocks, few, strict=True)], True
    keys = BANDS.keys(words)[:, :, None] ^ masks_within(BANDS.width, STEPS)
    spans = [block.tables.spans(keys) for block in blocks]
    ends = np.cumsum([len(block.rows.sets) for block in blocks])
    asked = [None] * len(blocks) if allowed is None else np.split(allowed, ends[:-1])
    chosen = _chosen(blocks, spans, asked)
    hits = []
    for block, (starts, lengths), own in zip(blocks, spans, asked, strict=True):
        lengths[~chosen] = 0
        candidates = lengths.sum(axis=(1, 2), dtype=np.int64)
        parts = []
        for group in groups_of(np.flatnonzero(candidates), candidates):
            pairs = fetched(block.tables.ids, group, starts[group], lengths[group])
            if own is not None:
                is_own = own[block.rows.owners[pairs.rows]]
                pairs = Hits(pairs.queries[is_own], pairs.rows[is_own])
            parts.append(near_among(block.rows.words, pairs, words, RADIUS_BITS))
        hits.append(Hits(*(np.concatenate(column) for column in zip(NO_HITS, *parts, strict=True))))
    return hits, bool(chosen.all())


def _few_rows(blocks: Sequence[PointBlock], allowed: Array, points: int) -> list[Numbers] | None:
    """Where the points of the sets that are asked for lie in each block; None: they are too many to be compared with
    each of the query's. So few that no key would be left out for them are, in less time than all keys are looked up."""
    if np.count_nonzero(allowed) * points * BANDS.count > MOST_COMPARED:  # Of one point each.
        return None
    ends = np.cumsum([len(block.rows.sets) for block in blocks])
    found = []
    for block, own in zip(blocks, np.split(allowed, ends[:-1]), strict=True):
        first, end = block.rows.spans(np.flatnonzero(own))
        found.append(spread(first, end - first))
    return found if sum(map(len, found)) * points * BANDS.count <= MOST_COMPARED else None


def _answering(block: PointBlock, rows: Numbers, words: Words) -> Hits:
    """Which of these rows answer each of the query's points, by the rule itself."""
    if not len(rows):
        return NO_HITS
    theirs = block.rows.words[rows]
    queries, near = np.nonzero(distances_between(words, theirs) <= RADIUS_BITS)
    is_filed = _share_a_key(BANDS.keys(words)[queries], BANDS.keys(theirs)[near])
    return Hits(queries[is_filed], rows[near[is_filed]])


def _share_a_key(some: Array, others: Array) -> Array:
    """Of rows of keys, which are filed where the others are looked up."""
    shares: Array = np.any(np.bitwise_count(some ^ others) <= STEPS, axis=1)
    return shares


def _chosen(blocks: Sequence[PointBlock], spans: Sequence[tuple[Array, Array]], asked: Sequence[Array | None]) -> Array:
    """Which keys are looked up, ``(points, bands, keys)``: the rarest, of all points or of those that are asked for."""
    counts = np.sum([lengths for _, lengths in spans], axis=0, dtype=np.int64)
    if asked[0] is None or counts.sum() <= MOST_COMPARED:
        return _rarest(counts, MOST_COMPARED)
    chosen = _rarest(counts, MOST_FILTERED)
    own_counts = np.zeros(counts.shape, np.int64)
    for block, (starts, lengths), own in zip(blocks, spans, asked, strict=True):
        assert own is not None
        _count_own(block, starts, np.where(chosen, lengths, 0), own, own_counts)
    return chosen & _rarest(own_counts, MOST_COMPARED)


def _count_own(block: PointBlock, starts: Array, lengths: Array, own: Array, counts: Array) -> None:
    """Adds to ``counts`` how many of the points under each key are of sets that are asked for."""
    candidates = lengths.sum(axis=(1, 2), dtype=np.int64)
    for group in groups_of(np.flatnonzero(candidates), candidates):
        for band in range(BANDS.count):
            asked, key = np.nonzero(lengths[group, band])
            if not asked.size:
                continue
            long = lengths[group[asked], band, key].astype(np.int64)
            before = np.cumsum(long) - long
            first = starts[group[asked], band, key].astype(np.int64)
            places = np.repeat(first - before, long) + np.arange(long.sum(), dtype=np.int64)
            is_own = own[block.rows.owners[block.tables.ids[band][places]]]
            counts[group[asked], band, key] += np.add.reduceat(is_own, before, dtype=np.int64)


def _rarest(counts: Any, limit: int) -> Array:
    """Those keys under which fewest lie; all that are as crowded as the first one that is too much are left out."""
    if counts.sum() <= limit:  # Mostly. To put all counts in order takes as long as to find them.
        return np.ones(counts.shape, bool)
    flat = np.sort(counts, axis=None)
    chosen: Array = counts < flat[np.searchsorted(np.cumsum(flat), limit, side="right")]
    return chosen


def _sums(answers: _Answers, sets: int) -> Numbers:
    """Of each set the weights of the points that it answers, however they turn: more than its votes can be."""
    points, owners = answers.pairs >> 32, answers.pairs & 0xFFFFFFFF
    sums: Numbers = np.bincount(owners, answers.weights[points], minlength=sets).astype(np.int64)
    return sums


def _most(sums: Numbers) -> Array:
    """Which sets have votes counted: those with the largest sums, and all that have as much as the last of them."""
    least = np.partition(sums, -MOST_COUNTED)[-MOST_COUNTED] if len(sums) > MOST_COUNTED else 1
    chosen: Array = sums >= max(1, least)
    return chosen


def _votes(answers: _Answers, is_counted: Array) -> tuple[Numbers, Numbers]:
    """Of each set the votes for the turn and scale that has most, and the most points that agree in one; a point votes
    once for each."""
    best, most = np.zeros((2, len(is_counted)), np.int64)
    taken = np.flatnonzero(is_counted[answers.sets])
    points, owners = answers.points[taken], answers.sets[taken]
    fine, scaled = answers.turned[taken] * TURN_BINS // 512, answers.scaled[taken]
    voted: list[Array] = []
    for turn in (fine, (fine + 1) % TURN_BINS):
        for scale in (-1, 0, 1):
            cell = (owners * TURN_BINS + turn) * (SCALE_BINS + 2) + scaled + scale + 1
            voted.append(cell << 16 | points)
    once = distinct(np.concatenate(voted))
    begin = begins(once >> 16)
    if len(begin):
        cells = once[begin] >> 16
        owners = cells // (TURN_BINS * (SCALE_BINS + 2))
        np.maximum.at(best, owners, np.add.reduceat(answers.weights[once & 0xFFFF], begin))
        np.maximum.at(most, owners, np.diff(begin, append=len(once)))
    return best, most


def shapes_of(points: int, sets: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Of a file's arrays."""
    return {
        "words": ((points, DESCRIPTOR_BYTES // 8), "<u8"),
        "turns": ((points,), "<u2"),
        "owners": ((points,), "<u4"),
        "sets": ((sets, SET.itemsize), "u1"),
        **{name: (shape, "<u4") for name, shape in table_shapes(BANDS, points).items()},
    }


def fill(arrays: Any) -> None:
    """The tables of a file of which the rows are written."""
    fill_tables(BANDS, arrays["words"], arrays["offsets"], arrays["ids"])


def block_of(arrays: Any) -> PointBlock:
    """A file's."""
    sets = arrays["sets"].reshape(-1).view(SET) if arrays["sets"].size else np.empty(0, SET)
    rows = PointRows(arrays["words"], arrays["turns"], arrays["owners"], sets)
    return PointBlock(rows, OffsetTables(arrays["offsets"], arrays["ids"]))


def is_answer(words: Words, query: Words) -> Array:
    """Which of the points answer one (a row), by the rule itself, without tables."""
    is_filed = _share_a_key(BANDS.keys(words), BANDS.keys(query))
    is_filed &= distances_bits(words, query) <= RADIUS_BITS
    return is_filed
