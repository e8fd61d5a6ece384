"""The points of a picture's parts, where there is a picture in the picture. Pure.

A picture's points are shared by all that it shows: of a collage each cell has a quarter of them, found in a quarter of
the pixels. So insets and cells are looked at by themselves, as large as the decoder gave them; and so is what is left
of a screen, or of a panel, without what is around it (``areas``): of a screenshot of a screenshot the picture is a
twelfth. Where all the points crowd in a few places, as upon stickers, the whole is a part, too: with as
many points spread over it.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels, Reduced, reduced_size
from app.fingerprints.algorithms.local_features import SIDE_PIXELS, LocalFeatures
from app.fingerprints.algorithms.orb import features_of, spread_features
from app.fingerprints.algorithms.reducing import reduced_picture
from app.fingerprints.areas import Box, areas_in
from app.fingerprints.panels import LARGEST_SHARE, SMALLEST_SHARE, panels_in
from app.fingerprints.views import Part

MOST_PARTS = 6
NEARLY_ONE = 0.85
"""Two boxes that have so much of both in common are one."""


def features_of_parts(
    rgb: Pixels, picture: Reduced, areas: Iterable[Box] = (), strongest: LocalFeatures | None = None
) -> list[LocalFeatures]:
    """At most six sets and one, each under the view that says where the part lies; ``picture`` is the same, reduced.
    ``areas``: found in it, on what may be a screen. ``strongest``: the picture's points."""
    by = min(1.0, SIDE_PIXELS / max(rgb.shape[:2]))
    found = []
    for box in _boxes(rgb, picture, areas):
        left, top, width, height = (round(edge * by) for edge in (box.left, box.top, box.width, box.height))
        part = Part(left, top, width, height, side=min(SIDE_PIXELS, max(box.width, box.height)))
        found.append(features_of(np.ascontiguousarray(box.of(rgb)), part.view))
    if strongest is not None:
        size = reduced_size((rgb.shape[1], rgb.shape[0]), SIDE_PIXELS)
        spread = spread_features(rgb, strongest, Part(0, 0, *size, side=max(size)).view)
        found += [] if spread is None else [spread]
    return [one for one in found if one.points]


def _boxes(rgb: Pixels, picture: Reduced, areas: Iterable[Box]) -> list[Box]:
    """Panels, the areas of the picture, and those of the panels."""
    chosen = panels_in(rgb, picture)
    for box in [*areas, *_areas_of(rgb, chosen)]:
        share = box.width * box.height / (rgb.shape[0] * rgb.shape[1])
        is_new = all(_in_common(box, other) < NEARLY_ONE for other in chosen)
        if len(chosen) < MOST_PARTS and is_new and SMALLEST_SHARE <= share <= LARGEST_SHARE:
            chosen.append(box)
    return chosen


def _areas_of(rgb: Pixels, panels: Iterable[Box]) -> Iterator[Box]:
    for panel in panels:
        pixels = np.ascontiguousarray(panel.of(rgb))
        for area in areas_in(pixels, reduced_picture(pixels)):
            yield area.box.moved(panel.left, panel.top)


def _in_common(one: Box, other: Box) -> float:
    """Of both together."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0, width) * max(0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)
