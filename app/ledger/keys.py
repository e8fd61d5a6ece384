"""The log's signing key in a file, its public half beside it, and the record of what was signed with it.

``log.key`` (PKCS #8 PEM, 0600), ``log.vkey`` (the verifier key to publish and to pin), ``log.signed`` (signed sizes).
"""

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.kernel.errors import Misconfigured
from app.ledger.checkpoint import NoteInvalid, Signer, VerifierKey, parse_vkey

VKEY_NAME = "log.vkey"
RECORD_NAME = "log.signed"
RECORD_PERIOD_S = 10.0


def keys_directory(data: Path) -> Path:
    """Where the private key, its public half and the record of what it signed lie: for the integrator alone."""
    return data / "ledger"


def published_directory(data: Path) -> Path:
    """Where the public half lies for everybody else: the integrator's own directory may be closed to them."""
    return data / "published"


@dataclass(frozen=True)
class FileSigner:
    """Signs with a private key held in memory, read from a file that only its owner can read."""

    _key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def load_or_create_signer(path: Path) -> FileSigner:
    """The key at ``path``, made there at the first start.

    Raises Misconfigured when others can read the file, when it is no Ed25519 key, or when it is gone while its public
    half is still there: a new key would make the log another log.
    """
    if path.exists():
        return load_signer(path)
    published = path.with_name(VKEY_NAME)
    if published.exists():
        raise Misconfigured(
            f"{path} is missing, but {published} was published from it: restore the key from its backup"
        )
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_whole(path, pem, mode=0o600)
    return load_signer(path)  # Whoever was first: of two processes that start at once, one key stays.


def load_signer(path: Path) -> FileSigner:
    """Raises Misconfigured as ``load_or_create_signer`` does."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Misconfigured(f"{path} is open to others (mode {mode:04o}): chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{path} is not a private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} is not an Ed25519 key")
    return FileSigner(key)


def publish_verifier_key(directory: Path, origin: str, signer: Signer) -> VerifierKey:
    """Write ``log.vkey`` once. Raises Misconfigured when the one there is another key's or another log's."""
    key = VerifierKey(origin, signer.public_key)
    path = directory / VKEY_NAME
    if not path.exists():
        _write_whole(path, key.encode().encode() + b"\n", mode=0o644)
    if read_verifier_key(path) != key:
        raise Misconfigured(
            f"{path} is the key of another log, or the signing key was replaced: restore what belongs to it"
        )
    return key


def read_verifier_key(path: Path) -> VerifierKey:
    """Raises Misconfigured when the file is not one verifier key."""
    try:
        return parse_vkey(path.read_text(encoding="utf-8").strip())
    except (NoteInvalid, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is not a verifier key: {error}") from error


class LogBehindRecord(Exception):
    """The database ends before a tree that was already signed, as after a restore: signing again would fork the log."""


@dataclass
class SignedRecord:
    """What was signed, kept outside the database: lines ``<size> <root, hex>``, only ever added to.

    A line at most every 10 s, after the database's commit: a crash loses a line, which makes the check weaker by
    seconds, never wrong.
    """

    path: Path
    _last: tuple[int, str] | None = field(default=None, init=False)
    _written_at_s: float = field(default=float("-inf"), init=False)

    def last(self) -> tuple[int, str] | None:
        """The largest size known to be signed, and its root (hex)."""
        if self._last is None and self.path.exists():
            lines = self.path.read_text(encoding="ascii").splitlines(keepends=True)
            whole = [line.split() for line in lines if line.endswith("\n")]  # A crash may cut the last line.
            self._last = (int(whole[-1][0]), whole[-1][1]) if whole else None
        return self._last

    def add(self, size: int, root: str, *, now_s: float | None = None) -> None:
        moment_s = time.monotonic() if now_s is None else now_s
        if moment_s - self._written_at_s < RECORD_PERIOD_S:
            return
        with self.path.open("ab") as file:
            file.write(f"{size} {root}\n".encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        self._last, self._written_at_s = (size, root), moment_s


def _write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Create the file with all its bytes, or not at all; one that is already there stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
