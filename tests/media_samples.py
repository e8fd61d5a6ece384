"""Variants of the real media in ``tests/assets``, made by libraries: copies, formats, excerpts, and hostile files."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pillow_heif
from PIL import ExifTags, Image, ImageOps

from tests.support.kept import kept

ASSETS = Path(__file__).parent / "assets"
PHOTOGRAPHS = tuple(sorted(ASSETS.glob("*.jpg")))
VIDEO = ASSETS / "bunny.mp4"
PHONE_VIDEO = ASSETS / "phone-dog.mp4"

pillow_heif.register_heif_opener()


@cache
def upright(path: Path) -> Image.Image:
    """A photograph's pixels in RGB, turned by its EXIF orientation. Shared: draw into a copy, shrink a copy."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def encoded(image: Image.Image, format_name: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def recompressed(path: Path, quality: int = 40) -> bytes:
    return encoded(upright(path), quality=quality)


def resized(path: Path, factor: float = 0.5) -> bytes:
    image = upright(path)
    return encoded(image.resize((round(image.width * factor), round(image.height * factor))), quality=85)


def cropped(path: Path, area: float = 0.10) -> bytes:
    """Without ``area`` of the picture's area, taken off evenly on all sides."""
    image = upright(path)
    keep = (1 - area) ** 0.5
    left, top = round(image.width * (1 - keep) / 2), round(image.height * (1 - keep) / 2)
    return encoded(image.crop((left, top, image.width - left, image.height - top)), quality=90)


def mirrored(path: Path) -> bytes:
    return encoded(ImageOps.mirror(upright(path)), quality=90)


@kept
def twelve_megapixels(path: Path, seed: int = 0) -> bytes:
    """A 4000 × 3000 JPEG from a photograph, with a little noise, so that it costs what a phone's picture costs."""
    large = ImageOps.fit(upright(path), (4000, 3000), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed).normal(0, 4, (3000, 4000, 1))
    pixels = np.clip(np.asarray(large, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    return encoded(Image.fromarray(pixels), quality=88)


def with_exif(
    path: Path, *, latitude: tuple[int, int, int] = (48, 51, 30), orientation: int = 1, model: str = "Test 1"
) -> bytes:
    """A JPEG with make, model, times and a place at the given northern latitude, 2° 17' 40" east."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Exhibit"
    exif[ExifTags.Base.Model] = model
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.BodySerialNumber] = "SN-12345"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "N", latitude
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "E", (2, 17, 40)
    return encoded(upright(path), quality=90, exif=exif)


def _two_frames(path: Path, format_name: str) -> bytes:
    image = upright(path).resize((320, 240))
    return encoded(image, format_name, save_all=True, append_images=[ImageOps.mirror(image)], duration=500)


IMAGE_FORMATS: dict[str, Callable[[Path], bytes]] = {
    "image/jpeg": lambda path: recompressed(path, 85),
    "image/png": lambda path: encoded(upright(path).resize((640, 480)), "PNG"),
    "image/webp": lambda path: _two_frames(path, "WEBP"),
    "image/gif": lambda path: _two_frames(path, "GIF"),
    "image/tiff": lambda path: encoded(upright(path).resize((640, 480)), "TIFF", compression="tiff_lzw"),
    "image/heic": lambda path: encoded(upright(path).resize((640, 480)), "HEIF", quality=80),
    "image/avif": lambda path: encoded(upright(path).resize((640, 480)), "AVIF", quality=70),
    "image/bmp": lambda path: encoded(upright(path).resize((640, 480)), "BMP"),
}
"""Media type → a photograph in that format."""


def frames(path: Path, start_s: float, end_s: float, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as source:
        for frame in source.decode(video=0):
            if frame.time >= end_s:
                return
            if frame.time >= start_s:
                yield frame.reformat(*size, format="yuv420p")


def first_frame(start_s: float, end_s: float) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The pixels of an excerpt's first frame."""
    frame = next(frames(VIDEO, start_s, end_s, (480, 270)))
    return frame.to_ndarray(format="rgb24").astype(np.uint8)


@kept
def excerpt(
    start_s: float = 0.0,
    end_s: float = 4.0,
    *,
    path: Path = VIDEO,
    container: str = "mp4",
    codec: str = "libx264",
    size: tuple[int, int] = (480, 270),
) -> bytes:
    """Seconds ``start_s`` to ``end_s`` of a video, encoded anew."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as target:
        stream = target.add_stream(codec, rate=24, options=_ENCODER_OPTIONS.get(codec, {}))
        assert isinstance(stream, av.VideoStream)
        stream.codec_context.thread_count = 1  # With several, the bytes depend on what else runs.
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, frame in enumerate(frames(path, start_s, end_s, size)):
            picture = frame.reformat(format=stream.pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, 24)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return buffer.getvalue()


@kept
def compilation(pieces: tuple[tuple[Path, float, float], ...], size: tuple[int, int] = (320, 180)) -> bytes:
    """Pieces of recordings (path, from and to in seconds) one after the other, at their own speed, in one MP4."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=24, options=_ENCODER_OPTIONS["libx264"])
        assert isinstance(stream, av.VideoStream)
        stream.codec_context.thread_count = 1  # With several, the bytes depend on what else runs.
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        begin_ms = 0
        for path, start_s, end_s in pieces:
            for frame in frames(path, start_s, end_s, size):
                frame.pts, frame.time_base = begin_ms + round((frame.time - start_s) * 1000), Fraction(1, 1000)
                target.mux(stream.encode(frame))
            begin_ms += round((end_s - start_s) * 1000)
        target.mux(stream.encode(None))
    return buffer.getvalue()


_ENCODER_OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "26"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "600k"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "600k"},
    "mpeg4": {"q": "5"},
    "mjpeg": {"q": "4"},
}

VIDEO_FORMATS: dict[str, tuple[str, str, str]] = {
    "mp4-h264": ("video/mp4", "mp4", "libx264"),
    "mov-hevc": ("video/quicktime", "mov", "libx265"),
    "3gp-mpeg4": ("video/3gpp", "3gp", "mpeg4"),
    "webm-vp9": ("video/webm", "webm", "libvpx-vp9"),
    "webm-vp8": ("video/webm", "webm", "libvpx"),
    "mkv-h264": ("video/x-matroska", "matroska", "libx264"),
    "avi-mjpeg": ("video/x-msvideo", "avi", "mjpeg"),
    "ts-h264": ("video/mp2t", "mpegts", "libx264"),
}
"""Name → media type, FFmpeg muxer and encoder."""


def repeated(path: Path, times: int) -> bytes:
    """A recording played over and over, in Matroska, without encoding it anew."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as target:
        with av.open(str(path)) as source:
            stream = target.add_stream_from_template(source.streams.video[0])
        for number in range(times):
            with av.open(str(path)) as source:
                original = source.streams.video[0]
                length = original.duration or 0
                for packet in source.demux(original):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += number * length
                    packet.dts += number * length
                    packet.stream = stream
                    target.mux(packet)
    return buffer.getvalue()


def with_rotation(mp4: bytes, clockwise_degrees: int) -> bytes:
    """The same recording with a rotation flag, as a phone held upright writes it (ISO/IEC 14496-12, tkhd matrix)."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise_degrees]
    one = 0x10000
    matrix = struct.pack(">9i", cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 0x40000000)
    place = mp4.index(b"tkhd") + 4 + 40
    return mp4[:place] + matrix + mp4[place + len(matrix) :]


# Hostile and broken files.


def truncated_jpeg(path: Path = PHOTOGRAPHS[0], fraction: float = 0.5) -> bytes:
    """A JPEG that is cut off; at 0 it ends within its tables, before its first pixel."""
    whole = path.read_bytes()
    return whole[: max(100, int(len(whole) * fraction))]


def text_named_jpg() -> bytes:
    return b"This is not a photograph.\n" * 40


def hls_playlist(url: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\n{url}\n#EXT-X-ENDLIST\n".encode()


def concat_script(url: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{url}'\n".encode()


def sdp_session(port: int) -> bytes:
    return (
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n"
    ).encode()


def mov_with_data_reference(target: str) -> bytes:
    """A real recording whose index says that its bytes lie in another file (a data reference of kind ``url ``)."""
    whole = PHONE_VIDEO.read_bytes()
    own = b"\0\0\0\x0curl \0\0\0\x01"  # Flag 1: the bytes are in this file.
    if own not in whole:
        raise AssertionError("the sample has no data reference of its own")
    name = target.encode("ascii")
    foreign = struct.pack(">I", 12 + len(name) + 1) + b"url \0\0\0\0" + name + b"\0"
    # The boxes around grow; their lengths stay as they were, so the demuxer reads the longer reference first.
    return whole.replace(own, foreign)


@kept
def png_bomb(side_pixels: int) -> bytes:
    """A PNG of a few kilobytes per 10 megapixels: a black square that is all zeros when unpacked."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + side_pixels * 3)
    packed = b"".join(packer.compress(row) for _ in range(side_pixels)) + packer.flush()
    header = struct.pack(">IIBBBBB", side_pixels, side_pixels, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def webp_of_gigabytes() -> bytes:
    """34 bytes that claim a canvas of 16,384 × 16,384 pixels."""
    canvas = (16383).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + canvas + b"ALPH"
    return b"RIFF" + struct.pack("<I", len(body)) + body
