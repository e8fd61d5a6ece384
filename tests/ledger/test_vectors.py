"""The published bytes of every format: ours today, computed once more with hashlib alone, and another's verdicts."""

import base64
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.exports.verifier import verify_custody
from app.ledger.checkpoint import open_checkpoint, parse_vkey
from app.ledger.event import parse_body
from app.ledger.merkle import ProofInvalid, verify_consistency, verify_inclusion
from app.ledger.proof import parse_proof, verify_proof
from app.ledger.tiles import parse_bundle, tiles_of
from app.ledger.witness_request import parse_add_checkpoint
from tests.vectors.golden_log import DIRECTORY, INDEX, OLD_SIZE, SIZE, golden_files

MERKLE = Path(__file__).resolve().parents[1] / "vectors" / "merkle"


def _read(name: str) -> bytes:
    return (DIRECTORY / name).read_bytes()


def _sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _mth(hashes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return _sha(b"\x01", _mth(hashes[:k]), _mth(hashes[k:]))


def _bundled() -> list[bytes]:
    """The leaves as the bundles have them, by the specification and nothing of ours."""
    leaves = []
    data = _read("tile/entries/000") + _read("tile/entries/001.p/4")
    while data:
        (size,) = struct.unpack(">H", data[:2])
        leaves.append(data[2 : 2 + size])
        data = data[2 + size :]
    return leaves


def test_every_format_still_has_its_published_bytes() -> None:
    made = golden_files()

    assert {str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*") if path.is_file()} == set(made)
    for name, content in made.items():
        assert content == _read(name), name


def test_entry_disclosure_label_and_leaf_follow_from_each_other_by_sha256() -> None:
    entry = json.loads(_read("entry.json"))

    assert entry["sealed"]["viewer_name"] == _sha(_read("disclosure.json")).hex()
    assert entry["label"] == _sha(b"custody-stream/v1 " + entry["stream"].encode()).hex() == _read("label.txt").decode()
    assert _read("leaf.txt").decode() == f"custody-leaf/v1 {entry['label']} {_sha(_read('entry.json')).hex()}"
    assert parse_body(_read("entry.json")) == entry


def test_checkpoint_is_signed_over_the_root_of_the_bundled_leaves() -> None:
    leaves = _bundled()
    text, signature = _read("checkpoint").split(b"\n\n")
    origin, size, root = text.split(b"\n")
    name, key_id, key = re.fullmatch(r"([^+]+)\+([0-9a-f]{8})\+(\S+)\n", _read("log.vkey").decode()).groups()  # type: ignore[union-attr]
    raw = base64.b64decode(key)
    signed = base64.b64decode(signature.split(b" ")[2])

    assert (origin.decode(), int(size)) == (name, SIZE) == ("log.example.org/2026", len(leaves))
    assert base64.b64decode(root) == _mth([_sha(b"\x00", leaf) for leaf in leaves])
    assert raw[:1] == b"\x01"
    assert signed[:4].hex() == key_id == _sha(name.encode(), b"\n", raw)[:4].hex()
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signed[4:], text + b"\n")


def test_tiles_hold_the_hashes_of_the_bundled_leaves() -> None:
    leaves = _bundled()
    hashes = [_sha(b"\x00", leaf) for leaf in leaves]

    assert leaves[INDEX] == _read("leaf.txt")
    assert _read("tile/0/000") + _read("tile/0/001.p/4") == b"".join(hashes)
    assert _read("tile/1/000.p/1") == _mth(hashes[:256])
    assert len(tiles_of(SIZE)) == 5
    assert parse_bundle(_read("tile/entries/000")) == leaves[:256]


def test_inclusion_proof_consistency_and_receipt_lead_to_the_signed_root() -> None:
    vkey = parse_vkey(_read("log.vkey").decode().strip())
    hashes = [_sha(b"\x00", leaf) for leaf in _bundled()]
    older = open_checkpoint(_read("checkpoint-7").decode(), vkey)
    growth = parse_add_checkpoint(_read("consistency-7-260").decode())

    assert older.root == _mth(hashes[:OLD_SIZE])
    assert verify_proof(parse_proof(_read("proof.tlog-proof").decode()), _read("leaf.txt"), vkey).size == SIZE
    verify_consistency(OLD_SIZE, SIZE, older.root, _mth(hashes), list(growth.hashes))
    report = verify_custody.receipt_report(_read("receipt.txt"), verify_custody.parse_key(vkey.encode()))
    assert report["ok"]
    assert (report["receipt"]["log_index"], report["receipt"]["tree_size"]) == (INDEX, SIZE)


def _vectors(name: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads((MERKLE / f"{name}.json").read_text())
    return read


@pytest.mark.parametrize("vector", _vectors("inclusion"), ids=lambda vector: vector["name"])
def test_inclusion_proof_is_judged_as_go_judges_it(vector: dict[str, Any]) -> None:
    start, root, *proof = (base64.b64decode(each) for each in (vector["start"], vector["root"], *vector["proof"]))
    try:
        verify_inclusion(vector["first"], vector["size"], start, proof, root)
    except ProofInvalid:
        assert not vector["valid"]
    else:
        assert vector["valid"]


@pytest.mark.parametrize("vector", _vectors("consistency"), ids=lambda vector: vector["name"])
def test_consistency_proof_is_judged_as_go_judges_it(vector: dict[str, Any]) -> None:
    start, root, *proof = (base64.b64decode(each) for each in (vector["start"], vector["root"], *vector["proof"]))
    try:
        verify_consistency(vector["first"], vector["size"], start, root, proof)
    except ProofInvalid:
        assert not vector["valid"]
    else:
        assert vector["valid"]


def test_the_verdicts_are_more_than_those_of_transparency_devs_test_data() -> None:
    vectors = _vectors("inclusion") + _vectors("consistency")

    assert len(vectors) >= 196
    assert sum(vector["valid"] for vector in vectors) >= 14
