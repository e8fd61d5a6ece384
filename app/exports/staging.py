"""A package's files while it is built: what the database gives lies in one unnamed file, media stay where they are.

Files come in the order in which they stand in the zip, so that neither their names nor their digests are ever all in
memory. A crash leaves nothing: the file has no name.
"""

import hashlib
import json
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.blobs.store import BlobStore
from app.exports.zip_stream import Member, MembersOutOfOrder
from app.kernel.primitives import Sha256Hex

CHUNK_BYTES = 1024 * 1024
AHEAD_CHUNKS = 4
"""How many chunks may wait for the slower hash."""


@dataclass(frozen=True, slots=True)
class Digests:
    """What is known of one file's bytes."""

    size_bytes: int
    crc32: int
    sha256: str
    sha512: str


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file of a package; ``at`` is where its bytes begin among the staged ones, None: it is a stored blob."""

    path: str
    digests: Digests
    at: int | None

    def member(self, folder: str) -> Member:
        return Member(f"{folder}/{self.path}", self.digests.size_bytes, self.digests.crc32)


def digests_of(chunks: Iterable[bytes], take: Callable[[bytes], object] | None = None) -> Digests:
    """Read bytes once, in constant memory; ``take`` is handed each chunk on the way."""
    sha512 = hashlib.sha512()
    return _digests(chunks, take, sha512, sha512.update)


def digests_beside(chunks: Iterable[bytes], take: Callable[[bytes], object], beside: Executor) -> Digests:
    """The same, with SHA-512, which takes longest, in another thread: hashing lets others run."""
    sha512, due = hashlib.sha512(), deque[Future[None]]()

    def update(chunk: bytes) -> None:
        due.append(beside.submit(sha512.update, chunk))
        if len(due) > AHEAD_CHUNKS:
            due.popleft().result()

    def finished() -> None:
        while due:
            due.popleft().result()

    return _digests(chunks, take, sha512, update, finished)


def _digests(
    chunks: Iterable[bytes],
    take: Callable[[bytes], object] | None,
    sha512: Any,
    update: Callable[[bytes], object],
    finished: Callable[[], object] = lambda: None,
) -> Digests:
    sha256, crc32, size_bytes = hashlib.sha256(), 0, 0
    for chunk in chunks:
        update(chunk)
        sha256.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        size_bytes += len(chunk)
        if take is not None:
            take(chunk)
    finished()
    return Digests(size_bytes, crc32, sha256.hexdigest(), sha512.hexdigest())


class Staging:
    """Files in the order of their paths. Used by one thread; leaving its ``with`` block lets go of the bytes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bytes = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed with this object
        self._index = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - and this
        self._last_path = ""
        self._end = 0
        self.files_count = 0
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bytes.close()
        self._index.close()

    def add(self, path: str, chunks: Iterable[bytes]) -> Digests:
        """Stage one file's bytes. Raises MembersOutOfOrder."""
        at = self._end
        self._bytes.seek(at)
        digests = digests_of(chunks, self._bytes.write)
        self._end = at + digests.size_bytes
        self._note(StagedFile(path, digests, at))
        return digests

    def add_blob(self, path: str, digests: Digests) -> None:
        """Name a stored blob as a file. Raises MembersOutOfOrder."""
        self._note(StagedFile(path, digests, None))

    def files(self) -> Iterator[StagedFile]:
        """In order; as often as one likes, one after the other."""
        self._index.flush()
        at = 0
        while True:
            self._index.seek(at)
            line = self._index.readline()
            if not line:
                return
            at += len(line)
            path, size_bytes, crc32, sha256, sha512, begin = json.loads(line)
            yield StagedFile(path, Digests(size_bytes, crc32, sha256, sha512), begin)

    def read(self, file: StagedFile, blobs: BlobStore) -> Iterator[bytes]:
        """Raises BlobMissing, BlobUnreadable."""
        if file.at is None:
            yield from blobs.read_range(Sha256Hex(file.digests.sha256))
            return
        at, end = file.at, file.at + file.digests.size_bytes
        while at < end:
            self._bytes.seek(at)
            chunk = self._bytes.read(min(CHUNK_BYTES, end - at))
            at += len(chunk)
            yield chunk

    def _note(self, file: StagedFile) -> None:
        if file.path <= self._last_path:
            raise MembersOutOfOrder(f"{file.path} after {self._last_path}")
        self._last_path = file.path
        self.files_count += 1
        self.size_bytes += file.digests.size_bytes
        of = file.digests
        line = json.dumps([file.path, of.size_bytes, of.crc32, of.sha256, of.sha512, file.at])
        self._index.seek(0, 2)
        self._index.write(line.encode("ascii") + b"\n")
