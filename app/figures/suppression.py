"""Counts so small that they could show a person are not given; nor what they could be computed back from. Pure.

A figure is small where it counts at least one and fewer than the threshold, and either a case's policy asks for this or
sexual violence is in it. In a series whose points part the total among them, one that is not given could be computed
from the total and the others: then further points are not given either, the smallest first, until what is missing says
nothing sure of any of them; and if there is none left, the total is not given.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.figures.figure import Figure, Point
from app.figures.words import SMALLEST_OF_SEXUAL_VIOLENCE


def is_small(figure: Figure, smallest: int | None) -> bool:
    """``smallest``: the strictest of the cases' policies; None: they ask for nothing."""
    of_sexual_violence = max(SMALLEST_OF_SEXUAL_VIOLENCE, smallest or 0)
    threshold = of_sexual_violence if figure.sensitive else smallest or 0
    counts = [figure.count or 0]
    if figure.ranges is not None:
        counts += [count for one in figure.ranges for count in (one.minimum or 0, one.incidents or 0)]
    return any(0 < count < threshold for count in counts)


def suppress(
    total: Figure, points: Sequence[Point], *, parts_total: bool, smallest: int | None
) -> tuple[Figure, list[Point]]:
    """The total and the series as they may be given."""
    hides = [is_small(point.figure, smallest) for point in points]
    hides_total = is_small(total, smallest)
    if parts_total and not hides_total and any(hides):
        hides_total = not _hide_more(points, hides, smallest)
    given = [
        replace(point, figure=point.figure.hidden()) if hidden else point
        for point, hidden in zip(points, hides, strict=True)
    ]
    return (total.hidden() if hides_total else total), given


def _hide_more(points: Sequence[Point], hides: list[bool], smallest: int | None) -> bool:
    """Hide further points until none can be computed back; False: there are not enough."""
    others = [place for place, hidden in enumerate(hides) if not hidden and points[place].figure.count]
    others.sort(key=lambda place: (points[place].figure.count or 0, points[place].key or ""))
    threshold = max(SMALLEST_OF_SEXUAL_VIOLENCE, smallest or 0)
    while not _is_safe(
        [point.figure.count or 0 for point, hidden in zip(points, hides, strict=True) if hidden], threshold
    ):
        if not others:
            return False
        hides[others.pop(0)] = True
    return True


def _is_safe(hidden: Sequence[int], threshold: int) -> bool:
    """Whether of numbers of which each is at least one, and whose sum is known, none is known: also to one who guesses
    that all of them are below the threshold."""
    together, several = sum(hidden), len(hidden)
    return several > 1 and together > several and together != several * (threshold - 1)
