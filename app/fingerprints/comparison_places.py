"""Where things lie in two pictures: symmetries undone, the outline of one in the other, the part that both show. Pure.

Places are thousandths of a picture's width and height (``matching.Ground``), and are turned with their picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import reduced
from app.fingerprints.comparison_canvas import Box, Place
from app.fingerprints.views import IDENTITY, SYMMETRIES, WHOLE, Part, boxes_of

THOUSAND = 1000

SMALLEST_SHARED = 30
"""Thousandths of a side: a smaller part is not shown by itself."""

Outline = Sequence[Sequence[int]]
Matrix = np.ndarray[Any, np.dtype[np.float64]]

EVERYTHING = (0, 0, THOUSAND, THOUSAND)

CORNERS: tuple[Place, ...] = ((0, 0), (THOUSAND, 0), (THOUSAND, THOUSAND), (0, THOUSAND))
"""Upper left, upper right, lower right, lower left."""

PLACES: dict[str, Callable[[float, float], Place]] = {
    IDENTITY: lambda x, y: (x, y),
    "rotate_90": lambda x, y: (THOUSAND - y, x),
    "rotate_180": lambda x, y: (THOUSAND - x, THOUSAND - y),
    "rotate_270": lambda x, y: (y, THOUSAND - x),
    "mirror": lambda x, y: (THOUSAND - x, y),
    "flip": lambda x, y: (x, THOUSAND - y),
    "transpose": lambda x, y: (y, x),
    "transverse": lambda x, y: (THOUSAND - y, THOUSAND - x),
}
"""Where a place of the picture is after what ``views.SYMMETRIES`` does to it."""

WORDS = {
    IDENTITY: "as it is",
    "rotate_90": "turned 90° clockwise",
    "rotate_180": "turned upside down",
    "rotate_270": "turned 90° anticlockwise",
    "mirror": "mirrored",
    "flip": "mirrored top to bottom",
    "transpose": "mirrored and turned 90° anticlockwise",
    "transverse": "mirrored and turned 90° clockwise",
}
"""What was done to the query to show it as the reference is."""

# Which way the query's right and its lower side point in the reference: by the larger part of each.
_BY_DIRECTIONS = {
    (False, False, False): IDENTITY,
    (False, True, False): "mirror",
    (False, False, True): "flip",
    (False, True, True): "rotate_180",
    (True, False, False): "transpose",
    (True, False, True): "rotate_90",
    (True, True, False): "rotate_270",
    (True, True, True): "transverse",
}


Area = tuple[int, int, int, int]
"""Left, upper, right, lower in thousandths: the part that was looked at in place of the whole."""


def area_in(picture: Image.Image, view: str) -> Area | None:
    """Where what was looked at lies in a picture; None when that is the whole, or is not found in a smaller copy."""
    if view == WHOLE:
        return None
    part = Part.of(view)
    box = boxes_of(np.asarray(picture), reduced(picture)).get(view) if part is None else part.box
    if box is None:
        return None
    across, down = THOUSAND / picture.width, THOUSAND / picture.height
    return round(box.left * across), round(box.top * down), round(box.right * across), round(box.bottom * down)


@dataclass(frozen=True, slots=True)
class Correspondence:
    """How the query's picture lies in the reference's."""

    symmetry: str = IDENTITY
    outline: Outline | None = None
    """Corners of the query in the reference: upper left, upper right, lower right, lower left."""
    points: Sequence[Sequence[int]] = ()

    def upright(self, size: tuple[int, int]) -> str:
        """The symmetry that brings the query the same way up; ``size`` is that of the reference's picture."""
        if self.outline is None:
            return self.symmetry
        corners = np.array(self.outline, np.float64) * (np.array(size) / THOUSAND)
        right, down = corners[1] - corners[0], corners[3] - corners[0]
        is_across = bool(abs(right[1]) > abs(right[0]))
        x, y = (1, 0) if is_across else (0, 1)
        # Of a turned one, the query's right points down or up, and its lower side to the right or left.
        key = (is_across, bool(right[x] < 0), bool(down[y] < 0))
        return _BY_DIRECTIONS[key]


def turned(picture: Image.Image, symmetry: str) -> Image.Image:
    if symmetry == IDENTITY:
        return picture
    return Image.fromarray(np.ascontiguousarray(SYMMETRIES[symmetry](np.asarray(picture))))


def outline_back(outline: Outline) -> list[Place] | None:
    """The corners of the reference's picture in the query's; None when the outline is no quadrilateral, or the
    reference reaches to where the query's plane ends."""
    numbers = perspective([(float(x), float(y)) for x, y in outline], CORNERS)
    if numbers is None:
        return None
    a, b, c, d, e, f, g, h = numbers
    back = []
    for x, y in CORNERS:
        depth = g * x + h * y + 1
        if depth <= 1e-6:
            return None
        back.append(((a * x + b * y + c) / depth, (d * x + e * y + f) / depth))
    return back


def outline_by_areas(symmetry: str, query: Area | None, reference: Area | None) -> list[Place]:
    """The outline of a query whose area shows what that of the reference shows."""
    put = PLACES[symmetry]
    left, upper, right, lower = query or EVERYTHING
    ends = put(left, upper), put(right, lower)
    (low_x, high_x), (low_y, high_y) = (sorted(end[axis] for end in ends) for axis in (0, 1))
    left, upper, right, lower = reference or EVERYTHING

    def onto(x: float, y: float) -> Place:
        across, down = (x - low_x) / (high_x - low_x), (y - low_y) / (high_y - low_y)
        return left + across * (right - left), upper + down * (lower - upper)

    return [onto(*put(*each)) for each in CORNERS]


def shared_part(outline: Sequence[Sequence[float]]) -> Box | None:
    """The smallest upright box around what the outline covers of the reference, in thousandths."""
    covered = [(float(x), float(y)) for x, y in outline]
    for axis, least, most in ((0, 0, THOUSAND), (1, 0, THOUSAND)):
        covered = _cut(covered, axis, least, is_lower=True)
        covered = _cut(covered, axis, most, is_lower=False)
    if len(covered) < 3:
        return None
    xs, ys = ([min(max(place[axis], 0.0), float(THOUSAND)) for place in covered] for axis in (0, 1))
    if max(xs) - min(xs) < SMALLEST_SHARED or max(ys) - min(ys) < SMALLEST_SHARED:
        return None
    return min(xs), min(ys), max(xs), max(ys)


def _cut(places: Sequence[Place], axis: int, edge: float, *, is_lower: bool) -> list[Place]:
    """What lies on one side of an edge (Sutherland and Hodgman, 1974)."""
    kept: list[Place] = []
    for start, end in zip(places, [*places[1:], *places[:1]], strict=True):
        some, other = start[axis] - edge, end[axis] - edge
        is_in, will_be_in = (some >= 0, other >= 0) if is_lower else (some <= 0, other <= 0)
        if is_in:
            kept.append(start)
        if is_in != will_be_in:
            share = some / (some - other)
            kept.append((start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share))
    return kept


def perspective(places: Sequence[Place], to: Sequence[Place]) -> list[float] | None:
    """The eight numbers by which Pillow finds for each place of the new picture one of the old; None when the four
    places are no quadrilateral."""
    rows, target = [], []
    for (x, y), (u, v) in zip(places, to, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        target += [u, v]
    try:
        solved: Matrix = np.linalg.solve(np.array(rows, np.float64), np.array(target, np.float64))
    except np.linalg.LinAlgError:
        return None
    return [float(each) for each in solved] if np.isfinite(solved).all() else None
