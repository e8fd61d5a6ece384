"""The index's file: arrays that several processes map into their memory, and read without copying.

It is written under another name, synchronised, and renamed in one step: who opens the name finds a whole file, the old
one or the new one, and who has the old one mapped keeps it. The layout::

    magic 16 bytes | length of the header, 8 bytes little endian | SHA-256 of the header | header, JSON
    | zeros up to 65,536 bytes | arrays, each on a multiple of 64, zeros between them

The header names the arrays with their places, and the SHA-256 of everything behind it. A file that is damaged, cut
short or of another format is refused. What it holds is a copy of what is in the database, and can be made again.
"""

import hashlib
import json
import mmap
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"exhibit-index/1\n"
ALIGNED_BYTES = 64
HEADER_AT = len(MAGIC) + 8 + 32
ROOM_FOR_HEADER_BYTES = 65_536

Array = np.ndarray[Any, np.dtype[Any]]
Shapes = Mapping[str, tuple[tuple[int, ...], str]]
"""Name → shape and numpy type."""


class NotAnIndex(Exception):
    """The file is damaged, incomplete, or none of this format."""


@dataclass(frozen=True)
class IndexFile:
    """An open file. Its arrays cannot be written, and keep it mapped."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, Array]
    size_bytes: int


@contextmanager
def writing(path: Path, facts: Mapping[str, Any], shapes: Shapes) -> Iterator[Mapping[str, Array]]:
    """Arrays to fill; when the block ends well they are the file ``path``, else nothing has happened to it.

    Raises OSError, before the block begins, where the disk has no room.
    """
    places, end = _places(shapes)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, end)  # Writing to a mapping where there is no room would kill the process.
        mapped = mmap.mmap(descriptor, end)  # It is unmapped with the last array.
        yield {name: _array(mapped, place) for name, place in places.items()}
        _write_header(mapped, {"facts": dict(facts), "arrays": places, "end": end})
        mapped.flush()
        os.fsync(descriptor)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    _sync_directory(path.parent)


def open_index(path: Path) -> IndexFile:
    """Map the file and check all of it. Raises NotAnIndex, and OSError (FileNotFoundError) where it cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size < ROOM_FOR_HEADER_BYTES:
            raise NotAnIndex("too short")
        mapped = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)
    header = _read_header(mapped)
    if header["end"] != size:
        raise NotAnIndex("of another length than it says")
    with memoryview(mapped) as content:
        if hashlib.sha256(content[ROOM_FOR_HEADER_BYTES:]).hexdigest() != header["sha256"]:
            raise NotAnIndex("its content is not what was written")
    arrays = {name: _array(mapped, place) for name, place in header["arrays"].items()}
    return IndexFile(header["facts"], arrays, size)


def _places(shapes: Shapes) -> tuple[dict[str, Any], int]:
    places: dict[str, Any] = {}
    end = ROOM_FOR_HEADER_BYTES
    for name, (shape, kind) in shapes.items():
        places[name] = {"at": end, "shape": list(shape), "type": kind}
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        end = -(-(end + size) // ALIGNED_BYTES) * ALIGNED_BYTES
    return places, end


def _array(mapped: mmap.mmap, place: Mapping[str, Any]) -> Array:
    shape = tuple(place["shape"])
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.empty(shape, place["type"])
    return np.frombuffer(mapped, place["type"], count, place["at"]).reshape(shape)


def _write_header(mapped: mmap.mmap, header: dict[str, Any]) -> None:
    with memoryview(mapped) as content:
        header["sha256"] = hashlib.sha256(content[ROOM_FOR_HEADER_BYTES:]).hexdigest()
    text = json.dumps(header).encode("ascii")
    if HEADER_AT + len(text) > ROOM_FOR_HEADER_BYTES:
        raise ValueError("the header has no room")
    mapped[:HEADER_AT] = MAGIC + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest()
    mapped[HEADER_AT : HEADER_AT + len(text)] = text


def _read_header(mapped: mmap.mmap) -> dict[str, Any]:
    start = mapped[:HEADER_AT]
    length = int.from_bytes(start[len(MAGIC) : len(MAGIC) + 8], "little")
    if not start.startswith(MAGIC) or HEADER_AT + length > ROOM_FOR_HEADER_BYTES:
        raise NotAnIndex("of another format")
    text = mapped[HEADER_AT : HEADER_AT + length]
    if hashlib.sha256(text).digest() != start[len(MAGIC) + 8 :]:
        raise NotAnIndex("its header is not what was written")
    header: dict[str, Any] = json.loads(text)
    return header


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
