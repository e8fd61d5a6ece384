"""Pictures upon a page: blocks that lie by themselves on a ground of one colour. Pure.

A page of the web, a document, a slide, several screenshots beside each other: words and pictures on paper. What is not
of the paper's colour falls into pieces, of which those that fill a rectangle are pictures; words and lines are too thin
to be any. Unlike a panel (``panels``), a block needs no straight edge that is seen, and unlike an area (``areas``) it
need not be all that there is; what it needs is paper around it.

What is found is looked at besides the whole and never in its place, so what is found wrongly hides nothing; it costs
the time of finding its points.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from app.fingerprints.algorithms.algorithm import Pixels, Reduced
from app.fingerprints.areas import LONGEST_FORM, NEAR_COLOUR, Box

MOST_BLOCKS = 9
MOST_GROUNDS = 2
STEPS = 16
"""Of red, green and blue each: so many by so many by so many colours are counted."""
LEAST_GROUND = 0.03
"""Of the picture, that has one of these colours, to be the ground of a page: the lines between nine pictures have."""
THICKEST_STROKE = 5
"""Pixels of the reduced picture: what is thinner is a line, or words."""
FULL = 0.75
"""So much of its rectangle a block fills, with what lies within its outline."""
SMALLEST_SHARE, LARGEST_SHARE = 0.02, 0.6
"""Of the picture's area."""
SHORTEST_SHARE = 0.1
"""Of the shorter side of the picture, and at most ``LONGEST_FORM`` times as long as wide: a bar is no picture."""

Array = np.ndarray[Any, Any]

_STROKE = np.ones((THICKEST_STROKE, THICKEST_STROKE), np.uint8)


def blocks_in(rgb: Pixels, picture: Reduced) -> list[Box]:
    """At most nine, in the pixels of ``rgb``, the largest first. ``picture``: the same, reduced as for hashes."""
    height, width = picture.pixels.shape[:2]
    across, down = rgb.shape[1] / width, rgb.shape[0] / height
    found = {box for colour in _grounds(picture) for box in _blocks_on(picture.pixels, colour)}
    largest = sorted(found, key=lambda box: (-box.width * box.height, box.left, box.top, box.right, box.bottom))
    return [
        Box(round(one.left * across), round(one.top * down), round(one.right * across), round(one.bottom * down))
        for one in largest[:MOST_BLOCKS]
    ]


def _grounds(picture: Reduced) -> Iterator[Array]:
    """The colours that much of the picture has, the most frequent first."""
    coarse = np.ascontiguousarray(picture.coarse)
    counts = cv2.calcHist([coarse], [0, 1, 2], None, [STEPS] * 3, [0, 256] * 3).ravel()
    for place in np.argsort(-counts, kind="stable")[:MOST_GROUNDS]:
        if counts[place] < LEAST_GROUND * coarse.shape[0] * coarse.shape[1]:
            break
        lowest = np.array(np.unravel_index(place, (STEPS,) * 3)) * (256 // STEPS)
        has_it = cv2.inRange(coarse, lowest, lowest + 256 // STEPS - 1)
        yield np.rint(cv2.mean(coarse, has_it)[:3])


def _blocks_on(pixels: Pixels, ground: Array) -> Iterator[Box]:
    """In the pixels of the reduced picture, without the line of pixels along each edge, in which the two mix."""
    height, width = pixels.shape[:2]
    near = NEAR_COLOUR[-1]
    is_ground = cv2.inRange(pixels, np.maximum(ground - near, 0), np.minimum(ground + near, 255))
    thick = cv2.morphologyEx(cv2.bitwise_not(is_ground), cv2.MORPH_OPEN, _STROKE)
    outlines, within = cv2.findContours(thick, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for place, outline in enumerate(outlines):
        left, top, across, down = cv2.boundingRect(outline)
        short, long = sorted((across, down))
        is_picture = SMALLEST_SHARE <= across * down / (width * height) <= LARGEST_SHARE
        is_picture &= short >= SHORTEST_SHARE * min(width, height) and long <= LONGEST_FORM * short
        is_piece = within[0, place, 3] < 0  # The others are the outlines of holes.
        if is_picture and is_piece and cv2.contourArea(outline) >= FULL * (across - 1) * (down - 1):
            right, bottom = left + across, top + down
            yield Box(left + (left > 0), top + (top > 0), right - (right < width), bottom - (bottom < height))
