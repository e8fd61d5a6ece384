"""Finds local features by ORB: corners at eight scales, each with its direction and 256 bits. Pure.

Source: Rublee, Rabaud, Konolige, Bradski, "ORB: an efficient alternative to SIFT or SURF", ICCV 2011, as OpenCV has it.

The rule ``orb/1``: of the luma of the decoder's picture (Pillow's ``L``: ITU-R 601, whole numbers), reduced to at most
640 pixels on the longer side (Pillow's BOX filter); at most 500 corners (by FAST with threshold 10, which finds some in
smooth and dark pictures too) over eight octaves 1.2 apart, the strongest of each by Harris' measure.

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
)
from app.fingerprints.algorithms.reducing import grey_of, smaller

Luma = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Array = np.ndarray[Any, Any]

FAST_THRESHOLD = 10
SMALLEST_SIDE_PIXELS = 64
"""A smaller picture has no patch of 31 pixels that lies inside it at more than one place."""

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


def _detector() -> cv2.ORB:
    return cv2.ORB.create(
        nfeatures=MAXIMUM_POINTS, scaleFactor=SCALE_STEP, nlevels=OCTAVES, fastThreshold=FAST_THRESHOLD
    )


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
