"""480p video through the decoder's jail and the hashes of its frames, beside decoding alone and one frame a second.

``python -m benchmarks.ingest_videos [--minutes 1] [--long 10]``

The recording is made of real footage (tests/assets): H.264, 848 × 480, 30 frames a second, and played over and over
where it is to be longer. All ways take turns in one run. CPU seconds are those of the worker and its confined child
together; × real time is the length by CPU seconds: what one core does. Memory is the highest resident size, of the
worker (this process) and of the child, for ``--minutes`` against ``--long`` minutes. Targets: at least 15 × real time a
core at ten samples a second, jail included; and memory that does not grow with the length.
"""

import argparse
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # Before numpy: one core, as the worker runs.

import av
import numpy as np

from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.hasher import Hasher
from app.media.jail.decoder import Decoder
from tests.media_samples import PHONE_VIDEO, VIDEO

WIDTH, HEIGHT, RATE = 848, 480, 30
FOOTAGE_S = 35


def make_footage(path: Path) -> None:
    """A phone's recording and a trailer, one after the other, at 480p, each frame another."""
    with av.open(str(path), "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        number = 0
        for source_path in (PHONE_VIDEO, VIDEO):
            with av.open(str(source_path)) as source:
                for frame in source.decode(video=0):
                    picture = frame.reformat(WIDTH, HEIGHT, format="yuv420p")
                    picture.pts, picture.time_base = number, Fraction(1, RATE)
                    target.mux(stream.encode(picture))
                    number += 1
        target.mux(stream.encode(None))


def make_longer(footage: Path, path: Path, seconds: float) -> float:
    """The footage over and over, without encoding it anew; the length in seconds."""
    with av.open(str(path), "w", format="matroska") as target:
        with av.open(str(footage)) as source:
            stream = target.add_stream_from_template(source.streams.video[0])
        begin_s = 0.0
        while begin_s < seconds:
            with av.open(str(footage)) as source:
                original = source.streams.video[0]
                time_base = original.time_base or Fraction(1, 1000)
                offset = round(Fraction(begin_s).limit_denominator(100_000) / time_base)
                for packet in source.demux(original):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        packet.stream = stream
                        target.mux(packet)
                begin_s += float((original.duration or 0) * time_base)
    return begin_s


def decode_alone(path: Path) -> None:
    """PyAV, one thread, every frame, and nothing done with it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def hash_each_second(path: Path) -> None:
    """What others do: decode in one's own process, PDQ of one frame a second."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        next_s = 0.0
        for frame in container.decode(stream):
            if frame.time >= next_s:
                next_s = frame.time + 1
                PDQ.compute(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))


class Ours:
    """The jail, and what the worker takes from the frames."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.hasher = Hasher()
        self.child_peak_kib = 0

    def __call__(self, path: Path) -> None:
        self.hasher = Hasher()
        fd = os.open(path, os.O_RDONLY)
        try:
            result = self._decoder.decode(fd, self.hasher.take_frame, lambda _decoded_ms, _claimed_ms: self._look())
        finally:
            os.close(fd)
        self.hasher.end_video(result.end_ms)

    def _look(self) -> None:
        """The child's highest resident size until now: it tells how far it has come every second, and at its end."""
        for child in _descendants(os.getpid()):
            try:
                status = Path(f"/proc/{child}/status").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                continue
            peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
            self.child_peak_kib = max(self.child_peak_kib, peak)


def _descendants(pid: int) -> list[int]:
    children = [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return [*children, *(found for child in children for found in _descendants(child))]


def cpu_s(children: list[int]) -> float:
    """Of this process, and of the zygote with all the children that it has waited for."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = used.ru_utime + used.ru_stime
    for child in children:
        fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(work: Callable[[Path], None], path: Path, zygotes: list[int]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = cpu_s(zygotes), time.perf_counter()
    work(path)
    return cpu_s(zygotes) - cpu, time.perf_counter() - wall


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class Watch:
    """The worker's highest resident size within a block, looked at ten times a second."""

    def __enter__(self) -> "Watch":
        self.peak_kib, self._is_over = resident_kib(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.1):
            self.peak_kib = max(self.peak_kib, resident_kib())


def report_speed(ours: Ours, path: Path, length_s: float, rounds: int) -> None:
    zygotes = _descendants(os.getpid())
    ways: dict[str, Callable[[Path], None]] = {
        "decoding alone (PyAV)": decode_alone,
        "PDQ of one frame a second, no jail": hash_each_second,
        "ours: jail, ten samples a second, shots": ours,
    }
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, work in ways.items():
            best[name] = min(best.get(name, (1e9, 1e9)), measure(work, path, zygotes))
    alone_s = best["decoding alone (PyAV)"][0]
    for name, (cpu, wall) in best.items():
        print(
            f"{name}: {cpu:.2f} s CPU, {wall:.2f} s wall, {length_s / cpu:.1f} × real time a core, "
            f"{cpu / alone_s:.2f} × decoding alone"
        )
    print(f"kept frames: {len(ours.hasher.prints) / length_s:.1f} a second; shots: {len(ours.hasher.shots)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--long", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Decoder() as decoder:
        footage = Path(name, "footage.mp4")
        make_footage(footage)
        short, long = Path(name, "short.mkv"), Path(name, "long.mkv")
        short_s = make_longer(footage, short, options.minutes * 60)
        ours = Ours(decoder)
        print(f"{short_s:.0f} s of {WIDTH} × {HEIGHT} H.264 at {RATE} frames a second")
        report_speed(ours, short, short_s, options.rounds)
        if options.long > 0:
            long_s = make_longer(footage, long, options.long * 60)
            for path, length_s in ((short, short_s), (long, long_s)):
                ours.child_peak_kib = 0
                with Watch() as watch:
                    ours(path)
                print(
                    f"{length_s / 60:.1f} minutes: worker {watch.peak_kib / 1024:.0f} MiB at most, child "
                    f"{ours.child_peak_kib / 1024:.0f} MiB, {len(ours.hasher.prints)} frames kept"
                )


if __name__ == "__main__":
    main()
