"""One real recording, 2 s of 320 × 240, in the codecs and containers of phones, messengers and cameras; made once."""

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import av
import numpy as np
from PIL import Image, ImageOps

from tests import media_samples
from tests.support.kept import kept

SIZE = (320, 240)
RATE = 24
FRAMES = 48
Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]

_ENCODER_OPTIONS = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

RECORDINGS: dict[str, tuple[str, str, str, str, dict[str, object]]] = {
    # name: media type, FFmpeg muxer, encoder, codec as claimed, further arguments of recording()
    "mp4-h264": ("video/mp4", "mp4", "libx264", "h264", {}),
    "mp4-hevc-hev1": ("video/mp4", "mp4", "libx265", "hevc", {"tag": "hev1"}),
    "mp4-hevc-hvc1": ("video/mp4", "mp4", "libx265", "hevc", {"tag": "hvc1"}),
    "mp4-hevc-10-bit": ("video/mp4", "mp4", "libx265", "hevc", {"pixel_format": "yuv420p10le"}),
    "mp4-av1": ("video/mp4", "mp4", "libsvtav1", "av1", {}),
    "mp4-av1-10-bit": ("video/mp4", "mp4", "libsvtav1", "av1", {"pixel_format": "yuv420p10le"}),
    "mp4-vp9": ("video/mp4", "mp4", "libvpx-vp9", "vp9", {}),
    "mp4-mpeg4": ("video/mp4", "mp4", "mpeg4", "mpeg4", {}),
    "mp4-fragmented": ("video/mp4", "mp4", "libx264", "h264", {"options": FRAGMENTS}),
    "mp4-variable-rate": ("video/mp4", "mp4", "libx264", "h264", {"has_variable_rate": True}),
    "mov-mjpeg": ("video/quicktime", "mov", "mjpeg", "mjpeg", {"pixel_format": "yuvj420p"}),
    "webm-vp8": ("video/webm", "webm", "libvpx", "vp8", {}),
    "webm-av1": ("video/webm", "webm", "libsvtav1", "av1", {}),
    "webm-live": ("video/webm", "webm", "libvpx-vp9", "vp9", {"options": {"live": "1"}}),
    "mkv-hevc": ("video/x-matroska", "matroska", "libx265", "hevc", {}),
    "avi-mjpeg": ("video/x-msvideo", "avi", "mjpeg", "mjpeg", {"pixel_format": "yuvj420p"}),
    "avi-mpeg4": ("video/x-msvideo", "avi", "mpeg4", "mpeg4", {}),
    "ts-h264": ("video/mp2t", "mpegts", "libx264", "h264", {}),
    "ts-hevc": ("video/mp2t", "mpegts", "libx265", "hevc", {}),
    "m2ts-h264": ("video/mp2t", "mpegts", "libx264", "h264", {"options": {"mpegts_m2ts_mode": "1"}}),
    "ts-wrapping": ("video/mp2t", "mpegts", "libx264", "h264", {"first": (2**33 - 90_000) * RATE // 90_000}),
    "3gp-h263": ("video/3gpp", "3gp", "h263", "h263", {"size": (352, 288)}),
    "3gp-h264": ("video/3gpp", "3gp", "libx264", "h264", {}),
    "3g2-h264": ("video/3gpp", "3g2", "libx264", "h264", {}),
}


@cache
def source() -> tuple[Pixels, ...]:
    """The frames that all are made of."""
    found = media_samples.frames(media_samples.VIDEO, 8, 10, SIZE)
    return tuple(frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in found)[:FRAMES]


@kept
def recording(name: str) -> bytes:
    _, container, codec, _, arguments = RECORDINGS[name]
    return encode(container, codec, **arguments)  # type: ignore[arg-type]


def encode(
    container: str,
    codec: str,
    *,
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    tag: str | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    has_variable_rate: bool = False,
    first: int = 0,
) -> bytes:
    """``first`` is the first frame's number; of a variable rate, frames are 1/24 s apart, now more, now less."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as target:
        stream = target.add_stream(codec, rate=RATE, options=dict(_ENCODER_OPTIONS.get(codec, {})))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.codec_context.gop_size = 12
        if tag:
            stream.codec_context.codec_tag = tag
        target.metadata.update(metadata or {})
        base = Fraction(1, RATE * 1000) if has_variable_rate else Fraction(1, RATE)
        if has_variable_rate:
            stream.time_base = stream.codec_context.time_base = base
        for number, pixels in enumerate(source()):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(*size, format=pixel_format)
            frame.pts = number * 1000 + number % 3 * 400 if has_variable_rate else number + first
            frame.time_base = base
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return buffer.getvalue()


def with_matrix(mp4: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """The same recording with a display matrix in its track header (ISO/IEC 14496-12, 8.3.2)."""
    one = 0x10000
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000)
    place = mp4.index(b"tkhd") + 4 + 40
    return mp4[:place] + matrix + mp4[place + len(matrix) :]


def _turned(*operations: Image.Transpose) -> Callable[[Image.Image], Image.Image]:
    def turn(image: Image.Image) -> Image.Image:
        for operation in operations:
            image = image.transpose(operation)
        return image

    return turn


_MIRROR = Image.Transpose.FLIP_LEFT_RIGHT
MATRICES: dict[str, tuple[tuple[int, int, int, int], int, bool, Callable[[Image.Image], Image.Image]]] = {
    # name: matrix, degrees clockwise and mirroring as claimed, what is to be seen
    "0": ((1, 0, 0, 1), 0, False, _turned()),
    "90": ((0, 1, -1, 0), 90, False, _turned(Image.Transpose.ROTATE_270)),
    "180": ((-1, 0, 0, -1), 180, False, _turned(Image.Transpose.ROTATE_180)),
    "270": ((0, -1, 1, 0), 270, False, _turned(Image.Transpose.ROTATE_90)),
    "mirrored": ((-1, 0, 0, 1), 0, True, _turned(_MIRROR)),
    "mirrored-90": ((0, -1, -1, 0), 90, True, _turned(_MIRROR, Image.Transpose.ROTATE_270)),
    "mirrored-180": ((1, 0, 0, -1), 180, True, _turned(Image.Transpose.FLIP_TOP_BOTTOM)),
    "mirrored-270": ((0, 1, 1, 0), 270, True, _turned(Image.Transpose.TRANSPOSE)),
}


def with_edit_list(mp4: bytes, entries: list[tuple[int, int]]) -> bytes:
    """Of a recording with one ``elst`` entry: with these instead (duration in the movie's scale, media time or -1).

    The boxes around grow, and what they point at behind ``moov`` must not: ``moov`` is the last box here.
    """
    place = mp4.index(b"elst") - 4
    size_bytes = int.from_bytes(mp4[place : place + 4], "big")
    body = struct.pack(">II", 0, len(entries)) + b"".join(struct.pack(">iiHH", *entry, 1, 0) for entry in entries)
    grown = bytearray(mp4[:place] + struct.pack(">I4s", 8 + len(body), b"elst") + body + mp4[place + size_bytes :])
    for name in (b"edts", b"trak", b"moov"):
        at = grown.index(name) - 4
        length = int.from_bytes(grown[at : at + 4], "big") + 8 + len(body) - size_bytes
        grown[at : at + 4] = struct.pack(">I", length)
    return bytes(grown)


@kept
def with_cover_and_preview() -> bytes:
    """A QuickTime file whose first track is a small preview, with a cover beside it, as action cameras write them."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mov") as target:
        small = target.add_stream("mjpeg", rate=RATE)
        large = target.add_stream("libx264", rate=RATE, options=dict(_ENCODER_OPTIONS["libx264"]))
        assert isinstance(small, av.VideoStream)
        assert isinstance(large, av.VideoStream)
        (small.width, small.height), (large.width, large.height) = (80, 60), SIZE
        small.pix_fmt, large.pix_fmt = "yuvj420p", "yuv420p"
        for number, pixels in enumerate(source()):
            grey = ImageOps.grayscale(Image.fromarray(pixels)).convert("RGB")
            for stream, shown in ((small, np.asarray(ImageOps.flip(grey))), (large, pixels)):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
                frame = frame.reformat(stream.width, stream.height, format=stream.pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                target.mux(stream.encode(frame))
        for stream in (small, large):
            target.mux(stream.encode(None))
    return buffer.getvalue()
