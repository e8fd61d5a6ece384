"""The lines in docs/custody.md by which a depositor checks a receipt with bash, coreutils, awk and OpenSSL."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.ledger import merkle
from app.ledger.checkpoint import Checkpoint, VerifierKey, sign, sign_checkpoint
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.proof import TlogProof
from app.ledger.receipt import EntryReceipt
from tests.exports.test_receipt import GOOD, TAMPERED, VKEY
from tests.ledger.acts import OTHER_SIGNER
from tests.vectors.golden_log import DIRECTORY, ORIGIN, SIGNER, golden_entry, golden_leaves

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- receipt by hand -->\n```bash\n(.*?)```\n<!-- /receipt by hand -->", re.DOTALL)

# Not every second spelling matters to people who read with their eyes; the verifier refuses these too.
UNSEEN_BY_HAND = frozenset(
    {
        *("another version", "another proof format", "no final newline", "something after the end", "signed twice"),
        *("too long", "a space in the entry", "not UTF-8", "index with a zero before"),
    }
)


def by_hand(receipt: bytes, directory: Path, key: str) -> subprocess.CompletedProcess[str]:
    for program in ("bash", "openssl", "awk", "od"):
        assert shutil.which(program), f"{program} is missing"
    found = BLOCK.search((ROOT / "docs" / "custody.md").read_text(encoding="utf-8"))
    assert found is not None
    file = directory / "receipt.txt"
    file.write_bytes(receipt)
    environment = {**os.environ, "RECEIPT": str(file), "KEY": key, "TMPDIR": str(directory)}
    return subprocess.run(["bash", "-c", found[1]], env=environment, capture_output=True, text=True, check=False)


def _receipt(index: int, size: int) -> bytes:
    """Of the golden entry, at another place of another tree."""
    entry = golden_entry()
    leaves = golden_leaves()[:size]
    leaves[index] = golden_leaves()[3]
    frontier = Frontier()
    nodes = {(level, at): h for leaf in leaves for level, at, h in frontier.append(leaf_hash(leaf))}
    hashes = merkle.inclusion_proof(index, size, lambda level, at: nodes[level, at])
    note = sign_checkpoint(Checkpoint(ORIGIN, size, frontier.root()), SIGNER)
    return EntryReceipt(entry.body, TlogProof(index, tuple(hashes), note, leaves[index])).encode()


def test_the_golden_receipt_passes_and_says_what_was_deposited(tmp_path: Path) -> None:
    checked = by_hand((DIRECTORY / "receipt.txt").read_bytes(), tmp_path, VKEY.encode())

    assert checked.returncode == 0, checked.stderr
    assert f'"sha256":"{"ab" * 32}"' in checked.stdout
    assert '"size":4096' in checked.stdout
    assert '"time":"2026-01-31T12:00:00.250Z"' in checked.stdout


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 13])
def test_a_receipt_at_every_place_of_a_small_tree_passes(tmp_path: Path, size: int) -> None:
    for index in range(size):
        checked = by_hand(_receipt(index, size), tmp_path, VKEY.encode())
        assert checked.returncode == 0, (index, checked.stderr)


def test_a_receipt_that_others_signed_too_passes(tmp_path: Path) -> None:
    text = GOOD.decode().split("\n\n")[2] + "\n"
    lines = [sign(text, name, OTHER_SIGNER).split("\n\n")[1].encode() for name in ("witness.example", VKEY.name)]

    assert by_hand(GOOD + lines[0] + lines[1], tmp_path, VKEY.encode()).returncode == 0
    assert (
        by_hand(GOOD.replace("\n\n— ".encode(), b"\n\n" + lines[0] + "— ".encode()), tmp_path, VKEY.encode()).returncode
        == 0
    )


@pytest.mark.parametrize("name", sorted(TAMPERED.keys() - UNSEEN_BY_HAND))
def test_a_changed_receipt_fails(tmp_path: Path, name: str) -> None:
    assert by_hand(TAMPERED[name][0], tmp_path, VKEY.encode()).returncode != 0


def test_a_receipt_under_another_key_fails(tmp_path: Path) -> None:
    assert by_hand(GOOD, tmp_path, VerifierKey(VKEY.name, OTHER_SIGNER.public_key).encode()).returncode != 0
    assert by_hand(GOOD, tmp_path, VerifierKey("other.example", SIGNER.public_key).encode()).returncode != 0
