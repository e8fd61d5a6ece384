"""The hashes of each algorithm version with the blobs they belong to: in a file with tables, and beside it without."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.fingerprints.search.files import open_index, writing
from app.fingerprints.search.hamming import WORD_BYTES, Words, scan
from app.fingerprints.search.multi_index import Bands, MultiIndex, fill_tables, table_shapes

DIGEST_BYTES = 32
ROOM_AT_FIRST = 1024

Owners = np.ndarray[tuple[int], np.dtype[np.uint32]]
Digests = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
"""``(blobs, 32)``: one SHA-256 a row."""


@dataclass(frozen=True)
class Rows:
    """Hashes, each with the number of its blob; a blob may be listed more than once."""

    words: Words
    owners: Owners
    blobs: Digests


@dataclass(frozen=True)
class Block:
    """What a file holds of one version."""

    index: MultiIndex
    owners: Owners
    blobs: Digests

    def blobs_near(self, queries: Words, radius_bits: int) -> set[bytes]:
        """SHA-256 of every blob with a hash at ``radius_bits`` or less of a query."""
        rows = self.index.search(queries, radius_bits).rows
        return {digest.tobytes() for digest in self.blobs[np.unique(self.owners[rows])]}


@dataclass(frozen=True)
class Opened:
    """A file's blocks by version."""

    facts: Mapping[str, Any]
    blocks: Mapping[str, Block]
    size_bytes: int

    @property
    def rows(self) -> int:
        return sum(len(block.owners) for block in self.blocks.values())


def write_blocks(path: Path, facts: Mapping[str, Any], parts: Mapping[str, Rows]) -> None:
    """Replace the file by one of these rows, in one step. Raises OSError where there is no room."""
    bands = {version: Bands.fitting(len(rows.words), _bits(rows.words)) for version, rows in parts.items()}
    shapes = {
        f"{version} {name}": shape
        for version, rows in parts.items()
        for name, shape in _shapes(bands[version], rows).items()
    }
    told = {version: [bands[version].count, bands[version].width] for version in parts}
    with writing(path, {**facts, "bands": told}, shapes) as arrays:
        for version, rows in parts.items():
            arrays[f"{version} words"][:] = rows.words
            arrays[f"{version} owners"][:] = rows.owners
            arrays[f"{version} blobs"][:] = rows.blobs
            fill_tables(bands[version], rows.words, arrays[f"{version} offsets"], arrays[f"{version} ids"])


def read_blocks(path: Path) -> Opened:
    """Raises what :func:`files.open_index` raises."""
    file = open_index(path)
    blocks = {}
    for version, (count, width) in file.facts["bands"].items():
        words, offsets, ids, owners, blobs = (
            file.arrays[f"{version} {name}"] for name in ("words", "offsets", "ids", "owners", "blobs")
        )
        blocks[version] = Block(MultiIndex(Bands(count, width), words, offsets, ids), owners, blobs)
    return Opened(file.facts, blocks, file.size_bytes)


class SideBlock:
    """The rows that came after the file: compared one by one. Rows are only ever added; not for two threads at once,
    but what :meth:`snapshot` gave may be searched while another thread adds."""

    def __init__(self, width: int) -> None:
        self._words: Words = np.empty((ROOM_AT_FIRST, width), np.uint64)
        self._blobs: Digests = np.empty((ROOM_AT_FIRST, DIGEST_BYTES), np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, words: Words, blobs: Digests) -> None:
        """A blob for each hash."""
        end = self._count + len(words)
        if end > len(self._words):
            room = max(end, 2 * len(self._words))
            self._words = _moved(self._words, self._count, room)
            self._blobs = _moved(self._blobs, self._count, room)
        self._words[self._count : end] = words
        self._blobs[self._count : end] = blobs
        self._count = end

    def snapshot(self) -> tuple[Words, Digests]:
        return self._words[: self._count], self._blobs[: self._count]


def side_blobs_near(held: tuple[Words, Digests], queries: Words, radius_bits: int) -> set[bytes]:
    """Of what :meth:`SideBlock.snapshot` gave."""
    words, blobs = held
    return {digest.tobytes() for digest in blobs[np.unique(scan(words, queries, radius_bits).rows)]}


def _moved(array: Any, count: int, room: int) -> Any:
    larger = np.empty((room, array.shape[1]), array.dtype)
    larger[:count] = array[:count]
    return larger


def _bits(words: Words) -> int:
    return words.shape[1] * WORD_BYTES * 8


def _shapes(bands: Bands, rows: Rows) -> dict[str, tuple[tuple[int, ...], str]]:
    return {
        "words": (rows.words.shape, "<u8"),
        "owners": (rows.owners.shape, "<u4"),
        "blobs": (rows.blobs.shape, "u1"),
        **{name: (shape, "<u4") for name, shape in table_shapes(bands, len(rows.words)).items()},
    }
