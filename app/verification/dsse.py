"""DSSE envelopes and reviewers' Ed25519 keys: the bytes that are signed, and whether they were. Pure.

An envelope is ``{"payload": base64, "payloadType": text, "signatures": [{"keyid": hex, "sig": base64}]}`` (DSSE v1,
github.com/secure-systems-lab/dsse). What is signed is the pre-authentication encoding (PAE) of type and payload. We are
stricter than DSSE where it leaves a choice, so that one signed statement has one spelling: exactly these members,
exactly one signature, and base64 of the standard alphabet with its padding and without spare bits.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.kernel.primitives import Sha256Hex, canonical_json, sha256_hex
from app.verification.errors import EnvelopeMalformed, ReviewerKeyWeak, SignatureInvalid

PAYLOAD_TYPE = "application/vnd.in-toto+json"
ENVELOPE_MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
ALGORITHM = "ed25519"
SIGNATURE_BYTES = 64

_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key's 32 bytes in its DER SubjectPublicKeyInfo (RFC 8410)."""
_FIELD_PRIME = 2**255 - 19
_SMALL_ORDER_Y = frozenset(
    {
        *(0, 1, _FIELD_PRIME - 1),
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
"""The y coordinates of the eight points whose order divides 8."""


@dataclass(frozen=True)
class Envelope:
    """One signed payload. ``content`` is its one spelling: the bytes that are kept, hashed and given out."""

    payload: bytes
    keyid: str
    signature: bytes

    @property
    def document(self) -> dict[str, Any]:
        return {
            "payload": base64.b64encode(self.payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": self.keyid, "sig": base64.b64encode(self.signature).decode("ascii")}],
        }

    @property
    def content(self) -> bytes:
        return canonical_json(self.document)

    @property
    def sha256(self) -> Sha256Hex:
        return sha256_hex(self.content)


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """The bytes that are signed: ``DSSEv1 <length> <type> <length> <payload>``, lengths in bytes."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def keyid_of(public_key: bytes) -> Sha256Hex:
    """SHA-256 of the key's DER SubjectPublicKeyInfo: ``openssl pkey -pubin -outform DER | sha256sum``."""
    return Sha256Hex(hashlib.sha256(_SPKI_PREFIX + public_key).hexdigest())


def require_strong(public_key: bytes) -> None:
    """Raises ReviewerKeyWeak for an encoding that is not canonical, and for a point of small order.

    Under such a point a signature can be made that fits every message: it would bind nobody to any words.
    """
    y = int.from_bytes(public_key, "little") & (2**255 - 1)
    if y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
        raise ReviewerKeyWeak("Make a key with a common tool, such as: openssl genpkey -algorithm ed25519")


def read_envelope(document: Mapping[str, Any]) -> Envelope:
    """The envelope of a JSON object. Raises EnvelopeMalformed."""
    _require_members(document, {"payload", "payloadType", "signatures"}, "The envelope")
    if document["payloadType"] != PAYLOAD_TYPE:
        raise EnvelopeMalformed(f"The payloadType must be '{PAYLOAD_TYPE}'.")
    signatures = document["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise EnvelopeMalformed("An envelope here has exactly one signature: its author's.")
    _require_members(signatures[0], {"keyid", "sig"}, "The signature")
    keyid = signatures[0]["keyid"]
    if not isinstance(keyid, str) or not re.fullmatch("[0-9a-f]{64}", keyid):
        raise EnvelopeMalformed("A keyid here is 64 hexadecimal digits in lower case.")
    signature = _from_base64(signatures[0]["sig"], "sig")
    if len(signature) != SIGNATURE_BYTES:
        raise EnvelopeMalformed(f"An Ed25519 signature has {SIGNATURE_BYTES} bytes, this one {len(signature)}.")
    return Envelope(_from_base64(document["payload"], "payload"), keyid, signature)


def require_signed(envelope: Envelope, public_key: bytes) -> None:
    """Raises SignatureInvalid unless the key signed the payload's PAE."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(envelope.signature, pae(envelope.payload))
    except (InvalidSignature, ValueError):
        raise SignatureInvalid(
            "The signature is not this key's over the payload's PAE. Sign the bytes that the statement's 'pae' gives."
        ) from None


def _require_members(value: Any, members: set[str], what: str) -> None:
    if not isinstance(value, Mapping) or set(value) != members:
        raise EnvelopeMalformed(f"{what} has exactly the members {', '.join(sorted(members))}.")


def _from_base64(text: Any, member: str) -> bytes:
    """Raises EnvelopeMalformed for any spelling but the canonical one."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        raise EnvelopeMalformed(f"'{member}' is not base64.") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise EnvelopeMalformed(f"'{member}' is not the canonical spelling of its base64.")
    return data
