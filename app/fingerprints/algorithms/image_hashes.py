"""phash, dhash, whash and colorhash, by the ImageHash library on the shared reduced picture.

The values equal the library's own on the same pixels (a test holds that), so that they can be exchanged with others.
Measured on real photographs, whash answers a quarter of the queries that should match nothing, and colorhash knows no
shapes: both are shown to people and never propose a match.
"""

from collections.abc import Callable
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image, ImageChops

from app.fingerprints.algorithms.algorithm import Hash, Pixels, hashed_picture

COLORHASH_BINBITS = 3
WHASH_SIDE = 8


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


def _whash(image: Image.Image) -> imagehash.ImageHash:
    """The library's bits without its wavelets, in a quarter of the time.

    The low band of Haar wavelets down to 8 × 8 is the sum over each block, times a constant; the band that is taken out
    first is a constant too. So a bit says whether the block's sum is above the median of all: whole numbers, where the
    library has rounding. Where a block lies on the median, rounding decides, and the library is asked.
    """
    side = max(2 ** (min(image.size).bit_length() - 1), WHASH_SIDE)
    grey = image.convert("L").resize((side, side), Image.Resampling.LANCZOS)
    block = side // WHASH_SIDE
    sums = np.asarray(grey, np.int64).reshape(WHASH_SIDE, block, WHASH_SIDE, block).sum(axis=(1, 3))
    ordered = np.sort(sums, axis=None)
    middle = ordered.size // 2
    if ordered[middle - 1] == ordered[middle]:
        return imagehash.whash(image)
    return imagehash.ImageHash(2 * sums > ordered[middle - 1] + ordered[middle])


def _colorhash(image: Image.Image) -> imagehash.ImageHash:
    """The library's bits by histograms of table look-ups instead of masks over all pixels, in a third of the time."""
    hue, saturation, _ = image.convert("HSV").split()
    kinds = ImageChops.add(hue.point(_HUE_BINS), saturation.point(_SATURATION_BINS))
    counts = kinds.histogram(mask=image.convert("L").point(_NOT_BLACK))
    pixels, not_black = image.width * image.height, sum(counts)
    grey, faint, bright = (sum(counts[start : start + 6]) for start in (_GREY, _FAINT, _BRIGHT))
    colored = max(1, not_black - grey)
    most = 2**COLORHASH_BINBITS
    shares = [(pixels - not_black) / pixels, grey / pixels]
    values = [min(most - 1, int(share * most)) for share in shares]
    for start, are_any in ((_FAINT, faint), (_BRIGHT, bright)):
        values += [
            min(most - 1, int(count * most * 1.0 / colored)) if are_any else 0 for count in counts[start : start + 6]
        ]
    # Not quite the value in binary: the library's own way to write it.
    places = range(1, COLORHASH_BINBITS + 1)
    bits = [[value // 2 ** (place - 1) % 2**place > 0 for place in reversed(places)] for value in values]
    return imagehash.ImageHash(np.array(bits, np.bool_))


_GREY, _FAINT, _BRIGHT, _BETWEEN = 0, 16, 32, 48
_HUE_BINS = [min(5, int(hue / 42.5)) for hue in range(256)]
_SATURATION_BINS = [
    _GREY if value < 85 else _FAINT if value < 170 else _BRIGHT if value > 170 else _BETWEEN for value in range(256)
]
_NOT_BLACK = [0] * 32 + [255] * 224
"""The library's bins: luma below 32 is black, saturation below 85 grey; exactly 170 is in neither of the two above."""


PHASH = ImageHashAlgorithm("phash", "phash/1", 64, True, 10, imagehash.phash)
DHASH = ImageHashAlgorithm("dhash", "dhash/1", 64, True, 10, imagehash.dhash)
WHASH = ImageHashAlgorithm("whash", "whash/1", 64, False, 6, _whash)
COLORHASH = ImageHashAlgorithm("colorhash", "colorhash/1", 14 * COLORHASH_BINBITS, False, 6, _colorhash)
