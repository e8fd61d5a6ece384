"""What a file is by its first bytes, whatever its name says. Pure.

Only what the decoder takes is recognised. Playlists, SDP, concat scripts, text, SVG and HTML are None by design:
they name other files, and no decoder of ours may follow them.

Sources: ISO/IEC 14496-12 (ftyp), ISO/IEC 23008-12 (HEIF brands), the AVIF specification, RFC 9649 (WebP),
RFC 8794 (EBML), ISO/IEC 13818-1 (transport stream packets).
"""

from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 4096
"""Give :func:`sniff` this much of a file's beginning, or all of a smaller one."""


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class SniffedType:
    """A recognised type. ``decoder`` is the one Pillow format or FFmpeg demuxer that may read it."""

    media_type: str
    kind: MediaKind
    extension: str
    """Without a dot; safe to use in a file name."""
    decoder: str


def _image(media_type: str, extension: str, decoder: str) -> SniffedType:
    return SniffedType(media_type, MediaKind.IMAGE, extension, decoder)


def _video(media_type: str, extension: str, decoder: str) -> SniffedType:
    return SniffedType(media_type, MediaKind.VIDEO, extension, decoder)


JPEG = _image("image/jpeg", "jpg", "JPEG")
PNG = _image("image/png", "png", "PNG")
WEBP = _image("image/webp", "webp", "WEBP")
GIF = _image("image/gif", "gif", "GIF")
TIFF = _image("image/tiff", "tif", "TIFF")
HEIC = _image("image/heic", "heic", "HEIF")
HEIF = _image("image/heif", "heif", "HEIF")
AVIF = _image("image/avif", "avif", "AVIF")
BMP = _image("image/bmp", "bmp", "BMP")
MP4 = _video("video/mp4", "mp4", "mov")
QUICKTIME = _video("video/quicktime", "mov", "mov")
THREE_GP = _video("video/3gpp", "3gp", "mov")
WEBM = _video("video/webm", "webm", "matroska")
MATROSKA = _video("video/x-matroska", "mkv", "matroska")
AVI = _video("video/x-msvideo", "avi", "avi")
MPEG_TS = _video("video/mp2t", "ts", "mpegts")

ALL_TYPES = (
    JPEG, PNG, WEBP, GIF, TIFF, HEIC, HEIF, AVIF, BMP, MP4, QUICKTIME, THREE_GP, WEBM, MATROSKA, AVI, MPEG_TS,
)  # fmt: skip

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"mif2"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_AUDIO_OR_PICTURE_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"jp2 ", b"jpx ", b"crx "})
_QUICKTIME_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_TS_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Packet sizes and the sync byte's place in them: broadcast, cameras and Blu-ray (M2TS), with error correction."""


def sniff(head: bytes) -> SniffedType | None:
    """The type of a file that begins with ``head``, or None when it is nothing that we decode."""
    return _by_signature(head) or _by_boxes(head) or _by_transport_stream(head)


def _by_signature(head: bytes) -> SniffedType | None:
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return TIFF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return AVI
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    # A bitmap's header has its own size in it: two letters alone would take any text that begins with "BM".
    if (
        head[:2] == b"BM"
        and len(head) >= 18
        and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)
    ):
        return BMP
    return None


def _by_boxes(head: bytes) -> SniffedType | None:
    if len(head) < 12:
        return None
    if head[4:8] == b"ftyp":
        return _by_brands(head)
    # QuickTime files from before ftyp, and recordings whose index never got written.
    size_bytes = int.from_bytes(head[:4], "big")
    return QUICKTIME if head[4:8] in _QUICKTIME_ATOMS and (size_bytes >= 8 or size_bytes in (0, 1)) else None


def _by_brands(head: bytes) -> SniffedType | None:
    size_bytes = min(int.from_bytes(head[:4], "big"), len(head), 512)
    major = head[8:12]
    compatible = {head[at : at + 4] for at in range(16, size_bytes - 3, 4)}
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and compatible & _AVIF_BRANDS):
        return AVIF
    if major in _HEIC_BRANDS or (major in _HEIF_BRANDS and compatible & _HEIC_BRANDS):
        return HEIC
    if major in _HEIF_BRANDS:
        return HEIF
    if major in _AUDIO_OR_PICTURE_BRANDS:
        return None
    if major == b"qt  ":
        return QUICKTIME
    return THREE_GP if major[:3] in (b"3gp", b"3g2", b"3gs") else MP4


def _by_transport_stream(head: bytes) -> SniffedType | None:
    for packet_bytes, place in _TS_PACKETS:
        marks = head[place::packet_bytes]
        after = head[place + 1 :: packet_bytes]
        # 0x47 is the letter G: a text of nothing else is no stream.
        if len(marks) >= 3 and set(marks[:20]) == {0x47} and set(after[:20]) != {0x47}:
            return MPEG_TS
    return None
