"""Offline-verifiable proofs of inclusion as text: C2SP tlog-proof (c2sp.org/tlog-proof). Pure."""

import re
from dataclasses import dataclass

from app.ledger import merkle
from app.ledger.checkpoint import Checkpoint, NoteInvalid, VerifierKey, decode_base64, encode_base64, open_checkpoint
from app.ledger.merkle import ProofInvalid

HEADER = "c2sp.org/tlog-proof@v1"
HASHES_LIMIT = 63

_INDEX_LINE = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True)
class TlogProof:
    """A leaf's place in a signed tree. ``extra`` is the leaf itself; it is not authenticated by being here."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def encode(self) -> str:
        extra = [] if self.extra is None else [f"extra {encode_base64(self.extra)}"]
        lines = [HEADER, *extra, f"index {self.index}", *map(encode_base64, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint


def parse_proof(text: str) -> TlogProof:
    """Strict. Raises NoteInvalid; signatures and hashes are not checked here."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise NoteInvalid(f"a proof begins with {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
    match = _INDEX_LINE.fullmatch(lines.pop(0)) if lines else None
    if match is None:
        raise NoteInvalid("a proof names the leaf's index")
    if len(lines) > HASHES_LIMIT:
        raise NoteInvalid(f"a proof has at most {HASHES_LIMIT} hashes")
    hashes = tuple(map(decode_base64, lines))
    if any(len(each) != merkle.HASH_SIZE_BYTES for each in hashes):
        raise NoteInvalid(f"a hash has {merkle.HASH_SIZE_BYTES} bytes")
    return TlogProof(int(match[1]), hashes, checkpoint, extra)


def verify_proof(proof: TlogProof, leaf: bytes, vkey: VerifierKey) -> Checkpoint:
    """The signed tree head in which ``leaf`` stands at the proof's index. Raises NoteInvalid or ProofInvalid."""
    checkpoint = open_checkpoint(proof.checkpoint, vkey)
    if proof.extra is not None and proof.extra != leaf:
        raise ProofInvalid("the proof carries another leaf")
    merkle.verify_inclusion(proof.index, checkpoint.size, merkle.leaf_hash(leaf), list(proof.hashes), checkpoint.root)
    return checkpoint
