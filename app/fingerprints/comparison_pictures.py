"""Two pictures side by side, the same way up: what corresponds, where one lies in the other, the shared part. Pure.

Places come as thousandths of a picture's width and height (``matching.Ground``), and are turned with their picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from app.fingerprints.algorithms.algorithm import reduced
from app.fingerprints.comparison_canvas import (
    INK,
    INNER,
    MARGIN,
    PANEL,
    QUERY,
    QUIET,
    REFERENCE,
    Block,
    Box,
    Colour,
    Place,
    fitting,
    ramp,
    resized,
)
from app.fingerprints.views import IDENTITY, SYMMETRIES, WHOLE, boxes_of

THOUSAND = 1000
TOP = 4
GUTTER = 40
PANEL_WIDTH = (INNER - GUTTER) // 2
PANEL_HEIGHT = 470
ALIGNED_WIDTH = (INNER - 2 * 24) // 3
ALIGNED_HEIGHT = 330
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
    box = boxes_of(np.asarray(picture), reduced(picture)).get(view)
    if box is None:
        return None
    across, down = THOUSAND / picture.width, THOUSAND / picture.height
    return round(box.left * across), round(box.top * down), round(box.right * across), round(box.bottom * down)


@dataclass(frozen=True, slots=True)
class Side:
    """One picture and what is written under it."""

    picture: Image.Image
    name: str
    """``Query`` or ``Reference``."""
    label: str
    note: str = ""
    area: Area | None = None


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


def pictures_block(query: Side, reference: Side, how: Correspondence) -> Block:
    """Both, the query the same way up as the reference, with lines between corresponding points."""
    symmetry = how.upright(reference.picture.size)
    shown = turned(query.picture, symmetry)
    sizes = [fitting(each.size, (PANEL_WIDTH, PANEL_HEIGHT)) for each in (shown, reference.picture)]
    height = max(size[1] for size in sizes)
    block = Block(TOP + height + 86)
    places = []
    for column, (side, picture, size) in enumerate(
        ((query, shown, sizes[0]), (reference, reference.picture, sizes[1]))
    ):
        left = MARGIN + column * (PANEL_WIDTH + GUTTER)
        block.fill((left, TOP, left + PANEL_WIDTH, TOP + height), PANEL)
        place = left + (PANEL_WIDTH - size[0]) // 2, TOP + (height - size[1]) // 2
        block.picture(resized(picture, size), place)
        places.append(place)
        _write_under(block, side, left, TOP + height + 14, QUERY if column == 0 else REFERENCE)

    def in_query(x: float, y: float) -> Place:
        x, y = PLACES[symmetry](x, y)
        return inside(places[0], sizes[0], x, y)

    def in_reference(x: float, y: float) -> Place:
        return inside(places[1], sizes[1], x, y)

    for side, put in ((query, in_query), (reference, in_reference)):
        if side.area is not None:
            draw_area(block, side.area, put)
    _draw_points(block, how.points, in_query, in_reference)
    if how.outline is not None:
        _draw_outline(block, how.outline, in_reference, QUERY, _around(places[1], sizes[1]))
        back = outline_back(how.outline)
        if back is not None:
            _draw_outline(block, back, in_query, REFERENCE, _around(places[0], sizes[0]))
    for number, colour in ((0, QUERY), (1, REFERENCE)):
        place, size = places[number], sizes[number]
        corners = [inside(place, size, *each) for each in CORNERS]
        block.outline(corners, colour, 2.5)
        block.settle()
    return block


def inside(place: tuple[int, int], size: tuple[int, int], x: float, y: float) -> Place:
    return place[0] + x * size[0] / THOUSAND, place[1] + y * size[1] / THOUSAND


def _write_under(block: Block, side: Side, left: int, top: int, colour: Colour) -> None:
    right = block.pill((left, top), side.name, colour, 14)
    block.text((right + 12, top + 14), side.label, 15, INK, "lm")
    if side.note:
        block.text((left, top + 40), side.note, 14, QUIET)


def draw_area(block: Block, area: Area, put: Callable[[float, float], Place]) -> None:
    left, upper, right, lower = area
    corners = [put(*each) for each in ((left, upper), (right, upper), (right, lower), (left, lower))]
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        block.line([start, end], (255, 255, 255), 4, 200)
        block.dashes(start, end, (17, 119, 51), 8)
    block.settle()


def _draw_points(
    block: Block,
    points: Sequence[Sequence[int]],
    in_query: Callable[[float, float], Place],
    in_reference: Callable[[float, float], Place],
) -> None:
    """Coloured from top to bottom of the reference, so that lines that cross are told apart."""
    ordered = sorted(points, key=lambda point: (point[3], point[2], point[1], point[0]))
    ends = [
        (in_query(qx, qy), in_reference(rx, ry), ramp(number / max(1, len(ordered) - 1)))
        for number, (qx, qy, rx, ry) in enumerate(ordered)
    ]
    for start, end, _ in ends:
        block.line([start, end], (255, 255, 255), 3, 130)
    block.settle()
    for start, end, colour in ends:
        block.line([start, end], colour, 1.5, 240)
    for start, end, colour in ends:
        block.dot(start, colour)
        block.dot(end, colour)
    block.settle()


def _draw_outline(
    block: Block, outline: Sequence[Sequence[float]], put: Callable[[float, float], Place], colour: Colour, box: Box
) -> None:
    """Where the other picture lies in this one; what is outside of it is left out."""
    block.outline([put(*each) for each in outline], colour)
    block.settle(box)


def _around(place: tuple[int, int], size: tuple[int, int], by: int = 3) -> Box:
    return place[0] - by, place[1] - by, place[0] + size[0] + by, place[1] + size[1] + by


def outline_back(outline: Outline) -> list[Place] | None:
    """The corners of the reference's picture in the query's; None when the outline is no quadrilateral, or the
    reference reaches to where the query's plane ends."""
    numbers = _perspective([(float(x), float(y)) for x, y in outline], CORNERS)
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


def aligned_block(query: Side, reference: Side, how: Correspondence) -> Block | None:
    """The part that both show, at one scale and the same way up, and how far they differ there. None: too small a part
    or an outline that is none."""
    outline = how.outline if how.outline is not None else _by_areas(how.symmetry, query.area, reference.area)
    part = _shared(outline)
    if part is None:
        return None
    left, upper, right, lower = part
    sides = reference.picture.size
    extent = (right - left) * sides[0] / THOUSAND, (lower - upper) * sides[1] / THOUSAND
    size = fitting((max(1, round(extent[0])), max(1, round(extent[1]))), (ALIGNED_WIDTH, ALIGNED_HEIGHT), most=8)
    onto = _pixels_of(part, size)
    theirs = reference.picture.resize(size, Image.Resampling.LANCZOS, box=_box_of(part, sides))
    ours, mask = _warped(query.picture, outline, onto, size)
    if mask.getbbox() is None:
        return None
    block = Block(34 + size[1] + 40)
    block.text((MARGIN, 2), "The part that both show, at one scale", 17)
    ground = Image.new("RGB", size, PANEL)
    panels = (
        (Image.composite(ours, ground, mask), "Query"),
        (theirs, "Reference"),
        (Image.composite(difference(ours, theirs), ground, mask), "Difference: dark where both are alike"),
    )
    for column, (picture, words) in enumerate(panels):
        at = MARGIN + column * (ALIGNED_WIDTH + 24)
        block.fill((at, 34, at + ALIGNED_WIDTH, 34 + size[1]), PANEL)
        block.picture(picture, (at + (ALIGNED_WIDTH - size[0]) // 2, 34))
        block.text((at, 34 + size[1] + 8), words, 14, QUIET)
    return block


def difference(some: Image.Image, other: Image.Image) -> Image.Image:
    """How far their brightness differs, after both were brought to the same contrast: a filter hides no change."""
    soft = [each.convert("L").filter(ImageFilter.BoxBlur(1)) for each in (some, other)]
    shades = [ImageOps.autocontrast(each, cutoff=1) for each in soft]
    apart = np.asarray(ImageChops.difference(*shades), np.float64) / 255
    stops = np.array([(24, 32, 44), (120, 28, 109), (237, 105, 37), (252, 255, 164)], np.float64)
    place = np.clip(apart * 2.2, 0, 1) * (len(stops) - 1)
    low = np.minimum(place.astype(np.int64), len(stops) - 2)
    part = (place - low)[..., None]
    return Image.fromarray(np.rint(stops[low] * (1 - part) + stops[low + 1] * part).astype(np.uint8))


def _by_areas(symmetry: str, query: Area | None, reference: Area | None) -> list[Place]:
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


def _shared(outline: Sequence[Sequence[float]]) -> Box | None:
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


def _box_of(part: Box, size: tuple[int, int]) -> Box:
    (left, upper, right, lower), (width, height) = part, size
    return left * width / THOUSAND, upper * height / THOUSAND, right * width / THOUSAND, lower * height / THOUSAND


def _pixels_of(part: Box, size: tuple[int, int]) -> Callable[[float, float], Place]:
    left, upper, right, lower = part
    return lambda x, y: ((x - left) / (right - left) * size[0], (y - upper) / (lower - upper) * size[1])


def _warped(
    query: Image.Image,
    outline: Sequence[Sequence[float]],
    onto: Callable[[float, float], Place],
    size: tuple[int, int],
) -> tuple[Image.Image, Image.Image]:
    """The query laid upon the part, and where it lies."""
    corners = [onto(x, y) for x, y in outline]
    width, height = query.size
    whole = [(0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, float(height))]
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    coefficients = _perspective(corners, whole)
    if coefficients is None:
        return Image.new("RGB", size), Image.new("L", size, 0)
    laid = query.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    return laid, mask


def _perspective(places: Sequence[Place], to: Sequence[Place]) -> list[float] | None:
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
