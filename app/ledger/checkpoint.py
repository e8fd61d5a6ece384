"""Signed tree heads: c2sp.org/tlog-checkpoint in a signed note, c2sp.org/signed-note. Pure.

Strict where the standards leave room: one spelling of base64, no key twice, exactly three lines in a checkpoint.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"
KEY_SIZE_BYTES = 32
SIGNATURE_SIZE_BYTES = 64
NOTE_LIMIT_BYTES = 1_000_000
SIGNATURES_LIMIT = 100

_SIGNATURE_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class NoteInvalid(ValueError):
    """A note, a checkpoint or a verifier key is malformed, or not signed by a trusted key."""


class NotTrusted(NoteInvalid):
    """A well-formed note that none of the trusted keys signed."""


class Signer(Protocol):
    """Whoever holds the log's private key: a file, or hardware behind the same one function."""

    @property
    def public_key(self) -> bytes:
        """32 bytes, RFC 8032."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        ...


@dataclass(frozen=True)
class VerifierKey:
    """A public key under the name that it signs as; for a log the name is its origin."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteInvalid("a key's name is not empty and has no space, plus or control character")
        if len(self.public_key) != KEY_SIZE_BYTES:
            raise NoteInvalid(f"an Ed25519 public key has {KEY_SIZE_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x01 || public key), first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def encode(self) -> str:
        """``name+hash+key``, the form that Go's ``note.NewVerifier`` reads."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(ED25519 + self.public_key)}"


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: which log, how many leaves, and their root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


@dataclass(frozen=True)
class Note:
    """A note whose signatures were checked: its text, and the trusted keys that signed it (at least one)."""

    text: str
    signed_by: tuple[VerifierKey, ...]


def is_key_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(char.isspace() or char == "+" for char in name)


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling: padded, and no spare bits. Raises NoteInvalid."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise NoteInvalid(f"not base64: {text[:80]!r}") from error
    if encode_base64(data) != text:
        raise NoteInvalid(f"not the canonical spelling of its base64: {text[:80]!r}")
    return data


def parse_vkey(text: str) -> VerifierKey:
    """Raises NoteInvalid when it is not an Ed25519 verifier key, or its hash is not its own."""
    name, key_id, algorithm, public_key = split_vkey(text)
    if algorithm != ED25519:
        raise NoteInvalid("not an Ed25519 verifier key")
    verifier = VerifierKey(name, public_key)
    if verifier.key_id != key_id:
        raise NoteInvalid(f"the verifier key's hash is {verifier.key_id.hex()}, not {key_id.hex()}")
    return verifier


def split_vkey(text: str) -> tuple[str, bytes, bytes, bytes]:
    """Name, key id (4 bytes), algorithm (1 byte) and key of ``name+hash+key``; the hash is not checked here.

    Raises NoteInvalid.
    """
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not _KEY_ID.fullmatch(key_id):
        raise NoteInvalid("a verifier key is written name+hash+key")
    key = decode_base64(encoded)
    return name, bytes.fromhex(key_id), key[:1], key[1:]


def sign(body: str, name: str, *signers: Signer) -> str:
    """The signed note of a text that ends in a newline: one line a signer, in their order."""
    if not body.endswith("\n"):
        raise NoteInvalid("a note's text ends in a newline")
    keyed = [(VerifierKey(name, signer.public_key).key_id, signer.sign(body.encode())) for signer in signers]
    lines = [f"— {name} {encode_base64(key_id + signature)}\n" for key_id, signature in keyed]
    return f"{body}\n{''.join(lines)}"


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> str:
    return sign(checkpoint.body(), checkpoint.origin, *signers)


def open_note(note: str, vkeys: Sequence[VerifierKey]) -> Note:
    """Check a note against the trusted keys. Unknown keys' lines are ignored, a known key's bad signature is not.

    Raises NoteInvalid when it is malformed, or no trusted key signed it.
    """
    text, lines = split_note(note)
    trusted = {(key.name, key.key_id): key for key in vkeys}
    signed_by: list[VerifierKey] = []
    for line in lines:
        name, key_id, signature = parse_signature_line(line)
        key = trusted.get((name, key_id))
        if key is None:
            continue
        if key in signed_by:
            raise NoteInvalid(f"two signatures by {name}")
        _verify(key, signature, text)
        signed_by.append(key)
    if not signed_by:
        raise NotTrusted("not signed by a trusted key")
    return Note(text, tuple(signed_by))


def parse_checkpoint(text: str) -> Checkpoint:
    """The tree head of a note's text: origin, size and root, three lines and nothing else. Raises NoteInvalid."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise NoteInvalid("a checkpoint has exactly three lines")
    origin, size, root = lines[:3]
    if not origin:
        raise NoteInvalid("a checkpoint's origin is not empty")
    if not _DECIMAL.fullmatch(size):
        raise NoteInvalid(f"not a tree size: {size[:80]!r}")
    digest = decode_base64(root)
    if len(digest) != KEY_SIZE_BYTES:
        raise NoteInvalid("a root hash has 32 bytes")
    return Checkpoint(origin, int(size), digest)


def open_checkpoint(note: str, *vkeys: VerifierKey) -> Checkpoint:
    """The tree head that one of the log's own keys signed. Raises NoteInvalid, also for another log's origin."""
    return open_signed(note, *vkeys)[0]


def open_signed(note: str, *vkeys: VerifierKey) -> tuple[Checkpoint, tuple[VerifierKey, ...]]:
    """As ``open_checkpoint``, with those of the keys that signed it."""
    opened = open_note(note, vkeys)
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != opened.signed_by[0].name:
        raise NoteInvalid(f"checkpoint of {checkpoint.origin!r}, expected {opened.signed_by[0].name!r}")
    return checkpoint, opened.signed_by


def split_note(note: str) -> tuple[str, list[str]]:
    """A note's text, which ends in a newline, and its signature lines without theirs. Raises NoteInvalid."""
    try:
        size_bytes = len(note.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise NoteInvalid("a note is valid UTF-8") from error
    if size_bytes > NOTE_LIMIT_BYTES:
        raise NoteInvalid(f"a note has at most {NOTE_LIMIT_BYTES} bytes")
    if any(char < " " and char != "\n" for char in note):
        raise NoteInvalid("a note has no control character but the newline")
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteInvalid("a note is text, an empty line, signature lines")
    lines = signatures[:-1].split("\n")
    if len(lines) > SIGNATURES_LIMIT:
        raise NoteInvalid(f"a note has at most {SIGNATURES_LIMIT} signatures")
    return text + "\n", lines


def parse_signature_line(line: str) -> tuple[str, bytes, bytes]:
    """The name, the key id (4 bytes) and the signature of one line. Raises NoteInvalid."""
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise NoteInvalid(f"not a signature line: {line[:80]!r}")
    data = decode_base64(match["signature"])
    if len(data) < 5:
        raise NoteInvalid("a signature is a key id of 4 bytes and more")
    return match["name"], data[:4], data[4:]


def _verify(key: VerifierKey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, text.encode())
    except (InvalidSignature, ValueError) as error:
        raise NoteInvalid(f"the signature by {key.name} does not verify") from error
