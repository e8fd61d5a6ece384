"""The log's signing key and its public half: in files, or behind a program that holds the key in hardware.

``log.key`` (PKCS #8 PEM, 0600), ``log.next.key`` (only during a rotation), ``log.vkey`` (the verifier key to publish
and to pin), ``<key id>.vkey`` (each key that ever signed, in ``published/``).
"""

import os
import shlex
import stat
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.kernel.errors import Misconfigured
from app.ledger.checkpoint import NoteInvalid, Signer, VerifierKey, parse_vkey

KEY_NAME = "log.key"
NEXT_KEY_NAME = "log.next.key"
VKEY_NAME = "log.vkey"
SIGN_WITHIN_S = 10.0


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


@dataclass(frozen=True)
class CommandSigner:
    """Signs by a program that gets the bytes on standard input and writes the signature's 64 bytes: the seam for keys
    in hardware. A signature that does not verify under ``public_key`` is refused here, before anybody sees it."""

    command: str
    public_key: bytes

    def sign(self, message: bytes) -> bytes:
        """Raises SigningFailed; then nothing is signed, and the integrator tries again."""
        try:
            done = subprocess.run(  # The operator's own command, split as a shell would, with no shell.
                shlex.split(self.command), input=message, capture_output=True, timeout=SIGN_WITHIN_S, check=False
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise SigningFailed(f"the signing program could not be run: {error}") from error
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip()[-300:]
            raise SigningFailed(f"the signing program ended with status {done.returncode}: {told}")
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(done.stdout, message)
        except InvalidSignature as error:
            raise SigningFailed(
                f"the signing program gave {len(done.stdout)} bytes that are no signature by the log's key"
            ) from error
        return done.stdout


class SigningFailed(Exception):
    """The key's holder gave no signature. Nothing was signed."""


class LogKeys:
    """The keys that sign now. This one: fixed for as long as the process runs."""

    def __init__(self, *signers: Signer) -> None:
        self._signers = signers

    def signers(self) -> tuple[Signer, ...]:
        """One; during a rotation two, the older first. The same tuple again unless they changed."""
        return self._signers

    def publish(self, keys: Sequence[VerifierKey], earlier: Collection[VerifierKey]) -> None:
        """Tell everybody which keys sign now, and which did earlier or in earlier logs of this database."""


class KeyDirectory(LogKeys):
    """Keys in files. A rotation adds and replaces files while the integrator runs; it looks before each signature."""

    def __init__(self, directory: Path, published: Path, command: CommandSigner | None = None) -> None:
        super().__init__()
        self._directory, self._published, self._command = directory, published, command
        self._state: tuple[tuple[int, int] | None, ...] = ()

    def signers(self) -> tuple[Signer, ...]:
        """Raises Misconfigured as ``load_or_create_signer`` does."""
        paths = [self._directory / name for name in (KEY_NAME, NEXT_KEY_NAME)]
        state = tuple(map(_state_of, paths))
        if not self._signers or state != self._state:
            first: Signer = self._command or load_or_create_signer(paths[0])
            following = [load_signer(paths[1])] if state[1] is not None else []
            self._signers, self._state = (first, *following), tuple(map(_state_of, paths))
        return self._signers

    def publish(self, keys: Sequence[VerifierKey], earlier: Collection[VerifierKey]) -> None:
        """Raises Misconfigured when ``log.vkey`` is a key that this database never had."""
        self._published.mkdir(exist_ok=True)
        for directory in (self._directory, self._published):
            publish_verifier_key(directory, keys[0], replaces=earlier)
        for key in (*earlier, *keys):
            publish_verifier_key(self._published, key, name=f"{key.key_id.hex()}.vkey")


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


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
    return create_signer(path)


def create_signer(path: Path) -> FileSigner:
    """A fresh key in a file of its own; the key that is there when there is one."""
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


def publish_verifier_key(
    directory: Path, key: VerifierKey, *, replaces: Collection[VerifierKey] = (), name: str = VKEY_NAME
) -> VerifierKey:
    """Write the key's file. Raises Misconfigured when the one there is another key's, unless it ``replaces`` that."""
    path = directory / name
    content = key.encode().encode() + b"\n"
    if not path.exists():
        _write_whole(path, content, mode=0o644)
    found = read_verifier_key(path)
    if found != key and found in replaces:
        partial = path.with_name(f".{path.name}.new")
        partial.unlink(missing_ok=True)
        _write_whole(partial, content, mode=0o644)
        partial.replace(path)
    elif found != key:
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


def pinned_keys(given: Sequence[str]) -> list[VerifierKey]:
    """The keys named by their text, or in files, one a line. Raises Misconfigured."""
    lines: list[str] = []
    try:
        for each in given:
            file = Path(each)
            lines += file.read_text(encoding="utf-8").split("\n") if file.is_file() else [each]
        return [parse_vkey(line.strip()) for line in lines if line.strip()]
    except (NoteInvalid, UnicodeDecodeError) as error:
        raise Misconfigured(f"--key: {error}") from error


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
