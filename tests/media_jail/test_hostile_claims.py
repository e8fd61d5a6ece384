"""Pictures that anybody can see, with claims and side notes made to break their decoder: the pixels are compared."""

import struct
import zlib
from functools import cache

import numpy as np
import pytest
from PIL import Image

from app.media.jail.result import DecodeOutcome
from tests import media_samples
from tests.media_jail.conftest import Decode

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
ASCII, LONG, DOUBLE = 2, 4, 12

Tag = tuple[int, int, int, bytes]
"""Number, type, count and value of a TIFF field."""


def text(number: int, value: bytes) -> Tag:
    return number, ASCII, len(value) + 1, value + b"\0"


def directory(tags: list[Tag], offset: int) -> bytes:
    """An image file directory at this offset, followed by the values that do not fit into it."""
    values_at = offset + 2 + 12 * len(tags) + 4
    fields, values = b"", b""
    for number, kind, count, value in tags:
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", values_at + len(values))
        values += value if len(value) > 4 else b""
        fields += struct.pack("<HHI", number, kind, count) + place
    return struct.pack("<H", len(tags)) + fields + b"\0\0\0\0" + values


def exif(pointer: int, tags: list[Tag]) -> bytes:
    """EXIF with one directory below the first; written by hand, because Pillow writes no such values."""
    return (
        b"Exif\0\0II*\0"
        + struct.pack("<I", 8)
        + directory([(pointer, LONG, 1, struct.pack("<I", 26))], 8)
        + (directory(tags, 26))
    )


def picture() -> Image.Image:
    return media_samples.upright(media_samples.PHOTOGRAPHS[0]).resize((320, 240))


HOSTILE_EXIF = {
    "altitude_beyond_floats": exif(GPS_IFD, [text(6, b"1e400")]),
    "altitude_without_end": exif(GPS_IFD, [text(6, b"1e99999999")]),
    "exposure_without_end": exif(EXIF_IFD, [text(0x829A, b"1e99999999")]),
    "latitude_beyond_the_pole": exif(GPS_IFD, [(2, DOUBLE, 3, struct.pack("<3d", 1.7e308, 1.7e308, 1.7e308))]),
    "texts_of_all_kinds": exif(EXIF_IFD, [text(tag, "\U0001f600".encode() * 400) for tag in (0x9003, 0x9011, 0xA433)]),
    "no_tiff": b"Exif\0\0XX*\0",
    "cut_off": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\1" * 40,
}


@pytest.mark.parametrize("name", HOSTILE_EXIF)
def test_decode_when_exif_is_hostile_then_the_picture_is_there(decode: Decode, name: str) -> None:
    body = media_samples.encoded(picture(), "JPEG", quality=90, exif=HOSTILE_EXIF[name])

    result, _ = decode(body)

    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert result.picture is not None
    assert result.picture.shape == (240, 320, 3)
    assert "gps" not in result.claims.get("exif", {})


def test_decode_when_exif_cannot_be_read_then_that_is_a_claim(decode: Decode) -> None:
    result, _ = decode(media_samples.encoded(picture(), "JPEG", exif=HOSTILE_EXIF["no_tiff"]))

    assert result.claims["exif_unreadable"] is True


def chunk(name: bytes, value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + name + value + struct.pack(">I", zlib.crc32(name + value))


BOMBS = {
    "text_bomb": (b"zTXt", b"a\0\0"),
    "international_text_bomb": (b"iTXt", b"a\0\1\0\0\0"),
    "profile_bomb": (b"iCCP", b"a\0\0"),
}
"""What comes before 80 MB of zeros, packed."""
HOSTILE_CHUNKS = {
    "unknown_compression": (b"iCCP", b"a\0\7xxxx"),
    "empty_profile": (b"iCCP", b""),
    "empty_gamma": (b"gAMA", b""),
    "short_chromaticities": (b"cHRM", b"abc"),
    "empty_intent": (b"sRGB", b""),
    "short_density": (b"pHYs", b"a"),
    "short_animation": (b"acTL", b"a"),
    "broken_exif": (b"eXIf", b"II*\0" + b"\xff" * 20),
}
IHDR_END = 33


@cache
def bomb() -> bytes:
    return zlib.compress(bytes(80_000_000), 9)


def hostile_chunk(name: str) -> bytes:
    kind, value = {**BOMBS, **HOSTILE_CHUNKS}[name]
    return chunk(kind, value + bomb() if name in BOMBS else value)


@pytest.mark.parametrize("name", [*BOMBS, *HOSTILE_CHUNKS])
def test_decode_when_a_png_has_a_hostile_side_note_then_the_picture_is_there(decode: Decode, name: str) -> None:
    whole = media_samples.encoded(picture(), "PNG")

    result, _ = decode(whole[:IHDR_END] + hostile_chunk(name) + whole[IHDR_END:])

    assert (result.outcome, result.reason, result.is_partial) == (DecodeOutcome.DECODED, None, False)
    assert result.picture is not None
    assert np.array_equal(result.picture, np.asarray(picture().convert("RGB")))
