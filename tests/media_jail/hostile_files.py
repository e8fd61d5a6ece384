"""Files made to hurt whoever decodes them. Small to make and to keep; what they claim is large.

Each is a function's value, under a name that says what is wrong with it; :data:`HOSTILE` tells which ends are right.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import av
from PIL import Image

from app.media.jail.result import DecodeOutcome
from tests import media_samples
from tests.support.kept import kept

DECODED, UNDECODABLE = DecodeOutcome.DECODED, DecodeOutcome.UNDECODABLE
PIXELS, MEMORY, TIME = DecodeOutcome.LIMIT_PIXELS, DecodeOutcome.LIMIT_MEMORY, DecodeOutcome.LIMIT_TIME
REFUSED = frozenset({UNDECODABLE, PIXELS, MEMORY, TIME})
ANY = REFUSED | {DECODED}


# The benign files that are made hostile: as small as they can be.


@kept
def small(format_name: str) -> bytes:
    picture = media_samples.upright(media_samples.PHOTOGRAPHS[0]).resize((96, 64))
    options: dict[str, object] = {}
    if format_name == "progressive":
        return media_samples.encoded(picture, "JPEG", progressive=True, quality=80)
    if format_name in ("WEBP", "GIF"):
        options = {"save_all": True, "append_images": [picture.rotate(180)], "duration": 100}
    if format_name == "TIFF":
        options = {"compression": "tiff_adobe_deflate", "save_all": True, "append_images": [picture.rotate(180)]}
    return media_samples.encoded(picture, format_name, **options)


@kept
def clip(name: str) -> bytes:
    container, codec = CLIPS[name]
    return media_samples.excerpt(8, 8.5, container=container, codec=codec, size=(96, 64))


CLIPS = {
    "mp4": ("mp4", "libx264"),
    "mov": ("mov", "libx265"),
    "3gp": ("3gp", "mpeg4"),
    "webm": ("webm", "libvpx"),
    "mkv": ("matroska", "libx264"),
    "avi": ("avi", "mjpeg"),
    "ts": ("mpegts", "libx264"),
}
IMAGES = ("JPEG", "progressive", "PNG", "WEBP", "GIF", "TIFF", "HEIF", "AVIF", "BMP")


def benign() -> dict[str, bytes]:
    """One small file of every format."""
    return {name: small(name) for name in IMAGES} | {name: clip(name) for name in CLIPS}


def truncations(seed: int, each: int) -> Iterator[tuple[str, bytes]]:
    """Every format, cut off at ``each`` places."""
    chance = random.Random(seed)
    for name, body in benign().items():
        for _ in range(each):
            cut = chance.randrange(len(body))
            yield f"{name} cut at {cut} (seed {seed})", body[:cut]


def flips(seed: int, each: int) -> Iterator[tuple[str, bytes]]:
    """Every format, ``each`` times with a few bits or numbers changed, most of them in its head."""
    chance = random.Random(seed)
    for name, body in benign().items():
        for number in range(each):
            yield f"{name} flipped {number} (seed {seed})", mutated(body, chance)


def mutated(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        at = chance.randrange(min(len(body), chance.choice((64, 600, len(body)))))
        match chance.randrange(5):
            case 0 | 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 3:
                changed[at : at + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1")
                )
            case _:
                length = chance.randrange(1, 64)
                changed[at : at + length] = changed[at : at + length] * 2
    return bytes(changed)


# Pictures.


def jpeg_of_gigapixels() -> bytes:
    body = bytearray(small("JPEG"))
    at = body.index(b"\xff\xc0")
    body[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(body)


def jpeg_of_scans(count: int, side: int) -> bytes:
    """A progressive JPEG whose last scan comes ``count`` times more: each is decoded over the whole picture."""
    whole = media_samples.encoded(Image.new("L", (side, side), 90), "JPEG", progressive=True, quality=60)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * count + b"\xff\xd9"


def jpeg_with_segments(marker: int, body: bytes, count: int = 1) -> bytes:
    whole = small("JPEG")
    return whole[:2] + (bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body) * count + whole[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def png_of_texts(count: int) -> bytes:
    whole = small("PNG")
    return whole[:33] + chunk(b"tEXt", b"k\0v") * count + whole[33:]


def png_with_an_overlong_stream() -> bytes:
    return png(1, 1, chunk(b"IDAT", zlib.compress(bytes(50_000_000), 9)))


def webp(kind: bytes, body: bytes) -> bytes:
    inner = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def webp_lossless_of_gigapixels() -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", 0x3FFF | 0x3FFF << 14) + bytes(30))


def gif(width: int, height: int, *frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"".join(frames) + b";"


def gif_frame(width: int, height: int, packed: bytes = b"\x02\x4c\x01\x00") -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + packed


def tiff(*fields: tuple[int, int, int, int], following: int = 0, data: bytes = b"") -> bytes:
    """One directory at 8; ``fields`` are number, type, count, value; ``data`` begins behind it."""
    known = b"".join(struct.pack("<HHII", *field) for field in sorted(fields))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + known + struct.pack("<I", following) + data


def tiff_picture(
    width: int, height: int, *more: tuple[int, int, int, int], following: int = 0, data: bytes = b""
) -> bytes:
    given = {field[0]: field for field in more}
    plain = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
             (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 64)]  # fmt: skip
    fields = {field[0]: field for field in plain} | given
    return tiff(*fields.values(), following=following, data=data)


def tiff_of_directories(count: int) -> bytes:
    """Each directory leads to the next."""
    body = bytearray(b"II*\0\x08\0\0\0")
    fields = [
        (256, 4, 1, 1),
        (257, 4, 1, 1),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 4),
        (279, 4, 1, 1),
    ]
    packed = b"".join(struct.pack("<HHII", *field) for field in fields)
    for number in range(count):
        following = 8 + (number + 1) * (6 + len(packed)) if number + 1 < count else 0
        body += struct.pack("<H", len(fields)) + packed + struct.pack("<I", following)
    return bytes(body)


def tiff_deflate_bomb() -> bytes:
    packed = zlib.compress(bytes(60_000_000), 9)
    start = 8 + 2 + 9 * 12 + 4
    fields = [(259, 3, 1, 8), (273, 4, 1, start), (279, 4, 1, len(packed))]
    return tiff_picture(64, 64, *fields, data=packed)


def bmp(width: int, height: int, compression: int = 0, data: bytes = b"") -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(data), 0, 0, 54 + 1024) + header + bytes(1024) + data


def patched(body: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """With ``value`` at ``offset`` behind every ``mark``."""
    changed, at = bytearray(body), body.find(mark)
    if at < 0:
        raise AssertionError(f"the sample has no {mark!r}")
    while at >= 0:
        place = at + len(mark) + offset
        changed[place : place + len(value)] = value
        at = body.find(mark, at + 1)
    return bytes(changed)


def exif_in_circles() -> bytes:
    """EXIF and GPS directories that are the first one again, and a second picture's that is the first's."""
    circle = b"II*\0\x08\0\0\0" + struct.pack("<H", 2)
    circle += struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x8825, 4, 1, 8) + struct.pack("<I", 8)
    return jpeg_with_segments(0xE1, b"Exif\0\0" + circle)


# Several things at once.

SCRIPT = b"<html><script>fetch('http://127.0.0.1/')</script></html>"


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("META-INF/MANIFEST.MF", "Main-Class: Evil\n")
        packed.writestr("../../etc/passwd", "root::0:0")
    return buffer.getvalue()


# Recordings.


def box(kind: bytes, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return struct.pack(">I", 8 + len(body)) + kind + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isommp42")


def with_box(body: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An MP4 with the first box of this kind changed, and the lengths of all boxes round it set right.

    The index must lie behind the media, so that no offset moves.
    """

    def walk(data: bytes) -> tuple[bytes, bool]:
        out, at, done = b"", 0, False
        while at + 8 <= len(data):
            size, name = struct.unpack(">I4s", data[at : at + 8])
            inner = data[at + 8 : at + size]
            if not done and name == kind:
                inner, done = change(inner), True
            elif not done and name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta"):
                inner, done = walk(inner)
            out += box(name, inner)
            at += size
        return out, done

    changed, done = walk(body)
    if not done:
        raise AssertionError(f"the sample has no {kind!r}")
    return changed


def with_edit_list(entries: int) -> bytes:
    edits = struct.pack(">IiI", 1, 0, 0x10000) * entries
    return with_box(clip("mp4"), b"elst", lambda _: struct.pack(">II", 0, entries) + edits)


def nested_boxes(depth: int) -> bytes:
    body = b""
    for level in range(depth):
        body = struct.pack(">I", 8 + len(body)) + (b"moov", b"trak", b"udta")[level % 3] + body
    return FTYP + body


def with_media_header(timescale: int, duration: int) -> bytes:
    header = struct.pack(">IQQIQHH", 0x01000000, 0, 0, timescale, duration, 0x55C4, 0)
    return with_box(clip("mp4"), b"mdhd", lambda _: header)


@kept
def fragmented() -> bytes:
    """As a phone streams it: the index names no sample, each fragment does."""
    buffer = io.BytesIO()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(io.BytesIO(clip("mp4")), "r") as read, av.open(buffer, "w", format="mp4", options=flags) as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return buffer.getvalue()


def fragmented_for_ever() -> bytes:
    at = fragmented().index(b"mdhd") + 16
    timescale = int.from_bytes(fragmented()[at : at + 4], "big")
    header = struct.pack(">IQQIQHH", 0x01000000, 0, 0, timescale, 2**62, 0x55C4, 0)
    return with_box(fragmented(), b"mdhd", lambda _: header)


def own_timescale() -> int:
    at = clip("mp4").index(b"mdhd") + 16
    return int.from_bytes(clip("mp4")[at : at + 4], "big")


def with_tags(**tags: str) -> bytes:
    buffer = io.BytesIO()
    source = clip("mp4")
    with av.open(io.BytesIO(source), "r") as read, av.open(buffer, "w", format="matroska") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        written.metadata.update(tags)
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
    return buffer.getvalue()


def ebml(number: bytes, body: bytes, size: bytes | None = None) -> bytes:
    return number + (b"\x01" + len(body).to_bytes(7, "big") if size is None else size) + body


EBML_HEAD = ebml(b"\x1a\x45\xdf\xa3", ebml(b"\x42\x82", b"matroska"))
SEGMENT, TRACKS, TRACK, CLUSTER = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\x1f\x43\xb6\x75"


def matroska_of_tracks(count: int) -> bytes:
    track = ebml(TRACK, b"\xd7\x81\x01" + b"\x83\x81\x01" + ebml(b"\x86", b"V_VP8"))
    return EBML_HEAD + ebml(SEGMENT, ebml(TRACKS, track * count) + ebml(CLUSTER, b"\xe7\x81\0"))


def matroska_nested(depth: int) -> bytes:
    """Tags in tags in tags."""
    body = b""
    for _ in range(depth):
        body = ebml(b"\x67\xc8", body)
    return EBML_HEAD + ebml(SEGMENT, ebml(b"\x12\x54\xc3\x67", ebml(b"\x73\x73", body)) + ebml(CLUSTER, b"\xe7\x81\0"))


def avi_patched(mark: bytes, offset: int, value: int) -> bytes:
    return patched(clip("avi"), mark, offset, struct.pack("<I", value))


def stream_of_changing_sizes() -> bytes:
    """A transport stream whose picture has another size every half second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as written:
        stream = written.add_stream("h264", rate=24, options=None)
        for number, size in enumerate(((96, 64), (160, 90), (64, 96), (320, 180))):
            source = media_samples.excerpt(8, 8.5, container="mpegts", size=size)
            with av.open(io.BytesIO(source), "r") as read:
                for packet in read.demux(video=0):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts += number * 45_000
                        packet.dts += number * 45_000
                        packet.stream = stream
                        written.mux(packet)
    return buffer.getvalue()


def transport_of_programmes() -> bytes:
    """Packets of every stream number, each of which begins a table of programmes."""
    packets = (
        b"\x47" + struct.pack(">H", 0x4000 | number) + b"\x10\0\x02\xb0\x1d\0\1\xc1\0\0" + bytes((number & 0xFF,)) * 175
        for number in range(8191)
    )
    return b"".join(packets)


@dataclass(frozen=True)
class Hostile:
    make: Callable[[], bytes]
    allowed: frozenset[DecodeOutcome]
    """The ends that are right; a single one where there is no doubt."""


def _one(make: Callable[[], bytes], *allowed: DecodeOutcome) -> Hostile:
    return Hostile(make, frozenset(allowed))


LARGEST = 2**31 - 1
HOSTILE: Mapping[str, Hostile] = {
    "jpeg of gigapixels": _one(jpeg_of_gigapixels, PIXELS),
    "jpeg of 2,000 scans": _one(lambda: jpeg_of_scans(2_000, 200), DECODED, UNDECODABLE),
    "jpeg of 2,000 large scans": _one(lambda: jpeg_of_scans(2_000, 4_000), TIME),
    "jpeg with ten megabytes of comments": _one(lambda: jpeg_with_segments(0xFE, b"\0\xff<" * 21_000, 160), DECODED),
    "jpeg with a colour profile of noise": _one(
        lambda: jpeg_with_segments(0xE2, b"ICC_PROFILE\0\1\1" + random.Random(1).randbytes(9_000)), DECODED
    ),
    "jpeg with 60,000 parts of a profile": _one(
        lambda: jpeg_with_segments(0xE2, b"ICC_PROFILE\0\xff\xff", 60_000), DECODED, UNDECODABLE
    ),
    "jpeg with 9,000 exifs": _one(lambda: jpeg_with_segments(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0", 9_000), DECODED),
    "jpeg whose exif goes in circles": _one(exif_in_circles, DECODED),
    "jpeg of several pictures without one": _one(
        lambda: jpeg_with_segments(0xE2, b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 40), DECODED, UNDECODABLE
    ),
    "png of gigapixels": _one(lambda: png(LARGEST, LARGEST), PIXELS),
    "png without height": _one(lambda: png(100, 0), UNDECODABLE),
    "png with an overlong stream": _one(png_with_an_overlong_stream, DECODED, UNDECODABLE),
    "png of 80,000 texts": _one(lambda: png_of_texts(80_000), DECODED),
    "png of 30,000 frames": _one(
        lambda: png(64, 64, chunk(b"acTL", struct.pack(">II", LARGEST, 0)), *[chunk(b"fcTL", bytes(26))] * 30_000),
        UNDECODABLE,
    ),
    "webp of 34 bytes": _one(media_samples.webp_of_gigabytes, PIXELS),
    "webp without loss of gigapixels": _one(webp_lossless_of_gigapixels, PIXELS),
    "webp whose length lies": _one(lambda: patched(small("WEBP"), b"RIFF", 0, b"\xff" * 4), UNDECODABLE, DECODED),
    "gif of gigapixels": _one(lambda: gif(65535, 65535, gif_frame(65535, 65535)), PIXELS),
    "gif of 50,000 frames": _one(lambda: gif(1, 1, *[gif_frame(1, 1)] * 50_000), DECODED, TIME),
    "gif whose frames are beyond its screen": _one(lambda: gif(1, 1, gif_frame(60000, 60000)), *REFUSED),
    "tiff of gigapixels": _one(lambda: tiff_picture(LARGEST, LARGEST), PIXELS, UNDECODABLE),
    "tiff with strips without end": _one(lambda: tiff_picture(64, 64, (273, 4, 2**32 - 1, 8)), UNDECODABLE),
    "tiff with gigantic tiles": _one(
        lambda: tiff_picture(64, 64, (322, 4, 1, LARGEST), (323, 4, 1, LARGEST), (324, 4, 1, 8), (325, 4, 1, LARGEST)),
        *REFUSED,
        DECODED,
    ),
    "tiff whose samples are without number": _one(lambda: tiff_picture(64, 64, (277, 3, 1, 65535)), *REFUSED),
    "tiff that leads to itself": _one(lambda: tiff_picture(2, 2, following=8, data=bytes(99)), DECODED, UNDECODABLE),
    "tiff of 20,000 directories": _one(lambda: tiff_of_directories(20_000), *ANY),
    "tiff that unpacks without end": _one(tiff_deflate_bomb, DECODED, UNDECODABLE),
    "tiff large": _one(lambda: b"II+\0\x08\0\0\0" + b"\xff" * 64, UNDECODABLE),
    "heic of gigapixels": _one(lambda: patched(small("HEIF"), b"ispe", 4, b"\x7f\xff\xff\xff" * 2), *REFUSED),
    "heic whose parts are elsewhere": _one(lambda: patched(small("HEIF"), b"iloc", 8, b"\xff" * 24), *REFUSED),
    "heic that is a grid": _one(lambda: patched(small("HEIF"), b"infe", 8, b"grid"), *REFUSED),
    "avif of gigapixels": _one(lambda: patched(small("AVIF"), b"ispe", 4, b"\x7f\xff\xff\xff" * 2), *REFUSED),
    "avif whose parts are elsewhere": _one(lambda: patched(small("AVIF"), b"iloc", 8, b"\xff" * 24), *REFUSED),
    "bmp of gigapixels": _one(lambda: bmp(LARGEST, LARGEST), PIXELS),
    "bmp upside down without end": _one(lambda: bmp(1, -(2**31)), *REFUSED),
    "bmp of runs": _one(lambda: bmp(8_000, 8_000, 1, b"\xff\0" * 1_000), *ANY),
    "jpeg and archive and page": _one(lambda: jpeg_with_segments(0xFE, SCRIPT) + SCRIPT + archive(), DECODED),
    "gif and script and java": _one(lambda: small("GIF") + b"*/=1;alert(1)" + archive(), DECODED),
    "pdf and jpeg": _one(lambda: b"%PDF-1.7\n" + small("JPEG") + b"%%EOF", UNDECODABLE),
    "bitmap that is a script": _one(lambda: b"BM=1;/*" + small("BMP") + b"*/", UNDECODABLE),
    "page in front of a jpeg": _one(lambda: SCRIPT + small("JPEG"), UNDECODABLE),
    "raw photograph that is a tiff": _one(
        lambda: tiff_picture(64, 64, (0xC612, 1, 4, 0x00000401), (259, 3, 1, 34892)), UNDECODABLE
    ),
    "recording that is a page": _one(
        lambda: box(b"ftyp", b"isom\0\0\2\0isom", SCRIPT + b"   ") + clip("mp4")[28:], DECODED, UNDECODABLE
    ),
    "mp4 with 400,000 edits": _one(lambda: with_edit_list(400_000), *ANY),
    "mp4 with a gigantic sample entry": _one(lambda: patched(clip("mp4"), b"avc1", 24, b"\xff" * 4), DECODED, *REFUSED),
    "mp4 of samples without end": _one(
        lambda: with_box(clip("mp4"), b"stsz", lambda _: struct.pack(">III", 0, 1, 2**32 - 1)), *ANY
    ),
    "mp4 of times without end": _one(
        lambda: with_box(clip("mp4"), b"stts", lambda _: struct.pack(">IIII", 0, 1, 2**32 - 1, 1)), *ANY
    ),
    "mp4 with one enormous sample": _one(
        lambda: with_box(clip("mp4"), b"stts", lambda _: struct.pack(">IIIIII", 0, 2, 1, LARGEST, 11, 1)), DECODED
    ),
    "mp4 whose places are beyond its end": _one(lambda: patched(clip("mp4"), b"stco", 8, b"\xff" * 4), UNDECODABLE),
    "mp4 of 20,000 boxes in each other": _one(lambda: nested_boxes(20_000), UNDECODABLE),
    "mp4 of a box without size": _one(lambda: FTYP + b"\0\0\0\1moov" + b"\xff" * 8 + bytes(64), UNDECODABLE),
    "mp4 that lasts for ever": _one(lambda: with_media_header(own_timescale(), 2**63 - 1), DECODED),
    "mp4 of fragments that lasts for ever": _one(fragmented_for_ever, DECODED),
    "mp4 of a timescale of zero": _one(lambda: with_media_header(0, 1), *ANY),
    "mp4 of the finest timescale": _one(lambda: with_media_header(2**32 - 1, 2**40), DECODED),
    "mp4 turned by nothing": _one(lambda: patched(clip("mp4"), b"tkhd", 40, bytes(36)), DECODED),
    "mp4 turned by too much": _one(lambda: patched(clip("mp4"), b"tkhd", 40, b"\x7f\xff\xff\xff" * 9), DECODED),
    "mkv of 20,000 tracks": _one(lambda: matroska_of_tracks(20_000), UNDECODABLE),
    "mkv of 5,000 levels": _one(lambda: matroska_nested(5_000), UNDECODABLE),
    "mkv of an element without size": _one(lambda: EBML_HEAD + ebml(SEGMENT, b"", b"\x01" + b"\xfe" * 7), UNDECODABLE),
    "mkv that lasts for ever": _one(
        lambda: patched(clip("mkv"), b"\x44\x89\x88", 0, struct.pack(">d", 1e300)), DECODED, UNDECODABLE
    ),
    "mkv that lasts no number": _one(
        lambda: patched(clip("mkv"), b"\x44\x89\x88", 0, struct.pack(">d", float("nan"))), DECODED, UNDECODABLE
    ),
    "mkv whose clock stands": _one(lambda: patched(clip("mkv"), b"\x2a\xd7\xb1\x83", 0, b"\0\0\1"), DECODED),
    "mkv whose clock races": _one(lambda: patched(clip("mkv"), b"\x2a\xd7\xb1\x83", 0, b"\xff\xff\xff"), DECODED),
    "mkv with hostile words": _one(lambda: with_tags(title="\u202eab\x1b[2J\n" * 99, comment="c" * 3_000_000), DECODED),
    "webm of gigantic frames": _one(lambda: patched(clip("webm"), b"\x9d\x01\x2a", 0, b"\xff\x3f\xff\x3f"), *REFUSED),
    "avi of a scale of zero": _one(lambda: avi_patched(b"vidsMJPG", 12, 0), *ANY),
    "avi of a rate of zero": _one(lambda: avi_patched(b"vidsMJPG", 16, 0), *ANY),
    "avi of frames without end": _one(lambda: avi_patched(b"avih", 20, 2**32 - 1), DECODED, UNDECODABLE),
    "avi whose frames are gigantic": _one(
        lambda: patched(clip("avi"), b"\xff\xc0\0\x11\x08", 0, struct.pack(">HH", 65500, 65500)), *REFUSED
    ),
    "avi of lists in lists": _one(lambda: clip("avi")[:12] + b"LIST\xff\xff\xff\x7fhdrl" * 9_000, UNDECODABLE),
    "ts of changing sizes": _one(stream_of_changing_sizes, DECODED),
    "ts of every programme": _one(transport_of_programmes, UNDECODABLE, TIME),
}
