"""Hashes as rows of 64-bit words, the bits in which two of them differ, and the plain scan over all of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from app.kernel.numbers import Numbers

WORD_BYTES = 8
ROWS_AT_ONCE = 16_384
"""So many rows, and what is computed of them, stay in a processor's cache."""
ROWS_BESIDE_ALL = 48
"""So many, where each is compared with some hundreds of others."""

Words = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
"""One hash a row."""

Array = np.ndarray[Any, np.dtype[Any]]

Distances = np.ndarray[tuple[int], np.dtype[np.uint16]]


class Hits(NamedTuple):
    """Pairs of a query and a row that is near it, each once, ordered by query and then by row."""

    queries: Numbers
    rows: Numbers


NO_HITS = Hits(np.empty(0, np.int64), np.empty(0, np.int64))


def words_of(hashes: Sequence[bytes]) -> Words:
    """Hashes of one length; a length that is no whole number of words is padded with zeros."""
    width = -(-len(hashes[0]) // WORD_BYTES)
    joined = b"".join(value.ljust(width * WORD_BYTES, b"\0") for value in hashes)
    return np.frombuffer(joined, np.uint64).reshape(len(hashes), width)


def distances_bits(some: Words, others: Words) -> Distances:
    """Row by row; either side may be one row for all."""
    counts = np.bitwise_count(some ^ others)
    total: Distances = counts[:, 0].astype(np.uint16)
    for column in range(1, counts.shape[1]):
        total += counts[:, column]
    return total


def distances_between(some: Words, others: Words) -> Array:
    """Of every row of the one to every row of the other: ``(some, others)``, uint16.

    A few rows at a time: what is between then stays in the processor's cache."""
    total: Array = np.empty((len(some), len(others)), np.uint16)
    words = np.ascontiguousarray(others.T)
    differs = np.empty((ROWS_BESIDE_ALL, len(others)), np.uint64)
    counts = np.empty((ROWS_BESIDE_ALL, len(others)), np.uint8)
    for start in range(0, len(some), ROWS_BESIDE_ALL):
        rows, into = some[start : start + ROWS_BESIDE_ALL], total[start : start + ROWS_BESIDE_ALL]
        of_word, in_bits = differs[: len(rows)], counts[: len(rows)]
        into[...] = 0
        for word in range(rows.shape[1]):
            np.bitwise_xor(rows[:, word, None], words[word], out=of_word)
            into += np.bitwise_count(of_word, out=in_bits)
    return total


def scan(words: Words, queries: Words, radius_bits: int) -> Hits:
    """Every row compared with every query."""
    found: list[tuple[int, Numbers]] = []
    for start in range(0, len(words), ROWS_AT_ONCE):
        block = words[start : start + ROWS_AT_ONCE]
        for number in range(len(queries)):
            near = np.flatnonzero(distances_bits(block, queries[number : number + 1]) <= radius_bits)
            if near.size:
                found.append((number, near + start))
    return in_order(found)


def in_order(found: Sequence[tuple[int, Numbers]]) -> Hits:
    """What was found part by part, as ``(query, rows)``."""
    if not found:
        return NO_HITS
    parts = sorted(found, key=lambda part: part[0])
    numbers = [np.full(len(rows), number, np.int64) for number, rows in parts]
    return Hits(np.concatenate(numbers), np.concatenate([rows for _, rows in parts]))
