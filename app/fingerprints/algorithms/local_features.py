"""Local features of one picture: points that are found again in a crop, a screenshot or a turned copy. Pure.

This module is their form, for whoever reads them; :mod:`app.fingerprints.algorithms.orb` finds them, in the worker
alone. Why these points, and why in this form: docs/decisions/0019-local-features.md.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

VERSION = "orb/1"
"""The rule by which points are found, chosen, described and packed. Points are compared only within one version."""

SIDE_PIXELS = 640
"""The longer side, at most, of the picture that points are found in; the places of points are its pixels."""
MAXIMUM_POINTS = 500
SCALE_STEP = 1.2
OCTAVES = 8
ANGLES = 512
"""Steps of a full turn."""
DESCRIPTOR_BYTES = 32
POINT_BYTES = 4 + DESCRIPTOR_BYTES

Array = np.ndarray[Any, np.dtype[Any]]

_PACKED: np.dtype[Any] = np.dtype([("geometry", "<u4"), ("descriptor", "u1", (DESCRIPTOR_BYTES,))])


@dataclass(frozen=True, slots=True)
class LocalFeatures:
    """The points of a picture, or of one frame of a video, as they are stored."""

    version: str
    time_ms: int
    """Of a video's frame, since the first one; 0 for a picture."""
    points: bytes
    """Packed. Empty for a picture without corners: that it has none was found out."""
    view: str = "identity"
    """``identity``, or ``mirror``: the points of the mirrored picture, to search with. Turns need no view of their own:
    a point has a direction."""

    def at(self, time_ms: int) -> "LocalFeatures":
        return replace(self, time_ms=time_ms)

    @property
    def count(self) -> int:
        return len(self.points) // POINT_BYTES


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a picture, to be compared.

    ``xy``: n × 2, float32, pixels from the left and upper edge · ``scales``: n, float32, how many times smaller the
    picture was made to see the point · ``angles``: n, float32, degrees, clockwise on the picture ·
    ``descriptors``: n × 32, uint8, compared by their Hamming distance.
    """

    xy: Array
    scales: Array
    angles: Array
    descriptors: Array


def pack_points(xy: Array, octaves: Array, angles: Array, descriptors: Array) -> bytes:
    """36 bytes a point: ``x | y << 10 | octave << 20 | angle << 23``, little-endian, and its descriptor.

    Places to whole pixels, angles (given in degrees) to 1/512 of a turn. Raises ValueError for what does not fit.
    """
    places = np.rint(xy).astype(np.int64).reshape(-1, 2)
    octaves = np.asarray(octaves, np.int64)
    is_outside = (places < 0) | (places > SIDE_PIXELS)
    if is_outside.any() or ((octaves < 0) | (octaves >= OCTAVES)).any():
        raise ValueError("a point lies outside the picture or its scales")
    turns = np.rint(np.asarray(angles, np.float64) * (ANGLES / 360)).astype(np.int64) % ANGLES
    packed = np.zeros(len(places), _PACKED)
    packed["geometry"] = places[:, 0] | places[:, 1] << 10 | octaves << 20 | turns << 23
    packed["descriptor"] = descriptors
    return packed.tobytes()


def unpack_points(packed: bytes) -> Points:
    """What :func:`pack_points` packed. Raises ValueError for bytes that are no whole points."""
    rows = np.frombuffer(packed, _PACKED)
    geometry = rows["geometry"].astype(np.int64)
    xy = np.stack([geometry & 0x3FF, geometry >> 10 & 0x3FF], axis=1).astype(np.float32)
    scales = (SCALE_STEP ** (geometry >> 20 & 7)).astype(np.float32)
    angles = ((geometry >> 23) * (360 / ANGLES)).astype(np.float32)
    return Points(xy, scales, angles, rows["descriptor"])
