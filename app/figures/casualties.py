"""Casualty counts as arrays, and the ranges of many incidents together. Pure.

A row is one source's count: its incident's number and of whom (a place in ``VICTIMS``), and the bounds. Those of the
same victims are folded into a hull as ``app.facts.ranges`` does, which a test holds; hulls are added over incidents.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.facts.ranges import Victims
from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.figure import CasualtyRange, Figure
from app.figures.keyed import Keyed, places_by_key
from app.kernel.numbers import Numbers, begins, spread

VICTIMS = tuple(Victims(*one) for one in product(CasualtyOutcome, PersonGroup))
"""In the order of their words, in which a figure gives them."""
OPEN = 2**31 - 1
"""A maximum that is none: the highest that PostgreSQL's ``integer`` holds, and higher than any that is stated."""
_ROW = np.dtype([("of", ">i8"), ("minimum", ">i4"), ("maximum", ">i4")])
"""As PostgreSQL's ``int8send`` and ``int4send`` write it. ``of``: the incident's number times ``len(VICTIMS)``, and of
whom."""
Series = dict[str | None, Figure]


class Casualties:
    """``rows``: each count once, as ``_ROW`` says; ``sensitive``: the numbers of incidents of sexual violence."""

    def __init__(self, rows: bytes, sensitive: bytes) -> None:
        read = np.frombuffer(rows, _ROW)
        of = read["of"].astype(np.int64)
        order = np.argsort(of, kind="stable")
        first = begins(of[order])
        incidents, self._victims = np.divmod(of[order[first]], len(VICTIMS))
        self._minima = _reduced(np.minimum, read["minimum"][order], first)
        self._maxima = _reduced(np.maximum, read["maximum"][order], first)
        self._sources = _lengths(first, len(order))
        self._begins = begins(incidents)
        self._lengths = _lengths(self._begins, len(incidents))
        self._incidents = incidents[self._begins]
        self._is_sensitive = np.isin(self._incidents, np.frombuffer(sensitive, ">i8"))

    def total(self) -> Figure:
        return self._figures([np.arange(len(self._incidents))])[0]

    def by_key(self, keyed: Keyed) -> Series:
        """Per key the numbers of its incidents. A point in which nothing is stated, is none."""
        places = places_by_key(self._incidents, keyed)
        figures = zip(places, self._figures(list(places.values())), strict=True)
        return {key: figure for key, figure in figures if figure.count}

    def _figures(self, points: list[Numbers]) -> list[Figure]:
        """``points``: of each which incidents, each once."""
        ranges: list[list[CasualtyRange]] = [[] for _ in points]
        for point, one in self._ranges(points):
            ranges[point].append(one)
        return [
            Figure(len(places), ranges=tuple(found), sensitive=int(np.count_nonzero(self._is_sensitive[places])))
            for places, found in zip(points, ranges, strict=True)
        ]

    def _ranges(self, points: list[Numbers]) -> Iterator[tuple[int, CasualtyRange]]:
        """With the place of its point; those of one in the order of their victims."""
        point = np.repeat(np.arange(len(points)), [len(places) for places in points])
        places = np.concatenate(points)
        lengths = self._lengths[places]
        rows = spread(self._begins[places], lengths)
        group = np.repeat(point, lengths) * len(VICTIMS) + self._victims[rows]
        order = np.argsort(group, kind="stable")
        rows, group, is_sensitive = rows[order], group[order], np.repeat(self._is_sensitive[places], lengths)[order]
        first = begins(group)
        is_open = self._maxima[rows] == OPEN
        maxima = np.where(is_open, 0, self._maxima[rows])
        columns = (self._minima[rows], maxima, is_open, np.ones(len(rows)), self._sources[rows], is_sensitive)
        added = (_reduced(np.add, column, first).tolist() for column in columns)
        for each, minimum, maximum, opened, incidents, sources, sensitive in zip(
            group[first].tolist(), *added, strict=True
        ):
            of, victims = divmod(each, len(VICTIMS))
            outcome, group_of = VICTIMS[victims]
            highest = None if opened else maximum
            yield of, CasualtyRange(outcome, group_of, minimum, highest, incidents, sources, sensitive)


def _lengths(first: Numbers, end: int) -> Numbers:
    return np.diff(first, append=end)


def _reduced(how: np.ufunc, numbers: NDArray[Any], first: Numbers) -> Numbers:
    """What each run of them, from one beginning up to the next, is reduced to."""
    found: Numbers = how.reduceat(numbers.astype(np.int64), first)
    return found
