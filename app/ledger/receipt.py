"""A depositor's receipt: one entry and the proof that the log holds it, in one text that is checked offline. Pure.

``exhibit-receipt/v1``, the entry's exact line, an empty line, the entry's C2SP tlog-proof under a signed checkpoint.
The entry says what was deposited (SHA-256, size), when, and where in its stream; the proof says where in the log, and
the log's signature is the receipt's. ``verify_custody.py`` reads it, and so do sha256sum and openssl (docs/custody.md).
"""

from dataclasses import dataclass

from app.ledger.proof import TlogProof

HEADER = "exhibit-receipt/v1"


@dataclass(frozen=True)
class EntryReceipt:
    """``body``: the entry's bytes, one line. The proof's ``extra`` is the entry's leaf."""

    body: bytes
    proof: TlogProof

    def encode(self) -> bytes:
        return b"\n".join([HEADER.encode("ascii"), self.body, b"", self.proof.encode().encode("utf-8")])
