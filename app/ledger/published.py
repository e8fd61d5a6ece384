"""What the public log hands out besides proofs of entries: tiles, entry bundles, consistency between signed trees.

It follows from leaves, nodes and checkpoints, which are never changed; nothing here reads an entry's body. Each log of
the database has its own (docs/decisions/0012).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from app.ledger import reading
from app.ledger.event import leaf
from app.ledger.merkle import leaf_hash
from app.ledger.reading import NotInLog, Reader, SignedCheckpoint
from app.ledger.tiles import Tile, encode_bundle
from app.ledger.witness_request import AddCheckpoint

# One query a tile. The signed size is asked for in the same breath: leaves that are not signed yet are not public yet
# (they are written in one transaction with their checkpoint, so there are none but by a fault).
_LEAVES = text("""
    SELECT label, commitment FROM ledger_leaves
    WHERE log_id = :log_id AND idx >= :first AND idx < :end
        AND (SELECT max(size) FROM ledger_checkpoints WHERE log_id = :log_id) >= :least_size
    ORDER BY idx
""")
_NODES = text("""
    SELECT hash FROM ledger_nodes
    WHERE log_id = :log_id AND level = :level AND idx >= :first AND idx < :end
        AND (SELECT max(size) FROM ledger_checkpoints WHERE log_id = :log_id) >= :least_size
    ORDER BY idx
""")
_NEWEST_LOG = text("SELECT max(id) FROM ledger_logs")
_POSITIONS = text("""
    SELECT l.commitment, l.idx, c.size
    FROM ledger_leaves l
    CROSS JOIN LATERAL (SELECT min(size) AS size FROM ledger_checkpoints WHERE log_id = l.log_id AND size > l.idx) c
    WHERE l.commitment = ANY(CAST(:commitments AS bytea[])) AND c.size IS NOT NULL
""")

FIRST_LOG = 1
INDEX_LIMIT = 2**63
"""No tree that the database can hold has a leaf of this index."""


@dataclass(frozen=True)
class Position:
    """Where an entry stands: its leaf, from 0, and the smallest signed tree that holds it."""

    log_index: int
    tree_size: int


class NotSigned(NotInLog):
    """There is no checkpoint of this size."""


def newest_log(session: Reader) -> int:
    """The number of the log that is being written to; 1 before there is any."""
    return int(session.execute(_NEWEST_LOG).scalar_one() or FIRST_LOG)


def read_tile(session: Reader, tile: Tile, *, log_id: int = FIRST_LOG) -> bytes:
    """The tile's hashes, or a bundle's leaves. Raises NotInLog for what lies beyond the log's signed size."""
    if tile.least_size >= INDEX_LIMIT:
        raise NotInLog("beyond every tree")
    if tile.node_level:
        rows = _rows(session, tile, log_id)
        return b"".join(bytes(row.hash) for row in rows)
    leaves = [leaf(row.label.hex(), row.commitment.hex()) for row in _rows(session, tile, log_id)]
    return encode_bundle(leaves) if tile.level is None else b"".join(map(leaf_hash, leaves))


def _rows(session: Reader, tile: Tile, log_id: int) -> list[Row[Any]]:
    places = {"log_id": log_id, "first": tile.first, "end": tile.end, "least_size": tile.least_size}
    if tile.node_level:
        rows = list(session.execute(_NODES, {"level": tile.node_level, **places}))
    else:
        rows = list(session.execute(_LEAVES, places))
    if len(rows) != tile.width:
        raise NotInLog(f"the signed tree has no tile {tile.encode()}")
    return rows


def positions(session: Reader, commitments: Sequence[str]) -> dict[str, Position]:
    """By commitment (hexadecimal), of those entries that a signed tree holds already."""
    rows = session.execute(_POSITIONS, {"commitments": [bytes.fromhex(each) for each in commitments]})
    return {row.commitment.hex(): Position(row.idx, row.size) for row in rows}


def consistency(session: Reader, old: int, new: SignedCheckpoint) -> AddCheckpoint:
    """That the signed tree ``new`` begins with the signed tree of ``old`` leaves, or with nothing for 0.

    Raises NotSigned when no tree of ``old`` leaves was ever signed, ValueError when it is the larger one.
    """
    if old > new.size:
        raise ValueError(f"the tree of {old} leaves cannot be the beginning of one of {new.size}")
    if old and reading.checkpoint_of(session, old, log_id=new.log_id) is None:
        raise NotSigned(f"no tree of {old} leaves was signed")
    hashes = reading.consistency_proof(session, old, new.size, log_id=new.log_id) if old else []
    return AddCheckpoint(old, tuple(hashes), new.note)
