"""Blobs as durable files on a local file system.

Layout under the root::

    <aa>/<bb>/<sha256>       the blob, 0400, named by its own digest; written once, never opened for writing again
    incoming/<process>.lock  held (flock) by a process as long as it may have uploads under way
    incoming/<process>.<n>   an upload under way, 0600, in the same file system so that link() can publish it
    aside/<sha256>           a file that nobody knew of; kept for a while, since the database may be the one that forgot

The order of a commit, and what a crash after each step leaves:

1. ``fsync`` of the file. Before it: a left-over in ``incoming``, swept at the next start.
2. ``link`` to the final name (never overwrites). A blob without anybody who was told of it: its bytes are right,
   and the sender's next try finds it there, and marks it with the time; else ``app.media.orphans`` sets it aside.
3. ``fsync`` of the directories. Only now is the caller told; rows and ledger entries follow.
4. ``unlink`` of the temporary name. Before it: two names for one file; the sweep takes the temporary one.

An error of ``fsync`` is final: Linux may have dropped the dirty pages and report success the next time, so the file
is thrown away and the sender told. (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020.)
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import itertools
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from app.blobs.store import (
    BlobMissing,
    BlobStorageFailed,
    BlobStorageFull,
    BlobUnreadable,
    ReadBack,
    ReadBackOutcome,
    StoredBlob,
)
from app.kernel.primitives import Sha256Hex, random_hex

READ_CHUNK_BYTES = 1024 * 1024
WRITEBACK_EVERY_BYTES = 8 * 1024 * 1024
"""The kernel is asked to begin writing after this many bytes, so that the disk works while the body still comes in."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SYNC_FILE_RANGE_WRITE = 2
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_INCOMING = "incoming"
_ASIDE = "aside"

_libc = ctypes.CDLL(None, use_errno=True)


class LocalBlobStore:
    """The :class:`~app.blobs.store.BlobStore` on a directory of this machine.

    Sweeps left-overs of dead processes when made. Threads share one object; processes make one each.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._incoming = self._root / _INCOMING
        _make_directory(self._root)
        _make_directory(self._incoming)
        self._process = f"{os.getpid()}-{random_hex(8)}"
        self._lock_fd = _hold_lock(self._incoming / f"{self._process}.lock")
        self._numbers = itertools.count(1)
        self._sweep()

    def close(self) -> None:
        """Gives up this process's lock. Its unfinished uploads may be swept from now on."""
        if self._lock_fd >= 0:
            (self._incoming / f"{self._process}.lock").unlink(missing_ok=True)
            os.close(self._lock_fd)
            self._lock_fd = -1

    def begin(self) -> "LocalBlobWriter":
        return LocalBlobWriter(self._root, self._incoming / f"{self._process}.{next(self._numbers)}")

    def open(self, sha256: Sha256Hex) -> int:
        path = _blob_path(self._root, sha256)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise BlobMissing(sha256) from error
        except OSError as error:
            raise BlobUnreadable(_in_words(error)) from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BlobUnreadable("not a regular file")
        return fd

    def size_bytes(self, sha256: Sha256Hex) -> int:
        fd = self.open(sha256)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read_range(self, sha256: Sha256Hex, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"not a range: {start} to {end}")
        # Opened once here, so that a missing blob raises now and not in the middle of an answer; the generator opens
        # its own, because a generator that nobody starts would never close it.
        os.close(self.open(sha256))
        return self._read(sha256, start, end)

    def reread(self, sha256: Sha256Hex) -> ReadBack:
        try:
            fd = self.open(sha256)
        except BlobMissing:
            return ReadBack(ReadBackOutcome.NOT_VERIFIABLE, None, None, "the blob is missing")
        except BlobUnreadable as error:
            return ReadBack(ReadBackOutcome.NOT_VERIFIABLE, None, None, str(error))
        try:
            return _hash_again(fd, sha256)
        except OSError as error:
            return ReadBack(ReadBackOutcome.NOT_VERIFIABLE, None, None, _in_words(error))
        finally:
            os.close(fd)

    def remove(self, sha256: Sha256Hex) -> None:
        path = _blob_path(self._root, sha256)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_directory(path.parent)

    def untouched(self, for_s: float) -> Iterator[Sha256Hex]:
        before_s = time.time() - for_s
        for path in self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            if _SHA256.fullmatch(path.name) and _is_older(path, before_s):
                yield Sha256Hex(path.name)

    def set_aside(self, sha256: Sha256Hex, untouched_for_s: float) -> bool:
        path, aside = _blob_path(self._root, sha256), self._root / _ASIDE / sha256
        before_s = time.time() - untouched_for_s
        _make_directory(aside.parent)
        if not _is_older(path, before_s):
            return False
        os.rename(path, aside)
        is_untouched = _is_older(aside, before_s)
        if is_untouched:
            os.utime(aside)
        else:  # Somebody brought the same bytes between the look and the move.
            with contextlib.suppress(FileExistsError):
                os.link(aside, path, follow_symlinks=False)
            aside.unlink()
        for directory in (path.parent, aside.parent):
            _sync_directory(directory)
        return is_untouched

    def drop_set_aside(self, after_s: float) -> list[Sha256Hex]:
        aside = self._root / _ASIDE
        before_s = time.time() - after_s
        old = [path for path in aside.glob("*") if _is_older(path, before_s)]
        for path in old:
            path.unlink(missing_ok=True)
        return [Sha256Hex(path.name) for path in old]

    def free_bytes(self) -> int:
        room = os.statvfs(self._root)
        return room.f_bavail * room.f_frsize

    def _read(self, sha256: Sha256Hex, start: int, end: int | None) -> Iterator[bytes]:
        fd = self.open(sha256)
        try:
            offset = start
            while end is None or offset < end:
                wanted = READ_CHUNK_BYTES if end is None else min(READ_CHUNK_BYTES, end - offset)
                chunk = os.pread(fd, wanted, offset)
                if not chunk:
                    return
                offset += len(chunk)
                yield chunk
        except OSError as error:
            raise BlobUnreadable(_in_words(error)) from error
        finally:
            os.close(fd)

    def _sweep(self) -> None:
        """Removes uploads whose process is gone: it held a lock on its own file, and the kernel let go of it."""
        living: set[str] = {self._process}
        for lock in self._incoming.glob("*.lock"):
            if lock.stem != self._process and _is_locked(lock):
                living.add(lock.stem)
        for left_over in self._incoming.iterdir():
            owner = left_over.name.partition(".")[0]
            if owner not in living and not _is_locked(self._incoming / f"{owner}.lock"):
                left_over.unlink(missing_ok=True)


class LocalBlobWriter:
    """One upload into a :class:`LocalBlobStore`. See the module's text for the order of a commit."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self._root = root
        self._temporary = temporary
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._asked_to_write_bytes = 0
        try:
            self._fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _storage_error(error) from error

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def digest(self) -> Sha256Hex:
        return Sha256Hex(self._hash.hexdigest())

    def write(self, chunk: bytes | memoryview) -> None:
        if self._fd < 0:
            raise BlobStorageFailed("this upload has ended")
        view = memoryview(chunk).cast("B")
        self._hash.update(view)
        try:
            _write_all(self._fd, view)
        except OSError as error:
            self.abort()
            raise _storage_error(error) from error
        self._size_bytes += len(view)
        if self._size_bytes - self._asked_to_write_bytes >= WRITEBACK_EVERY_BYTES:
            self._begin_writeback()

    def commit(self) -> StoredBlob:
        if self._fd < 0:
            raise BlobStorageFailed("this upload has ended")
        sha256 = self.digest()
        try:
            os.fchmod(self._fd, 0o400)
            os.fsync(self._fd)
            is_new = self._publish(_blob_path(self._root, sha256))
        except OSError as error:
            raise _storage_error(error) from error
        finally:
            self.abort()
        return StoredBlob(sha256, self._size_bytes, is_new)

    def abort(self) -> None:
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        os.close(fd)
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _publish(self, path: Path) -> bool:
        """Links the durable file to its name; True when the name is new. The name is durable on return."""
        _make_directory(path.parent.parent)
        _make_directory(path.parent)
        is_new = self._link(path)
        # Also for an existing name: another process may have linked it and not yet have synced its directory.
        for directory in (path.parent, path.parent.parent, self._root):
            _sync_directory(directory)
        return is_new

    def _link(self, path: Path) -> bool:
        """Gives the file its name; False when the same bytes had it, which are marked as just brought again."""
        while True:
            try:
                os.link(self._temporary, path, follow_symlinks=False)
                return True
            except FileExistsError:
                pass
            try:
                self._require_same_size(path)
                os.utime(path, follow_symlinks=False)
                return False
            except FileNotFoundError:
                continue  # It was set aside this moment.

    def _require_same_size(self, path: Path) -> None:
        kept = os.lstat(path)
        if not stat.S_ISREG(kept.st_mode) or kept.st_size != self._size_bytes:
            raise BlobStorageFailed(
                f"the stored blob {path.name} has {kept.st_size} bytes, and a file of the same digest came with "
                f"{self._size_bytes}: the stored copy is damaged; it was left as it is"
            )

    def _begin_writeback(self) -> None:
        """Asks for early write-back. Only a hint: what counts is the fsync of the commit, so errors wait for it."""
        offset, self._asked_to_write_bytes = self._asked_to_write_bytes, self._size_bytes
        _libc.sync_file_range(
            ctypes.c_int(self._fd),
            ctypes.c_int64(offset),
            ctypes.c_int64(self._size_bytes - offset),
            ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
        )


def _blob_path(root: Path, sha256: Sha256Hex) -> Path:
    if not _SHA256.fullmatch(sha256):
        raise ValueError("not a SHA-256 in lower-case hexadecimal digits")
    return root / sha256[:2] / sha256[2:4] / sha256


def _make_directory(path: Path) -> None:
    """Makes a directory of mode 0700 and lets its name be durable before anything is put into it."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_directory(path.parent)
        _make_directory(path)
        return
    _sync_directory(path.parent)


def _is_older(path: Path, than_s: float) -> bool:
    """Whether a file is there and was last written or marked before that time (seconds since 1970)."""
    try:
        return os.lstat(path).st_mtime < than_s
    except FileNotFoundError:
        return False


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, view: memoryview) -> None:
    """Writes every byte: the kernel may take fewer than it was given."""
    while view:
        written = os.write(fd, view)
        if written <= 0:
            raise OSError(errno.EIO, "the storage took no bytes")
        view = view[written:]


def _hash_again(fd: int, expected: Sha256Hex) -> ReadBack:
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    digest = hashlib.sha256()
    buffer = bytearray(READ_CHUNK_BYTES)
    view = memoryview(buffer)
    size_bytes = 0
    while count := os.preadv(fd, [buffer], size_bytes):
        digest.update(view[:count])
        size_bytes += count
    # What was read now must not answer the next check from memory either.
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    found = Sha256Hex(digest.hexdigest())
    if found == expected:
        return ReadBack(ReadBackOutcome.MATCH, found, size_bytes, None)
    return ReadBack(ReadBackOutcome.MISMATCH, found, size_bytes, f"expected {expected}, got {found}")


def _hold_lock(path: Path) -> int:
    """Makes this process's lock file and holds it; the kernel lets go of it when the process ends, however it ends."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        # Another process's sweep may have met it between these two lines, unlocked, and taken it for a left-over.
        try:
            if os.path.samestat(os.fstat(fd), os.lstat(path)):
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)


def _is_locked(path: Path) -> bool:
    """Whether a living process holds the lock file; False when there is none."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _storage_error(error: OSError) -> BlobStorageFailed:
    kind = BlobStorageFull if error.errno in _FULL else BlobStorageFailed
    return kind(_in_words(error))


def _in_words(error: OSError) -> str:
    """The system's reason without any path: it may be shown to people."""
    return f"storage error {errno.errorcode.get(error.errno or 0, 'unknown')}: {error.strerror}"
