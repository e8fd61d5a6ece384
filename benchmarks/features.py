"""The index of local features beside brute force: recall, time, memory, for as many photographs as wanted.

``python -m benchmarks.features [--photographs 20000] [--corpus .corpus]``; ``make bench-features`` runs it with 20,000.

Known photographs (of the corpus, where there is one, else of tests/assets) are stored as they are, and asked for after
25 edits. Among how many others? Some are real crops of further photographs, turned and scaled; the rest are made of the
points of those: each of the points of four of them, an eighth of their bits turned, so that descriptors crowd where
real ones do, and more than real ones would. Brute force is what ``find_geometry`` says of the query and its own
photograph: found where it says 12 inliers. The index finds it where it is among the ``--limit`` that are proposed, too.

Seconds are this thread's own processor time, so that a busy machine changes them little.
"""

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before numpy: one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from PIL import Image, ImageOps

from app.fingerprints.algorithms.local_features import POINT_BYTES, unpack_points
from app.fingerprints.algorithms.orb import local_features
from app.fingerprints.feature_index import open_points
from app.fingerprints.geometry import find_geometry
from app.fingerprints.search.files import writing
from app.fingerprints.search.points import SET, fill, shapes_of, unpacked, vote
from benchmarks.corpus import photograph_edits, sources
from tests.media_samples import PHOTOGRAPHS, encoded, upright

EDITS = (
    *("reencoded", "quality_30", "messenger", "messenger_3", "half_size", "grey", "blurred", "noisy", "logo", "banner"),
    *("caption_above", "letterboxed", "cropped_10", "cropped_25", "cropped_50", "rotated_5", "mirrored", "turned_90"),
    *("screenshot", "stretched", "stickers", "faces_boxed", "filtered", "vertical"),
)
INSET = "picture_in_picture"
FIRM_INLIERS, LIKELY_INLIERS = 12, 8
CROPS_A_PHOTOGRAPH = 8


def photographs(corpus: Path, count: int) -> list[Image.Image]:
    """At most so many: of the corpus, where it is there, else those that the tests bring along."""
    if (corpus / "sources").exists():
        return [sources.photograph_pixels(one) for one in sources.photographs(corpus / "sources")[:count]]
    return [upright(path) for path in PHOTOGRAPHS[:count]]


def points_of(picture: Image.Image) -> bytes:
    """As the worker sees it: a JPEG, decoded to at most 1024 pixels."""
    shown = picture.copy()
    shown.thumbnail((1024, 1024), Image.Resampling.BOX)
    return local_features(shown).points


def crop_of(picture: Image.Image, random: Random) -> Image.Image:
    """A part of it, turned, scaled, perhaps mirrored, lighter or darker: another photograph with real descriptors."""
    share = random.uniform(0.25, 0.7)
    width, height = round(picture.width * share), round(picture.height * share)
    left, top = random.randint(0, picture.width - width), random.randint(0, picture.height - height)
    crop = picture.crop((left, top, left + width, top + height)).rotate(random.uniform(-40, 40), expand=False)
    side = random.randint(500, 1000)
    crop = ImageOps.contain(crop, (side, side))
    crop = ImageOps.mirror(crop) if random.random() < 0.5 else crop
    return crop.point(lambda value: min(255, int(value * (0.6 + 0.02 * side % 0.7))))


def derived(real: list[bytes], count: int, chance: np.random.Generator) -> Iterator[bytes]:
    """Points of four at a time, an eighth of their bits turned."""
    packed = [np.frombuffer(one, np.uint8).reshape(-1, POINT_BYTES) for one in real if len(one) >= 300 * POINT_BYTES]
    for _ in range(count):
        parts = [packed[place] for place in chance.integers(0, len(packed), 4)]
        made = np.concatenate([part[chance.integers(0, len(part), 125)] for part in parts])
        turned = np.bitwise_and.reduce(chance.integers(0, 256, (3, len(made), POINT_BYTES - 4), dtype=np.uint8))
        made[:, 4:] ^= turned
        yield made.tobytes()


def write(path: Path, sets: list[bytes]) -> None:
    counts = [len(packed) // POINT_BYTES for packed in sets]
    with writing(path, {}, shapes_of(sum(counts), len(sets))) as arrays:
        at = 0
        for number, (packed, count) in enumerate(zip(sets, counts, strict=True)):
            arrays["words"][at : at + count], arrays["turns"][at : at + count] = unpacked(packed)
            arrays["owners"][at : at + count] = number
            key = np.array((number.to_bytes(32, "big"), 1, 0), SET)
            arrays["sets"][number] = np.frombuffer(key.tobytes(), np.uint8)
            at += count
        fill(arrays)


class Tally:
    """What came out, by edit."""

    def __init__(self) -> None:
        self.asked, self.brute, self.found = Counter[str](), Counter[str](), Counter[str]()
        self.votes_ms: list[float] = []
        self.all_ms: list[float] = []
        self.wrong, self.doubtful = 0, 0

    def print(self) -> None:
        for edit in self.asked:
            counts = f"{self.found[edit]:3} of {self.brute[edit]:3} that brute force finds"
            print(f"  {edit:20} {counts}, of {self.asked[edit]}")
        asked, brute, found = (sum(one.values()) for one in (self.asked, self.brute, self.found))
        print(f"  recall {100 * found / asked:.1f} %, brute force {100 * brute / asked:.1f} %, of {asked}")
        firm, likely = f"{FIRM_INLIERS} inliers or more", f"{LIKELY_INLIERS} to {FIRM_INLIERS - 1}"
        print(f"  wrong pairs: {self.wrong} with {firm}, {self.doubtful} with {likely}")
        for name, taken in (("votes", self.votes_ms), ("votes and geometry", self.all_ms)):
            print("  a query, {}: p50 {:.0f} ms, p99 {:.0f} ms".format(name, *np.percentile(taken, [50, 99])))


def asked(path: Path, sets: list[bytes], queries: list[tuple[str, int, list[bytes]]], limit: int) -> Tally:
    """Every query: its photograph's number, its points straight and mirrored."""
    tally, block = Tally(), open_points(path).block
    known = 1 + max(number for _, number, _ in queries)
    for edit, number, views in queries:
        began = time.thread_time()
        proposed: dict[int, tuple[int, int]] = {}
        for view, packed in enumerate(views):
            for one in vote([block], packed, limit):
                place = int.from_bytes(bytes(one.which["blob"]), "big")
                proposed[place] = max(proposed.get(place, (0, 0)), (one.votes, view))
        best = sorted(proposed, key=lambda place: -proposed[place][0])[:limit]
        tally.votes_ms.append((time.thread_time() - began) * 1000)
        inliers = {place: inliers_of(views[proposed[place][1]], sets[place]) for place in best}
        tally.all_ms.append((time.thread_time() - began) * 1000)
        shown = {number, (number + 1) % known} if edit == INSET else {number}
        tally.asked[edit] += 1
        tally.brute[edit] += any(inliers_of(view, sets[number]) >= FIRM_INLIERS for view in views)
        tally.found[edit] += inliers.get(number, 0) >= FIRM_INLIERS
        others = [found for place, found in inliers.items() if place not in shown]
        tally.wrong += sum(found >= FIRM_INLIERS for found in others)
        tally.doubtful += sum(LIKELY_INLIERS <= found < FIRM_INLIERS for found in others)
    return tally


def inliers_of(query: bytes, reference: bytes) -> int:
    found = find_geometry(unpack_points(query), unpack_points(reference))
    return 0 if found is None else found.inliers


def queries_of(known: list[Image.Image], random: Random) -> Iterator[tuple[str, int, list[bytes]]]:
    for number, picture in enumerate(known):
        other = known[(number + 1) % len(known)]
        for edit in (*EDITS, INSET):
            if edit == INSET:
                edited = photograph_edits.picture_in_picture(picture, other, random)
            else:
                edited = photograph_edits.EDITS[edit](picture, random)
            edited = through_jpeg(edited)
            yield edit, number, [points_of(edited), points_of(ImageOps.mirror(edited))]


def through_jpeg(picture: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(encoded(picture, quality=85))).convert("RGB")


RESIDENT = """
import sys
from pathlib import Path
from app.fingerprints.feature_index import open_points
from app.fingerprints.search.points import vote
def kib():
    status = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in status if line.endswith("kB")}
before = kib()["VmRSS"]
block = open_points(Path(sys.argv[1])).block
opened = kib()
for query in sorted(Path(sys.argv[2]).iterdir())[:6]:
    vote([block], query.read_bytes(), 64)
after = kib()
print(f"{(after['VmHWM'] - before) / 1024:.0f} MiB at most, of it the mapped file {after['RssFile'] / 1024:.0f} MiB")
"""


def resident(path: Path, queries: list[tuple[str, int, list[bytes]]], directory: Path) -> str:
    """What a fresh process has more while and after it asked a few queries."""
    directory.mkdir()
    for place, (_, _, views) in enumerate(queries[:6]):
        (directory / str(place)).write_bytes(views[0])
    command = [sys.executable, "-c", RESIDENT, str(path), str(directory)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=20_000)
    parser.add_argument("--corpus", type=Path, default=Path(".corpus"))
    parser.add_argument("--known", type=int, default=6, help="so many are asked for, each after 25 edits")
    parser.add_argument("--crops", type=int, default=800, help="real ones, at most")
    parser.add_argument("--limit", type=int, default=64, help="so many are laid upon the query")
    options = parser.parse_args()
    random, chance = Random(1), np.random.default_rng(1)
    pictures = photographs(options.corpus, options.known + -(-options.crops // CROPS_A_PHOTOGRAPH))
    known, others = pictures[: options.known], pictures[options.known :] or pictures
    queries = list(queries_of(known, random))
    real = [points_of(crop_of(other, random)) for other in others for _ in range(CROPS_A_PHOTOGRAPH)][: options.crops]
    sets = [points_of(picture) for picture in known] + real
    sets += derived(real, options.photographs - len(sets), chance)
    points = sum(map(len, sets)) // POINT_BYTES
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "features"
        began = time.process_time()
        write(path, sets)
        print(f"{len(sets):,} pictures, {points:,} points, of {len(real)} real crops and {len(known)} photographs")
        print(
            f"  file: {path.stat().st_size / 1e9:.2f} GB, made in {time.process_time() - began:.0f} s of processor time"
        )
        print(f"  a process that asks: {resident(path, queries, Path(name) / 'asked')}")
        asked(path, sets, queries, options.limit).print()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  this benchmark itself, with all points in memory once more: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
