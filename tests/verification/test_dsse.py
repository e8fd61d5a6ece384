"""The bytes that reviewers sign: DSSE's own vectors, one spelling each, and securesystemslib as the second opinion."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse as reference
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from app.exports.verifier.verify_custody import ed25519_verify
from app.kernel.primitives import sha256_hex
from app.verification.dsse import keyid_of, pae, read_envelope, require_signed, require_strong
from app.verification.errors import EnvelopeMalformed, ReviewerKeyWeak, SignatureInvalid
from tests.verification.signers import OwnKey

KEY = OwnKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
PAYLOAD = b'{"predicate":{}}'


def verified_by_reference(document: dict[str, Any], key: OwnKey) -> bool:
    """What securesystemslib says of the envelope."""
    envelope = reference.Envelope.from_dict({**document, "signatures": [dict(document["signatures"][0])]})
    public = Ed25519PublicKey.from_public_bytes(key.raw)
    return list(envelope.verify([SSlibKey.from_crypto(public, keyid=key.keyid)], 1)) == [key.keyid]


def test_pae_when_of_the_specification_s_example_then_these_bytes() -> None:
    # DSSE protocol.md, "Test vectors".
    assert pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_when_text_is_not_ascii_then_lengths_are_bytes() -> None:
    assert pae("ї".encode(), "ü") == b"DSSEv1 2 \xc3\xbc 2 \xd1\x97"


def test_keyid_when_made_then_is_the_digest_of_what_openssl_writes() -> None:
    der = KEY.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert keyid_of(KEY.raw) == sha256_hex(der)


@pytest.mark.thorough
@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_envelope_when_any_payload_is_signed_then_all_agree_and_it_has_one_spelling(
    payload: bytes, seed: bytes
) -> None:
    key = OwnKey(Ed25519PrivateKey.from_private_bytes(seed))
    document = key.envelope(payload)
    envelope = read_envelope(document)
    require_signed(envelope, key.raw)
    assert envelope.document == document
    assert envelope.sha256 == sha256_hex(envelope.content)
    assert verified_by_reference(document, key)
    assert ed25519_verify(key.raw, pae(payload), envelope.signature)


@given(st.integers(0, 63), st.integers(0, 7))
def test_signature_when_any_bit_is_flipped_then_refused(at: int, bit: int) -> None:
    signature = bytearray(KEY.private.sign(pae(PAYLOAD)))
    signature[at] ^= 1 << bit
    document = KEY.envelope(PAYLOAD, signatures=[{"keyid": KEY.keyid, "sig": base64.b64encode(signature).decode()}])
    with pytest.raises(SignatureInvalid):
        require_signed(read_envelope(document), KEY.raw)


def _signature(**changed: Any) -> list[dict[str, Any]]:
    made: dict[str, Any] = {**KEY.envelope(PAYLOAD)["signatures"][0], **changed}
    return [{name: value for name, value in made.items() if value is not None}]


SIG = KEY.envelope(PAYLOAD)["signatures"][0]["sig"]
MALFORMED: dict[str, dict[str, Any]] = {
    "another type": {"payloadType": "application/json"},
    "type in capitals": {"payloadType": "application/vnd.in-toto+JSON"},
    "no signature": {"signatures": []},
    "two signatures": {"signatures": _signature() * 2},
    "signatures not a list": {"signatures": {"0": _signature()[0]}},
    "signature not an object": {"signatures": ["x"]},
    "more members": {"note": "x"},
    "more members of the signature": {"signatures": _signature(cert="x")},
    "no keyid": {"signatures": _signature(keyid=None)},
    "keyid a number": {"signatures": _signature(keyid=7)},
    "keyid in capitals": {"signatures": _signature(keyid=KEY.keyid.upper())},
    "keyid too short": {"signatures": _signature(keyid="ab")},
    "sig too short": {"signatures": _signature(sig="AAAA")},
    "sig without padding": {"signatures": _signature(sig=SIG.rstrip("="))},
    "sig with spare bits": {"signatures": _signature(sig="A" * 85 + "B==")},
    "sig with a newline": {"signatures": _signature(sig=SIG + "\n")},
    "sig not text": {"signatures": _signature(sig=7)},
    "payload of the other alphabet": {"payload": base64.urlsafe_b64encode(b"\xfb\xff\xfe").decode()},
    "payload with spaces": {"payload": "ey Jf"},
    "payload not ASCII": {"payload": "ї"},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_envelope_when_spelt_otherwise_then_refused(name: str) -> None:
    read_envelope(KEY.envelope(PAYLOAD))
    with pytest.raises(EnvelopeMalformed):
        read_envelope({**KEY.envelope(PAYLOAD), **MALFORMED[name]})


def test_envelope_when_a_member_is_missing_then_refused() -> None:
    for name in ("payload", "payloadType", "signatures"):
        document = KEY.envelope(PAYLOAD)
        del document[name]
        with pytest.raises(EnvelopeMalformed):
            read_envelope(document)


P = 2**255 - 19
WEAK = [
    *(0, 1, P - 1, P, P + 1, P + 2, 2**255 - 1),
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
]


@pytest.mark.parametrize("y", WEAK)
@pytest.mark.parametrize("sign", [0, 1])
def test_key_when_of_small_order_or_not_canonical_then_refused(y: int, sign: int) -> None:
    with pytest.raises(ReviewerKeyWeak):
        require_strong((y | sign << 255).to_bytes(32, "little"))


def test_key_when_of_small_order_then_one_signature_would_fit_every_message() -> None:
    """Why such keys are refused: S = 0, R = A = the neutral point verifies, whatever the words."""
    neutral = (1).to_bytes(32, "little")
    assert ed25519_verify(neutral, b"any words", neutral + bytes(32))


@given(st.binary(min_size=32, max_size=32))
def test_key_when_made_by_a_common_tool_then_accepted(seed: bytes) -> None:
    require_strong(OwnKey(Ed25519PrivateKey.from_private_bytes(seed)).raw)
