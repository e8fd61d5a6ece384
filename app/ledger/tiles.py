"""The public log's tiles as c2sp.org/tlog-tiles names and fills them. Pure.

A tile of level L is up to 256 hashes of complete subtrees over 256**L leaves each; a bundle is the leaves themselves
under a level-0 tile. Both are cut at the signed size: the last one is partial, of a width that stands in its path.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

TILE_HEIGHT = 8
TILE_WIDTH = 256
LEVEL_LIMIT = 63
LEAF_LIMIT_BYTES = 0xFFFF

_PATH = re.compile(r"([0-9]{1,2}|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
PATH_LIMIT = 64
"""Characters; enough for every tile of a tree of 2**63 leaves."""


class TilePathInvalid(ValueError):
    """The path names no tile, or not in the one spelling that a tile has."""


class BundleInvalid(ValueError):
    """The bytes are no whole number of entries."""


@dataclass(frozen=True)
class Tile:
    """``width`` hashes (1 to 256) of tile level ``level``; ``level`` None: the leaves under a level-0 tile."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def node_level(self) -> int:
        """The level, in the binary tree, of the subtrees whose hashes the tile holds."""
        return (self.level or 0) * TILE_HEIGHT

    @property
    def first(self) -> int:
        """The first of these subtrees within its level."""
        return self.index * TILE_WIDTH

    @property
    def end(self) -> int:
        """Past the last of them."""
        return self.first + self.width

    @property
    def least_size(self) -> int:
        """The number of leaves (of the whole tree) from which on the tile exists in this width."""
        return self.end << self.node_level

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    def encode(self) -> str:
        """``<L>/<N>[.p/<W>]``, the path below ``/tile/``."""
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return f"{level}/{_encode_index(self.index)}{partial}"


def parse_tile_path(text: str) -> Tile:
    """The tile of a path below ``/tile/``. Strict: each tile has one spelling. Raises TilePathInvalid."""
    match = _PATH.fullmatch(text) if len(text) <= PATH_LIMIT else None
    if match is None:
        raise TilePathInvalid("a tile's path is <L>/<N>[.p/<W>]")
    level, index, width = match.groups()
    tile = Tile(
        None if level == "entries" else int(level),
        int(index.replace("x", "").replace("/", "")),
        TILE_WIDTH if width is None else int(width),
    )
    if tile.encode() != text or (tile.level or 0) > LEVEL_LIMIT or tile.width > TILE_WIDTH:
        raise TilePathInvalid("not the one spelling of a tile's path")
    return tile


def tiles_of(size: int) -> list[Tile]:
    """Every tile and bundle of a tree of ``size`` leaves, as a client would fetch them: full, and one partial a level.

    RFC-style definition in tlog-tiles, "Partial Tiles": at level l a tree of s leaves has ``s // 256**l`` hashes.
    """
    tiles: list[Tile] = []
    levels: list[int | None] = [None, *range(LEVEL_LIMIT + 1)]
    for level in levels:
        hashes = size >> (level or 0) * TILE_HEIGHT
        if not hashes:
            break
        tiles += (Tile(level, index) for index in range(hashes // TILE_WIDTH))
        if hashes % TILE_WIDTH:
            tiles.append(Tile(level, hashes // TILE_WIDTH, hashes % TILE_WIDTH))
    return tiles


def encode_bundle(leaves: Iterable[bytes]) -> bytes:
    """Each leaf behind its length, 16 bits, big-endian. Raises ValueError for a leaf beyond 65,535 bytes."""
    bundle = bytearray()
    for leaf in leaves:
        if len(leaf) > LEAF_LIMIT_BYTES:
            raise ValueError(f"a leaf of {len(leaf)} bytes does not fit an entry bundle")
        bundle += len(leaf).to_bytes(2, "big") + leaf
    return bytes(bundle)


def parse_bundle(bundle: bytes) -> list[bytes]:
    """The leaves of a bundle. Raises BundleInvalid when it ends within an entry."""
    leaves, at = [], 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise BundleInvalid("the bundle ends within an entry")
        leaves.append(bundle[start:at])
    return leaves


def _encode_index(index: int) -> str:
    """Groups of three digits, all but the last behind an ``x``: 1234067 is ``x001/x234/067``."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))
