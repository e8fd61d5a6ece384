"""Counts so small that they could show a person are not given; nor what they could be computed back from. Pure.

A figure is small where it counts at least one and fewer than the threshold, and either a case's policy asks for this or
sexual violence is in it. In a series whose points part the total among them, one that is not given could be computed
from the total and the others: then further points are not given either, the smallest first, until what is missing says
nothing sure of any of them; and if there is none left, the total is not given.

Casualties are looked at twice: the incidents of a point, and each of its ranges by itself, among the ranges of the same
outcome and group.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

from app.facts.ranges import Victims
from app.figures.figure import CasualtyRange, Figure, Point
from app.figures.words import SMALLEST_OF_SEXUAL_VIOLENCE

Numbers = tuple[int, ...]
"""What a figure tells: one of them is enough to make it small."""


def suppress(
    total: Figure, points: Sequence[Point], *, parts_total: bool, smallest: int | None
) -> tuple[Figure, list[Point]]:
    """The total and the series as they may be given. ``smallest``: the strictest of the cases' policies; None: they ask
    for nothing."""
    figures = [total, *(point.figure for point in points)]
    numbers: list[Numbers] = [(figure.count or 0,) for figure in figures]
    hides = _hidden(numbers, [figure.sensitive for figure in figures], parts_total, smallest)
    figures = [figure.hidden() if hidden else figure for figure, hidden in zip(figures, hides, strict=True)]
    for victims in dict.fromkeys(one.victims for figure in figures for one in figure.ranges or ()):
        figures = _without_small_ranges(figures, victims, parts_total, smallest)
    given = [replace(point, figure=figure) for point, figure in zip(points, figures[1:], strict=True)]
    return figures[0], given


def _without_small_ranges(
    figures: list[Figure], victims: Victims, parts_total: bool, smallest: int | None
) -> list[Figure]:
    found = [next((one for one in figure.ranges or () if one.victims == victims), None) for figure in figures]
    numbers = [_numbers(one) for one in found]
    hides = _hidden(numbers, [one.sensitive if one else 0 for one in found], parts_total, smallest)
    return [
        figure if one is None or not hidden else _without(figure, one)
        for figure, one, hidden in zip(figures, found, hides, strict=True)
    ]


def _numbers(one: CasualtyRange | None) -> Numbers:
    return (0, 0) if one is None else (one.minimum or 0, one.incidents or 0)


def _without(figure: Figure, hidden: CasualtyRange) -> Figure:
    ranges = tuple(one.hidden() if one is hidden else one for one in figure.ranges or ())
    return replace(figure, ranges=ranges)


def _hidden(
    numbers: Sequence[Numbers], sensitive: Sequence[int], parts_total: bool, smallest: int | None
) -> list[bool]:
    """Of the total, which is the first, and of each point."""
    of_sexual_violence = max(SMALLEST_OF_SEXUAL_VIOLENCE, smallest or 0)
    thresholds = [of_sexual_violence if of else smallest or 0 for of in sensitive]
    hides = [any(0 < number < threshold for number in one) for one, threshold in zip(numbers, thresholds, strict=True)]
    if parts_total and not hides[0] and any(hides):
        of_points = hides[1:]
        hides = [not _hide_more(numbers[1:], of_points, of_sexual_violence), *of_points]
    return hides


def _hide_more(points: Sequence[Numbers], hides: list[bool], threshold: int) -> bool:
    """Hide further points until none can be computed back; False: there are not enough."""
    others = [place for place, hidden in enumerate(hides) if not hidden and any(points[place])]
    others.sort(key=lambda place: (points[place], place))
    several = hides.count(True)
    sums = [sum(column) for column in zip(*compress(points, hides), strict=True)]
    for place in others:
        if all(_is_safe(together, several, threshold) for together in sums):
            return True
        hides[place] = True
        several += 1
        sums = [together + number for together, number in zip(sums, points[place], strict=True)]
    return all(_is_safe(together, several, threshold) for together in sums)


def _is_safe(together: int, several: int, threshold: int) -> bool:
    """Whether of several hidden numbers whose sum is known none is known: also to one who guesses that each is at least
    one, or that all are below the threshold."""
    return together == 0 or (several > 1 and together > several and together != several * (threshold - 1))
