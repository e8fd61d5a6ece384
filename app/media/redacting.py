"""Covering parts of a picture for good: the pixels below a box are gone before anything is written. Pure.

The rule ``redaction/1``: boxes are given in pixels of the displayed picture, upright and as large as it is. They are
carried over to the picture that a confined decoder gives, which is at most 1024 pixels a side, grown outwards to whole
pixels and by one more, since a pixel of a picture that was made smaller holds something of its neighbours. What lies in
them becomes black, every pixel of it, and never a blur: those can be undone. The rest is written anew, as a PNG that
holds pixels and nothing else, so that no lossy format carries anything from a box over its edge or back.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version

from app.kernel.primitives import Sha256Hex, canonical_json, sha256_hex
from app.media.jail.result import Pixels
from app.media.jail.wire import MAX_SIDE_PIXELS

TOOL = "pillow"
TOOL_VERSION: str = pillow_version
MEDIA_TYPE = "image/png"
EXTENSION = "png"
MOST_BOXES = 200
_MARGIN_PIXELS = 1
_RULE: Mapping[str, Any] = {
    "rule": "redaction/1",
    "side_pixels": MAX_SIDE_PIXELS,
    "margin_pixels": _MARGIN_PIXELS,
    "fill": "000000",
    "format": "png",
}


@dataclass(frozen=True, slots=True)
class Box:
    """In pixels of the displayed picture, from its upper left corner."""

    left: int
    top: int
    width: int
    height: int

    def lies_in(self, width: int, height: int) -> bool:
        return (
            min(self.left, self.top) >= 0
            and min(self.width, self.height) > 0
            and self.left + self.width <= width
            and self.top + self.height <= height
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A copy that is asked for. ``width``, ``height``: of the displayed picture in which the boxes are given.

    ``frame``: the working picture that is covered, by its time and digest; None: the file's own picture.
    """

    width: int
    height: int
    boxes: tuple[Box, ...]
    frame: tuple[int, str] | None = None

    def parameters(self) -> dict[str, Any]:
        boxes = [[box.left, box.top, box.width, box.height] for box in self.boxes]
        made: dict[str, Any] = {**_RULE, "of": [self.width, self.height], "boxes": boxes}
        if self.frame is not None:
            made["frame"] = {"time_ms": self.frame[0], "sha256": self.frame[1]}
        return made

    def digest(self) -> Sha256Hex:
        return sha256_hex(canonical_json(self.parameters()))


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """The inverse of :meth:`Wanted.parameters`."""
    frame = parameters.get("frame")
    width, height = parameters["of"]
    return Wanted(
        width,
        height,
        tuple(Box(*box) for box in parameters["boxes"]),
        None if frame is None else (frame["time_ms"], frame["sha256"]),
    )


@dataclass(frozen=True, slots=True)
class Copy:
    """A finished copy, in pixels, and as a PNG."""

    width: int
    height: int
    png: bytes


def redact(rgb: Pixels, wanted: Wanted) -> Copy:
    """Cover the boxes of a picture that is as large as said, or smaller."""
    covered = rgb.copy()
    height, width = covered.shape[:2]
    for left, top, right, bottom in covered_areas(wanted, width, height):
        covered[top:bottom, left:right] = 0
    return Copy(width, height, _png(covered))


def covered_areas(wanted: Wanted, width: int, height: int) -> Sequence[tuple[int, int, int, int]]:
    """Left, top, right, bottom of what is black in a copy of this size."""
    return [
        (
            max(0, box.left * width // wanted.width - _MARGIN_PIXELS),
            max(0, box.top * height // wanted.height - _MARGIN_PIXELS),
            min(width, -(-(box.left + box.width) * width // wanted.width) + _MARGIN_PIXELS),
            min(height, -(-(box.top + box.height) * height // wanted.height) + _MARGIN_PIXELS),
        )
        for box in wanted.boxes
    ]


def _png(rgb: Pixels) -> bytes:
    """Made from an array, the image has no information of its own that could be written along."""
    written = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(written, "PNG", compress_level=6)
    return written.getvalue()
