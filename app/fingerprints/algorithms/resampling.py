"""Pillow's LANCZOS filter, byte for byte, as products of matrices. Pure.

Pillow weighs pixels by whole numbers (2²² is one) and rounds to bytes after the rows and again after the columns. Sums
of such products are below 2³¹, so that in floating point of 53 bits they are exact in whatever order they are added.
The weights of a size are computed once and not for every picture, which is a good part of what Pillow does.

Of some pictures higher than wide Pillow 13 reduces the rows first; those are not for this module.
"""

import math
from functools import lru_cache
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Numbers = np.ndarray[tuple[int, int], np.dtype[np.float64]]

Bands = tuple[tuple[int, int, Numbers], ...]

_ONE = float(1 << 22)
_REACH = 3.0
"""Of the filter, in pixels of the smaller picture."""
_BAND = 32
"""Lines of the smaller picture that are made at once: they look at neighbouring lines of the larger one."""


def lanczos(grey: Numbers, size: tuple[int, int]) -> Numbers:
    """Height × width of one colour, whole numbers from 0 to 255, at this width and height; whole numbers too."""
    height, width = grey.shape
    narrow = grey if size[0] == width else _bytes(_through(grey.T, _bands(width, size[0])).T)
    return narrow if size[1] == height else _bytes(_through(narrow, _bands(height, size[1])))


def _through(lines: Numbers, bands: Bands) -> Numbers:
    """The product of the matrix that was cut into these bands and the picture, as the picture lies in memory."""
    order: Literal["C", "F"] = "C" if lines.flags.c_contiguous else "F"
    product = np.empty((sum(len(band) for _, _, band in bands), lines.shape[1]), order=order)
    place = 0
    for start, stop, band in bands:
        np.matmul(band, lines[start:stop], out=product[place : place + len(band)])
        place += len(band)
    return product


def _bytes(sums: Numbers) -> Numbers:
    """Rounded up at the half, cut off at 0 and 255."""
    sums += _ONE / 2
    sums *= 1 / _ONE  # A power of two: exact.
    np.floor(sums, out=sums)
    return np.clip(sums, 0, 255, out=sums)


@lru_cache(maxsize=256)
def _bands(length: int, smaller_length: int) -> Bands:
    """Of each 32 lines of the smaller picture the first and, exclusive, the last that they look at, and the weights."""
    weights = _weights(length, smaller_length)
    bands = []
    for top in range(0, smaller_length, _BAND):
        covered = np.flatnonzero(weights[top : top + _BAND].any(axis=0))
        start, stop = int(covered[0]), int(covered[-1]) + 1
        band: Numbers = np.ascontiguousarray(weights[top : top + _BAND, start:stop])
        band.setflags(write=False)
        bands.append((start, stop, band))
    return tuple(bands)


def _weights(length: int, smaller_length: int) -> Numbers:
    """smaller × length: Pillow's ``precompute_coeffs`` and ``normalize_coeffs_8bpc``, in floating point as there."""
    scale = length / smaller_length
    stretch = max(scale, 1.0)
    reach = _REACH * stretch
    weights = np.zeros((smaller_length, length))
    for place in range(smaller_length):
        center = (place + 0.5) * scale
        start, stop = max(0, int(center - reach + 0.5)), min(length, int(center + reach + 0.5))
        of_place = [_filter((line - center + 0.5) * (1.0 / stretch)) for line in range(start, stop)]
        total = 0.0
        for weight in of_place:
            total += weight  # One by one: ``sum`` of newer Pythons rounds better than Pillow.
        for line, weight in enumerate(of_place, start):
            share = weight / total if total else weight
            weights[place, line] = int((-0.5 if share < 0 else 0.5) + share * _ONE)
    return weights


def _filter(x: float) -> float:
    return _sinc(x) * _sinc(x / _REACH) if -_REACH <= x < _REACH else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0
