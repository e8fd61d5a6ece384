"""What a perceptual hash is to the rest of Exhibit: a named, versioned, pure function from pixels to bits.

A new algorithm is one file here and one entry in ``catalog.ALGORITHMS``; the shared contract test then covers it. When
the bits that an algorithm gives for the same pixels change, its version changes; rows of the old version stay.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from PIL import Image

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
"""Height × width × 3 (RGB), uint8: the picture by the decoder's rule ``picture/1`` or ``samples/1``."""


Plane = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
"""Height × width: one colour of a picture."""

HASHED_SIDE_PIXELS = 512
COARSE_SIDE_PIXELS = 256


@dataclass(frozen=True, slots=True)
class Hash:
    """The bits of one picture."""

    value: bytes
    """Most significant bit first; as many bits as the algorithm says, in whole bytes, the last padded with zeros."""
    quality: int | None
    """0 (flat, says nothing) to 100, where the algorithm measures it."""


class Algorithm(Protocol):
    """One algorithm. Pure: the same pixels give the same bits on every machine."""

    @property
    def name(self) -> str:
        """Short and stable, for people and rows: ``pdq``."""

    @property
    def version(self) -> str:
        """``pdq/1``: rows are compared only within one version."""

    @property
    def bits(self) -> int: ...

    @property
    def applies_to_images(self) -> bool: ...

    @property
    def applies_to_frames(self) -> bool:
        """Whether the frames of videos get it too."""

    @property
    def finds_matches(self) -> bool:
        """False for hashes that are stored and shown, but too weak to propose a match on their own."""

    @property
    def threshold_bits(self) -> int:
        """Two pictures at this distance or less are proposed as a match."""

    @property
    def minimum_quality(self) -> int:
        """Hashes below it match nothing: they come from flat pictures. 0 where quality is not measured."""

    def compute(self, picture: "Pixels | Reduced") -> Hash:
        """The hash of the reduced picture. Reduce once, by :func:`reduced`, when computing several."""


@dataclass(frozen=True)
class Reduced:
    """What every algorithm of version 1 looks at, in the forms that several of them need, each made once."""

    pixels: Pixels
    """RGB, the longer side at most 512 pixels."""
    given_image: Image.Image | None = None
    """The same, where there is one already."""
    given_planes: tuple[Plane, Plane, Plane] | None = None

    @cached_property
    def image(self) -> Image.Image:
        """Not all that look at a picture need it, and it is another copy."""
        return Image.fromarray(self.pixels) if self.given_image is None else self.given_image

    @cached_property
    def grey(self) -> Image.Image:
        """Pillow's ``L``: ITU-R 601 in whole numbers."""
        return self.image.convert("L")

    @cached_property
    def grey_numbers(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """The grey picture as an array of whole numbers."""
        return np.asarray(self.grey, np.float64)

    @cached_property
    def coarse(self) -> Pixels:
        """Half as large, by Pillow's ``reduce``; a picture of at most 256 pixels a side as it is."""
        return np.asarray(self.image.reduce(2)) if max(self.image.size) > COARSE_SIDE_PIXELS else self.pixels

    @cached_property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Red, green and blue, each height × width and contiguous."""
        if self.given_planes is not None:
            return self.given_planes
        red, green, blue = (np.asarray(plane) for plane in self.image.split())
        return red, green, blue


def reduced(picture: "Pixels | Image.Image | Reduced") -> Reduced:
    """The longer side at most 512 pixels, by Pillow's BOX filter; of an image it must be RGB.

    One rule for photographs and frames, so that a still finds the video it was taken from. What is reduced stays so.
    """
    if isinstance(picture, Reduced):
        return picture
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    size = reduced_size(image.size, HASHED_SIDE_PIXELS)
    small = image if size == image.size else image.resize(size, Image.Resampling.BOX)
    return Reduced(np.asarray(small), small)


def reduced_size(size: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """Width and height, reduced until the longer is at most ``longer_side``."""
    scale = longer_side / max(size)
    return size if scale >= 1 else (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def hashed_picture(rgb: Pixels) -> Pixels:
    """The pixels of :func:`reduced`. Given its own result, it returns the same."""
    return reduced(rgb).pixels


def hamming(first: bytes, second: bytes) -> int:
    """The number of bits that differ. Raises ValueError for values of different length."""
    if len(first) != len(second):
        raise ValueError(f"values of {len(first)} and {len(second)} bytes cannot be compared")
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()
