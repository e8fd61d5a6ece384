"""The local blob store on a real file system, with the storage's faults put in at the system calls."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.blobs.local import LocalBlobStore
from app.blobs.store import (
    EMPTY_SHA256,
    BlobMissing,
    BlobStorageFailed,
    BlobStorageFull,
    ReadBackOutcome,
    StoredBlob,
)
from app.kernel.primitives import Sha256Hex, sha256_hex

BODY = bytes(range(256)) * 5000 + b"the last bytes"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> Iterator[LocalBlobStore]:
    made = LocalBlobStore(root)
    yield made
    made.close()


def put(store: LocalBlobStore, body: bytes, chunk_bytes: int = 100_000) -> StoredBlob:
    with store.begin() as writer:
        for start in range(0, len(body), chunk_bytes):
            writer.write(body[start : start + chunk_bytes])
        return writer.commit()


def uploads_under_way(root: Path) -> list[Path]:
    return [path for path in (root / "incoming").iterdir() if path.suffix != ".lock"]


def blobs_of(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.parent.name != "incoming"]


def fail_nth(
    monkeypatch: pytest.MonkeyPatch, name: str, nth: int, code: int, counts: Callable[[int], bool] = lambda _: True
) -> None:
    """Makes the n-th call of os.<name> (on a descriptor that ``counts``) fail with an errno."""
    real = getattr(os, name)
    calls = 0

    def failing(fd: int, *args: object) -> object:
        nonlocal calls
        if counts(fd):
            calls += 1
            if calls == nth:
                raise OSError(code, os.strerror(code))
        return real(fd, *args)

    monkeypatch.setattr(os, name, failing)


def is_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def test_commit_when_a_body_was_written_then_it_is_stored_under_its_digest(root: Path, store: LocalBlobStore) -> None:
    stored = put(store, BODY)
    assert stored == StoredBlob(sha256_hex(BODY), len(BODY), True)
    path = root / stored.sha256[:2] / stored.sha256[2:4] / stored.sha256
    assert path.read_bytes() == BODY
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert {stat.S_IMODE(p.stat().st_mode) for p in [root, root / "incoming", path.parent, path.parent.parent]} == {
        0o700
    }
    assert path.stat().st_nlink == 1
    assert uploads_under_way(root) == []


def test_commit_when_the_body_is_empty_then_it_is_the_empty_blob(store: LocalBlobStore) -> None:
    assert put(store, b"") == StoredBlob(EMPTY_SHA256, 0, True)


def test_commit_when_the_same_bytes_are_there_then_the_older_copy_is_kept(root: Path, store: LocalBlobStore) -> None:
    put(store, BODY)
    (first,) = blobs_of(root)
    inode = first.stat().st_ino
    assert put(store, BODY).is_new is False
    assert [path.stat().st_ino for path in blobs_of(root)] == [inode]


def test_commit_when_the_kept_copy_has_another_size_then_it_refuses_and_leaves_it(
    root: Path, store: LocalBlobStore
) -> None:
    put(store, BODY)
    (kept,) = blobs_of(root)
    kept.chmod(0o600)
    kept.write_bytes(BODY[:-1])
    with pytest.raises(BlobStorageFailed, match="damaged"):
        put(store, BODY)
    assert kept.read_bytes() == BODY[:-1]


def test_commit_when_32_identical_uploads_run_at_once_then_one_blob_is_new(root: Path, store: LocalBlobStore) -> None:
    together = threading.Barrier(32)

    def upload() -> StoredBlob:
        with store.begin() as writer:
            writer.write(BODY)
            together.wait(30)
            return writer.commit()

    with ThreadPoolExecutor(32) as pool:
        results = [future.result() for future in [pool.submit(upload) for _ in range(32)]]
    assert sum(result.is_new for result in results) == 1
    assert {result.sha256 for result in results} == {sha256_hex(BODY)}
    (path,) = blobs_of(root)
    assert path.read_bytes() == BODY
    assert uploads_under_way(root) == []


def test_abort_when_bytes_were_written_then_nothing_is_left(root: Path, store: LocalBlobStore) -> None:
    with store.begin() as writer:
        writer.write(BODY)
    writer.abort()
    assert uploads_under_way(root) == []
    assert blobs_of(root) == []
    with pytest.raises(BlobStorageFailed):
        writer.write(b"more")
    with pytest.raises(BlobStorageFailed):
        writer.commit()


def test_write_when_the_kernel_takes_fewer_bytes_then_all_are_written(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, memoryview(data)[:1013]))
    stored = put(store, BODY)
    monkeypatch.undo()
    assert b"".join(store.read_range(stored.sha256)) == BODY


@pytest.mark.parametrize("nth", [1, 2, 7, 13])
def test_write_when_the_disk_is_full_at_the_nth_call_then_nothing_is_left(
    root: Path, store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    fail_nth(monkeypatch, "write", nth, errno.ENOSPC)
    with pytest.raises(BlobStorageFull, match="ENOSPC"):
        put(store, BODY)
    assert uploads_under_way(root) == []
    assert blobs_of(root) == []
    monkeypatch.undo()
    assert put(store, BODY).is_new


def test_commit_when_fsync_of_the_file_fails_then_the_upload_is_void(
    root: Path, store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_nth(monkeypatch, "fsync", 1, errno.EIO, lambda fd: not is_directory(fd))
    writer = store.begin()
    writer.write(BODY)
    with pytest.raises(BlobStorageFailed, match="EIO"):
        writer.commit()
    with pytest.raises(BlobStorageFailed, match="ended"):
        writer.commit()  # A second fsync would report success for pages that were dropped.
    assert uploads_under_way(root) == []
    assert blobs_of(root) == []


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_commit_when_fsync_of_a_directory_fails_then_it_is_no_success(
    root: Path, store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    fail_nth(monkeypatch, "fsync", nth, errno.EIO, is_directory)
    with pytest.raises(BlobStorageFailed):
        put(store, BODY)
    assert uploads_under_way(root) == []
    monkeypatch.undo()
    stored = put(store, BODY)  # The sender tries again, and whatever was linked serves.
    assert b"".join(store.read_range(stored.sha256)) == BODY


def run_in_another_process(root: Path, code: str) -> subprocess.CompletedProcess[str]:
    program = textwrap.dedent(
        """
        import os, signal, stat, sys
        from pathlib import Path
        from app.blobs.local import LocalBlobStore
        store = LocalBlobStore(Path(sys.argv[1]))
        writer = store.begin()
        writer.write(b"bytes of a process that dies")
        """
    ) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True, timeout=60, check=False
    )


def test_crash_when_linked_but_the_directory_was_not_synced_then_the_next_try_stores_it(root: Path) -> None:
    died = run_in_another_process(
        root,
        """
        real = os.fsync
        linked = []
        real_link = os.link
        def link(*args, **kwargs):
            real_link(*args, **kwargs)
            linked.append(True)
        def fsync(fd):
            if linked:
                os.kill(os.getpid(), signal.SIGKILL)
            real(fd)
        os.link, os.fsync = link, fsync
        writer.commit()
        """,
    )
    assert died.returncode == -9, died.stderr
    assert len(uploads_under_way(root)) == 1
    store = LocalBlobStore(root)
    assert uploads_under_way(root) == []
    stored = put(store, b"bytes of a process that dies")
    assert stored.is_new is False
    assert store.reread(stored.sha256).outcome is ReadBackOutcome.MATCH
    store.close()


def test_crash_when_an_upload_was_under_way_then_the_next_start_sweeps_it_and_only_it(
    root: Path, store: LocalBlobStore
) -> None:
    live = store.begin()
    live.write(BODY)
    died = run_in_another_process(root, "os.kill(os.getpid(), signal.SIGKILL)")
    assert died.returncode == -9, died.stderr
    assert len(uploads_under_way(root)) == 2
    later = LocalBlobStore(root)
    assert len(uploads_under_way(root)) == 1
    assert live.commit().sha256 == sha256_hex(BODY)
    assert len(list((root / "incoming").glob("*.lock"))) == 2
    later.close()


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 0), (5, 6), (1_048_570, 1_048_590), (1_280_000, 9**9)])
def test_read_range_when_asked_for_a_part_then_it_gives_exactly_that(
    store: LocalBlobStore, start: int, end: int | None
) -> None:
    stored = put(store, BODY)
    assert b"".join(store.read_range(stored.sha256, start, end)) == BODY[start:end]


def test_open_when_there_is_no_such_blob_then_it_is_missing(store: LocalBlobStore) -> None:
    nowhere = sha256_hex(b"never stored")
    for ask in (store.open, store.size_bytes, store.read_range):
        with pytest.raises(BlobMissing):
            ask(nowhere)
    with pytest.raises(ValueError, match="SHA-256"):
        store.open(Sha256Hex("../../etc/passwd"))


def test_open_when_the_name_is_a_symbolic_link_then_it_is_not_followed(root: Path, store: LocalBlobStore) -> None:
    stored = put(store, BODY)
    (path,) = blobs_of(root)
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert store.reread(stored.sha256).outcome is ReadBackOutcome.NOT_VERIFIABLE


def test_reread_when_a_bit_rotted_then_it_is_a_mismatch(root: Path, store: LocalBlobStore) -> None:
    stored = put(store, BODY)
    assert store.reread(stored.sha256).outcome is ReadBackOutcome.MATCH
    (path,) = blobs_of(root)
    path.chmod(0o600)
    rotten = bytearray(BODY)
    rotten[700_001] ^= 4
    path.write_bytes(rotten)
    found = store.reread(stored.sha256)
    assert found.outcome is ReadBackOutcome.MISMATCH
    assert found.sha256 == hashlib.sha256(rotten).hexdigest()
    assert found.reason is not None


def test_reread_when_the_storage_cannot_be_read_then_nothing_is_claimed(
    root: Path, store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = put(store, BODY)
    fail_nth(monkeypatch, "preadv", 2, errno.EIO)
    found = store.reread(stored.sha256)
    assert found.outcome is ReadBackOutcome.NOT_VERIFIABLE
    assert "EIO" in (found.reason or "")
    monkeypatch.undo()
    blobs_of(root)[0].unlink()
    assert store.reread(stored.sha256).outcome is ReadBackOutcome.NOT_VERIFIABLE


def test_store_when_used_then_descriptors_do_not_leak(store: LocalBlobStore) -> None:
    stored = put(store, BODY)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        put(store, BODY)
        store.begin().abort()
        store.read_range(stored.sha256)  # Never iterated.
        next(store.read_range(stored.sha256))
        store.reread(stored.sha256)
    assert len(os.listdir("/proc/self/fd")) == before


def test_free_bytes_when_asked_then_it_is_the_file_systems_room(root: Path, store: LocalBlobStore) -> None:
    room = os.statvfs(root)
    assert abs(store.free_bytes() - room.f_bavail * room.f_frsize) < 1 << 30


def test_blob_when_removed_then_it_is_missing_and_may_come_again(store: LocalBlobStore) -> None:
    kept = put(store, BODY)

    store.remove(kept.sha256)
    store.remove(kept.sha256)

    with pytest.raises(BlobMissing):
        store.open(kept.sha256)
    assert put(store, BODY).is_new is True
