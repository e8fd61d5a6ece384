"""A witness's statement about a checkpoint: c2sp.org/tlog-cosignature, the Ed25519 kind (``cosignature/v1``). Pure.

Strict as the notes themselves: one spelling of each key and line, no key twice, and a known key's bad signature is an
error, never an unknown one.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.ledger.checkpoint import (
    KEY_SIZE_BYTES,
    SIGNATURE_SIZE_BYTES,
    NoteInvalid,
    encode_base64,
    is_key_name,
    parse_signature_line,
    split_note,
    split_vkey,
)

COSIGNATURE_V1 = b"\x04"
TIMESTAMP_SIZE_BYTES = 8
TIMESTAMP_LIMIT_S = 2**63 - 1


@dataclass(frozen=True)
class WitnessKey:
    """A witness's public key under the name that it signs as. The name is for people; the key decides."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteInvalid("a key's name is not empty and has no space, plus or control character")
        if len(self.public_key) != KEY_SIZE_BYTES:
            raise NoteInvalid(f"an Ed25519 public key has {KEY_SIZE_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x04 || public key), first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + COSIGNATURE_V1 + self.public_key).digest()[:4]

    def encode(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(COSIGNATURE_V1 + self.public_key)}"


@dataclass(frozen=True)
class Cosignature:
    """One verified cosignature: as of ``timestamp_s`` (POSIX) the witness knew of no larger and of no other tree."""

    key: WitnessKey
    timestamp_s: int
    signature: bytes

    def encode(self) -> str:
        """The signature line, without its newline."""
        stamp = self.timestamp_s.to_bytes(TIMESTAMP_SIZE_BYTES, "big")
        return f"— {self.key.name} {encode_base64(self.key.key_id + stamp + self.signature)}"


def parse_witness_vkey(text: str) -> WitnessKey:
    """Raises NoteInvalid when it is not the verifier key of an Ed25519 cosigner, or its hash is not its own."""
    name, key_id, algorithm, public_key = split_vkey(text)
    if algorithm != COSIGNATURE_V1:
        raise NoteInvalid("not the key of an Ed25519 cosigner (algorithm 0x04)")
    key = WitnessKey(name, public_key)
    if key.key_id != key_id:
        raise NoteInvalid(f"the witness key's hash is {key.key_id.hex()}, not {key_id.hex()}")
    return key


def cosigned_message(text: str, timestamp_s: int) -> bytes:
    """What a witness signs: two lines, and the whole text of the note with its last newline."""
    if not 0 <= timestamp_s <= TIMESTAMP_LIMIT_S:
        raise NoteInvalid("a cosignature's time is from 0 to 2^63-1")
    return f"cosignature/v1\ntime {timestamp_s}\n{text}".encode()


def cosignatures_of(note: str, keys: Collection[WitnessKey]) -> tuple[Cosignature, ...]:
    """The cosignatures of a note by these keys, in its order; all other lines are ignored. Raises NoteInvalid."""
    text, lines = split_note(note)
    return _by_keys(text, lines, keys)


def parse_cosignature_lines(answer: str, text: str, keys: Collection[WitnessKey]) -> tuple[Cosignature, ...]:
    """A witness's answer to add-checkpoint: signature lines over the note's ``text``, each with its newline.

    Lines of unknown keys are ignored. Raises NoteInvalid when it is no such answer, or a known key's line is bad.
    """
    signed, lines = split_note(f"{text}\n{answer}")
    if signed != text:
        raise NoteInvalid("the answer holds more than signature lines")
    return _by_keys(text, lines, keys)


def _by_keys(text: str, lines: list[str], keys: Collection[WitnessKey]) -> tuple[Cosignature, ...]:
    trusted = {(key.name, key.key_id): key for key in keys}
    found: dict[WitnessKey, Cosignature] = {}
    for line in lines:
        name, key_id, data = parse_signature_line(line)
        key = trusted.get((name, key_id))
        if key is None:
            continue
        if key in found:
            raise NoteInvalid(f"two cosignatures by {name}")
        found[key] = _verified(key, data, text)
    return tuple(found.values())


def _verified(key: WitnessKey, data: bytes, text: str) -> Cosignature:
    if len(data) != TIMESTAMP_SIZE_BYTES + SIGNATURE_SIZE_BYTES:
        raise NoteInvalid(f"the cosignature by {key.name} is not a time and an Ed25519 signature")
    timestamp_s = int.from_bytes(data[:TIMESTAMP_SIZE_BYTES], "big")
    cosignature = Cosignature(key, timestamp_s, data[TIMESTAMP_SIZE_BYTES:])
    require_cosigned(cosignature, text)
    return cosignature


def require_cosigned(cosignature: Cosignature, text: str) -> None:
    """Raises NoteInvalid unless its key signed this text of a note, as of its time."""
    key = cosignature.key
    try:
        verifier = Ed25519PublicKey.from_public_bytes(key.public_key)
        verifier.verify(cosignature.signature, cosigned_message(text, cosignature.timestamp_s))
    except (InvalidSignature, ValueError) as error:
        raise NoteInvalid(f"the cosignature by {key.name} does not verify") from error
