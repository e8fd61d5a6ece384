"""What the jail costs a file: a small JPEG decoded by the ``Decoder`` (zygote, fork, walls, pipe) and in this process.

``python -m benchmarks.jail [--rounds 200]``

The two take turns, and so do a bare fork and a fork with all walls, so that a busy machine is busy for all. Medians, in
milliseconds. Target: at most 15 ms more a file.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.media.jail import images
from app.media.jail.confine import confine
from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from app.media.jail.wire import Stream
from tests.media_samples import PHOTOGRAPHS, recompressed


def fork_and_leave(work: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def confine_child(parent: int) -> None:
    confine(os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY), parent, 20, DecodeLimits())


def taken(_header: object, payload: memoryview | Stream) -> None:
    """The pixels in this process's memory, where the worker has them after decoding in the jail."""
    if not isinstance(payload, memoryview):
        pixels = bytearray()
        payload.write_to(pixels.extend)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    body = recompressed(PHOTOGRAPHS[0])
    images.prepare()
    parent = os.getpid()
    with tempfile.TemporaryDirectory() as name, Decoder() as decoder:
        path = Path(name, "photograph.jpg")
        path.write_bytes(body)
        fd = os.open(path, os.O_RDONLY)
        ways: dict[str, Callable[[], object]] = {
            "decoded in this process": lambda: images.decode_image(io.BytesIO(body), "JPEG", DecodeLimits(), taken),
            "decoded in the jail": lambda: decoder.decode(fd),
            "bare fork": lambda: fork_and_leave(lambda: None),
            "fork with all walls": lambda: fork_and_leave(lambda: confine_child(parent)),
        }
        times_ms: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, run in ways.items():
                started = time.perf_counter()
                run()
                times_ms[way].append((time.perf_counter() - started) * 1000)
        os.close(fd)
    for way, measured in times_ms.items():
        p95 = statistics.quantiles(measured, n=20)[-1]
        print(f"{way}: median {statistics.median(measured):.1f} ms, p95 {p95:.1f} ms")
    inside, outside = (statistics.median(times_ms[f"decoded in {where}"]) for where in ("the jail", "this process"))
    print(f"the jail's overhead: {inside - outside:.1f} ms a file of {len(body) // 1024} KiB")


if __name__ == "__main__":
    main()
