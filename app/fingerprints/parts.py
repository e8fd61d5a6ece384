"""A picture's parts, where there is a picture in the picture, and their points. Pure.

A picture's points are shared by all that it shows: of a collage each cell has a quarter of them, found in a quarter of
the pixels; and its hash is that of the whole. So insets, cells and pictures on a page are looked at by themselves, as
large as the decoder gave them; and so is what is left of a screen, or of one of these, without what is around it
(``areas``): of a screenshot of a screenshot the picture is a twelfth. Where all the points crowd in a few places, as
upon stickers, the whole is a part, too: with as many points spread over it.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels, Reduced, reduced_size
from app.fingerprints.algorithms.local_features import SIDE_PIXELS, LocalFeatures
from app.fingerprints.algorithms.orb import features_of, spread_features
from app.fingerprints.algorithms.reducing import reduced_picture
from app.fingerprints.areas import Box, areas_in
from app.fingerprints.blocks import LARGEST_SHARE, SMALLEST_SHARE, blocks_in
from app.fingerprints.panels import panels_in
from app.fingerprints.views import MOST_PARTS, Part

NEARLY_ONE = 0.85
"""Two boxes that have so much of both in common are one."""


def parts_of(rgb: Pixels, picture: Reduced, areas: Iterable[Box] = ()) -> dict[str, Box]:
    """At most twelve, by the view that says where each lies, the surest first: blocks, of which the largest first, and
    then panels. ``picture`` is the same, reduced. ``areas``: found in it, on what may be a screen."""
    by = min(1.0, SIDE_PIXELS / max(rgb.shape[:2]))
    found = {}
    for box in _boxes(rgb, picture, areas):
        left, top, width, height = (round(edge * by) for edge in (box.left, box.top, box.width, box.height))
        found[Part(left, top, width, height, side=min(SIDE_PIXELS, max(box.width, box.height))).view] = box
    return found


def features_of_parts(rgb: Pixels, parts: Mapping[str, Box]) -> list[LocalFeatures]:
    """A set of each that has points."""
    found = [features_of(np.ascontiguousarray(box.of(rgb)), view) for view, box in parts.items()]
    return [one for one in found if one.points]


def features_spread(rgb: Pixels, strongest: LocalFeatures) -> list[LocalFeatures]:
    """The whole as a part, where its points, the ``strongest``, crowd; else nothing."""
    size = reduced_size((rgb.shape[1], rgb.shape[0]), SIDE_PIXELS)
    spread = spread_features(rgb, strongest, Part(0, 0, *size, side=max(size)).view)
    return [spread] if spread is not None and spread.points else []


def _boxes(rgb: Pixels, picture: Reduced, areas: Iterable[Box]) -> list[Box]:
    """Blocks and panels, the areas of the picture, and those of the panels and blocks."""
    chosen: list[Box] = []
    around = [*blocks_in(rgb, picture), *panels_in(rgb, picture)]
    for box in [*around, *areas, *_areas_of(rgb, around)]:
        share = box.width * box.height / (rgb.shape[0] * rgb.shape[1])
        is_new = all(_in_common(box, other) < NEARLY_ONE for other in chosen)
        if len(chosen) < MOST_PARTS and is_new and SMALLEST_SHARE <= share <= LARGEST_SHARE:
            chosen.append(box)
    return chosen


def _areas_of(rgb: Pixels, parts: Iterable[Box]) -> Iterator[Box]:
    for part in parts:
        pixels = np.ascontiguousarray(part.of(rgb))
        for area in areas_in(pixels, reduced_picture(pixels)):
            yield area.box.moved(part.left, part.top)


def _in_common(one: Box, other: Box) -> float:
    """Of both together."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0, width) * max(0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)
