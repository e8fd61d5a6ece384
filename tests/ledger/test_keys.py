"""The signing key's file: private, made once, never silently replaced."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.kernel.errors import Misconfigured
from app.ledger.checkpoint import Checkpoint, VerifierKey, open_checkpoint, sign_checkpoint
from app.ledger.keys import load_or_create_signer, publish_verifier_key, read_verifier_key
from tests.ledger.acts import OTHER_SIGNER

ORIGIN = "log.example.org/2026"


def test_load_or_create_signer_when_there_is_none_makes_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log.key"

    made = load_or_create_signer(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_signer(path).public_key == made.public_key
    assert [entry.name for entry in path.parent.iterdir()] == ["log.key"]


def test_load_or_create_signer_by_many_at_once_makes_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starts:
        signers = list(starts.map(load_or_create_signer, [tmp_path / "log.key"] * 8))

    assert len({signer.public_key for signer in signers}) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_load_or_create_signer_when_others_may_touch_the_file_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.key"
    load_or_create_signer(path)
    path.chmod(mode)

    with pytest.raises(Misconfigured, match="chmod 600"):
        load_or_create_signer(path)


def test_load_or_create_signer_when_the_file_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"not a key", other):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(Misconfigured):
            load_or_create_signer(path)


def test_publish_verifier_key_writes_what_verifies_the_signers_notes(tmp_path: Path) -> None:
    signer = load_or_create_signer(tmp_path / "log.key")
    publish_verifier_key(tmp_path, VerifierKey(ORIGIN, signer.public_key))

    key = read_verifier_key(tmp_path / "log.vkey")
    checkpoint = Checkpoint(ORIGIN, 1, bytes(32))
    assert open_checkpoint(sign_checkpoint(checkpoint, signer), key) == checkpoint
    assert publish_verifier_key(tmp_path, VerifierKey(ORIGIN, signer.public_key)) == key


def test_publish_verifier_key_when_the_key_or_the_log_is_another_is_refused(tmp_path: Path) -> None:
    signer = load_or_create_signer(tmp_path / "log.key")
    publish_verifier_key(tmp_path, VerifierKey(ORIGIN, signer.public_key))

    with pytest.raises(Misconfigured):
        publish_verifier_key(tmp_path, VerifierKey(ORIGIN, OTHER_SIGNER.public_key))
    with pytest.raises(Misconfigured):
        publish_verifier_key(tmp_path, VerifierKey("log.example.org/other", signer.public_key))


def test_load_or_create_signer_when_the_key_was_lost_makes_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    publish_verifier_key(tmp_path, VerifierKey(ORIGIN, load_or_create_signer(path).public_key))
    path.unlink()

    with pytest.raises(Misconfigured, match="restore the key"):
        load_or_create_signer(path)
    assert not path.exists()
