"""Arrays of whole numbers: each once, runs of them, and the sets that pairs of them make. Pure."""

import numpy as np

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def distinct(numbers: Numbers) -> Numbers:
    """Each once, in order. Sorting takes a twentieth of the time of ``numpy.unique`` with its table of hashes."""
    ordered: Numbers = np.sort(numbers)
    once: Numbers = ordered[_begins(ordered)]
    return once


def begins(ordered: Numbers) -> Numbers:
    """Where each number that occurs in what is in order is first."""
    return np.flatnonzero(_begins(ordered))


def spread(first: Numbers, lengths: Numbers) -> Numbers:
    """The places in runs, one run after the other, of each of which it is told where it begins and how long it is."""
    before = np.cumsum(lengths) - lengths
    places: Numbers = np.repeat(first - before, lengths) + np.arange(lengths.sum())
    return places


def joined(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    """Every number of these pairs, in order, and the smallest of those that it is joined with: as
    ``app.fingerprints.graph.Sets``, all at once. Roots hang below smaller ones until no pair leads to two; of those
    that pairs lead from, two rounds leave half at the most."""
    numbers, place = np.unique(np.concatenate((one, other)), return_inverse=True)
    one, other = np.split(place, 2)
    above = np.arange(len(numbers))
    while True:
        root, other_root = above[one], above[other]
        if np.array_equal(root, other_root):
            return numbers, numbers[above]
        lower = np.minimum(root, other_root)
        np.minimum.at(above, root, lower)
        np.minimum.at(above, other_root, lower)
        while not np.array_equal(above, higher := above[above]):
            above = higher


def _begins(ordered: Numbers) -> np.ndarray:
    is_first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return is_first
