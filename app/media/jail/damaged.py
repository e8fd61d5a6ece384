"""Pictures whose file ends early or is damaged: shown as far as they go, and grey where nothing is known.

The rule ``damaged/1``, tried only after a file could not be read whole. Two ways, by what the library does:

- JPEG, PNG, GIF, TIFF and BMP are read with Pillow's tolerance for missing bytes. It leaves one even colour below what
  was decoded; these rows become grey.
- WebP, HEIF and AVIF refuse a file that is not whole, and invent pixels when the missing bytes are filled in. So they
  are filled in twice, with different bytes: the rows that come out the same are those of the picture. (RFC 9649 for
  WebP's chunks, ISO/IEC 14496-12 for HEIF's boxes.)

Grey, because it changes PDQ least: of photographs cut at 90 % of their height the median is 22 bits from the whole one
(cropped: 110), and none came closer than 94 bits to another one, whatever was missing of both.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

DAMAGED_RULE = "damaged/1"
MISSING_LEVEL = 128
LEAST_KNOWN = 0.05
"""Of the rows: a decoder may make a first row of blocks out of nothing."""
MOST_FILLED_IN = 3
"""Times as many bytes as there are: what is cut off before a quarter is not shown."""
_FILL_BYTES = (b"\x55", b"\xaa", b"\0", b"\xff")
"""The first two that can be read. libwebp takes all ones for an error, libavif now these, now those."""
_FILLED_IN = frozenset({"WEBP", "HEIF", "AVIF"})
_WEBP_PICTURES = (b"VP8 ", b"VP8L")

Array = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
"""Height × width × 3 (RGB)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file's first picture."""

    image: Image.Image
    """The opened file, for what else it says."""
    reduced: Image.Image
    """Its pixels; of a picture of which not all is there, grey where nothing is known."""
    shortfall: str | None = None
    """In words, what is missing."""


class NothingThere(Exception):
    """The file ends before its first pixels; the message says so."""


Reduce = Callable[[Image.Image], Image.Image]
"""Gives an opened image's pixels, in RGB and of bounded size."""


def rescue(file: BinaryIO, format_name: str, reduce: Reduce, error: Exception, passing: type[Exception]) -> Found:
    """The first picture as far as it goes; ``error`` is why it could not be read whole.

    When there is nothing to show, raises NothingThere if that is since the file ends early, else ``error``. Raises
    MemoryError, and what ``reduce`` raises of the type ``passing``.
    """
    ends_early = "truncated" in str(error).lower()
    found = None
    try:
        if format_name in _FILLED_IN:
            found = _by_filling_in(file, format_name, reduce)
        else:
            found = _by_tolerance(file, format_name, reduce, ends_early=ends_early)
    except (MemoryError, passing):
        raise
    except Exception:  # noqa: BLE001, S110 - as in the first try, whose error tells more
        pass
    if found is not None:
        return found
    if ends_early:
        raise NothingThere("the file ends early: nothing of the picture is there") from error
    raise error


def _by_tolerance(file: BinaryIO, format_name: str, reduce: Reduce, *, ends_early: bool) -> Found | None:
    file.seek(0)
    with _tolerance():
        image = Image.open(file, formats=[format_name])
        if format_name == "TIFF":
            ends_early |= _is_cut_off_tiff(image, file.seek(0, os.SEEK_END))
            with suppress(OSError):  # libtiff's error; it leaves the strips that it could read.
                image.load()
        pixels = np.array(reduce(image))
    below = _even_rows(pixels)
    above = _even_rows(pixels[::-1]) if format_name == "BMP" else 0  # Most are stored from the lowest row up.
    if max(below, above) > len(pixels) * (1 - LEAST_KNOWN):
        return None
    where = "upper" if above > below else "lower"
    if where == "upper":
        pixels[:above] = MISSING_LEVEL
    else:
        pixels[len(pixels) - below :] = MISSING_LEVEL
    words = _words(max(below, above) / len(pixels), where, ends_early=ends_early)
    return Found(image, Image.fromarray(pixels), words)


def _by_filling_in(file: BinaryIO, format_name: str, reduce: Reduce) -> Found | None:
    file.seek(0)
    body = file.read()
    mend = _mended_webp if format_name == "WEBP" else _mended_boxes
    read: list[tuple[Image.Image, Array]] = []
    for fill in _FILL_BYTES:
        mended = mend(body, fill)
        if mended is None:
            return None
        with suppress(OSError, ValueError, SyntaxError):  # Some decoders refuse some bytes.
            opened = Image.open(io.BytesIO(mended), formats=[format_name])
            read.append((opened, np.array(reduce(opened))))
        if len(read) == 2:
            break
    else:
        return None
    (image, first), (_, second) = read
    differs = (first != second).any(axis=(1, 2))
    known = int(differs.argmax()) if differs.any() else len(first)
    if known < len(first) * LEAST_KNOWN:
        return None
    if known == len(first):
        return Found(image, Image.fromarray(first), "the file ends early, behind this picture")
    first[known:] = MISSING_LEVEL
    return Found(image, Image.fromarray(first), _words(1 - known / len(first), "lower", ends_early=True))


def _is_cut_off_tiff(image: Image.Image, size_bytes: int) -> bool:
    """Whether a strip or tile ends behind the file."""
    tags = getattr(image, "tag_v2", {})
    for places, lengths in ((273, 279), (324, 325)):
        pairs = zip(tags.get(places, ()), tags.get(lengths, ()), strict=False)
        if any(place + length > size_bytes for place, length in pairs):
            return True
    return False


@contextmanager
def _tolerance() -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _even_rows(pixels: Array) -> int:
    """How many of the last rows have the last pixel's colour and no other."""
    differs = (pixels != pixels[-1, -1]).any(axis=(1, 2))
    return int(differs[::-1].argmax()) if differs.any() else len(pixels)


def _words(missing: float, where: str, *, ends_early: bool) -> str:
    what = "the file ends early" if ends_early else "the file is damaged"
    percent = round(100 * missing)
    return (
        f"{what}: about {percent} % of the picture, the {where} part, is missing"
        if percent
        else (f"{what}: some part or some detail of the picture is missing")
    )


def _mended_webp(body: bytes, fill: bytes) -> bytes | None:
    """The chunks that are whole; a still picture's own chunk filled up. None when there is nothing to mend."""
    place, chunks = 12, b""
    while place + 8 <= len(body):
        kind, size = body[place : place + 4], int.from_bytes(body[place + 4 : place + 8], "little")
        end = place + 8 + size + (size & 1)
        if end > len(body):
            if kind in _WEBP_PICTURES and end <= len(body) * (1 + MOST_FILLED_IN):
                chunks += body[place:] + fill * (end - len(body))
            break
        chunks += body[place:end]
        place = end
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks if chunks else None


def _mended_boxes(body: bytes, fill: bytes) -> bytes | None:
    """Filled up to where the last box says that it ends. None when there is nothing to mend."""
    place = 0
    while place + 16 <= len(body):
        size = int.from_bytes(body[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(body[place + 8 : place + 16], "big")
        if size < 8:
            return None
        place += size
    missing = place - len(body)
    return body + fill * missing if 0 < missing <= len(body) * MOST_FILLED_IN else None
