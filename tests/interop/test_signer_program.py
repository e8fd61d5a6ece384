"""The log's key behind another program: OpenSSL in the place of a hardware key's own tool."""

import shlex
import subprocess
from pathlib import Path

import pytest

from app.ledger.checkpoint import Checkpoint, VerifierKey, open_checkpoint, sign_checkpoint
from app.ledger.keys import CommandSigner

pytestmark = pytest.mark.interop


def test_checkpoint_when_openssl_signs_it_then_the_note_opens_with_its_key(tmp_path: Path) -> None:
    key, program = tmp_path / "hsm.pem", tmp_path / "sign.sh"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True)
    program.write_text(
        'set -e\nmessage=$(mktemp)\ntrap \'rm "$message"\' EXIT\ncat > "$message"\n'
        f'openssl pkeyutl -sign -rawin -inkey {shlex.quote(str(key))} -in "$message"\n'
    )
    public_key = der.stdout[-32:]
    head = Checkpoint("log.example.org/hsm", 7, b"r" * 32)
    note = sign_checkpoint(head, CommandSigner(f"sh {shlex.quote(str(program))}", public_key))
    assert open_checkpoint(note, VerifierKey(head.origin, public_key)) == head
