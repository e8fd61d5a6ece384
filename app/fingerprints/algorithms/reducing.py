"""Pillow's BOX filter between once and twice as small, byte for byte, in a third of the time. Pure.

Every pixel of the reduced picture is then one pixel or the mean of two along each axis, rounded up at the half after
the columns and again after the rows. Pillow adds weighted columns one by one; here the picture is transposed, so that
its columns are rows, which are copied and averaged whole. Other ratios are Pillow's. So are pictures more than twice as
high as wide: since Pillow 13 the rows of some of these are reduced first.

Only the worker loads this module, for OpenCV's sake: see :mod:`app.fingerprints.algorithms.orb`.
"""

from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import HASHED_SIDE_PIXELS, Pixels, Plane, Reduced, reduced_size

Array = np.ndarray[Any, Any]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


def reduced_picture(rgb: Pixels) -> Reduced:
    """What :func:`~app.fingerprints.algorithms.algorithm.reduced` gives."""
    height, width = rgb.shape[:2]
    pixels = cast(Pixels, smaller(rgb, reduced_size((width, height), HASHED_SIDE_PIXELS)))
    red, green, blue = cv2.split(pixels)
    return Reduced(pixels, None, (cast(Plane, red), cast(Plane, green), cast(Plane, blue)))


def folded_tones(rgb: Pixels) -> Pixels:
    """The picture in which every tone counts as its negative does, colour by colour, over all tones again: solarising
    and negatives swap the two."""
    folded = cv2.min(rgb, cv2.bitwise_not(rgb))
    return cast(Pixels, cv2.add(folded, folded))


def without_fourth(pixels: Array) -> Pixels:
    """What ``app.media.jail.memory`` has a function of this name for, in a fifth of the time."""
    return cast(Pixels, cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB))


def grey_of(rgb: Pixels) -> Image.Image:
    """Pillow's ``L`` of the picture, without ``fromarray``: Pillow reads four bytes a pixel where they lie."""
    height, width = rgb.shape[:2]
    in_four = cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA)
    return Image.frombuffer("RGBX", (width, height), in_four, "raw", "RGBX", 0, 1).convert("L")


def smaller(picture: Array, size: tuple[int, int]) -> Array:
    """The picture (height × width, or with three colours; uint8) at this width and height, by the BOX filter."""
    height, width = picture.shape[:2]
    if size == (width, height):
        return picture
    columns, rows = _pairs(width, size[0]), _pairs(height, size[1])
    if columns is None or rows is None or height > 2 * width:
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    narrow = cv2.transpose(_means(cv2.transpose(picture), columns))
    return _means(narrow, rows)


def _means(lines: Array, pairs: tuple[Places, Places]) -> Array:
    """Of each pair of lines the mean, a half rounded up: what either has, less half of what only one has."""
    first, second = (lines[places] for places in pairs)
    differing = np.bitwise_xor(first, second)
    differing >>= 1
    first |= second
    first -= differing
    return first


@lru_cache(maxsize=256)
def _pairs(length: int, reduced_length: int) -> tuple[Places, Places] | None:
    """For every line of the reduced picture the first and the last line that it is the mean of, which may be the same.

    None where one is the mean of more than two. As Pillow chooses them (``precompute_coeffs``, in floating point too).
    """
    scale = length / reduced_length
    if not 1 <= scale <= 2:
        return None
    support = scale / 2
    first, last = np.empty(reduced_length, np.int64), np.empty(reduced_length, np.int64)
    for place in range(reduced_length):
        center = (place + 0.5) * scale
        start, stop = max(0, int(center - support + 0.5)), min(length, int(center + support + 0.5))
        covered = [line for line in range(start, stop) if -0.5 < (line - center + 0.5) * (1 / scale) <= 0.5]
        if not 1 <= len(covered) <= 2:
            return None
        first[place], last[place] = covered[0], covered[-1]
    first.setflags(write=False)
    last.setflags(write=False)
    return first, last
