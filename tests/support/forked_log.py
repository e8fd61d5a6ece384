"""A log whose keeper cheats: a stream with two histories, in a tree that is signed, proven and sealed as it should be.

Whoever holds the log's key can make every proof right. What they cannot hide is that one label stands on two leaves.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from app.kernel.primitives import canonical_json
from app.ledger import merkle
from app.ledger.checkpoint import Checkpoint, Signer, sign_checkpoint
from app.ledger.event import leaf
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.proof import TlogProof, parse_proof
from app.ledger.witness_request import AddCheckpoint
from tests.exports.bags import Files, rebagged
from tests.ledger.acts import SIGNER

OTHER_ACT = hashlib.sha256(b"what the stream's other history says").hexdigest()


class SignedTree:
    """Leaves, and whatever their log's keeper can say of them."""

    def __init__(self, origin: str, leaves: Sequence[bytes], signer: Signer = SIGNER) -> None:
        self.origin, self.size, self._signer = origin, len(leaves), signer
        self._nodes: dict[tuple[int, int], bytes] = {}
        frontier = Frontier()
        for each in leaves:
            for level, index, digest in frontier.append(leaf_hash(each)):
                self._nodes[level, index] = digest

    def _lookup(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def note(self, size: int | None = None) -> str:
        """The signed head of the first ``size`` leaves."""
        own = self.size if size is None else size
        return sign_checkpoint(Checkpoint(self.origin, own, merkle.root(own, self._lookup)), self._signer)

    def hashes(self, index: int, size: int | None = None) -> list[bytes]:
        return merkle.inclusion_proof(index, self.size if size is None else size, self._lookup)

    def growth(self, old: int) -> list[bytes]:
        return merkle.consistency_proof(old, self.size, self._lookup)


def second_of(one: bytes, commitment: str = OTHER_ACT) -> bytes:
    """A leaf with the label of another one, and another act."""
    return leaf(one.split()[1].decode(), commitment)


def forked_package(files: Mapping[str, bytes], number: int) -> Files:
    """An honest package (with its leaves, without time stamps) as the log's keeper would have made it after writing a
    second history of the stream that leaf ``number`` is of: its label stands on one more leaf, the tree's last. Every
    proof, list and signature is right, and the seal is of this very bag.
    """
    made, origin = dict(files), json.loads(files["data/export.json"])["log"]
    leaves = made["data/ledger/leaves.txt"].splitlines()
    leaves.append(second_of(leaves[number]))
    tree = SignedTree(origin, leaves)
    made["data/ledger/leaves.txt"] = b"".join(each + b"\n" for each in leaves)
    made["data/ledger/checkpoint"] = tree.note().encode()
    for path, content in files.items():
        if path.startswith("data/ledger/proofs/"):
            proof = parse_proof(content.decode())
            anew = TlogProof(proof.index, tuple(tree.hashes(proof.index)), tree.note(), proof.extra)
            made[path] = anew.encode().encode()
    export = {**json.loads(made["data/export.json"]), "tree_size": tree.size}
    made["data/export.json"] = canonical_json(export)
    return _sealed(made, origin, leaves)


def _sealed(files: Files, origin: str, leaves: Sequence[bytes]) -> Files:
    made = rebagged(files)
    seal = json.loads(made["seal/entry.json"])
    digests = {name: hashlib.sha256(made[path]).hexdigest() for name, path in _SEALS.items()}
    seal["data"] |= {**digests, "tree_size": len(leaves)}
    body = canonical_json(seal)
    own = leaf(seal["label"], hashlib.sha256(body).hexdigest())
    later = SignedTree(origin, [*leaves, own])
    made["seal/entry.json"] = body
    proof = TlogProof(len(leaves), tuple(later.hashes(len(leaves))), later.note(), own)
    made["seal/proof.tlog-proof"] = proof.encode().encode()
    grown = AddCheckpoint(len(leaves), tuple(later.growth(len(leaves))), later.note())
    made["seal/consistency"] = grown.encode().encode()
    return rebagged(made)


_SEALS = {"manifest_sha256": "manifest-sha256.txt", "bag_info_sha256": "bag-info.txt"}
