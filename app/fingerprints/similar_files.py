"""The files that are searched with: private, under the search's id, gone as soon as it is answered.

They lie in ``similar/`` of the data directory, never among the blobs: nothing lists them, reads them back, or takes
them for evidence. Whoever writes one holds a lock on it, which the kernel lets go of when the process ends, however it
ends, and keeps it until the search is committed. So a file without a lock and without a waiting search is nobody's, and
swept.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from app.blobs.store import BlobStorageFailed, BlobStorageFull, StoredBlob
from app.kernel.primitives import Sha256Hex
from app.kernel.private_files import ensure_private_directory

GRACE_S = 60.0
"""Between making a file and locking it, and between two writes of a file system that keeps no locks."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class QueryFiles:
    """The directory. Processes make one object each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def incoming(self, search_id: UUID) -> "IncomingFile":
        """A file to come, for one search."""
        ensure_private_directory(self._directory)
        return IncomingFile(self._path(search_id))

    def open(self, search_id: UUID) -> int:
        """A read-only descriptor; the caller closes it. Raises FileNotFoundError, OSError."""
        return os.open(self._path(search_id), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    def remove(self, search_id: UUID) -> None:
        self._path(search_id).unlink(missing_ok=True)

    def sweep(self, waiting: Callable[[], Collection[UUID]]) -> int:
        """Remove what belongs to no search that waits; how many files. ``waiting`` is asked after the locks were looked
        at: a file whose lock was let go of has its search committed by then, or none."""
        before_s = time.time() - GRACE_S
        left = [path for path in self._directory.glob("*") if _is_left(path, before_s)]
        known = {str(search_id) for search_id in waiting()} if left else set()
        swept = [path for path in left if path.name not in known]
        for path in swept:
            path.unlink(missing_ok=True)
        return len(swept)

    def _path(self, search_id: UUID) -> Path:
        return self._directory / str(search_id)


class IncomingFile:
    """One file on its way in: what ``receiving`` needs of a store. :meth:`close` it when its search is committed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def begin(self) -> "QueryWriter":
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except OSError as error:
            raise _storage_error(error) from error
        return QueryWriter(self._fd)

    def free_bytes(self) -> int:
        room = os.statvfs(self._path.parent)
        return room.f_bavail * room.f_frsize

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class QueryWriter:
    """The blob store's writer, for a file that nobody relies on: a power cut may take it, so nothing waits for the
    disk. What is not complete is discarded by whoever has the :class:`IncomingFile`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def digest(self) -> Sha256Hex:
        return Sha256Hex(self._hash.hexdigest())

    def write(self, chunk: bytes | memoryview) -> None:
        view = memoryview(chunk).cast("B")
        self._hash.update(view)
        self._size_bytes += len(view)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise _storage_error(error) from error

    def commit(self) -> StoredBlob:
        return StoredBlob(self.digest(), self._size_bytes, is_new=True)

    def abort(self) -> None:
        """Nothing: see the class."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _is_left(path: Path, before_s: float) -> bool:
    """Whether nobody writes to it: it is old enough, and nobody has it locked."""
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(path).st_mtime >= before_s:
            return False
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
    return False


def _storage_error(error: OSError) -> BlobStorageFailed:
    kind = BlobStorageFull if error.errno in _FULL else BlobStorageFailed
    return kind(f"storage error {errno.errorcode.get(error.errno or 0, 'unknown')}")
