"""Which part of a picture is the picture: without borders, bars and the screen that it was shown on. Pure.

What is put around a picture is mostly of one colour (a page, a bar, the bands of another format): rows and columns most
of whose pixels have that colour do not belong to it, though words stand in them; the largest rectangle of the others is
the picture. Where nothing of one colour lies at the edges, the bands may be the picture itself, enlarged and blurred:
then they are smooth, the middle is not, and a straight line divides them.

What is found is looked at besides the whole and never in its place, so what is found wrongly hides nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels, Reduced

NEAR_COLOUR = (8, 24)
"""Of each of red, green and blue: what JPEG and noise do to one colour; little, so that a dark picture is told from a
black border, then much."""
MOSTLY = 0.55
"""A row with so many pixels of the colour around belongs to it; words cover up to a third of a row."""
SHARPLY = 0.3
"""By so much of its length a line of the picture differs from one around it, three lines apart."""
EDGE_LINES = 3
MOST_LAYERS = 3
"""A bar around a bar, a screenshot of a screenshot."""
LARGEST_SHARE = 0.96
"""Of the picture's area: less is cut off by nobody on purpose, and moves few bits."""
SMALLEST_SHARE = 0.06
SMALLEST_SIDE_SHARE = 0.15
SMALLEST_COARSE_PIXELS = 16
LONGEST_FORM = 4.0
SMOOTH_RATIO = 0.45
"""How much smoother than the middle a blurred band is."""
STEP = 6.0
"""Grey levels, on average along a whole line, between a blurred band and the picture in it."""

_GREY = np.full(3, 1 / 3, np.float32)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels, the right and lower edge outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def moved(self, x: int, y: int) -> "Box":
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def of(self, pixels: Array) -> Array:
        return pixels[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, slots=True)
class Area:
    """``is_framed``: there is something else than one colour both above and below it, as on a telephone's screen."""

    box: Box
    is_framed: bool


def areas_in(rgb: Pixels, picture: Reduced) -> list[Area]:
    """The parts of the picture that may be the picture: what is left when what is around it is taken away once, twice
    and a third time, each in the one before. Empty when the picture is clearly the whole.

    ``picture``: the same, reduced as for hashes.
    """
    coarse = picture.coarse
    # Colour by colour in memory: then they are compared many at a time.
    in_planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(coarse, -1, 0)), 0, -1)
    layers: list[Area] = []
    box = Box(0, 0, coarse.shape[1], coarse.shape[0])
    while len(layers) < MOST_LAYERS:
        found = _in_one_colour(box.of(in_planes)) or _between_smooth_bands(box.of(coarse))
        if found is None:
            break
        box = found.box.moved(box.left, box.top)
        layers.append(Area(box, found.is_framed))
    refined = [
        Area(_refined(rgb, one.box, coarse.shape), one.is_framed) for one in layers if _is_likely(one.box, coarse)
    ]
    # Of a picture of a few pixels two edges may meet where the step between them is largest, and two areas be one.
    distinct = {one.box: one for one in reversed(refined) if min(one.box.width, one.box.height) > 0}
    return list(distinct.values())[::-1]


def shown_in(areas: Sequence[Area]) -> list[Box]:
    """Of the areas of a picture those that a screen shows: a framed one, and what lies in it. Which of them is the
    picture is not known: a dark one may have a border of its own."""
    first = next((place for place, one in enumerate(areas) if one.is_framed), len(areas))
    return [one.box for one in areas[first:]]


def _in_one_colour(picture: Array) -> Area | None:
    best: tuple[float, Area] | None = None
    for colour in _colours_around(picture):
        differs = _difference(picture, colour)
        for near in NEAR_COLOUR:
            is_around = differs <= near
            box = _largest_inside(is_around)
            if box is None or not _is_likely(box, picture):
                continue
            share = float(1 - box.of(is_around).mean())
            area = Area(box, _has_something(is_around[: box.top]) and _has_something(is_around[box.bottom :]))
            found = (share * (box.width * box.height) ** 0.5, area)
            best = found if best is None or found[0] > best[0] else best
    return None if best is None else best[1]


def _colours_around(picture: Array) -> Iterator[Array]:
    """Of each edge the median, where most of the edge has it; each once. Most photographs have none."""
    seen: list[Array] = []
    for edge in (picture[:EDGE_LINES], picture[-EDGE_LINES:], picture[:, :EDGE_LINES], picture[:, -EDGE_LINES:]):
        line = edge.reshape(-1, 3)
        colour = np.median(line, axis=0).astype(np.uint8)
        if np.mean(_difference(line, colour) <= NEAR_COLOUR[-1]) < MOSTLY:
            continue
        if all(_difference(colour, other) > NEAR_COLOUR[0] for other in seen):
            seen.append(colour)
            yield colour


def _difference(picture: Array, colour: Array) -> Array:
    """The largest of red, green and blue. In whole bytes: what is above plus what is below, one of which is 0."""
    apart = []
    for place in range(3):  # Plane by plane, each of which lies in memory as a whole.
        over = np.maximum(picture[..., place], colour[..., place])
        over -= np.minimum(picture[..., place], colour[..., place])
        apart.append(over)
    largest: Array = np.maximum(np.maximum(apart[0], apart[1]), apart[2])
    return largest


def _largest_inside(is_around: Array) -> Box | None:
    """Rows and columns in turn, until neither changes."""
    height, width = is_around.shape
    box = whole = Box(0, 0, width, height)
    for _ in range(3):
        top, bottom = _inside(box.of(is_around).mean(axis=1))
        rows = Box(box.left, box.top + top, box.right, box.top + bottom)
        left, right = _inside(rows.of(is_around).mean(axis=0))
        found = Box(rows.left + left, rows.top, rows.left + right, rows.bottom)
        if found == box:
            break
        box = found
    return None if box == whole else box


def _inside(around: Array) -> tuple[int, int]:
    """Of the lines' shares of the colour around: the longest run of low ones. An end without a straight edge is none,
    for a sky ends little by little."""
    start, end = _longest_run(around < MOSTLY)
    if start == end:
        return 0, len(around)
    begins = start > 0 and around[max(0, start - 2)] - around[min(start + 1, end - 1)] >= SHARPLY
    ends = end < len(around) and around[min(end + 1, len(around) - 1)] - around[max(end - 2, start)] >= SHARPLY
    return start if begins else 0, end if ends else len(around)


def _longest_run(is_inside: Array) -> tuple[int, int]:
    padded = np.concatenate([[False], is_inside, [False]]).astype(np.int8)
    changes = np.diff(padded)
    starts, ends = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
    if not starts.size:
        return 0, 0
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])


def _is_likely(box: Box, picture: Array) -> bool:
    height, width = picture.shape[:2]
    share = box.width * box.height / (width * height)
    form = box.width / box.height
    return (
        SMALLEST_SHARE <= share <= LARGEST_SHARE
        and box.width >= SMALLEST_SIDE_SHARE * width
        and box.height >= SMALLEST_SIDE_SHARE * height
        and 1 / LONGEST_FORM <= form <= LONGEST_FORM
    )


def _has_something(is_around: Array) -> bool:
    return is_around.size > 0 and float(is_around.mean()) < 0.995


def _between_smooth_bands(picture: Array) -> Area | None:
    grey = picture @ _GREY
    height, width = grey.shape
    upright = _band_edges(grey)
    sideways = None if upright else _band_edges(grey.T)
    if upright is None and sideways is None:
        return None
    (top, bottom), (left, right) = upright or (0, height), sideways or (0, width)
    box = Box(left, top, right, bottom)
    return Area(box, False) if _is_likely(box, picture) else None


def _band_edges(grey: Array) -> tuple[int, int] | None:
    """Where the rows in the middle begin and end, when those before and after them are smooth."""
    height = len(grey)
    if min(grey.shape) < SMALLEST_COARSE_PIXELS:
        return None
    steps = np.abs(np.diff(grey, axis=0)).mean(axis=1)
    roughness = np.abs(np.diff(grey, n=2, axis=1)).mean(axis=1)
    middle = height // 2
    inside = float(np.median(roughness[height // 3 : height - height // 3]))
    top = _smooth_until(roughness[:middle], steps[: middle - 1], inside)
    below = _smooth_until(roughness[: middle - 1 : -1], steps[:middle:-1], inside)
    return None if top == 0 or below == 0 else (top, height - below)


def _smooth_until(roughness: Array, steps: Array, inside: float) -> int:
    """The number of smooth lines from the edge on, up to the first step that ends them; 0 when there is none."""
    largest = np.maximum.accumulate(steps)
    for place in np.flatnonzero(steps >= STEP):
        if place < 2 or steps[place] < 2 * largest[place - 2]:
            continue
        return int(place) + 1 if np.percentile(roughness[:place], 90) <= SMOOTH_RATIO * inside else 0
    return 0


def _refined(rgb: Pixels, box: Box, coarse_shape: tuple[int, ...]) -> Box:
    """The same box in the picture's own pixels, each edge where the step along it is largest."""
    height, width = rgb.shape[:2]
    scale_x, scale_y = width / coarse_shape[1], height / coarse_shape[0]
    rough = Box(
        round(box.left * scale_x), round(box.top * scale_y), round(box.right * scale_x), round(box.bottom * scale_y)
    )
    reach_x, reach_y = int(np.ceil(1.5 * scale_x)) + 1, int(np.ceil(1.5 * scale_y)) + 1
    across = slice(rough.left + reach_x, max(rough.left + reach_x + 1, rough.right - reach_x))
    down = slice(rough.top + reach_y, max(rough.top + reach_y + 1, rough.bottom - reach_y))
    return Box(
        0 if box.left == 0 else _edge_at(np.swapaxes(rgb[down], 0, 1), rough.left, reach_x),
        0 if box.top == 0 else _edge_at(rgb[:, across], rough.top, reach_y),
        width if rough.right >= width else _edge_at(np.swapaxes(rgb[down], 0, 1), rough.right, reach_x),
        height if rough.bottom >= height else _edge_at(rgb[:, across], rough.bottom, reach_y),
    )


def _edge_at(lines: Array, near: int, reach: int) -> int:
    """The first line after the largest step within reach."""
    start, stop = max(0, near - reach - 1), min(len(lines), near + reach + 1)
    window = lines[start:stop].astype(np.int16)
    if not window.size:  # A picture of a few pixels, of which nothing is left along the edge.
        return start + 1
    steps = np.abs(np.diff(window, axis=0)).mean(axis=(1, 2))
    return start + 1 + int(np.argmax(steps)) if steps.size else near
