"""Witnesses' keys, and what they sign, for the tests."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.ledger.checkpoint import split_note
from app.ledger.cosignature import Cosignature, WitnessKey, cosigned_message
from app.ledger.keys import FileSigner


def witness_signer(number: int) -> FileSigner:
    return FileSigner(Ed25519PrivateKey.from_private_bytes(bytes([100 + number]) * 32))


def witness_key(number: int) -> WitnessKey:
    return WitnessKey(f"witness.example/w{number}", witness_signer(number).public_key)


def cosign(note: str, number: int, timestamp_s: int = 1_679_315_147) -> str:
    """The cosignature line of witness ``number`` for a note, with its newline."""
    text, _ = split_note(note)
    signature = witness_signer(number).sign(cosigned_message(text, timestamp_s))
    return Cosignature(witness_key(number), timestamp_s, signature).encode() + "\n"
