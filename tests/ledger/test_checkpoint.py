"""Signed notes and checkpoints: another implementation's vector, and strictness."""

import base64

import pytest

from app.ledger import merkle
from app.ledger.checkpoint import (
    Checkpoint,
    NoteInvalid,
    VerifierKey,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_vkey,
    sign,
    sign_checkpoint,
)
from app.ledger.merkle import Frontier, ProofInvalid, leaf_hash
from app.ledger.proof import TlogProof, parse_proof, verify_proof
from tests.ledger.acts import OTHER_SIGNER, SIGNER

ORIGIN = "log.example.org/2026"
KEY = VerifierKey(ORIGIN, SIGNER.public_key)
OTHER_KEY = VerifierKey("witness.example.org", OTHER_SIGNER.public_key)
CHECKPOINT = Checkpoint(ORIGIN, 5, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)
BODY, LINE = NOTE.split("\n\n")
BODY += "\n"

# The example in the documentation of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_open_note_given_gos_example_verifies_it() -> None:
    key = parse_vkey(GO_KEY)

    assert key.encode() == GO_KEY
    assert open_note(GO_NOTE, [key]).text == GO_TEXT


def test_sign_checkpoint_given_a_fixed_key_gives_fixed_bytes() -> None:
    signature = "+iwjiXgXiyPalIR/fXyZ8at5R283QhcckgeIJuvwZ9cj57ide4W9dPsx8tv5eij93BCHwxWyjscyCwS7wPwLae/Hzg4="

    assert BODY == "log.example.org/2026\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert LINE.split(" ") == ["—", ORIGIN, signature + "\n"]


def test_vkey_given_a_fixed_key_has_a_fixed_spelling() -> None:
    assert KEY.encode() == "log.example.org/2026+fa2c2389+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    assert parse_vkey(KEY.encode()) == KEY


def test_open_checkpoint_given_its_own_note_returns_it() -> None:
    assert open_checkpoint(NOTE, KEY) == CHECKPOINT


def test_open_note_when_an_unknown_key_signed_too_ignores_that_line() -> None:
    cosigned = NOTE + sign(BODY, OTHER_KEY.name, OTHER_SIGNER).split("\n\n")[1]

    assert open_note(cosigned, [KEY]).signed_by == (KEY,)
    assert open_note(cosigned, [OTHER_KEY, KEY]).signed_by == (KEY, OTHER_KEY)


def test_open_note_when_a_known_keys_signature_is_bad_refuses_the_note() -> None:
    other_line = sign("another text\n", OTHER_KEY.name, OTHER_SIGNER).split("\n\n")[1]

    with pytest.raises(NoteInvalid, match="does not verify"):
        open_note(NOTE + other_line, [KEY, OTHER_KEY])


def _spare_bits(line: str) -> str:
    """The same signature bytes in another spelling: the last base64 digit before the padding carries unused bits."""
    signature = line.split(" ")[2].rstrip("\n")
    assert signature[-2:].count("=") == 1
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    digit = alphabet[alphabet.index(signature[-2]) | 1]
    respelled = signature[:-2] + digit + "="
    assert base64.b64decode(respelled) == base64.b64decode(signature)
    return line.replace(signature, respelled)


BAD_NOTES = {
    "changed text": NOTE.replace("\n5\n", "\n6\n"),
    "spare bits": BODY + "\n" + _spare_bits(LINE),
    "padding left out": NOTE.replace("=\n", "\n"),
    "signed twice": NOTE + LINE,
    "no signature": BODY,
    "no signature lines": BODY + "\n",
    "no final newline": NOTE[:-1],
    "text after the signatures": NOTE + "more\n",
    "hyphen for dash": NOTE.replace("—", "-"),
    "two spaces": NOTE.replace("— ", "—  "),
    "trailing space": NOTE[:-1] + " \n",
    "carriage return": NOTE.replace("\n", "\r\n"),
    "NUL": NOTE.replace("5", "\0"),
    "tab": NOTE.replace("5", "\t"),
    "lone surrogate": NOTE.replace("5", "\ud800"),
    "too many signatures": NOTE + LINE.replace("2026", "2027") * 100,
    "too long": "x" * 1_000_001 + NOTE,
    "signature too short": BODY + "\n— log.example.org/2026 AAAA\n",
    "empty": "",
    "unknown key only": sign(BODY, OTHER_KEY.name, OTHER_SIGNER),
    "same name, other key": sign(BODY, ORIGIN, OTHER_SIGNER),
}


@pytest.mark.parametrize("name", BAD_NOTES)
def test_open_note_when_malformed_or_unsigned_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalid):
        open_note(BAD_NOTES[name], [KEY])


BAD_CHECKPOINTS = {
    "extension line": BODY + "extension\n",
    "empty line": BODY + "\n",
    "two lines": f"{ORIGIN}\n5\n",
    "no origin": BODY.replace(ORIGIN, ""),
    "leading zero": BODY.replace("\n5\n", "\n05\n"),
    "sign": BODY.replace("\n5\n", "\n+5\n"),
    "negative": BODY.replace("\n5\n", "\n-5\n"),
    "other digits": BODY.replace("\n5\n", "\n٥\n"),
    "enormous": BODY.replace("\n5\n", "\n" + "9" * 5000 + "\n"),
    "short root": f"{ORIGIN}\n5\nAAAA\n",
    "root with spare bits": BODY.replace("Hh8=", "Hh9="),
    "root in URL spelling": f"{ORIGIN}\n5\n{'-' * 43}=\n",
}


@pytest.mark.parametrize("name", BAD_CHECKPOINTS)
def test_parse_checkpoint_when_not_exactly_three_good_lines_is_refused(name: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_checkpoint(BAD_CHECKPOINTS[name])


def test_open_checkpoint_when_signed_for_another_origin_is_refused() -> None:
    foreign = sign(CHECKPOINT.body().replace("2026", "2025"), ORIGIN, SIGNER)

    with pytest.raises(NoteInvalid, match="expected"):
        open_checkpoint(foreign, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        KEY.encode() + "+",
        KEY.encode().replace(KEY.key_id.hex(), "00000000"),
        KEY.encode().replace(KEY.key_id.hex(), KEY.key_id.hex().upper()),
        KEY.encode().replace(ORIGIN, "other"),
        KEY.encode().replace("+A", "+B", 1),
        KEY.encode()[:-4],
        KEY.encode() + "\n",
        "na me+" + KEY.encode().partition("+")[2],
    ],
)
def test_parse_vkey_when_not_a_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_vkey(text)


LEAVES = [f"leaf {number}".encode() for number in range(5)]


def _proof(index: int = 2) -> TlogProof:
    frontier = Frontier()
    nodes = {(level, at): h for leaf in LEAVES for level, at, h in frontier.append(leaf_hash(leaf))}
    hashes = merkle.inclusion_proof(index, 5, lambda level, at: nodes[level, at])
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, frontier.root()), SIGNER)
    return TlogProof(index, tuple(hashes), note, LEAVES[index])


def test_proof_written_and_read_again_proves_its_leaf() -> None:
    proof = _proof()
    text = proof.encode()

    assert text.startswith("c2sp.org/tlog-proof@v1\nextra bGVhZiAy\nindex 2\n")
    assert parse_proof(text) == proof
    assert verify_proof(parse_proof(text), LEAVES[2], KEY).size == 5


def test_proof_of_the_only_leaf_has_no_hash_and_reads_back() -> None:
    proof = TlogProof(0, (), NOTE)

    assert parse_proof(proof.encode()) == proof


def test_verify_proof_when_it_is_of_another_leaf_or_place_is_refused() -> None:
    with pytest.raises(ProofInvalid):
        verify_proof(_proof(), LEAVES[3], KEY)
    with pytest.raises(ProofInvalid):
        verify_proof(TlogProof(3, _proof().hashes, _proof().checkpoint), LEAVES[2], KEY)
    with pytest.raises(NoteInvalid):
        verify_proof(_proof(), LEAVES[2], VerifierKey(ORIGIN, OTHER_SIGNER.public_key))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("index 2", "index 02"),
        ("index 2", "index -2"),
        ("index 2\n", ""),
        ("extra bGVhZiAy", "extra bGVhZiAz=="),
        ("extra bGVhZiAy", "Extra bGVhZiAy"),
        ("\n\n", "\n"),
    ],
)
def test_parse_proof_when_malformed_is_refused(old: str, new: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_proof(_proof().encode().replace(old, new))
