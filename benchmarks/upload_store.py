"""The local blob store beside a plain loop that hashes and writes durably, in the same run.

``python -m benchmarks.upload_store [--size-mib 2048] [--rounds 3] [--directory DIR]``

The plain loop is the yardstick of the upload target: SHA-256 and write of the same chunks, one fsync at the end.
Both take their chunks from one buffer in memory, so that only hashing and the disk are measured.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from pathlib import Path

from app.blobs.local import LocalBlobStore

MIB = 1024 * 1024


def plain_loop(directory: Path, chunk: memoryview, chunks: int) -> None:
    digest = hashlib.sha256()
    path = directory / "plain"
    with path.open("wb", buffering=0) as file:
        for _ in range(chunks):
            digest.update(chunk)
            file.write(chunk)
        os.fsync(file.fileno())
    path.unlink()


def store_once(store: LocalBlobStore, chunk: memoryview, chunks: int) -> None:
    with store.begin() as writer:
        for _ in range(chunks):
            writer.write(chunk)
        writer.commit()


def plain_speed(directory: Path, chunk: memoryview, chunks: int) -> float:
    """MiB/s of one plain run."""
    started = time.perf_counter()
    plain_loop(directory, chunk, chunks)
    return len(chunk) * chunks / MIB / (time.perf_counter() - started)


def store_speed(directory: Path, chunk: memoryview, chunks: int) -> float:
    """MiB/s of one run through the store, on an empty store."""
    store = LocalBlobStore(directory)
    started = time.perf_counter()
    store_once(store, chunk, chunks)
    elapsed_s = time.perf_counter() - started
    store.close()
    return len(chunk) * chunks / MIB / elapsed_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunk-kib", type=int, default=1024)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    chunks = options.size_mib * 1024 // options.chunk_kib
    plain: list[float] = []
    ours: list[float] = []
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        for number in range(options.rounds):
            chunk = memoryview(os.urandom(options.chunk_kib * 1024))
            plain.append(plain_speed(Path(name), chunk, chunks))
            ours.append(store_speed(Path(name) / f"store{number}", chunk, chunks))
    print(f"plain loop  MiB/s: {[round(speed) for speed in plain]}  median {statistics.median(plain):.0f}")
    print(f"blob store  MiB/s: {[round(speed) for speed in ours]}  median {statistics.median(ours):.0f}")
    print(f"ratio of medians: {statistics.median(ours) / statistics.median(plain):.2f}")


if __name__ == "__main__":
    main()
