"""How the costs of searching grow: hashes from 10 thousand to 10 million, local features as far as memory goes.

``python -m benchmarks.growth [--hashes 10000,100000,1000000,10000000] [--photographs 200,1000,5000,20000]
[--queries 200] [--with-faiss] [--out docs/growth]``

For each size: building the file, its size on the disk, the memory that a fresh process has more once it searched in it,
and processor time of one search: of hashes as uneven as real ones (``search.uneven_words``) at radius 31; of the 500
points of one picture among those of all. Points are those of crops of the photographs in tests/assets, with bits turned
at chance, so that they share what real ones share. Beside it FAISS: its flat scan, its hash tables, and its inverted
lists on the disk, which may lose neighbours: how many is told. Written: ``OUT.json`` and a drawing of each cost.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before numpy and FAISS: one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from app.fingerprints.algorithms.local_features import unpack_points
from app.fingerprints.algorithms.orb import local_features
from app.fingerprints.search.files import open_index, writing
from app.fingerprints.search.hamming import Words
from app.fingerprints.search.points import SET, block_of, fill, shapes_of, vote
from benchmarks.matching_plot import growth_svg
from benchmarks.search import planted, read, uneven_words, write
from tests.media_samples import PHOTOGRAPHS, upright

HASH_BITS, RADIUS_BITS = 256, 31
POINTS = 500
"""Of a picture."""
TURNED_BITS = 40
"""Of a stored point at chance, and twice of one that is searched with: two of one place differ in so many."""
MIB = 1024 * 1024
MOST_IN_LISTS = 1_000_000
"""Hashes of which FAISS makes inverted lists: of ten million they take a quarter of an hour of one core."""

Costs = dict[str, float]
Rows = np.ndarray[Any, np.dtype[np.uint8]]
"""Hashes, 32 bytes each."""


def seconds(run: Callable[[], object]) -> float:
    """Of this process's own processor time."""
    before = time.process_time()
    run()
    return time.process_time() - before


def milliseconds(run: Callable[[int], object], count: int) -> Costs:
    taken = [1000 * seconds(partial(run, number)) for number in range(count)]
    p50, p99 = np.percentile(taken, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


RESIDENT = """
import sys
from pathlib import Path
from benchmarks.growth import resident_mib, search_once
before = resident_mib()
held = search_once(sys.argv[1], Path(sys.argv[2]))
print(resident_mib() - before)
"""


def resident_mib() -> float:
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def search_once(kind: str, path: Path) -> object:
    """What a process holds while it searches, the file mapped; as long as the answer is kept."""
    if kind == "hashes":
        block = read(path)
        for _ in range(3):
            block.blobs_near(block.index.words[:: max(1, len(block.index.words) // 100)], RADIUS_BITS)
        return block
    points = block_of(open_index(path).arrays)
    for place in range(0, len(points.rows.sets), max(1, len(points.rows.sets) // 10)):
        vote([points], packed_of(points.rows.words[place * POINTS : (place + 1) * POINTS]), 50)
    return points


def memory_mib(kind: str, path: Path) -> float:
    run = [sys.executable, "-c", RESIDENT, kind, str(path)]
    return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def hashes(rows: int, queries: int, directory: Path, with_faiss: bool) -> Costs:
    chance = np.random.default_rng(rows)
    words, path = uneven_words(rows, chance), directory / "hashes"
    built_s = seconds(lambda: write(path, words))
    block, asked = read(path), planted(words, queries, RADIUS_BITS, chance)
    block.blobs_near(asked[:1], RADIUS_BITS)
    costs = milliseconds(lambda n: block.blobs_near(asked[n : n + 1], RADIUS_BITS), queries)
    costs |= {"build_s": built_s, "disk_mib": path.stat().st_size / MIB, "memory_mib": memory_mib("hashes", path)}
    found = [set(block.index.search(one[None], RADIUS_BITS).rows.tolist()) for one in asked]
    path.unlink()
    return costs | (beside_faiss(words, asked, found, directory) if with_faiss else {})


def beside_faiss(words: Words, asked: Words, found: list[set[int]], directory: Path) -> Costs:
    """Its flat scan, and its inverted lists."""
    import faiss  # noqa: PLC0415 - for this benchmark alone

    faiss.omp_set_num_threads(1)
    rows, queries, some = words.view(np.uint8), asked.view(np.uint8), min(50, len(asked))
    flat = faiss.IndexBinaryFlat(HASH_BITS)
    flat.add(rows)
    told = {
        "faiss_flat_ms": milliseconds(lambda n: flat.range_search(queries[n : n + 1], RADIUS_BITS + 1), some)["p50_ms"]
    }
    return told | (in_lists(faiss, rows, queries, found, directory) if len(rows) <= MOST_IN_LISTS else {})


def in_lists(faiss: Any, rows: Rows, queries: Rows, found: list[set[int]], directory: Path) -> Costs:
    """Inverted lists on the disk, with the share of neighbours that they find."""
    some = min(50, len(queries))
    lists = max(16, int(4 * len(rows) ** 0.5))
    quantizer = faiss.IndexBinaryFlat(HASH_BITS)
    inverted = faiss.IndexBinaryIVF(quantizer, HASH_BITS, lists)
    sample = rows[np.random.default_rng(1).choice(len(rows), min(len(rows), 40 * lists), replace=False)]
    inverted.cp.niter = 4
    train_s = seconds(lambda: inverted.train(sample))
    on_disk = faiss.OnDiskInvertedLists(lists, inverted.code_size, str(directory / "faiss.lists"))
    inverted.replace_invlists(on_disk)
    add_s = seconds(lambda: inverted.add(rows))
    told: Costs = {"faiss_ivf_build_s": train_s + add_s}
    for probes in (16, 128):
        inverted.nprobe = probes
        kept = 0
        for number, near in enumerate(found):
            _, answered = inverted.search(queries[number : number + 1], 200)
            kept += len(near & set(answered[0].tolist()))
        cost = milliseconds(lambda n: inverted.search(queries[n : n + 1], 200), some)
        told |= {
            f"faiss_ivf_{probes}_ms": cost["p50_ms"],
            f"faiss_ivf_{probes}_recall": kept / max(1, sum(min(200, len(near)) for near in found)),
        }
    told["faiss_ivf_disk_mib"] = (directory / "faiss.lists").stat().st_size / MIB
    (directory / "faiss.lists").unlink()
    return told


def real_descriptors() -> Words:
    """Of crops of the photographs in tests/assets."""
    chance, found = np.random.default_rng(3), []
    for photograph in PHOTOGRAPHS:
        picture = upright(photograph)
        for _ in range(12):
            wide, high = (int(side * chance.uniform(0.3, 0.9)) for side in picture.size)
            left, top = (
                int(chance.integers(0, side - part)) for side, part in zip(picture.size, (wide, high), strict=True)
            )
            features = local_features(picture.crop((left, top, left + wide, top + high)))
            found.append(np.ascontiguousarray(unpack_points(features.points).descriptors).view(np.uint64))
    return np.concatenate(found)


def turned(words: Words, bits: int, chance: np.random.Generator) -> Words:
    """Each with so many bits turned, at places of its own."""
    changed = words.copy()
    for _ in range(bits):
        places = chance.integers(0, 256, len(words))
        changed[np.arange(len(words)), places // 64] ^= np.uint64(1) << (places % 64).astype(np.uint64)
    return changed


def packed_of(words: Words) -> bytes:
    """As stored, all in one place: only descriptors vote, and turn and scale."""
    packed = np.zeros(len(words), [("geometry", "<u4"), ("descriptor", "u1", (32,))])
    packed["descriptor"] = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 32)
    return packed.tobytes()


def features(photographs: int, queries: int, directory: Path, pool: Words) -> Costs:
    chance, points = np.random.default_rng(photographs), photographs * POINTS
    path = directory / "points"
    before = time.process_time()
    with writing(path, {}, shapes_of(points, photographs)) as arrays:
        made_s = 0.0
        for start in range(0, points, 500_000):
            part = slice(start, min(points, start + 500_000))
            began = time.process_time()
            arrays["words"][part] = turned(pool[chance.integers(0, len(pool), part.stop - start)], TURNED_BITS, chance)
            made_s += time.process_time() - began
        arrays["turns"][:] = 0
        arrays["owners"][:] = np.arange(points, dtype=np.uint32) // np.uint32(POINTS)
        arrays["sets"].reshape(-1).view(SET)["blob"] = np.frombuffer(chance.bytes(32 * photographs), "V32")
        fill(arrays)
    built_s = time.process_time() - before - made_s
    block = block_of(open_index(path).arrays)
    of_query = chance.integers(0, photographs, queries)
    asked = [
        packed_of(turned(block.rows.words[n * POINTS : (n + 1) * POINTS], TURNED_BITS // 2, chance)) for n in of_query
    ]
    costs = milliseconds(lambda n: vote([block], asked[n], 50), queries)
    costs |= {"build_s": built_s, "disk_mib": path.stat().st_size / MIB, "memory_mib": memory_mib("points", path)}
    path.unlink()
    return costs


def draw(out: Path, kind: str, across: str, costs: dict[int, Costs]) -> None:
    def line(name: str) -> list[tuple[float, float]]:
        return [(size, max(cost[name], 1e-3)) for size, cost in costs.items() if name in cost]

    searching = {"a search, p50": line("p50_ms"), "a search, p99": line("p99_ms")}
    peers = {"FAISS flat, p50": "faiss_flat_ms", "FAISS inverted lists, 128 probes, p50": "faiss_ivf_128_ms"}
    searching |= {name: line(key) for name, key in peers.items() if line(key)}
    holding = {"memory, MiB": line("memory_mib"), "disk, MiB": line("disk_mib"), "building, seconds": line("build_s")}
    title = f"Searching among {kind}"
    out.with_name(f"{out.name}-{kind}-search.svg").write_text(
        growth_svg(title, across, "milliseconds of one core", searching), encoding="utf-8"
    )
    out.with_name(f"{out.name}-{kind}-holding.svg").write_text(
        growth_svg(f"Holding {kind}", across, "MiB, seconds", holding), encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", default="10000,100000,1000000,10000000")
    parser.add_argument("--photographs", default="200,1000,5000,20000")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--with-faiss", action="store_true", default=find_spec("faiss") is not None)
    parser.add_argument("--out", type=Path, default=Path("docs/growth"))
    options = parser.parse_args()
    found: dict[str, dict[int, Any]] = {"hashes": {}, "features": {}}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for rows in map(int, filter(None, options.hashes.split(","))):
            found["hashes"][rows] = hashes(rows, options.queries, directory, options.with_faiss)
            print(f"{rows:,} hashes: {told(found['hashes'][rows])}", flush=True)
        pool = real_descriptors()
        for photographs in map(int, filter(None, options.photographs.split(","))):
            found["features"][photographs] = features(photographs, min(20, options.queries), directory, pool)
            print(f"features of {photographs:,} photographs: {told(found['features'][photographs])}", flush=True)
    options.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for kind, across in (("hashes", "hashes"), ("features", "photographs, 500 points each")):
        if found[kind]:
            draw(options.out, kind, across, found[kind])


def told(costs: Costs) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in costs.items())


if __name__ == "__main__":
    main()
