"""phash, dhash, whash and colorhash, by the ImageHash library on the shared reduced picture.

The values equal the library's own on the same pixels (a test holds that), so that they can be exchanged with others.
Measured on real photographs, whash answers a quarter of the queries that should match nothing, and colorhash knows no
shapes: both are shown to people and never propose a match.
"""

from collections.abc import Callable
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import Hash, Pixels, hashed_picture

COLORHASH_BINBITS = 3


@dataclass(frozen=True, slots=True)
class ImageHashAlgorithm:
    """One function of the library as an :class:`~app.fingerprints.algorithms.algorithm.Algorithm`."""

    name: str
    version: str
    bits: int
    finds_matches: bool
    threshold_bits: int
    function: Callable[[Image.Image], imagehash.ImageHash]
    applies_to_images: bool = True
    applies_to_frames: bool = False
    minimum_quality: int = 0

    def compute(self, rgb: Pixels) -> Hash:
        found = self.function(Image.fromarray(hashed_picture(rgb)))
        return Hash(np.packbits(np.asarray(found.hash, dtype=np.bool_).reshape(-1)).tobytes(), None)


def _colorhash(image: Image.Image) -> imagehash.ImageHash:
    return imagehash.colorhash(image, binbits=COLORHASH_BINBITS)


PHASH = ImageHashAlgorithm("phash", "phash/1", 64, True, 10, imagehash.phash)
DHASH = ImageHashAlgorithm("dhash", "dhash/1", 64, True, 10, imagehash.dhash)
WHASH = ImageHashAlgorithm("whash", "whash/1", 64, False, 6, imagehash.whash)
COLORHASH = ImageHashAlgorithm("colorhash", "colorhash/1", 14 * COLORHASH_BINBITS, False, 6, _colorhash)
