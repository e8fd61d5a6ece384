"""The body of a witness's add-checkpoint call and of its answer 409: c2sp.org/tlog-witness. Pure.

A custody export's ``consistency/<old>-<new>`` file is such a body too.
"""

import re
from dataclasses import dataclass

from app.ledger.checkpoint import NoteInvalid, decode_base64, encode_base64
from app.ledger.merkle import HASH_SIZE_BYTES

HASHES_LIMIT = 63
SIZE_TYPE = "text/x.tlog.size"
"""The media type of the answer 409: the size of the newest tree that the witness knows."""

_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE_BODY = re.compile(r"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True)
class AddCheckpoint:
    """``checkpoint`` is a signed note; ``hashes`` prove that its tree begins with that of ``old`` leaves."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    def encode(self) -> str:
        return "\n".join([f"old {self.old}", *map(encode_base64, self.hashes)]) + "\n\n" + self.checkpoint


def parse_add_checkpoint(text: str) -> AddCheckpoint:
    """Strict. Raises NoteInvalid; neither the note nor the proof is checked here."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    old = _OLD_LINE.fullmatch(lines.pop(0))
    if old is None or not blank:
        raise NoteInvalid("an add-checkpoint body is the old size, hashes, an empty line and a checkpoint")
    if len(lines) > HASHES_LIMIT:
        raise NoteInvalid(f"a consistency proof has at most {HASHES_LIMIT} hashes")
    hashes = tuple(map(decode_base64, lines))
    if any(len(each) != HASH_SIZE_BYTES for each in hashes):
        raise NoteInvalid(f"a hash has {HASH_SIZE_BYTES} bytes")
    return AddCheckpoint(int(old[1]), hashes, checkpoint)


def parse_size(body: str) -> int:
    """The tree size in a witness's answer 409. Raises NoteInvalid."""
    match = _SIZE_BODY.fullmatch(body)
    if match is None:
        raise NoteInvalid(f"not a tree size and a newline: {body[:80]!r}")
    return int(match[1])
