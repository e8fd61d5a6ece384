"""The verifier's own Ed25519 against RFC 8032's vectors and against OpenSSL by way of ``cryptography``."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.exports.verifier.verify_custody import Bad, L, P, ed25519_verify, is_small_order, parse_key
from app.ledger.checkpoint import VerifierKey
from app.ledger.keys import FileSigner
from tests.support.examples import examples

RFC_8032 = [  # Section 7.1: public key, message, signature.
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_verify_when_given_the_rfc_s_vectors_then_accepts_them_and_nothing_beside(
    key: str, message: str, signature: str
) -> None:
    public, text, good = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519_verify(public, text, good)
    assert not ed25519_verify(public, text + b"x", good)
    for bit in range(0, 512, 7):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert not ed25519_verify(public, text, bytes(bad))


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_verify_when_another_implementation_signed_then_agrees(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = FileSigner(key).public_key
    signature = key.sign(message)
    assert ed25519_verify(public, message, signature)
    # The same point with S + L is the classic malleable twin: refused, as RFC 8032 demands.
    twin = int.from_bytes(signature[32:], "little") + L
    assert not ed25519_verify(public, message, signature[:32] + twin.to_bytes(32, "little"))


def test_verify_when_encodings_are_not_canonical_then_refuses() -> None:
    for encoded in ((P + 1).to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little"), (2).to_bytes(32, "little")):
        assert not ed25519_verify(encoded, b"", bytes(64))
    assert not ed25519_verify(b"", b"", bytes(64))
    assert not ed25519_verify(bytes(32), b"", b"")


SMALL = (
    *(0, 1, P - 1),
    2707385501144840649318225287225658788936804267575313519463743609750303402022,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
)
"""The y of every point whose order divides 8."""


def test_key_when_of_small_order_or_no_point_then_is_told_from_those_that_bind_a_message() -> None:
    """S = 0 and R = the neutral point verify under such keys, for one message of eight or for all of them."""
    neutral = (1).to_bytes(32, "little")
    assert ed25519_verify(neutral, b"any words", neutral + bytes(32))
    for y in SMALL:
        for sign in (0, 1):
            assert is_small_order((y | sign << 255).to_bytes(32, "little")), y
    assert is_small_order((2).to_bytes(32, "little")), "no point"
    assert not any(is_small_order(bytes.fromhex(key)) for key, _, _ in RFC_8032)


def test_key_when_written_by_the_ledger_then_read_alike_and_any_slip_is_refused() -> None:
    vkey = VerifierKey("log.example.org/2026", bytes(range(32)))
    text = vkey.encode()
    assert parse_key(text + "\n").text == text
    name, key_hash, key = text.split("+", 2)
    slips = ("", name, f"{name}+{key_hash}", f"{name}+00000000+{key}", f"other+{key_hash}+{key}", text[:-1], text + "=")
    for slip in (*slips, f"{name}+{key_hash}+{key[:-2]}==", f"a b+{key_hash}+{key}", f"{name}+{key_hash}+ü"):
        with pytest.raises(Bad):
            parse_key(slip)
