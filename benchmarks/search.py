"""Exact search among 256-bit hashes on one core, beside FAISS's flat binary index on the same hashes in the same run.

``python -m benchmarks.search [--rows 1000000] [--queries 400] [--radius 31]``; ``make bench-search`` runs it with 1 and
with 10 million.

Random hashes, and hashes as uneven as real ones: those of photographs and what was done to them, drawn anew with
correlated bits, with copies, and one in fifty almost flat. Queries are stored hashes with up to ``radius`` bits turned,
and unrelated ones. Every answer is compared with FAISS's (recall 1.0 or it ends with an error); without FAISS with a
scan. Then the file: building it, opening it anew, the memory it takes, adding rows beside it. Seconds are this
process's own processor time where that is meant, so that a busy machine changes them little.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before numpy and FAISS: one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.search.block import Block, Rows, SideBlock, read_blocks, write_blocks
from app.fingerprints.search.hamming import Words, scan, words_of
from tests.media_samples import PHOTOGRAPHS, upright

BITS = 256
VERSION = PDQ.version
LOOK_UPS = 24
"""Of one upload: three views of the picture, each in eight symmetries."""


def random_words(rows: int, chance: np.random.Generator) -> Words:
    return chance.integers(0, 2**64, (rows, BITS // 64), dtype=np.uint64)


def photograph_hashes() -> Words:
    """PDQ of crops of the photographs in tests/assets: real hashes, of which real bits' dependence is learnt."""
    found = []
    chance = np.random.default_rng(7)
    for photograph in PHOTOGRAPHS:
        picture = upright(photograph)
        for _ in range(60):
            wide, high = (int(side * chance.uniform(0.2, 0.9)) for side in picture.size)
            left, top = (
                int(chance.integers(0, side - part)) for side, part in zip(picture.size, (wide, high), strict=True)
            )
            crop = picture.crop((left, top, left + wide, top + high)).resize((256, 256))
            found.append(PDQ.compute(np.asarray(crop)).value)
    return words_of(found)


def uneven_words(rows: int, chance: np.random.Generator) -> Words:
    """New hashes whose bits depend on each other as those of real ones do: signs of a Gaussian with their covariance,
    shrunk a little; a tenth are copies of others, as re-encodings are, one in fifty is nearly all zeros."""
    real = np.unpackbits(photograph_hashes().view(np.uint8), axis=1) * 2.0 - 1.0
    covariance = np.cov(real.T) * 0.9 + np.eye(BITS) * 0.1
    root = np.linalg.cholesky(covariance + np.eye(BITS) * 1e-6).astype(np.float32)
    words = np.empty((rows, BITS // 64), np.uint64)
    mean = real.mean(axis=0).astype(np.float32)
    for start in range(0, rows, 65_536):
        part = min(65_536, rows - start)
        signs = chance.standard_normal((part, BITS), dtype=np.float32) @ root.T + mean > 0
        words[start : start + part] = np.packbits(signs, axis=1).view(np.uint64)
    copies = chance.integers(0, rows, rows // 10)
    words[copies] = words[chance.integers(0, rows, len(copies))]
    flat = chance.integers(0, rows, rows // 50)
    words[flat] = 0
    for _ in range(12):
        bits = chance.integers(0, 64, len(flat)).astype(np.uint64)
        words[flat, chance.integers(0, 4, len(flat))] ^= np.uint64(1) << bits
    return words


def planted(words: Words, count: int, radius: int, chance: np.random.Generator) -> Words:
    """Half stored hashes with up to ``radius`` bits turned, half stored ones of which a third is turned: unrelated."""
    queries = words[chance.integers(0, len(words), count)].copy()
    for number, query in enumerate(queries):
        flips = int(chance.integers(0, radius + 1)) if number % 2 else BITS // 3
        for bit in chance.choice(BITS, flips, replace=False):
            query[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return queries


def milliseconds(run: Callable[[int], object], count: int) -> str:
    """p50 and p99 of processor time."""
    taken = []
    for number in range(count):
        before = time.thread_time()
        run(number)
        taken.append((time.thread_time() - before) * 1000)
    p50, p99 = np.percentile(taken, [50, 99])
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def ask(block: Block, queries: Words, radius: int, number: int) -> set[bytes]:
    return block.blobs_near(queries[number : number + 1], radius)


def compared(name: str, words: Words, path: Path, options: argparse.Namespace, chance: np.random.Generator) -> None:
    rows, radius, count = len(words), options.radius, options.queries
    queries = planted(words, count, radius, chance)
    before = time.process_time()
    write(path, words)
    spent_s, size_gb = time.process_time() - before, path.stat().st_size / 1e9
    print(f"{name}: {rows:,} hashes; file built in {spent_s:.1f} s, {size_gb:.2f} GB")
    before = time.perf_counter()
    block = read(path)
    print(f"  opened and checked in {time.perf_counter() - before:.2f} s; memory {resident(path)}")
    print(f"  adding one beside it: {adding_us(words):.2f} µs")
    block.index.search(queries[:1], radius)
    answers = [block.index.search(queries[n : n + 1], radius).rows for n in range(count)]
    print(f"  ours, radius {radius}: {milliseconds(partial(ask, block, queries, radius), count)}")
    groups = count // LOOK_UPS
    each = milliseconds(lambda n: block.blobs_near(queries[n * LOOK_UPS : (n + 1) * LOOK_UPS], radius), groups)
    print(f"  ours, {LOOK_UPS} look-ups of one upload together: {each}")
    for wide in (16, 47, 64):
        spent = milliseconds(partial(ask, block, queries, wide), min(count, 20))
        print(f"  ours, radius {wide}: {spent}")
    expected, peer = by_peer(words, queries[: options.peer_queries], radius)
    print(f"  {peer}")
    wrong = sum(a.tolist() != sorted(e) for a, e in zip(answers, expected, strict=False))
    print(f"  recall and precision: {'1.0 on all ' + str(len(expected)) if not wrong else f'WRONG on {wrong} queries'}")
    if wrong:
        sys.exit(1)


def by_peer(words: Words, queries: Words, radius: int) -> tuple[list[list[int]], str]:
    """The rows near each query, and how long that took: by FAISS where it is installed, else by a scan."""
    if find_spec("faiss") is None:
        scanned = [scan(words, query[None], radius).rows.tolist() for query in queries]
        spent = milliseconds(lambda n: scan(words, queries[n : n + 1], radius), min(len(queries), 10))
        return scanned, f"scan (FAISS is not installed): {spent}"
    import faiss  # noqa: PLC0415 - for this benchmark alone

    faiss.omp_set_num_threads(1)
    flat = faiss.IndexBinaryFlat(BITS)
    flat.add(words.view(np.uint8))
    asked = queries.view(np.uint8)
    found = []
    for query in asked:
        limits, _, rows = flat.range_search(query[None], radius + 1)  # It gives what is nearer than that.
        found.append(rows[limits[0] : limits[1]].tolist())
    spent = milliseconds(lambda n: flat.range_search(asked[n : n + 1], radius + 1), min(len(queries), 50))
    return found, f"FAISS {faiss.__version__} IndexBinaryFlat: {spent}"


def write(path: Path, words: Words) -> None:
    """As of blobs with eight hashes each."""
    owners = np.arange(len(words), dtype=np.uint32) // np.uint32(8)
    blobs = np.random.default_rng(2).integers(0, 256, (int(owners[-1]) + 1, 32), dtype=np.uint8)
    write_blocks(path, {}, {VERSION: Rows(words, owners, blobs)})


def read(path: Path) -> Block:
    return read_blocks(path).blocks[VERSION]


def adding_us(words: Words) -> float:
    """Microseconds to add one hash beside the file, eight at a time."""
    side, some = SideBlock(words.shape[1]), words[: 8 * (len(words[:80_000]) // 8)]
    blobs = np.zeros((8, 32), np.uint8)
    before = time.process_time()
    for start in range(0, len(some), 8):
        side.add(some[start : start + 8], blobs)
    return (time.process_time() - before) * 1e6 / len(some)


RESIDENT = """
import sys
from pathlib import Path
from benchmarks.search import read
def kib():
    status = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in status if line.endswith("kB")}
before = kib()["VmRSS"]
block = read(Path(sys.argv[1]))
for _ in range(3):
    block.blobs_near(block.index.words[:: len(block.index.words) // 100], 31)
after = kib()
print(f"{(after['VmRSS'] - before) / 1024:.0f} MiB, of it mapped files {after['RssFile'] / 1024:.0f} MiB")
"""


def resident(path: Path) -> str:
    """What a fresh process has more after it opened the file and asked a few hundred queries."""
    run = subprocess.run([sys.executable, "-c", RESIDENT, str(path)], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--peer-queries", type=int, default=100)
    parser.add_argument("--radius", type=int, default=31)
    options = parser.parse_args()
    chance = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        for kind, make in (("random", random_words), ("uneven", uneven_words)):
            compared(kind, make(options.rows, chance), Path(name) / kind, options, chance)


if __name__ == "__main__":
    main()
