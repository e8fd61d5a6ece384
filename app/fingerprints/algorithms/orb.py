"""Finds local features by ORB: corners at eight scales, each with its direction and 256 bits. Pure.

Source: Rublee, Rabaud, Konolige, Bradski, "ORB: an efficient alternative to SIFT or SURF", ICCV 2011, as OpenCV has it.

The rule ``orb/1``: of the luma of the decoder's picture (Pillow's ``L``: ITU-R 601, whole numbers), reduced to at most
640 pixels on the longer side (Pillow's BOX filter); at most 500 corners (by FAST with threshold 10, which finds some in
smooth and dark pictures too) over eight octaves 1.2 apart, the strongest of each by Harris' measure.

Only the worker loads this module: OpenCV's start takes a quarter of a second and brings an FFmpeg of its own. It sees
arrays and never a file; a lint rule holds that.
"""

import cv2
import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.algorithms.local_features import (
    MAXIMUM_POINTS,
    OCTAVES,
    SCALE_STEP,
    SIDE_PIXELS,
    VERSION,
    LocalFeatures,
    pack_points,
)

FAST_THRESHOLD = 10
SMALLEST_SIDE_PIXELS = 64
"""A smaller picture has no patch of 31 pixels that lies inside it at more than one place."""

cv2.setNumThreads(1)  # One job is one core: its neighbours are other jobs.


def local_features(picture: Pixels | Image.Image, time_ms: int = 0) -> LocalFeatures:
    """The points of a picture as the jail gave it (RGB, longer side 640 pixels or more, where the original had them).

    From threads at once: each call has a detector of its own.
    """
    luma = _luma(picture)
    if min(luma.shape) < SMALLEST_SIDE_PIXELS:
        return LocalFeatures(VERSION, time_ms, b"")
    detector = cv2.ORB.create(
        nfeatures=MAXIMUM_POINTS, scaleFactor=SCALE_STEP, nlevels=OCTAVES, fastThreshold=FAST_THRESHOLD
    )
    keypoints, descriptors = detector.detectAndCompute(luma, None)
    if not keypoints:
        return LocalFeatures(VERSION, time_ms, b"")
    keypoints, descriptors = keypoints[:MAXIMUM_POINTS], descriptors[:MAXIMUM_POINTS]
    xy = np.array([keypoint.pt for keypoint in keypoints])
    octaves = np.array([keypoint.octave for keypoint in keypoints])
    angles = np.array([keypoint.angle for keypoint in keypoints])
    return LocalFeatures(VERSION, time_ms, pack_points(xy, octaves, angles, descriptors))


def _luma(picture: Pixels | Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).convert("L")
    scale = SIDE_PIXELS / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image)
