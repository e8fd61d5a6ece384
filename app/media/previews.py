"""Pictures made anew from decoded pixels, so that nothing of a hostile container survives in them. Pure.

- ``preview``: the safe default, small, grey and blurred. It holds 16 × 16 values of the picture at most, each one of 16
  greys, and the rest is drawn between them: 128 bytes of it. A face as high as a third of the picture is 4 × 5 of them,
  which nobody recognises. One that fills the frame is 12 × 16, at which those who know it well still may: people manage
  half of all famous faces at 7 × 10 pixels (Sinha et al., "Face Recognition by Humans", 2006, result 1).
- ``thumbnail``: small and not blurred. Looking at it is reading content.
- ``strip``: frames of a video or an animation in a row, evenly over its time, likewise content.
- ``frames``: working pictures of it, larger, each by itself: see ``frames.py``.

None has any metadata: not a comment, no profile, no EXIF.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version

from app.kernel.primitives import Sha256Hex, canonical_json, sha256_hex
from app.media.jail.result import VideoFrame

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
Kind = Literal["preview", "thumbnail", "strip", "frames"]

TOOL = "pillow"
TOOL_VERSION: str = pillow_version
MEDIA_TYPES: Mapping[Kind, str] = {
    "preview": "image/jpeg",
    "thumbnail": "image/jpeg",
    "strip": "image/jpeg",
    "frames": "application/zip",
}
PARAMETERS: Mapping[Kind, Mapping[str, Any]] = {
    "preview": {
        "rule": "preview/2",
        "values_a_side": 16,
        "greys": 16,
        "reduced": "box",
        "enlarged": "bicubic",
        "side_pixels": 320,
        "colour": "grey",
        "format": "jpeg",
        "quality": 70,
    },
    "thumbnail": {"rule": "thumbnail/1", "side_pixels": 320, "colour": "rgb", "format": "jpeg", "quality": 80},
    "strip": {
        "rule": "strip/1",
        "frames_at_most": 24,
        "side_pixels": 160,
        "colour": "rgb",
        "format": "jpeg",
        "quality": 75,
    },
    "frames": {
        "rule": "frames/2",
        "side_pixels": 640,
        "colour": "rgb",
        "format": "jpeg",
        "quality": 80,
        "span_ms": 1000,
        "frames_at_most": 2000,
        "bytes_at_most": 48 * 1024 * 1024,
        "pack": "zip",
    },
}
"""What makes a rendering what it is. Changed ones are another rule: what was made before is made again beside it."""

PARAMETERS_SHA256: Mapping[Kind, Sha256Hex] = {
    kind: sha256_hex(canonical_json(dict(parameters))) for kind, parameters in PARAMETERS.items()
}


@dataclass(frozen=True)
class Blur:
    """How much of a picture is left: so many values a side, each one of so many greys."""

    values_a_side: int
    greys: int


Step = Literal["blurred", "softened", "grey"]
STEPS: Mapping[Step, Blur | None] = {
    "blurred": Blur(PARAMETERS["preview"]["values_a_side"], PARAMETERS["preview"]["greys"]),
    "softened": Blur(48, 64),
    "grey": None,
}
"""The steps before the clear one, which is the thumbnail or the strip itself. Softened, what happens is seen and a face
as high as a third of the picture is 12 × 16 values; grey, all of the small picture but its colour."""


@dataclass(frozen=True)
class Rendering:
    """One file's bytes, in parts that were not copied together; ``details``: ``{"width", "height"}`` in pixels; of a
    strip also its tiles' and their times; of frames those of the first one, and the index of all."""

    kind: Kind
    parts: tuple[bytes, ...]
    details: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        return b"".join(self.parts)


@dataclass(frozen=True)
class Tile:
    """One frame of a strip, as small as it is shown there."""

    time_ms: int
    rgb: Pixels


class FrameStrip:
    """Takes a video's frames as they come; keeps at most 24, the first of each of as many equal spans of time.

    The length of the video need not be known, and memory is constant: when a frame is too many, spans double, and of
    two that become one the first frame stays. So what is kept depends on the frames alone.
    """

    def __init__(self) -> None:
        self.tiles: list[Tile] = []
        self._span_ms = 1

    def take(self, frame: VideoFrame) -> None:
        """Starts over at time 0, as the decoder does after a restart."""
        if frame.time_ms == 0:
            self.tiles, self._span_ms = [], 1
        if self.tiles and self._span_of(self.tiles[-1]) == frame.time_ms // self._span_ms:
            return
        self.tiles.append(Tile(frame.time_ms, within(frame.rgb, PARAMETERS["strip"]["side_pixels"])))
        while len(self.tiles) > PARAMETERS["strip"]["frames_at_most"]:
            self._span_ms *= 2
            firsts = {self._span_of(tile): tile for tile in reversed(self.tiles)}
            self.tiles = sorted(firsts.values(), key=lambda tile: tile.time_ms)

    def _span_of(self, tile: Tile) -> int:
        return tile.time_ms // self._span_ms


def render_all(shown: Pixels | None, tiles: Sequence[Tile] = ()) -> list[Rendering]:
    """Everything that is made of one file: of ``shown``, which is the picture or a video's telling frame, and of the
    frames of a strip, when there are two or more. Nothing without pixels."""
    if shown is None:
        return []
    made = [preview_of(shown), _thumbnail(shown)]
    return [*made, _strip(tiles)] if len(tiles) > 1 else made


def as_pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def preview_of(rgb: Pixels) -> Rendering:
    """The safe step of any picture."""
    parameters = PARAMETERS["preview"]
    grey = Image.fromarray(rgb).convert("L")
    few = _few_values(grey, parameters["values_a_side"], parameters["greys"])
    # These values and the picture's proportions: nothing else of the picture goes into what follows.
    many = few.resize(_fitting(grey.size, parameters["side_pixels"], may_grow=True), Image.Resampling.BICUBIC)
    return _written("preview", many, parameters)


def in_step(picture: Image.Image, step: Step, tile_width: int | None = None) -> bytes:
    """A JPEG of a picture of ours in a step before the clear one, as large as it is: grey, without metadata.

    Of a strip, whose tiles are ``tile_width`` wide, each tile by itself: none runs into its neighbours.
    """
    grey = picture.convert("L")
    rule = STEPS[step]
    if rule is not None:
        width = tile_width or grey.width
        for left in range(0, grey.width, width):
            tile = grey.crop((left, 0, min(left + width, grey.width), grey.height))
            few = _few_values(tile, rule.values_a_side, rule.greys)
            grey.paste(few.resize(tile.size, Image.Resampling.BICUBIC), (left, 0))
    written = io.BytesIO()
    grey.save(written, "JPEG", quality=PARAMETERS["thumbnail"]["quality"])
    return written.getvalue()


def _few_values(grey: Image.Image, values_a_side: int, greys: int) -> Image.Image:
    few = grey.resize(_fitting(grey.size, values_a_side), Image.Resampling.BOX)
    step = 256 // greys
    return few.point([value // step * step + step // 2 for value in range(256)])


def _thumbnail(rgb: Pixels) -> Rendering:
    parameters = PARAMETERS["thumbnail"]
    return _written("thumbnail", Image.fromarray(within(rgb, parameters["side_pixels"])), parameters)


def _strip(tiles: Sequence[Tile]) -> Rendering:
    """In a row, each as wide as the first one; a frame of other proportions is fitted in, over black."""
    height, width = tiles[0].rgb.shape[:2]
    row = Image.new("RGB", (width * len(tiles), height))
    for number, tile in enumerate(tiles):
        frame = Image.fromarray(tile.rgb)
        frame.thumbnail((width, height))
        left, top = (width - frame.width) // 2, (height - frame.height) // 2
        row.paste(frame, (number * width + left, top))
    more = {"tile_width": width, "tile_height": height, "times_ms": [tile.time_ms for tile in tiles]}
    return _written("strip", row, PARAMETERS["strip"], more)


def within(rgb: Pixels, side_pixels: int) -> Pixels:
    """At most so many pixels a side, never larger than it was."""
    image = Image.fromarray(rgb)
    size = _fitting(image.size, side_pixels)
    return np.asarray(image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))


def _fitting(size: tuple[int, int], side: int, *, may_grow: bool = False) -> tuple[int, int]:
    scale = side / max(size)
    if scale >= 1 and not may_grow:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _written(
    kind: Kind, image: Image.Image, parameters: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> Rendering:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=parameters["quality"])
    return Rendering(kind, (written.getvalue(),), {"width": image.width, "height": image.height, **(more or {})})
