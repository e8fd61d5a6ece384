"""What a recording's container says by its outermost structure alone: is its index there, was its end written?

A demuxer reads a file that was cut off as far as it goes and then says nothing: it does not compare the sizes that the
container claims with the bytes that there are. This walk does, reading a few bytes for each outermost element.
Sources: ISO/IEC 14496-12 (boxes), RFC 8794 (EBML) and RFC 9559 (Matroska segments), Microsoft's RIFF.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST_ELEMENTS = 100_000
_EBML_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_NEEDED_BOXES = (b"mdat", b"moov", b"moof")
_TS_PACKET_BYTES = (188, 192, 204)


@dataclass(frozen=True, slots=True)
class Outline:
    """What the walk found; the file's position is where it was before."""

    is_cut_off: bool
    """An element claims more bytes than follow it. False where nothing is claimed, as in live recordings."""
    has_index: bool
    """MP4 and QuickTime: there is a ``moov`` box, whole or not. True for other containers: they need none."""


def outline(file: BinaryIO, demuxer: str) -> Outline:
    """Of a seekable file that this demuxer reads."""
    place = file.tell()
    size_bytes = file.seek(0, os.SEEK_END)
    try:
        if demuxer == "mov":
            return _outline_of_boxes(file, size_bytes)
        if demuxer == "matroska":
            return Outline(_is_segment_cut_off(file, size_bytes), has_index=True)
        if demuxer == "avi":
            return Outline(any(end > size_bytes for end in _riff_ends(file, size_bytes)), has_index=True)
        return Outline(_is_inside_packet(file, size_bytes), has_index=True)
    finally:
        file.seek(place)


def _read_at(file: BinaryIO, place: int, size_bytes: int) -> bytes:
    file.seek(place)
    return file.read(size_bytes)


def _outline_of_boxes(file: BinaryIO, size_bytes: int) -> Outline:
    has_index, place = False, 0
    for _ in range(MOST_ELEMENTS):
        head = _read_at(file, place, 16)
        if len(head) < 8:
            return Outline(is_cut_off=bool(head), has_index=has_index)
        box_bytes = int.from_bytes(head[:4], "big")
        has_index |= head[4:8] == b"moov"
        if box_bytes == 1:
            box_bytes = int.from_bytes(head[8:16], "big")
        if box_bytes == 0:  # To the end of the file, whatever that is.
            return Outline(is_cut_off=False, has_index=has_index)
        place += max(box_bytes, 8)
        if place > size_bytes:  # What is behind the last box need not be one: some programs append notes of their own.
            return Outline(is_cut_off=head[4:8] in _NEEDED_BOXES, has_index=has_index)
    return Outline(is_cut_off=False, has_index=has_index)


def _is_segment_cut_off(file: BinaryIO, size_bytes: int) -> bool:
    """Whether a segment of known size ends behind the file's end."""
    place = 0
    for _ in range(2):
        head = _read_at(file, place, 12)
        if len(head) < 5 or head[:4] not in (_EBML_HEADER, _SEGMENT):
            return False
        length = 9 - head[4].bit_length()  # The number of leading zeros in the first byte, and one.
        if length > 8 or len(head) < 4 + length:
            return False
        value = int.from_bytes(head[4 : 4 + length], "big") & ((1 << 7 * length) - 1)
        if value == (1 << 7 * length) - 1:  # All ones: unknown, as a live recording writes it.
            return False
        place += 4 + length + value
        if place > size_bytes:
            return True
    return False


def _riff_ends(file: BinaryIO, size_bytes: int) -> Iterator[int]:
    """Where each outermost chunk says that it ends; large AVI files have several."""
    place = 0
    for _ in range(MOST_ELEMENTS):
        head = _read_at(file, place, 8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return
        chunk_bytes = int.from_bytes(head[4:8], "little")
        if chunk_bytes in (0, 0xFFFFFFFF):  # Written at the end; a recorder that died did not come to it.
            yield size_bytes + 1
            return
        place += 8 + chunk_bytes
        yield place
        place += chunk_bytes & 1


def _is_inside_packet(file: BinaryIO, size_bytes: int) -> bool:
    """Whether a transport stream ends within a packet."""
    head = _read_at(file, 0, 5 * max(_TS_PACKET_BYTES))
    for packet_bytes in _TS_PACKET_BYTES:
        first = 4 if packet_bytes == 192 else 0
        if set(head[first::packet_bytes]) == {0x47}:
            return size_bytes % packet_bytes != 0
    return False
