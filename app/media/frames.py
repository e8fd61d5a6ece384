"""Working pictures: the frames of a recording, or an image's picture and pages, kept small and ready to be shown. Pure.

The rule ``frames/2``: at most 640 pixels a side, as JPEG without metadata. Of each span of time the first frame that
the decoder kept, the first one that stands for a shot, and the first further one of a shot whose local features are
kept: by them two recordings are laid upon each other. Spans are a second at first. They double when frames become
too many, or too many bytes: of two spans that become one, what comes first stays. So the length of a recording need not
be known, memory is bounded, and what is kept depends on the frames alone.

They are one file: a ZIP archive whose members are stored as they are, in order of time, so that any ``unzip`` opens it
and one frame is read without the others: its place stands in the index beside the file.
"""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media.jail.result import Pixels, VideoFrame
from app.media.previews import PARAMETERS, Rendering, within

_RULE = PARAMETERS["frames"]
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_VERSION, _NO_FLAGS, _STORED, _MIDNIGHT, _FIRST_OF_1980 = 10, 0, 0, 0, 0x21


@dataclass(frozen=True, slots=True)
class PackedFrame:
    """Where one frame lies in the pack, and what its bytes must be before anything decodes them."""

    number: int
    time_ms: int
    """Since the recording's first frame; of an image 0, of its further frames and pages as ``sequence/1`` says."""
    offset_bytes: int
    size_bytes: int
    sha256: Sha256Hex


@dataclass(frozen=True, slots=True)
class _Kept:
    time_ms: int
    jpeg: bytes


class WorkingFrames:
    """Takes frames as they come, in order of time; holds their JPEGs, 2,000 and 48 MiB of them at the most."""

    def __init__(self) -> None:
        self._start_over()

    def _start_over(self) -> None:
        self._span_ms: int = _RULE["span_ms"]
        self._firsts: dict[int, _Kept] = {}
        self._shots: dict[int, _Kept] = {}
        self._further: dict[int, _Kept] = {}
        self._bytes = 0

    def take(self, frame: VideoFrame) -> None:
        """Starts over at time 0, as the decoder does after a restart."""
        if frame.time_ms == 0:
            self._start_over()
        self._keep(self._firsts, frame.time_ms, frame.rgb)

    def take_shot(self, time_ms: int, rgb: Pixels) -> None:
        """The frame that stands for a shot; it comes when the shot is over."""
        self._keep(self._shots, time_ms, rgb)

    def take_further(self, time_ms: int, rgb: Pixels) -> None:
        """A further frame of a shot, or an image's picture, of which local features are kept. It is not kept twice."""
        first = self._firsts.get(time_ms // self._span_ms)
        if first is None or first.time_ms != time_ms:
            self._keep(self._further, time_ms, rgb)

    @property
    def jpegs(self) -> dict[int, bytes]:
        """By their times."""
        kept = (*self._further.values(), *self._shots.values(), *self._firsts.values())
        return {each.time_ms: each.jpeg for each in kept}

    @property
    def _count(self) -> int:
        return len(self._firsts) + len(self._shots) + len(self._further)

    def _keep(self, kept: dict[int, _Kept], time_ms: int, rgb: Pixels) -> None:
        if time_ms // self._span_ms in kept:
            return
        jpeg = _jpeg(rgb)
        kept[time_ms // self._span_ms] = _Kept(time_ms, jpeg)
        self._bytes += len(jpeg)
        while self._bytes > _RULE["bytes_at_most"] or self._count > _RULE["frames_at_most"]:
            self._thin()

    def _thin(self) -> None:
        self._span_ms *= 2
        self._firsts = self._first_of_each(self._firsts)
        self._shots = self._first_of_each(self._shots)
        self._further = self._first_of_each(self._further)
        kept = (*self._firsts.values(), *self._shots.values(), *self._further.values())
        self._bytes = sum(len(each.jpeg) for each in kept)

    def _first_of_each(self, kept: dict[int, _Kept]) -> dict[int, _Kept]:
        latest_first = sorted(kept.values(), key=lambda each: -each.time_ms)
        return {each.time_ms // self._span_ms: each for each in latest_first}

    def packed(self) -> list[Rendering]:
        """The pack, as the one rendering of its kind; none without frames."""
        by_time = self.jpegs
        kept = [_Kept(time_ms, by_time[time_ms]) for time_ms in sorted(by_time)]
        return [_packed(kept)] if kept else []


def index_of(details: Mapping[str, Any]) -> list[PackedFrame]:
    """The frames of a pack, from what is kept beside it."""
    return [
        PackedFrame(number, time_ms, offset, size, Sha256Hex(sha256))
        for number, (time_ms, offset, size, sha256) in enumerate(details["index"])
    ]


def nearest(frames: Sequence[PackedFrame], time_ms: int) -> PackedFrame:
    """Of one or more frames the one nearest to a time; of two, the earlier."""
    return min(frames, key=lambda each: (abs(each.time_ms - time_ms), each.time_ms))


def opened(jpeg: bytes) -> Image.Image:
    """The pixels of a frame whose digest was checked, so that it is a JPEG that :func:`_jpeg` wrote."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        return image.convert("RGB")


def _jpeg(rgb: Pixels) -> bytes:
    written = io.BytesIO()
    Image.fromarray(within(rgb, _RULE["side_pixels"])).save(written, "JPEG", quality=_RULE["quality"])
    return written.getvalue()


def _packed(kept: Sequence[_Kept]) -> Rendering:
    """Members are named by number and time: ``0003-0000004500.jpg``. No member has a date (ZIP knows none before 1980),
    so that the same frames make the same file (PKWARE APPNOTE 6.3.10, 4.3)."""
    parts: list[bytes] = []
    directory: list[bytes] = []
    index: list[list[int | str]] = []
    place = 0
    for number, each in enumerate(kept):
        name = f"{number:04}-{each.time_ms:010}.jpg".encode("ascii")
        common = (zlib.crc32(each.jpeg), len(each.jpeg), len(each.jpeg), len(name), 0)
        how = (_VERSION, _NO_FLAGS, _STORED, _MIDNIGHT, _FIRST_OF_1980)
        head = _LOCAL.pack(0x04034B50, *how, *common) + name
        directory.append(_CENTRAL.pack(0x02014B50, _VERSION, *how, *common, 0, 0, 0, 0, place) + name)
        index.append([each.time_ms, place + len(head), len(each.jpeg), sha256_hex(each.jpeg)])
        parts += (head, each.jpeg)
        place += len(head) + len(each.jpeg)
    listed = b"".join(directory)
    end = _END.pack(0x06054B50, 0, 0, len(kept), len(kept), len(listed), place, 0)
    with Image.open(io.BytesIO(kept[0].jpeg)) as first:
        details = {"width": first.width, "height": first.height, "frames": len(kept), "index": index}
    return Rendering("frames", (*parts, listed, end), details)
