"""Finds local features by ORB: corners at eight scales, each with its direction and 256 bits. Pure.

Source: Rublee, Rabaud, Konolige, Bradski, "ORB: an efficient alternative to SIFT or SURF", ICCV 2011, as OpenCV has it.

The rule ``orb/1``: of the luma of the decoder's picture (Pillow's ``L``: ITU-R 601, whole numbers), reduced to at most
640 pixels on the longer side (Pillow's BOX filter); at most 500 corners (by FAST with threshold 10, which finds some in
smooth and dark pictures too) over eight octaves 1.2 apart, the strongest of each by Harris' measure.

Of a picture whose points crowd in a few places (under stickers, along a fence) as many are taken once more, spread over
it: the strongest of each of 64 cells, then the second of each, and so on, of 2,000 corners.

Of the mirrored picture the same corners are described once more (view ``mirror``): a corner is one in a mirror too, and
its direction is known, so they need not be found again. That takes a third of the time of finding them.

Only the worker loads this module: OpenCV's start takes a quarter of a second and brings an FFmpeg of its own. It sees
arrays and never a file; a lint rule holds that.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import Pixels, reduced_size
from app.fingerprints.algorithms.local_features import (
    MAXIMUM_POINTS,
    OCTAVES,
    SCALE_STEP,
    SIDE_PIXELS,
    VERSION,
    LocalFeatures,
    pack_points,
    unpack_points,
)
from app.fingerprints.algorithms.reducing import grey_of, smaller

Luma = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Array = np.ndarray[Any, Any]

FAST_THRESHOLD = 10
SMALLEST_SIDE_PIXELS = 64
"""A smaller picture has no patch of 31 pixels that lies inside it at more than one place."""

CELLS = 8
"""The picture is divided into so many by so many."""
CROWDED = 0.25
"""Of the cells: as if so many had all the points, evenly (two to the power of their entropy)."""
MOST_CORNERS = 2_000
"""Of which those that are spread are chosen."""

IDENTITY, MIRROR = "identity", "mirror"
"""As ``views`` names them, which knows of all symmetries."""

cv2.setNumThreads(1)  # One job is one core: its neighbours are other jobs.


def local_features(picture: Pixels | Image.Image, time_ms: int = 0) -> LocalFeatures:
    """The points of a picture as the jail gave it (RGB, longer side 640 pixels or more, where the original had them).

    From threads at once: each call has a detector of its own.
    """
    return _found(_luma(picture))[0].at(time_ms)


def features_in_views(picture: Pixels | Image.Image, time_ms: int = 0) -> list[LocalFeatures]:
    """The points of a picture, and those of the same corners in its mirror."""
    luma = _luma(picture)
    straight, corners = _found(luma)
    return [straight.at(time_ms), _mirrored(luma, corners).at(time_ms)]


def features_of(part: Pixels, view: str) -> LocalFeatures:
    """The points of a part of a picture, in its own pixels, under the view that says which part it is."""
    return replace(_found(_luma(part))[0], view=view)


def spread_features(picture: Pixels, strongest: LocalFeatures, view: str) -> LocalFeatures | None:
    """Points that are spread over the picture, of one whose strongest points crowd, under this view; None of another
    one."""
    xy = unpack_points(strongest.points).xy
    width, height = reduced_size((picture.shape[1], picture.shape[0]), SIDE_PIXELS)
    if not len(xy) or not _is_crowded(_cells_of(xy, (height, width))):
        return None
    luma = _luma(picture)
    detector = _detector(MOST_CORNERS)
    corners = detector.detect(luma, None)
    places = np.array([corner.pt for corner in corners])
    strength = np.array([corner.response for corner in corners])
    chosen = [corners[number] for number in _spread(_cells_of(places, luma.shape), strength)]
    described, descriptors = detector.compute(luma, chosen)
    return _packed(described, descriptors, view)


def _cells_of(xy: Array, shape: tuple[int, ...]) -> Array:
    """In which of the cells each place lies."""
    height, width = shape
    column, row = (np.minimum(xy[:, axis] * CELLS // side, CELLS - 1) for axis, side in ((0, width), (1, height)))
    cells: Array = (row * CELLS + column).astype(np.int64)
    return cells


def _is_crowded(cells: Array) -> bool:
    share = np.bincount(cells) / len(cells)
    share = share[share > 0]
    return bool(np.exp(-(share * np.log(share)).sum()) < CROWDED * CELLS**2)


def _spread(cells: Array, strength: Array) -> Array:
    """The strongest of each cell, then the second of each …: so many numbers as a picture has points."""
    order = np.lexsort((-strength, cells))
    _, begin, count = np.unique(cells[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(begin, count)
    chosen: Array = order[np.lexsort((-strength[order], place))][:MAXIMUM_POINTS]
    return chosen


def _detector(most: int = MAXIMUM_POINTS) -> cv2.ORB:
    return cv2.ORB.create(nfeatures=most, scaleFactor=SCALE_STEP, nlevels=OCTAVES, fastThreshold=FAST_THRESHOLD)


def _found(luma: Luma) -> tuple[LocalFeatures, Sequence[cv2.KeyPoint]]:
    if min(luma.shape) < SMALLEST_SIDE_PIXELS:
        return LocalFeatures(VERSION, 0, b""), ()
    corners, descriptors = _detector().detectAndCompute(luma, None)
    return _packed(corners[:MAXIMUM_POINTS], descriptors, IDENTITY), corners[:MAXIMUM_POINTS]


def _mirrored(luma: Luma, corners: Sequence[cv2.KeyPoint]) -> LocalFeatures:
    """Where OpenCV leaves out a corner that lies too near the other edge by rounding, there is one fewer."""
    # Mirrored about the middle of the octave's own picture, whose width is in whole pixels.
    scales = [SCALE_STEP**octave for octave in range(OCTAVES)]
    rights = [scale * (round(luma.shape[1] / scale) - 1) for scale in scales]
    if not corners:
        return LocalFeatures(VERSION, 0, b"", MIRROR)
    in_mirror = [
        cv2.KeyPoint(rights[one.octave] - x, y, one.size, (180 - one.angle) % 360, one.response, one.octave)
        for one, (x, y) in zip(corners, _places(corners).tolist(), strict=True)
    ]
    described, descriptors = _detector().compute(cv2.flip(luma, 1), in_mirror)
    return _packed(described, descriptors, MIRROR)


def _packed(corners: Sequence[cv2.KeyPoint], descriptors: Array | None, view: str) -> LocalFeatures:
    if descriptors is None or not corners:
        return LocalFeatures(VERSION, 0, b"", view)
    xy = _places(corners)
    octaves = np.array([corner.octave for corner in corners])
    angles = np.array([corner.angle for corner in corners])
    return LocalFeatures(VERSION, 0, pack_points(xy, octaves, angles, descriptors[: len(corners)]), view)


def _places(corners: Sequence[cv2.KeyPoint]) -> Array:
    """n × 2, float32."""
    return np.asarray(cv2.KeyPoint.convert(corners))


def _luma(picture: Pixels | Image.Image) -> Luma:
    image = picture.convert("L") if isinstance(picture, Image.Image) else grey_of(picture)
    return smaller(np.asarray(image), reduced_size(image.size, SIDE_PIXELS))
