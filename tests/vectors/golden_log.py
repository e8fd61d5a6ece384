"""The golden log: 260 leaves, one of them a real entry, with all that is random in it fixed.

``python -m tests.vectors.golden_log`` writes ``tests/vectors/log``. Run it only with a new version of a format: these
bytes are what others have built on.
"""

import hashlib
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.ledger import merkle
from app.ledger.checkpoint import Checkpoint, VerifierKey, sign_checkpoint
from app.ledger.event import Entry, EntryActor, EntryObject, first_link, leaf, seal_event
from app.ledger.keys import FileSigner
from app.ledger.merkle import Frontier, Node, fold, leaf_hash
from app.ledger.proof import TlogProof
from app.ledger.receipt import EntryReceipt
from app.ledger.tiles import encode_bundle, tiles_of
from app.ledger.witness_request import AddCheckpoint
from tests.ledger.acts import NOON, Viewed

DIRECTORY = Path(__file__).parent / "log"
ORIGIN = "log.example.org/2026"
SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STREAM = UUID("6f1ed002-ab5a-4d5a-9d0c-0b8f6a1c2e3d")
ACTOR = UUID("0a8f1f2e-7d44-4b11-8a53-3e1f0c9d7b21")
SIZE, OLD_SIZE, INDEX = 260, 7, 3


def golden_entry() -> Entry:
    drawn = iter(f"{number:02x}" * 32 for number in range(1, 10))
    event = Viewed(
        stream=STREAM,
        actor=EntryActor(ACTOR, "user", "collector"),
        object=EntryObject("evidence", STREAM, 1, "ab" * 32, 4096),
        purpose="court",
        viewer_name="Ada Ødegård",
    )
    return seal_event(event, first_link(STREAM), log=ORIGIN, recorded=NOON, draw=lambda: next(drawn))


def golden_leaves() -> list[bytes]:
    """Leaf n has SHA-256 of "label n" and of "commitment n", but for the entry's own."""
    entry = golden_entry()
    made = [leaf(*(hashlib.sha256(f"{what} {n}".encode()).hexdigest() for what in _PARTS)) for n in range(SIZE)]
    made[INDEX] = leaf(entry.label, entry.commitment)
    return made


_PARTS = ("label", "commitment")


def golden_files() -> dict[str, bytes]:
    """Every format's bytes, by the name of their file."""
    entry, leaves = golden_entry(), golden_leaves()
    frontier = Frontier()
    nodes: dict[Node, bytes] = {}
    for each in leaves:
        nodes.update({(level, index): found for level, index, found in frontier.append(leaf_hash(each))})

    def lookup(level: int, index: int) -> bytes:
        return nodes[level, index]

    older = Checkpoint(ORIGIN, OLD_SIZE, fold([nodes[node] for node in merkle.cover(0, OLD_SIZE)]))
    note = sign_checkpoint(Checkpoint(ORIGIN, SIZE, frontier.root()), SIGNER)
    proof = TlogProof(INDEX, tuple(merkle.inclusion_proof(INDEX, SIZE, lookup)), note, leaves[INDEX])
    growth = AddCheckpoint(OLD_SIZE, tuple(merkle.consistency_proof(OLD_SIZE, SIZE, lookup)), note)
    files = {
        "log.vkey": VerifierKey(ORIGIN, SIGNER.public_key).encode().encode() + b"\n",
        "entry.json": entry.body,
        "disclosure.json": entry.disclosures[0].line,
        "label.txt": entry.label.encode(),
        "leaf.txt": leaves[INDEX],
        "checkpoint": note.encode(),
        "checkpoint-7": sign_checkpoint(older, SIGNER).encode(),
        "proof.tlog-proof": proof.encode().encode(),
        "consistency-7-260": growth.encode().encode(),
        "receipt.txt": EntryReceipt(entry.body, proof).encode(),
    }
    for tile in tiles_of(SIZE):
        content = (
            encode_bundle(leaves[tile.first : tile.end])
            if tile.level is None
            else b"".join(nodes[tile.node_level, index] for index in range(tile.first, tile.end))
        )
        files[f"tile/{tile.encode()}"] = content
    return files


if __name__ == "__main__":
    for name, content in golden_files().items():
        path = DIRECTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
