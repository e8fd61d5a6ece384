"""HEIF files changed by hand, box by box: auxiliary pictures and image sequences, which no library here writes."""

import struct

from tests import media_formats
from tests.media_jail.hostile_files import box


def _at(body: bytes, kind: bytes) -> tuple[int, int]:
    """Where the first box of this kind begins and ends; these samples have each name once in front of their pixels."""
    start = body.index(kind) - 4
    return start, start + int.from_bytes(body[start : start + 4], "big")


def grown(body: bytes, parents: tuple[bytes, ...], parent: bytes, added: bytes) -> bytes:
    """``added`` at the end of the box ``parent``; every box around it grows, and the places of the pixels with it."""
    _, end = _at(body, parent)
    changed = bytearray(body[:end] + added + body[end:])
    for kind in (*parents, parent):
        start, _ = _at(body, kind)
        size = int.from_bytes(body[start : start + 4], "big") + len(added)
        changed[start : start + 4] = struct.pack(">I", size)
    return bytes(changed)


def with_places_moved(body: bytes, by: int) -> bytes:
    """Of ``iloc`` (version 0 or 1, offsets of four bytes in the file): each place of data further behind."""
    start, _ = _at(body, b"iloc")
    version, at = body[start + 8], start + 16
    sizes = int.from_bytes(body[start + 12 : start + 14], "big")
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    assert (version in (0, 1), offset_size, length_size) == (True, 4, 4)
    changed = bytearray(body)
    for _ in range(int.from_bytes(body[start + 14 : start + 16], "big")):
        at += 2 + (2 if version else 0) + 2 + base_size
        extents = int.from_bytes(body[at : at + 2], "big")
        at += 2
        for _ in range(extents):
            place = int.from_bytes(changed[at : at + 4], "big") + by
            changed[at : at + 4] = struct.pack(">I", place)
            at += 8
    return bytes(changed)


def with_auxiliary(heic: bytes, auxiliary: int, of: int, kind: bytes) -> bytes:
    """The same file, in which the picture that is item ``auxiliary`` says that it is a map (``kind``) of another one
    (ISO/IEC 23008-12, 6.5.8 and 6.6.2)."""
    reference = box(b"auxl", struct.pack(">HHH", auxiliary, 1, of))
    if b"iref" in heic:
        changed = grown(heic, (b"meta",), b"iref", reference)
    else:
        changed = grown(heic, (), b"meta", box(b"iref", b"\0\0\0\0", reference))
    longer = len(changed) - len(heic)
    name = box(b"auxC", b"\0\0\0\0", kind + b"\0")
    number = _properties(changed) + 1
    changed = grown(changed, (b"meta", b"iprp"), b"ipco", name)
    start, end = _at(changed, b"ipma")
    entry = changed.index(struct.pack(">H", auxiliary), start + 16, end)
    bigger = bytearray(changed)
    bigger[entry + 2] += 1
    bigger[entry + 3 : entry + 3] = bytes((0x80 | number,))
    for box_kind in (b"meta", b"iprp", b"ipma"):
        place, _ = _at(changed, box_kind)
        bigger[place : place + 4] = struct.pack(">I", int.from_bytes(changed[place : place + 4], "big") + 1)
    return with_places_moved(bytes(bigger), longer + len(name) + 1)


def _properties(body: bytes) -> int:
    """How many stand in ``ipco``."""
    start, end = _at(body, b"ipco")
    place, count = start + 8, 0
    while place < end:
        place += int.from_bytes(body[place : place + 4], "big")
        count += 1
    return count


def sequence_of_pictures() -> bytes:
    """An HEVC image sequence: a track whose handler is ``pict``, and no picture beside it (ISO/IEC 23008-12, 7.2)."""
    mp4 = media_formats.recording("mp4-hevc-hvc1")
    end = int.from_bytes(mp4[:4], "big")
    brands = (b"msf1" + b"\0\0\0\0" + b"hevcmsf1iso8iso8iso8iso8iso8")[: end - 8]
    return struct.pack(">I", end) + b"ftyp" + brands + mp4[end:].replace(b"vide", b"pict", 1)


def with_sequence(heic: bytes) -> bytes:
    """A HEIC with such a sequence behind its picture. The track's places (``stco``) move by what is in front."""
    film = sequence_of_pictures()
    film = film[int.from_bytes(film[:4], "big") :]
    moved = bytearray(film)
    start, _ = _at(film, b"stco")
    by = len(heic) - (len(sequence_of_pictures()) - len(film))
    for number in range(int.from_bytes(film[start + 12 : start + 16], "big")):
        at = start + 16 + 4 * number
        moved[at : at + 4] = struct.pack(">I", int.from_bytes(film[at : at + 4], "big") + by)
    return heic + bytes(moved)
