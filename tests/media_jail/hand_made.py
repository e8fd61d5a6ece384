"""Pictures in kinds that no library here writes, byte by byte: tiles in TIFF and BigTIFF, Adam7 in PNG."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.media_jail.hostile_files import chunk

SHORT, LONG = 3, 4
_WIDTHS = {SHORT: 2, LONG: 4}
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Adam7: first row, first column, rows and columns from one pixel to the next."""


def interlaced_png(image: Image.Image) -> bytes:
    pixels = np.asarray(image)
    rows = (row for y, x, down, right in _PASSES for row in pixels[y::down, x::right])
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _tiles(image: Image.Image, side: int) -> Iterator[bytes]:
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            yield image.crop((left, top, left + side, top + side)).tobytes()


def tiled_tiff(image: Image.Image, *, is_big: bool = False, side: int = 64) -> bytes:
    """Raw RGB in squares, the directory in front (TIFF 6.0, section 15)."""
    tiles = list(_tiles(image, side))
    lengths = [len(tile) for tile in tiles]
    fields = [
        (256, LONG, [image.width]),
        (257, LONG, [image.height]),
        (258, SHORT, [8, 8, 8]),
        (259, SHORT, [1]),
        (262, SHORT, [2]),
        (277, SHORT, [3]),
        (322, LONG, [side]),
        (323, LONG, [side]),
        (324, LONG, [0] * len(tiles)),
        (325, LONG, lengths),
    ]
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if is_big else b"II*\0" + struct.pack("<I", 8)
    count, entry, place, room = ("<Q", "<HHQ", "<Q", 8) if is_big else ("<H", "<HHI", "<I", 4)
    aside = len(head) + struct.calcsize(count) + len(fields) * (struct.calcsize(entry) + room) + room
    begin = aside + sum(size for _, kind, given in fields if (size := _WIDTHS[kind] * len(given)) > room)
    fields[8] = (324, LONG, [begin + sum(lengths[:number]) for number in range(len(tiles))])
    directory, values = struct.pack(count, len(fields)), b""
    for number, kind, given in fields:
        packed = struct.pack(f"<{len(given)}{'HI'[kind == LONG]}", *given)
        held = packed.ljust(room, b"\0")
        if len(packed) > room:
            held, values = struct.pack(place, aside + len(values)), values + packed
        directory += struct.pack(entry, number, kind, len(given)) + held
    return head + directory + bytes(room) + values + b"".join(tiles)
