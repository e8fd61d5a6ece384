"""Two pictures side by side, the same way up: what corresponds, where one lies in the other, the shared part. Pure.

Places come as thousandths of a picture's width and height (``matching.Ground``), and are turned with their picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

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
from app.fingerprints.comparison_places import (
    CORNERS,
    PLACES,
    THOUSAND,
    Area,
    Correspondence,
    outline_back,
    outline_by_areas,
    perspective,
    shared_part,
    turned,
)

TOP = 4
AREA: Colour = (0, 158, 115)
"""Around what was looked at in place of the whole."""
GUTTER = 40
PANEL_WIDTH = (INNER - GUTTER) // 2
PANEL_HEIGHT = 470
ALIGNED_WIDTH = (INNER - 2 * 24) // 3
ALIGNED_HEIGHT = 330


@dataclass(frozen=True, slots=True)
class Side:
    """One picture and what is written under it."""

    picture: Image.Image
    name: str
    """``Query`` or ``Reference``."""
    label: str
    note: str = ""
    area: Area | None = None


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
    block.outline([put(*each) for each in ((left, upper), (right, upper), (right, lower), (left, lower))], AREA)
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


def aligned_block(query: Side, reference: Side, how: Correspondence) -> Block | None:
    """The part that both show, at one scale and the same way up, and how far they differ there. None: too small a part
    or an outline that is none."""
    outline = how.outline if how.outline is not None else outline_by_areas(how.symmetry, query.area, reference.area)
    part = shared_part(outline)
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
    coefficients = perspective(corners, whole)
    if coefficients is None:
        return Image.new("RGB", size), Image.new("L", size, 0)
    laid = query.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    return laid, mask.filter(ImageFilter.MinFilter(3))
