"""Pictures within a picture: insets, the cells of a collage, found by their straight edges. Pure.

What was laid upon a picture, or put beside another one, ends in a line: along it, pixel after pixel, the picture
differs across the line more than it does beside it. Of each column and each row the longest such stretch is sought; two
upright and two level ones that close a rectangle, the picture's own edges counted among them, make a panel.

What is found is looked at besides the whole and never in its place, so what is found wrongly hides nothing; it costs
the time of finding its points.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels, Reduced
from app.fingerprints.areas import Box

MOST_PANELS = 4
MOST_LINES = 8
"""Upright ones, and level ones, the surest first."""
LEAST_STEP = 24
"""Across an edge, in red, green and blue together, between pixels that are two apart."""
STEEPER = (5, 4)
"""So many times (a fraction) the sum of the steps three pixels before and after: 1.6 times their mean."""
PAYS, COSTS = 9, 11
"""For a pixel of a line that has such a step, and one that has none: a line is what has it in more than 55 of 100."""
SHORTEST_SHARE = 0.16
"""Of the picture's side: what is smaller shows too little to be told from others."""
COVERED = 0.75
"""Of a panel's side, by its line."""
SURE = 0.5
"""Of what a line of the shortest length could be worth at most."""
CROSSING_SHARE, CROSSING_WORTH = 0.9, 3.0
"""A line so long (of the picture's side), and worth so much a pixel, divides the picture: no panel lies across it."""
CELL_WORTH = 2
"""So many times as much is a panel between nothing but such lines and the picture's edges."""
FEWEST_EDGES = 2
"""That are not the picture's own."""
UNSEEN = -1.0
"""What a line is worth that is not seen: for each, one more has to be."""
ENDS_APART = 8
SUREST = 5
"""So many lines have unseen ones between their ends."""
SMALLEST_SHARE, LARGEST_SHARE = 0.04, 0.6
"""Of the picture's area. A larger one is seen well enough in the whole."""
MOST_SHARED = 0.2
"""Of the smaller of two panels, that lies in the other."""
MARGIN_PIXELS = 1
"""Of the coarse picture, that are left out along each edge: there the two pictures mix."""

Array = np.ndarray[Any, Any]


class Line(NamedTuple):
    """Where a picture ends: before the column (or row) ``at``, from the pixel ``begin`` of it to ``end``."""

    at: int
    begin: int
    end: int
    worth: float
    """0 of the picture's own edges, less than 0 of what was not seen."""

    def share_of(self, begin: int, end: int) -> float:
        return max(0, min(self.end, end) - max(self.begin, begin)) / max(1, end - begin)


class _Found(NamedTuple):
    worth: float
    box: Box


def panels_in(rgb: Pixels, picture: Reduced) -> list[Box]:
    """At most four, in the pixels of ``rgb``, the surest first. ``picture``: the same, reduced as for hashes."""
    coarse = picture.coarse
    height, width = coarse.shape[:2]
    across, down = rgb.shape[1] / width, rgb.shape[0] / height
    boxes = []
    for box in _panels(coarse):
        left, right = box.left + MARGIN_PIXELS * (box.left > 0), box.right - MARGIN_PIXELS * (box.right < width)
        top, bottom = box.top + MARGIN_PIXELS * (box.top > 0), box.bottom - MARGIN_PIXELS * (box.bottom < height)
        boxes.append(Box(round(left * across), round(top * down), round(right * across), round(bottom * down)))
    return boxes


def _panels(coarse: Array) -> list[Box]:
    """In the pixels of the coarse picture."""
    height, width = coarse.shape[:2]
    upright, level = (_lines(np.ascontiguousarray(coarse.transpose(axes))) for axes in ((2, 0, 1), (2, 1, 0)))
    chosen: list[Box] = []
    for one in sorted(_rectangles(upright, level, width, height), key=_order):
        if len(chosen) < MOST_PANELS and all(_shared(one.box, other) <= MOST_SHARED for other in chosen):
            chosen.append(one.box)
    return chosen


def _order(found: _Found) -> tuple[float, int, int, int, int]:
    box = found.box
    return -found.worth, box.left, box.top, box.right, box.bottom


def _lines(pixels: Array) -> list[Line]:
    """The surest upright lines of a picture, colours × rows × columns, in bytes."""
    side = pixels.shape[1]
    if min(pixels.shape[1:]) < 1 / SHORTEST_SHARE:
        return []
    before, after = pixels[:, :, :-2], pixels[:, :, 2:]
    apart = np.maximum(before, after)
    apart -= np.minimum(before, after)
    step = apart.sum(axis=0, dtype=np.int16)
    beside = np.pad(step, ((0, 0), (3, 3)), mode="edge")
    is_edge = (step >= LEAST_STEP) & (STEEPER[0] * step >= STEEPER[1] * (beside[:, :-6] + beside[:, 6:]))
    # The best stretch of each column: where its running sum rose most above what it was at its lowest before.
    pays = is_edge.astype(np.int16)  # At most 11 for each of 256 pixels.
    pays *= PAYS + COSTS
    pays -= COSTS
    sums = np.zeros((side + 1, step.shape[1]), np.int16)
    np.cumsum(pays, axis=0, out=sums[1:])
    rises = sums - np.minimum.accumulate(sums, axis=0)
    best = rises.max(axis=0)
    found: list[Line] = []
    while len(found) < MOST_LINES:
        column = int(best.argmax())
        if best[column] < PAYS * SURE * SHORTEST_SHARE * side:
            break
        end = int(rises[:, column].argmax())
        begin = end - int(sums[: end + 1, column][::-1].argmin())
        if end - begin >= SHORTEST_SHARE * side:
            found.append(Line(column + 1, begin, end, float(best[column])))
        best[max(0, column - 2) : column + 3] = 0
    return found


def _rectangles(upright: list[Line], level: list[Line], width: int, height: int) -> Iterator[_Found]:
    """Those that four lines close."""
    columns = sorted([Line(0, 0, height, 0), *upright, *_unseen(level[:SUREST]), Line(width, 0, height, 0)])
    rows = sorted([Line(0, 0, width, 0), *level, *_unseen(upright[:SUREST]), Line(height, 0, width, 0)])
    dividing = [_dividing(lines, side) for lines, side in ((upright, height), (level, width))]
    for left, right in _pairs(columns, SHORTEST_SHARE * width, dividing[0]):
        closing = [row for row in rows if row.share_of(left.at, right.at) >= COVERED]
        for top, bottom in _pairs(closing, SHORTEST_SHARE * height, dividing[1]):
            sides = (left, right, top, bottom)
            real = [line for line in sides if line.worth > 0]
            fewest = FEWEST_EDGES + sum(line.worth < 0 for line in sides)
            share = (right.at - left.at) * (bottom.at - top.at) / (width * height)
            is_closed = all(line.share_of(top.at, bottom.at) >= COVERED for line in (left, right))
            if is_closed and len(real) >= fewest and SMALLEST_SHARE <= share <= LARGEST_SHARE:
                box = Box(left.at, top.at, right.at, bottom.at)
                is_cell = all(line.at in dividing[0] + dividing[1] for line in real)
                yield _Found(_worth(real, box) * share**0.5 * (CELL_WORTH if is_cell else 1), box)


def _unseen(lines: list[Line]) -> Iterator[Line]:
    """Where two lines beside each other begin, or end, a third is taken to join them that was not seen: grass on
    grass."""
    for place, one in enumerate(lines):
        for other in lines[:place]:
            first, last = sorted((one.at, other.at))
            for here, there in ((one.begin, other.begin), (one.end, other.end)):
                if abs(here - there) <= ENDS_APART:
                    yield Line((here + there) // 2, first, last, UNSEEN)


def _worth(lines: list[Line], box: Box) -> float:
    """A line that goes on beyond the panel belongs to something else, in part."""
    lengths = {True: box.height, False: box.width}
    total = 0.0
    for line in lines:
        length = lengths[line.at in (box.left, box.right) and line.share_of(box.top, box.bottom) >= COVERED]
        total += line.worth / (line.end - line.begin) * min(1.0, length / (line.end - line.begin))
    return total


def _dividing(lines: list[Line], side: int) -> list[int]:
    lengths = [(line, line.end - line.begin) for line in lines]
    return [
        line.at for line, length in lengths if length >= CROSSING_SHARE * side and line.worth >= CROSSING_WORTH * length
    ]


def _pairs(lines: list[Line], apart: float, dividing: list[int]) -> Iterator[tuple[Line, Line]]:
    """Two lines with room for a panel between them, and nothing that divides the picture there."""
    near = 5
    for place, one in enumerate(lines):
        for other in lines[place + 1 :]:
            if other.at - one.at >= apart and not any(one.at + near < at < other.at - near for at in dividing):
                yield one, other


def _shared(one: Box, other: Box) -> float:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(0, width) * max(0, height) / smaller
