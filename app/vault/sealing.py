"""An identity as ciphertext: what a database dump holds of it, and how whoever has the key's file opens it. Pure.

AES-256-GCM (NIST SP 800-38D) twice: the identity under a key of its own, and that key under the installation's. Both
are bound to their record by associated data, so that neither can be put into another record's place. Each ciphertext
begins with its nonce of 96 random bits. A key of its own seals one identity, once: destroying it destroys that one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.kernel.primitives import Sha256Hex, canonical_json, sha256_hex

FORMAT = "exhibit-vault/v1"
KEY_BYTES = 32
NONCE_BYTES = 12
PADDED_TO_BYTES = 1024
"""What is sealed is filled up with blanks to a multiple of this: its length tells no name."""


class NotSealedHere(ValueError):
    """Neither this key nor this record belongs to the ciphertext, or it was changed."""


@dataclass(frozen=True, repr=False)
class VaultKey:
    """The installation's key (32 bytes), which wraps each record's own. Never shown, nor part of a message."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError("a vault's key is 32 bytes")

    @property
    def id(self) -> str:
        """Names the key without telling it: 16 hexadecimal digits."""
        return hashlib.sha256(b"exhibit-vault-key/v1 " + self.secret).hexdigest()[:16]


@dataclass(frozen=True)
class Record:
    """What a ciphertext belongs to."""

    identity: UUID
    case: UUID
    subject_kind: str
    subject: UUID

    def associated_data(self, part: str, key_id: str) -> bytes:
        facts = {
            "format": FORMAT,
            "part": part,
            "key": key_id,
            "identity": str(self.identity),
            "case": str(self.case),
            "subject_kind": self.subject_kind,
            "subject": str(self.subject),
        }
        return canonical_json(facts)


@dataclass(frozen=True, repr=False)
class Sealed:
    """An identity at rest: its key, wrapped by the installation's, and its ciphertext.

    ``key_id`` is the installation's key when it was sealed; ``wrapped_by`` the one that wraps now, where that is
    another: the ciphertext stays as it was recorded.
    """

    key_id: str
    wrapped_key: bytes
    ciphertext: bytes
    wrapped_by: str | None = None

    @property
    def opens_by(self) -> str:
        return self.wrapped_by or self.key_id

    @property
    def ciphertext_sha256(self) -> Sha256Hex:
        return sha256_hex(self.ciphertext)


def seal(identity: Mapping[str, Any], record: Record, key: VaultKey) -> Sealed:
    """Encrypt under a fresh key, and wrap that."""
    plain = canonical_json(dict(identity))
    plain = plain.ljust(-(-len(plain) // PADDED_TO_BYTES) * PADDED_TO_BYTES)
    own = AESGCM.generate_key(bit_length=8 * KEY_BYTES)
    return Sealed(
        key.id,
        _encrypt(key.secret, own, record.associated_data("key", key.id)),
        _encrypt(own, plain, record.associated_data("identity", key.id)),
    )


def unseal(sealed: Sealed, record: Record, key: VaultKey) -> dict[str, Any]:
    """Raises NotSealedHere."""
    own = _own_key(sealed, record, key)
    plain = _decrypt(own, sealed.ciphertext, record.associated_data("identity", sealed.key_id))
    opened: dict[str, Any] = json.loads(plain)
    return opened


def wrap_anew(sealed: Sealed, record: Record, key: VaultKey, following: VaultKey) -> bytes:
    """The record's own key, wrapped by the key that follows; the identity is not opened. Raises NotSealedHere."""
    own = _own_key(sealed, record, key)
    return _encrypt(following.secret, own, record.associated_data("key", following.id))


def _own_key(sealed: Sealed, record: Record, key: VaultKey) -> bytes:
    """Raises NotSealedHere."""
    if sealed.opens_by != key.id:
        raise NotSealedHere("sealed under another key")
    return _decrypt(key.secret, sealed.wrapped_key, record.associated_data("key", key.id))


def _encrypt(secret: bytes, plain: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(secret).encrypt(nonce, plain, associated)


def _decrypt(secret: bytes, boxed: bytes, associated: bytes) -> bytes:
    try:
        return AESGCM(secret).decrypt(boxed[:NONCE_BYTES], boxed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise NotSealedHere("the key or the record is another one, or the bytes were changed") from error
