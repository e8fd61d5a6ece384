"""12-megapixel photographs through the decoder's jail and into every fingerprint, beside each library alone.

``python -m benchmarks.ingest_pictures [--pictures 12] [--files 500]``

All ways take turns on the same files in one run. CPU milliseconds are those of this process and of its confined
children together, on average; a second by them is what one core does. Targets: at least 18 photographs a second a core
for all hashes, jail included, and at least 14 with local features. Then ``--files`` small pictures (10,000 for the
claim) go through one after the other while this process's memory is looked at: its slope should be nothing.
"""

import argparse
import io
import os
import statistics
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # Before numpy: one core.

import cv2
import imagehash
import numpy as np
from PIL import Image

from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.algorithms.catalog import ALGORITHMS
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.algorithms.reducing import reduced_picture, without_fourth
from app.fingerprints.hasher import Hasher
from app.fingerprints.views import boxes_of, hashes_in_views, hashes_of_areas
from app.media.jail.decoder import Decoder
from tests.media_samples import PHOTOGRAPHS, encoded, twelve_megapixels, upright

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
SAMPLES = 20


def cpu_ms(processes: set[int]) -> float:
    """Processor time so far of these processes and of the children that they have waited for."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def zygotes() -> set[int]:
    """This process's own children: the zygote, whose children decode."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return {int(number) for number in text.split()}


def in_jail(decoder: Decoder, path: Path, take: Callable[[Pixels], None]) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        decoder.decode(fd, None, None, take)
    finally:
        os.close(fd)


def all_hashes(rgb: Pixels) -> None:
    """As ``Hasher.take_picture`` does, without the points."""
    picture = reduced_picture(rgb)
    for algorithm in ALGORITHMS:
        hashes_in_views(algorithm, picture)
    hashes_of_areas(rgb, boxes_of(rgb, picture))


def drafted(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.draft("RGB", (768, 576))
    return image.convert("RGB")


def image_hash_alone(body: bytes) -> None:
    """The library's own way: from all pixels."""
    image = Image.open(io.BytesIO(body)).convert("RGB")
    for function in (imagehash.phash, imagehash.dhash, imagehash.whash, imagehash.colorhash):
        function(image)


def pdq_alone(body: bytes) -> None:
    """The reference where it is installed, else ours: eight symmetries, from all pixels."""
    rgb = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    if find_spec("pdqhash"):
        import pdqhash  # noqa: PLC0415 - needs a compiler to install

        pdqhash.compute_dihedral(rgb)
    else:
        hashes_in_views(PDQ, rgb)


def orb_alone(body: bytes) -> None:
    grey = np.asarray(Image.open(io.BytesIO(body)).convert("L"))
    scale = 640 / max(grey.shape)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.ORB.create(nfeatures=500).detectAndCompute(small, None)


def measure(decoder: Decoder, bodies: list[bytes], paths: list[Path]) -> dict[str, float]:
    """Way → CPU milliseconds a picture, over all pictures."""
    watched = {os.getpid(), *zygotes()}
    ways: dict[str, Callable[[int], object]] = {
        "all hashes, in the jail": lambda n: in_jail(decoder, paths[n], all_hashes),
        "all hashes and local features, in the jail": lambda n: in_jail(decoder, paths[n], Hasher().take_picture),
        "decoding in the jail": lambda n: in_jail(decoder, paths[n], lambda _: None),
        "decoding alone, draft": lambda n: drafted(bodies[n]),
        "decoding alone, all pixels": lambda n: Image.open(io.BytesIO(bodies[n])).load(),
        "ImageHash alone, all pixels": lambda n: image_hash_alone(bodies[n]),
        "PDQ alone, 8 symmetries, all pixels": lambda n: pdq_alone(bodies[n]),
        "ORB alone, all pixels": lambda n: orb_alone(bodies[n]),
    }
    for run in ways.values():
        run(0)  # What is made once is made now.
    totals = dict.fromkeys(ways, 0.0)
    for number in range(len(bodies)):
        for way, run in ways.items():
            before = cpu_ms(watched)
            run(number)
            totals[way] += cpu_ms(watched) - before
    return {way: total / len(bodies) for way, total in totals.items()}


def memory_slope(decoder: Decoder, directory: Path, files: int) -> tuple[float, float]:
    """Resident KiB at the end, and KiB a file by a straight line through the second half of the samples."""
    path = directory / "small.jpg"
    seen: list[tuple[int, int]] = []
    picture = upright(PHOTOGRAPHS[1]).resize((320, 240))
    for number in range(files):
        picture.putpixel((number % 320, number // 320 % 240), (number % 256, 0, 0))
        path.write_bytes(encoded(picture, quality=80))
        in_jail(decoder, path, Hasher().take_picture)
        if number % max(1, files // SAMPLES) == 0:
            resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_KIB
            seen.append((number, resident))
    later = seen[len(seen) // 2 :]
    slope = statistics.linear_regression(*zip(*later, strict=True)).slope
    return float(seen[-1][1]), float(slope)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--files", type=int, default=500)
    options = parser.parse_args()
    count = options.pictures
    bodies = [twelve_megapixels(PHOTOGRAPHS[number % len(PHOTOGRAPHS)], seed=number) for number in range(count)]
    with tempfile.TemporaryDirectory() as name, Decoder(without_fourth=without_fourth) as decoder:
        directory = Path(name)
        paths = [directory / f"{number}.jpg" for number in range(count)]
        for path, body in zip(paths, bodies, strict=True):
            path.write_bytes(body)
        taken = measure(decoder, bodies, paths)
        resident_kib, slope_kib = memory_slope(decoder, directory, options.files)
    ours = taken["all hashes, in the jail"]
    size_mib = sum(map(len, bodies)) / count / 2**20
    print(f"{count} JPEGs of 12 megapixels, {size_mib:.1f} MiB on average; OpenCV {cv2.__version__}")
    for way, spent_ms in taken.items():
        print(f"{way}: {spent_ms:.1f} ms, {1000 / spent_ms:.1f}/s a core, {spent_ms / ours:.2f} × ours")
    print(
        f"memory over {options.files} small files: {resident_kib / 1024:.0f} MiB, {slope_kib * 1024:+.0f} bytes a file"
    )


if __name__ == "__main__":
    main()
