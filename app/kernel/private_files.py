"""Private directories (0700) and files (0600) of the data directory, written durably and never half."""

import os
import secrets
from pathlib import Path


def ensure_private_directory(directory: Path) -> None:
    """Create it, 0700, with its parents. An existing one keeps its mode, except that others lose all rights."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = directory.stat().st_mode & 0o777
    if mode & 0o007:
        directory.chmod(mode & 0o770)


def read_or_create_secret(path: Path) -> str:
    """The secret in the file; on first use 256 random bits as 64 hexadecimal digits.

    Of two processes that create it at once, both get the same one.
    """
    ensure_private_directory(path.parent)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    if not path.exists():
        _write_durably(partial, secrets.token_hex(32))
        try:
            os.link(partial, path)
        except FileExistsError:
            pass  # Another process was first: its secret holds.
        finally:
            partial.unlink()
        _sync_directory(path.parent)
    return path.read_text().strip()


def read_secret(path: Path) -> str | None:
    """The secret in the file, or ``None`` when there is no file."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def write_secret(path: Path, secret: str) -> None:
    """Write or replace the file: a reader sees the old content or the new, nothing between."""
    ensure_private_directory(path.parent)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write_durably(partial, secret)
    partial.replace(path)
    _sync_directory(path.parent)


def _write_durably(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
