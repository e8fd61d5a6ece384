"""phash, dhash, whash and colorhash, by the ImageHash library on the shared reduced picture.

The values equal the library's own on the same pixels (a test holds that), so that they can be exchanged with others.
Measured on real photographs, whash answers a quarter of the queries that should match nothing, and colorhash knows no
shapes: both are shown to people and never propose a match.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import imagehash
import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import Hash, Pixels, Plane, Reduced, reduced
from app.fingerprints.algorithms.resampling import Numbers, lanczos

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

COLORHASH_BINBITS = 3
WHASH_SIDE = 8
PHASH_SIZE, DHASH_SIZE = (32, 32), (9, 8)
"""Width and height that the library reduces a picture to."""
HIGHEST_FORM = 1.5
"""Times as high as wide, if it becomes less than half as wide: of some pictures beyond it, and of some that are higher
than wide and become nearly as wide, Pillow 13 reduces the rows first."""


@dataclass(frozen=True, slots=True)
class ImageHashAlgorithm:
    """One function of the library as an :class:`~app.fingerprints.algorithms.algorithm.Algorithm`."""

    name: str
    version: str
    bits: int
    finds_matches: bool
    threshold_bits: int
    function: Callable[[Reduced], imagehash.ImageHash]
    applies_to_images: bool = True
    applies_to_frames: bool = False
    minimum_quality: int = 0

    def compute(self, picture: Pixels | Reduced) -> Hash:
        found = self.function(reduced(picture))
        return Hash(np.packbits(np.asarray(found.hash, dtype=np.bool_).reshape(-1)).tobytes(), None)


def _phash(picture: Reduced) -> imagehash.ImageHash:
    return imagehash.phash(Image.fromarray(_smaller_grey(picture, PHASH_SIZE).astype(np.uint8)))


def _dhash(picture: Reduced) -> imagehash.ImageHash:
    return imagehash.dhash(Image.fromarray(_smaller_grey(picture, DHASH_SIZE).astype(np.uint8)))


def _smaller_grey(picture: Reduced, size: tuple[int, int]) -> Numbers:
    """The grey picture as the library has Pillow reduce it, in a third to a half of the time."""
    if columns_go_first(picture.image.size, size):
        return lanczos(picture.grey_numbers, size)
    return np.asarray(picture.grey.resize(size, Image.Resampling.LANCZOS), np.float64)


def columns_go_first(larger: tuple[int, int], smaller: tuple[int, int]) -> bool:
    """Whether Pillow surely reduces a picture along its rows before it does along its columns."""
    highest = HIGHEST_FORM if larger[0] >= 2 * smaller[0] else 1.0
    return larger[0] >= smaller[0] and larger[1] >= smaller[1] and larger[1] <= highest * larger[0]


def _whash(picture: Reduced) -> imagehash.ImageHash:
    """The library's bits without its wavelets, in a quarter of the time.

    The low band of Haar wavelets down to 8 × 8 is the sum over each block, times a constant; the band that is taken out
    first is a constant too. So a bit says whether the block's sum is above the median of all: whole numbers, where the
    library has rounding. Where a block lies on the median, rounding decides, and the library is asked.
    """
    side = max(2 ** (min(picture.image.size).bit_length() - 1), WHASH_SIDE)
    block = side // WHASH_SIDE
    of_rows = _smaller_grey(picture, (side, side)).reshape(WHASH_SIDE, block, side).sum(axis=1)
    sums = of_rows.reshape(WHASH_SIDE, WHASH_SIDE, block).sum(axis=2)
    ordered = np.sort(sums, axis=None)
    middle = ordered.size // 2
    if ordered[middle - 1] == ordered[middle]:
        return imagehash.whash(picture.image)
    return imagehash.ImageHash(2 * sums > ordered[middle - 1] + ordered[middle])


def _colorhash(picture: Reduced) -> imagehash.ImageHash:
    """The library's bits by table look-ups instead of HSV and masks over all pixels, in an eighth of the time."""
    is_black = np.asarray(picture.grey) < 32
    colourful = np.flatnonzero(_are_colourful(*picture.planes) & ~is_black)
    counts = np.bincount(
        _kinds(*(plane.reshape(-1)[colourful] for plane in picture.planes)), minlength=_BETWEEN
    ).tolist()
    pixels, not_black = is_black.size, is_black.size - int(np.count_nonzero(is_black))
    grey = not_black - len(colourful)
    faint, bright = (sum(counts[start : start + 6]) for start in (_FAINT, _BRIGHT))
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


def _are_colourful(red: Plane, green: Plane, blue: Plane) -> Mask:
    """Whether the library counts by its hue what is not black: saturation 85 of 255 or more, which is a third."""
    most = np.maximum(np.maximum(red, green), blue)
    thrice = (most - np.minimum(np.minimum(red, green), blue)).astype(np.uint16)
    thrice *= 3
    return thrice >= np.maximum(most, 1)


def _kinds(red: Bytes, green: Bytes, blue: Bytes) -> Bytes:
    """What the library counts each pixel as: its hue's bin and its saturation's group, added."""
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    range_ = most - least
    is_red, is_green = red == most, green == most  # Red before green before blue where they are equal, as Pillow asks.
    r, g, b = (plane.astype(np.int16) for plane in (red, green, blue))
    # How far, of the two other colours, the one after the strongest in the circle is above the one before it. Bits are
    # chosen by masks: assigning where something holds takes ten times as long.
    lead = r - g
    lead ^= (lead ^ (b - r)) & -is_green.astype(np.int16)
    lead ^= (lead ^ (g - b)) & -is_red.astype(np.int16)
    sector = (2 - is_green.view(np.uint8)) * (1 - is_red.view(np.uint8))
    hue = sector.astype(np.int32)
    hue *= 256
    hue += range_
    hue *= 512
    hue += lead
    saturation = most.astype(np.uint16)
    saturation *= 256
    saturation += range_
    hues, saturations = _tables()
    kinds: Bytes = hues.take(hue, mode="clip")
    kinds += saturations.take(saturation, mode="clip")
    return kinds


@cache
def _tables() -> tuple[np.ndarray[tuple[int], np.dtype[np.uint8]], np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """Bins of hues by strongest colour, range and lead (3 × 256 × 512), groups of saturations by strength and range.

    Of all there is Pillow is asked once, so that its roundings are ours: a hue depends on differences alone.
    """
    sector, row, column = np.indices((3, 256, 512), np.int16)
    # A negative lead is found at the end of the row before.
    lead, range_ = np.where(column < 256, column, column - 512), np.minimum(np.where(column < 256, row, row + 1), 255)
    first = np.full_like(row, 255)
    second, third = first - range_ + np.maximum(lead, 0), first - range_ + np.maximum(-lead, 0)
    rotations = [(first, second, third), (third, first, second), (second, third, first)]
    colours = [
        np.choose(sector, of_sectors).clip(0, 255).astype(np.uint8) for of_sectors in zip(*rotations, strict=True)
    ]
    hue = Image.fromarray(np.stack(colours, axis=-1).reshape(-1, 512, 3)).convert("HSV")
    most, range_ = np.indices((256, 256), np.int16)
    least = (most - range_).clip(0)
    saturation = Image.fromarray(np.stack([most, least, least], axis=-1).astype(np.uint8)).convert("HSV")
    return (
        np.asarray(hue.getchannel(0).point(_HUE_BINS)).reshape(-1),
        np.asarray(saturation.getchannel(1).point(_SATURATION_BINS)).reshape(-1),
    )


_GREY, _FAINT, _BRIGHT, _BETWEEN = 0, 16, 32, 48
_HUE_BINS = [min(5, int(hue / 42.5)) for hue in range(256)]
_SATURATION_BINS = [
    _GREY if value < 85 else _FAINT if value < 170 else _BRIGHT if value > 170 else _BETWEEN for value in range(256)
]
"""The library's bins: luma below 32 is black, saturation below 85 grey; exactly 170 is in neither of the two above."""


PHASH = ImageHashAlgorithm("phash", "phash/1", 64, True, 10, _phash)
DHASH = ImageHashAlgorithm("dhash", "dhash/1", 64, True, 10, _dhash)
WHASH = ImageHashAlgorithm("whash", "whash/1", 64, False, 6, _whash)
COLORHASH = ImageHashAlgorithm("colorhash", "colorhash/1", 14 * COLORHASH_BINBITS, False, 6, _colorhash)
