"""Packages of a log that its keeper wrote otherwise: with a stream that has two histories, or with many more leaves.

Signed, proven and sealed as they should be. Whoever holds the log's key can make every proof right. What they cannot
hide is that one label stands on two leaves.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.kernel.primitives import canonical_json
from app.ledger import merkle
from app.ledger.checkpoint import Checkpoint, Signer, VerifierKey, sign_checkpoint
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
    leaves = files["data/ledger/leaves.txt"].splitlines()
    return _signed_anew(files, [*leaves, second_of(leaves[number])], 0, _origin(files))


def package_in_larger_log(
    files: Mapping[str, bytes], others: Sequence[bytes], *, has_leaves: bool
) -> tuple[Files, VerifierKey]:
    """The same acts at the end of a log with all these leaves before theirs, and the key that signed it."""
    leaves, origin = files["data/ledger/leaves.txt"].splitlines(), _origin(files)
    key = VerifierKey(origin, SIGNER.public_key)
    own = {**files, "data/trust/log.vkey": f"{key.encode()}\n".encode()}
    return _signed_anew(own, [*others, *leaves], len(others), origin, has_leaves=has_leaves), key


def _origin(files: Mapping[str, bytes]) -> str:
    origin: str = json.loads(files["data/export.json"])["log"]
    return origin


def _signed_anew(
    files: Mapping[str, bytes], leaves: Sequence[bytes], moved: int, origin: str, *, has_leaves: bool = True
) -> Files:
    """``moved``: how many leaves stand before the package's first one now."""
    made, tree = dict(files), SignedTree(origin, leaves)
    note = tree.note()
    made["data/ledger/leaves.txt"] = b"".join(each + b"\n" for each in leaves)
    if not has_leaves:
        del made["data/ledger/leaves.txt"]
    made["data/ledger/checkpoint"] = note.encode()
    for path, content in files.items():
        if path.startswith("data/ledger/proofs/"):
            proof = parse_proof(content.decode())
            index = moved + proof.index
            anew = TlogProof(index, tuple(tree.hashes(index)), note, proof.extra)
            made[path] = anew.encode().encode()
    made["data/export.json"] = canonical_json({**json.loads(files["data/export.json"]), "tree_size": tree.size})
    made = rebagged(made)
    seal = json.loads(made["seal/entry.json"])
    digests = {name: hashlib.sha256(made[path]).hexdigest() for name, path in _SEALS.items()}
    seal["data"] |= {**digests, "tree_size": len(leaves)}
    return rebagged({**made, **_seal(seal, leaves, origin)})


def _seal(entry: Mapping[str, Any], leaves: Sequence[bytes], origin: str) -> Files:
    """The seal's files: the act, right after all these leaves, and that its tree continues theirs."""
    body, size = canonical_json(entry), len(leaves)
    own = leaf(entry["label"], hashlib.sha256(body).hexdigest())
    later = SignedTree(origin, [*leaves, own])
    proof = TlogProof(size, tuple(later.hashes(size)), later.note(), own)
    grown = AddCheckpoint(size, tuple(later.growth(size)), later.note())
    return {
        "seal/consistency": grown.encode().encode(),
        "seal/entry.json": body,
        "seal/proof.tlog-proof": proof.encode().encode(),
    }


_SEALS = {"manifest_sha256": "manifest-sha256.txt", "bag_info_sha256": "bag-info.txt"}
