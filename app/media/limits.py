"""What decoding one file may cost, by format: what operators set, the API shows and every decoding keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.kernel.primitives import canonical_json, sha256_hex
from app.kernel.settings import Settings
from app.media.jail.limits import DecodeLimits
from app.media.sniff import ALL_TYPES, JPEG, MediaKind, SniffedType

DIGEST_CHARACTERS = 12
HOLD_SEVERAL = frozenset({"GIF", "WEBP", "PNG", "AVIF", "TIFF", "HEIF", "JPEG"})
"""Decoders of formats of several pictures (``jail.sequences``, which needs Pillow); an MPO begins as a JPEG."""


@dataclass(frozen=True, slots=True)
class FormatLimits:
    """The limits of one file of one format."""

    media_type: str
    kind: MediaKind
    pixels: int
    """Of the picture, or of one frame."""
    frames: int | None
    """That are kept of a video; of a picture's file, further frames or pages. None: it holds one picture."""
    cpu_s: int
    wall_ms: int
    memory_bytes: int
    sequence_pixels: int | None = None
    """Decoded in all for a picture's further frames or pages."""

    def as_json(self) -> dict[str, Any]:
        """As a decoding keeps them: whole numbers, without the format, which the blob has."""
        named = {"pixels": self.pixels, "cpu_s": self.cpu_s, "wall_ms": self.wall_ms, "memory_bytes": self.memory_bytes}
        further = {"frames": self.frames, "sequence_pixels": self.sequence_pixels}
        return named | {name: value for name, value in further.items() if value is not None}


def decode_limits(settings: Settings) -> DecodeLimits:
    """The limits that this installation is set to."""
    return DecodeLimits(
        memory_bytes=settings.decode_memory_bytes,
        image_cpu_s=settings.decode_image_cpu_s,
        video_cpu_s=settings.decode_video_cpu_s,
        image_wall_s=settings.decode_image_wall_s,
        video_wall_s=settings.decode_video_wall_s,
        jpeg_pixels=settings.decode_jpeg_pixels,
        image_pixels=settings.decode_image_pixels,
        video_pixels=settings.decode_video_pixels,
        frames=settings.decode_video_frames,
        sequence_frames=settings.decode_sequence_frames,
        sequence_pixels=settings.decode_sequence_pixels,
    )


def limits_of(limits: DecodeLimits, sniffed: SniffedType) -> FormatLimits:
    """Those that hold for a file of this format."""
    sequence_pixels: int | None = None
    if sniffed.kind is MediaKind.VIDEO:
        pixels, frames, cpu_s, wall_s = limits.video_pixels, limits.frames, limits.video_cpu_s, limits.video_wall_s
    else:
        pixels, frames = limits.jpeg_pixels if sniffed == JPEG else limits.image_pixels, None
        cpu_s, wall_s = limits.image_cpu_s, limits.image_wall_s
        if sniffed.decoder in HOLD_SEVERAL:
            frames, sequence_pixels = limits.sequence_frames, limits.sequence_pixels
    memory_bytes = limits.memory_bytes
    return FormatLimits(
        sniffed.media_type, sniffed.kind, pixels, frames, cpu_s, round(wall_s * 1000), memory_bytes, sequence_pixels
    )


def limits_by_format(limits: DecodeLimits) -> list[FormatLimits]:
    """Of every format that is decoded."""
    return [limits_of(limits, sniffed) for sniffed in ALL_TYPES]


def decoder_text(versions: Mapping[str, str], limits: FormatLimits | None) -> str:
    """What decodes a file, in one line: ``name/version`` of all of it, and a digest of the limits it ran under.

    Another version or another limit is another text. None: the file is of no format that is decoded.
    """
    parts = [f"{name}/{version}" for name, version in sorted(versions.items())]
    if limits is not None:
        parts.append(f"limits/{sha256_hex(canonical_json(limits.as_json()))[:DIGEST_CHARACTERS]}")
    return " ".join(parts)
