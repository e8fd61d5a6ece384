"""What a place for evidence bytes must do, whatever it is made of.

A blob is named by its SHA-256 and is never overwritten. Whoever receives a file writes it through a
:class:`BlobWriter`; only what :meth:`BlobWriter.commit` returned may be acknowledged to anybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from app.kernel.primitives import Sha256Hex

EMPTY_SHA256 = Sha256Hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


class BlobStorageFailed(Exception):
    """The storage refused or lost a write. Nothing of this writer is kept; the sender may try again."""


class BlobStorageFull(BlobStorageFailed):
    """The storage has no room left for this file (ENOSPC or EDQUOT)."""


class BlobMissing(Exception):
    """No blob of this digest is here."""


class BlobUnreadable(Exception):
    """The blob is here, but the storage did not give its bytes."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A durable blob: its bytes and its name survive a power cut from now on."""

    sha256: Sha256Hex
    size_bytes: int
    is_new: bool
    """False when the same bytes were here before; the older copy was kept."""


class ReadBackOutcome(StrEnum):
    """What a fixity check says. Storage that cannot be read proves nothing about the bytes."""

    MATCH = "match"
    MISMATCH = "mismatch"
    NOT_VERIFIABLE = "not_verifiable"


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The result of reading a stored blob again from the medium."""

    outcome: ReadBackOutcome
    sha256: Sha256Hex | None
    """The digest that was computed now; None when the bytes could not be read to the end."""
    size_bytes: int | None
    reason: str | None
    """Why it is not a match, in words; None for a match."""


class BlobWriter(Protocol):
    """One file on its way in. Used by one thread at a time; leaving its ``with`` block uncommitted aborts it."""

    @property
    def size_bytes(self) -> int:
        """The bytes taken so far."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Takes the next bytes. Raises BlobStorageFailed (or its subclass BlobStorageFull) and voids the writer."""

    def digest(self) -> Sha256Hex:
        """The SHA-256 of what was written so far: compare it with what the sender expects before :meth:`commit`."""

    def commit(self) -> StoredBlob:
        """Makes the blob durable under its digest. Raises BlobStorageFailed; then nothing may be acknowledged."""

    def abort(self) -> None:
        """Throws away what was written. May be called at any time, and again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    """The contract of every blob store. Safe to use from many threads and processes at once."""

    def begin(self) -> BlobWriter:
        """A writer for a new file of unknown digest. Raises BlobStorageFailed."""

    def open(self, sha256: Sha256Hex) -> int:
        """A read-only, seekable, close-on-exec descriptor of the blob; the caller closes it. Raises BlobMissing."""

    def size_bytes(self, sha256: Sha256Hex) -> int:
        """The blob's size. Raises BlobMissing, BlobUnreadable."""

    def read_range(self, sha256: Sha256Hex, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) in chunks; ``end`` None means to the last byte.

        Raises BlobMissing at the call, and BlobUnreadable while iterating.
        """

    def reread(self, sha256: Sha256Hex) -> ReadBack:
        """Reads the blob from the medium, past the page cache, and hashes it again. Never raises for bad storage."""

    def remove(self, sha256: Sha256Hex) -> None:
        """Removes a blob that nobody was ever told of: the caller makes sure that it is none. Gone already is fine."""

    def untouched(self, for_s: float) -> Iterator[Sha256Hex]:
        """The blobs that were stored at least so many seconds ago, and not brought again since."""

    def set_aside(self, sha256: Sha256Hex, untouched_for_s: float) -> bool:
        """Takes a blob out of the store, recoverably; False when it is gone, or was brought again since then."""

    def drop_set_aside(self, after_s: float) -> list[Sha256Hex]:
        """Removes for good what was set aside at least so many seconds ago."""

    def free_bytes(self) -> int:
        """The room that is left for new blobs."""
