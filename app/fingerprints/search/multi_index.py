"""Exact search among hashes at any radius: each hash is filed in several tables, under a part of its bits in each.

The bits are divided into *m* bands of *w* bits. Where two hashes differ in at most ``r = m * s + a`` bits, ``a < m``,
they differ in at most ``s`` bits of one of any ``a + 1`` bands, or in at most ``s - 1`` bits of one of the others: else
it were ``(a + 1) * (s + 1) + (m - a - 1) * s = r + 1`` bits at least. So these few keys are looked up, and what lies
there is compared with all bits (M. Norouzi, A. Punjani, D. Fleet: Fast exact search in Hamming space with multi-index
hashing, arXiv 1307.2982). Which bands are the others is free: those that save most, for each query.

Where that would cost more than to compare all rows, as with a wide radius, with few rows, or with a query whose keys
many rows share, all rows are compared. Either way gives the same answer.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from app.fingerprints.search.hamming import (
    NO_HITS,
    WORD_BYTES,
    Hits,
    Words,
    distances_bits,
    in_order,
    scan,
)
from app.kernel.numbers import Numbers, distinct

NARROWEST_BITS = 4
WIDEST_BITS = 23
"""A table's offsets take 4 bytes * 2 ** w: with 23 bits 32 MiB for each of eleven bands."""

ROWS_AT_ONCE = 65_536
PAIRS_AT_ONCE = 1_000_000

Keys = np.ndarray[tuple[int, ...], np.dtype[np.uint32]]
Table = np.ndarray[tuple[int, int], np.dtype[np.uint32]]


@dataclass(frozen=True)
class Costs:
    """What decides between looking up and scanning: processor time in nanoseconds, of which the ratios matter."""

    row_ns: float = 13.0
    """Of comparing one row in a scan."""
    key_ns: float = 60.0
    """Of looking one key up."""
    candidate_ns: float = 110.0
    """Of fetching and comparing one row that was found under a key."""


@dataclass(frozen=True)
class Bands:
    """How the bits are divided: ``count`` bands of ``width`` bits. The few bits that are left over are not filed."""

    count: int
    width: int

    @classmethod
    def fitting(cls, rows: int, bits: int) -> "Bands":
        """Keys of about log2 N bits: with fewer, too many rows share one; with more, more keys are looked up."""
        wanted = round(math.log2(max(rows, 2)))
        width = min(max(wanted, NARROWEST_BITS), WIDEST_BITS, bits)
        return cls(bits // width, width)

    def keys(self, words: Words) -> Keys:
        """``(rows, bands)``. Neighbouring bits, which depend on each other, go into different bands: bit ``i`` into
        band ``i % count``."""
        rows = len(words)
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1)[:, : self.count * self.width]
        padded = np.zeros((rows, self.count, 32), np.uint8)
        padded[:, :, 32 - self.width :] = bits.reshape(rows, self.width, self.count).transpose(0, 2, 1)
        packed = np.packbits(padded.reshape(rows, self.count * 32), axis=1)
        return packed.view(">u4").astype(np.uint32)


@dataclass(frozen=True)
class MultiIndex:
    """Hashes with their tables. The arrays may lie in a file; nothing here changes them."""

    bands: Bands
    words: Words
    offsets: Table
    """``(bands, 2 ** width + 1)``: where in ``ids`` the rows with a key begin, and end."""
    ids: Table
    """``(bands, rows)``: the rows in order of their key."""
    costs: Costs = Costs()

    def search(self, queries: Words, radius_bits: int) -> Hits:
        """Every row at ``radius_bits`` or less of a query: no more and no fewer than :func:`hamming.scan` finds."""
        steps, rest = divmod(radius_bits, self.bands.count)
        keys_a_query = self.bands.count * keys_within(self.bands.width, steps)
        if not len(self.words) or not len(queries):
            return NO_HITS
        if keys_a_query * self.costs.key_ns >= len(self.words) * self.costs.row_ns:
            return scan(self.words, queries, radius_bits)
        at_once = max(1, PAIRS_AT_ONCE // keys_a_query)
        found: list[tuple[int, Numbers]] = []
        for start in range(0, len(queries), at_once):
            part = queries[start : start + at_once]
            found += [(start + number, rows) for number, rows in self._look_up(part, radius_bits, steps, rest)]
        return in_order(found)

    def _look_up(self, queries: Words, radius_bits: int, steps: int, rest: int) -> Iterator[tuple[int, Numbers]]:
        """``(query, rows near it)`` for each query that has any."""
        starts, lengths = self._buckets(queries, steps, rest)
        candidates = lengths.sum(axis=(1, 2), dtype=np.int64)
        is_scanned = candidates * self.costs.candidate_ns >= len(self.words) * self.costs.row_ns
        for number in np.flatnonzero(is_scanned):
            rows = scan(self.words, queries[number : number + 1], radius_bits).rows
            if rows.size:
                yield int(number), rows
        for group in groups_of(np.flatnonzero(~is_scanned), candidates):
            pairs = self._compare(queries, group, starts[group], lengths[group], radius_bits)
            for number in distinct(pairs.queries):
                yield int(number), pairs.rows[pairs.queries == number]

    def _buckets(self, queries: Words, steps: int, rest: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the rows under each key to look up begin and how many they are: ``(queries, bands, keys)``."""
        masks, fewer = masks_within(self.bands.width, steps), keys_within(self.bands.width, steps - 1)
        keys = self.bands.keys(queries)
        shape = (len(queries), self.bands.count, len(masks))
        starts, lengths = np.empty(shape, np.uint32), np.empty(shape, np.uint32)
        for band in range(self.bands.count):
            near = keys[:, band, None] ^ masks
            starts[:, band] = self.offsets[band][near]
            near += np.uint32(1)
            np.subtract(self.offsets[band][near], starts[:, band], out=lengths[:, band])
        saved = lengths[:, :, fewer:].sum(axis=2, dtype=np.int64)
        others = np.argsort(-saved, axis=1, kind="stable")[:, : self.bands.count - rest - 1]
        lengths[np.arange(len(queries))[:, None], others, fewer:] = 0
        return starts, lengths

    def _compare(
        self, queries: Words, group: Numbers, starts: np.ndarray, lengths: np.ndarray, radius_bits: int
    ) -> Hits:
        """Fetch what lies under the keys and compare it with all bits."""
        return near_among(self.words, fetched(self.ids, group, starts, lengths), queries, radius_bits)


def table_shapes(bands: Bands, rows: int) -> dict[str, tuple[int, int]]:
    """Of the tables that :func:`fill_tables` fills."""
    return {"offsets": (bands.count, (1 << bands.width) + 1), "ids": (bands.count, rows)}


def fill_tables(bands: Bands, words: Words, offsets: Table, ids: Table) -> None:
    """File all hashes. ``offsets`` and ``ids`` are overwritten; ``ids`` hold the keys for a while, so that building
    takes no memory beside them but for one band."""
    for start in range(0, len(words), ROWS_AT_ONCE):
        ids[:, start : start + ROWS_AT_ONCE] = bands.keys(words[start : start + ROWS_AT_ONCE]).T
    numbers = np.arange(len(words), dtype=np.uint64)
    for band in range(bands.count):
        keyed = (ids[band].astype(np.uint64) << np.uint64(32)) | numbers
        offsets[band][0] = 0
        np.cumsum(np.bincount(ids[band], minlength=1 << bands.width), out=offsets[band][1:])
        keyed.sort()
        ids[band] = keyed.astype(np.uint32)  # The lower half: the rows.


def fetched(ids: Table, group: Numbers, starts: np.ndarray, lengths: np.ndarray) -> Hits:
    """What lies under the keys of a group of queries, as pairs: some are there more than once. ``starts`` and
    ``lengths`` are ``(queries of the group, bands, keys)``."""
    rows_of: list[np.ndarray] = []
    numbers_of: list[np.ndarray] = []
    for band in range(len(ids)):
        asked, key = np.nonzero(lengths[:, band])
        long = lengths[asked, band, key].astype(np.int64)
        before = np.cumsum(long) - long
        places = np.repeat(starts[asked, band, key] - before, long) + np.arange(long.sum(), dtype=np.int64)
        rows_of.append(ids[band][places])
        numbers_of.append(np.repeat(group[asked], long))
    return Hits(np.concatenate(numbers_of), np.concatenate(rows_of).astype(np.int64))


def near_among(words: Words, pairs: Hits, queries: Words, radius_bits: int) -> Hits:
    """Those of the pairs that are near, each once and in order."""
    is_near = distances_bits(words[pairs.rows], queries[pairs.queries]) <= radius_bits
    near = distinct(pairs.queries[is_near] * len(words) + pairs.rows[is_near])
    return Hits(*np.divmod(near, len(words)))


def build(words: Words, costs: Costs = Costs()) -> MultiIndex:
    """An index in memory."""
    bands = Bands.fitting(len(words), words.shape[1] * WORD_BYTES * 8)
    shapes = table_shapes(bands, len(words))
    offsets, ids = np.empty(shapes["offsets"], np.uint32), np.empty(shapes["ids"], np.uint32)
    fill_tables(bands, words, offsets, ids)
    return MultiIndex(bands, words, offsets, ids, costs)


def keys_within(width: int, steps: int) -> int:
    return sum(math.comb(width, weight) for weight in range(steps + 1))


@lru_cache(maxsize=64)
def masks_within(width: int, steps: int) -> Keys:
    """What to change in a key so that it differs in ``steps`` bits or fewer: first those that change least."""
    masks = [
        sum(1 << bit for bit in bits) for weight in range(steps + 1) for bits in combinations(range(width), weight)
    ]
    return np.array(masks, np.uint32)


def groups_of(numbers: Numbers, candidates: Numbers) -> Iterator[Numbers]:
    """The queries in groups that have not too many candidates together."""
    if numbers.size:
        group_of = np.cumsum(candidates[numbers]) // PAIRS_AT_ONCE
        yield from np.split(numbers, np.flatnonzero(np.diff(group_of)) + 1)
