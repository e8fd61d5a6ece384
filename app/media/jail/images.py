"""Decodes one image inside the jail: the picture for the fingerprints, and the file's claims.

The rule ``picture/1``, part of every image fingerprint's meaning:
JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 whose longer side is still at least 768 pixels (draft mode) ·
the first frame (further ones: ``sequences.py``) · 16-bit and float samples scaled to 8 bits · transparency over
white · RGB · longer side at most 1024 pixels (Pillow's BOX filter with a reducing gap of 2) · EXIF orientation applied.
Of a file that ends early or is damaged: ``damaged.py``.
"""

import io
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image

from app.media.jail import sequences, wire, xmp
from app.media.jail.canvas import Canvas
from app.media.jail.damaged import Found, rescue
from app.media.jail.exif import exif_claims, open_exif, orientation_of
from app.media.jail.iptc import iptc_claims
from app.media.jail.limits import DecodeLimits
from app.media.jail.png import prepare_png
from app.media.jail.tags import picture_tags
from app.media.jail.wire import MAX_SIDE_PIXELS, Stream

PICTURE_RULE = "picture/1"
DRAFT_SIDE_PIXELS = 768
REHEARSALS = 16

Emit = Callable[[dict[str, object], memoryview | Stream], None]
"""Sends one header and its payload to the worker."""

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what shows the picture upright."""


@dataclass(frozen=True, slots=True)
class RgbRows:
    """A picture's pixels, row by row, as a :class:`~app.media.jail.wire.Stream`."""

    image: Image.Image
    """RGB, loaded."""

    @property
    def size_bytes(self) -> int:
        return self.image.width * self.image.height * 3

    def write_to(self, write: Callable[[bytes], object]) -> None:
        """By way of PPM, the one format that Pillow writes in blocks as they are; its header is left out."""
        # Not Image.save, which asks for the current directory.
        Image.SAVE["PPM"](self.image, _PpmPixels(write), "")


class _PpmPixels(io.BytesIO):
    """Takes a PPM file in two lines and the pixels, as Pillow writes it, and passes the pixels on."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._lines_left = 3

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self._lines_left > 0:
            self._lines_left -= data.count(b"\n")
        else:
            self._write(data)
        return len(data)


class TooManyPixels(Exception):
    """The picture is larger than the policy allows; the message says how large."""


def prepare() -> None:
    """Loads every decoder once, so that forked children share the memory. No hostile byte is read here."""
    Image.MAX_IMAGE_PIXELS = None  # Ours are checked by format before anything is allocated.
    Image.init()
    prepare_png()
    xmp.prepare()
    # A child may start no thread: a file that took one over could fill the machine's process table with them.
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=0)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    benign = Image.new("RGB", (64, 48), (90, 120, 150))
    for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        buffer = io.BytesIO()
        benign.save(buffer, name)
        buffer.seek(0)
        with Image.open(buffer, formats=[name]) as image:
            picture = _upright(_reduced(image), orientation_of(open_exif(image)))
            RgbRows(picture).write_to(len)
    _rehearse(benign)


def _rehearse(benign: Image.Image) -> None:
    """Decodes a JPEG as a child does, often enough that the interpreter has made the code its own (PEP 659): each child
    would have to do that anew, in pages that it has to copy for it."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    benign.resize((1600, 1200)).save(buffer, "JPEG", exif=exif)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for _ in range(REHEARSALS):
            buffer.seek(0)
            decode_image(buffer, "JPEG", DecodeLimits(), lambda header, payload: wire.send(nowhere, header, payload))
    finally:
        os.close(nowhere)


def decode_image(
    file: BinaryIO,
    format_name: str,
    limits: DecodeLimits,
    emit: Emit,
    canvas: Canvas | None = None,
    *,
    claims_only: bool = False,
) -> str | None:
    """Sends size and picture, what else is known, and further frames or pages. Says why when some are missing.
    With ``claims_only`` it stops before these. The picture's pixels go into the ``canvas``, if there is one.

    Raises TooManyPixels; MemoryError; OSError, ValueError, SyntaxError, EOFError and others of Pillow for a file
    of which it can read nothing.
    """
    if format_name == "WEBP":
        _check_webp(file, limits)
    most_pixels = limits.jpeg_pixels if format_name == "JPEG" else limits.image_pixels
    first, color_mode, (width, height) = _first_of(file, format_name, most_pixels, canvas)
    with first.image as image:
        exif = open_exif(image)
        orientation = orientation_of(exif)
        picture = _upright(first.reduced, orientation)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        emit({"type": "claims", "width": width, "height": height, "color_mode": color_mode}, memoryview(b""))
        _send_picture(picture, emit, canvas)
        # After the picture: nothing that a file says of itself may keep its pixels from being compared.
        if further := exif_claims(exif):
            emit({"type": "claims", **further}, memoryview(b""))
        for more in (xmp.xmp_claims(image.info.get("xmp")), iptc_claims(image)):
            if more:
                emit({"type": "claims", **more}, memoryview(b""))
        if tags := picture_tags(image):
            emit({"type": "claims", "container_tags": tags}, memoryview(b""))
        if claims_only:
            return first.shortfall
        sequence = _send_further(image, picture, most_pixels, limits, emit)
        # Counting may walk the whole file, so it comes last: a limit that is hit here costs no pixels.
        emit({"type": "claims", "frame_count": int(getattr(image, "n_frames", 1))}, memoryview(b""))
        return "; ".join(filter(None, (first.shortfall, sequence.shortfall))) or None


def _send_picture(picture: Image.Image, emit: Emit, canvas: Canvas | None) -> None:
    header = {"type": "picture", "width": picture.width, "height": picture.height}
    if canvas is None:
        emit(header, RgbRows(picture))
    else:
        canvas.show(picture)
        emit({**header, "in_memory": True}, memoryview(b""))


def _first_of(
    file: BinaryIO, format_name: str, most_pixels: int, canvas: Canvas | None
) -> tuple[Found, str, tuple[int, int]]:
    """The file's first picture, of one that ends early or is damaged what there is of it; its mode and its size."""
    stated: list[tuple[str, tuple[int, int]]] = []

    def reduce(image: Image.Image, canvas: Canvas | None = None) -> Image.Image:
        _check_pixels(image.size, most_pixels)
        stated.append((image.mode, image.size))  # Draft mode changes both.
        return _reduced(image, canvas)

    try:
        image = Image.open(file, formats=[format_name])
        return Found(image, reduce(image, canvas)), *stated[-1]
    except (MemoryError, TooManyPixels):
        raise
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever comes to hand on a broken file
        found = rescue(file, format_name, reduce, error, passing=TooManyPixels)
        return found, *stated[-1]


def _send_further(
    image: Image.Image, first: Image.Image, most_pixels: int, limits: DecodeLimits, emit: Emit
) -> sequences.Sequence:
    """Frames of an animation, pages of a file of several: each as a picture of its own, with its time."""

    def picture_of(one: Image.Image) -> Image.Image:
        return _upright(_reduced(one), orientation_of(open_exif(one)))

    def send(time_ms: int, picture: Image.Image) -> None:
        header = {"type": "frame", "time_ms": time_ms, "width": picture.width, "height": picture.height}
        emit(header, RgbRows(picture))

    sender = sequences.Sender(picture_of, lambda size: size[0] * size[1] <= most_pixels, limits, send)
    found = sender.go_through(image, first)
    claims = {"sequence": found.kind, "duration_ms": found.duration_ms}
    if known := {name: value for name, value in claims.items() if value is not None}:
        emit({"type": "claims", **known}, memoryview(b""))
    return found


def _reduced(image: Image.Image, canvas: Canvas | None = None) -> Image.Image:
    """The opened image by the rule ``picture/1``, as it lies in the file."""
    if image.format in ("JPEG", "MPO"):
        longer = max(image.size)
        wanted = tuple(max(1, side * DRAFT_SIDE_PIXELS // longer) for side in image.size)
        image.draft(None, (wanted[0], wanted[1]))
        if canvas is not None and (picture := canvas.decoded(image)) is not None:
            return picture
    reduced = _in_rgb(image)
    scale = MAX_SIDE_PIXELS / max(reduced.size)
    if scale < 1:
        size = (max(1, round(reduced.width * scale)), max(1, round(reduced.height * scale)))
        return reduced.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return reduced


def _upright(reduced: Image.Image, orientation: int | None) -> Image.Image:
    """The picture as it is to be seen."""
    return reduced.transpose(_TRANSPOSITIONS[orientation]) if orientation in _TRANSPOSITIONS else reduced


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return _stretched(image).convert("RGB")
    if not image.has_transparency_data:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")
    with_alpha = image.convert("RGBA")
    over_white = Image.new("RGB", with_alpha.size, (255, 255, 255))
    over_white.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return over_white


def _stretched(image: Image.Image) -> Image.Image:
    """Samples without a known range, stretched from the lowest to the highest."""
    samples = np.nan_to_num(np.asarray(image, dtype=np.float32))
    low, high = float(samples.min()), float(samples.max())
    return Image.fromarray(((samples - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8))


def _check_pixels(size: tuple[int, int], most: int) -> None:
    if size[0] * size[1] > most:
        raise TooManyPixels(f"{size[0]} × {size[1]} pixels; at most {most} are decoded")


def _check_webp(file: BinaryIO, limits: DecodeLimits) -> None:
    """Reads the canvas size from the header (RFC 9649, 2.5 to 2.7): Pillow allocates it before it can be asked."""
    head = file.read(30)
    file.seek(0)
    if len(head) < 30:
        raise ValueError("the WebP header is cut off")
    if head[12:16] == b"VP8X":
        size = (1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"))
    elif head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        size = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    else:
        width, height = struct.unpack("<HH", head[26:30])
        size = (width & 0x3FFF, height & 0x3FFF)
    _check_pixels(size, limits.image_pixels)
