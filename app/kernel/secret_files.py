"""Secrets that live in files: readable by their owner alone, made once, never overwritten."""

import os
import secrets
import stat
from pathlib import Path

from app.kernel.errors import Misconfigured


def read_or_create_secret(path: Path, *, size_bytes: int = 32) -> bytes:
    """The secret in a file, made with random bytes when there is none.

    Raises Misconfigured when others than the owner can read it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_new_secret(path, secrets.token_bytes(size_bytes))
    return read_secret(path)


def write_new_secret(path: Path, secret: bytes) -> bool:
    """Write a secret durably with mode 0600 unless the file exists; True when it was written.

    The file appears complete or not at all: processes that start together read the same secret.
    """
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secret)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def read_secret(path: Path) -> bytes:
    """Raises Misconfigured when group or others may read the file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Misconfigured(f"{path} is readable by others (mode {mode:04o}). Run: chmod 600 {path}")
    return path.read_bytes()
