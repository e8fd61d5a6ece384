"""What decoding one file may cost, by format: what operators set, the API shows and every decoding keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.kernel.primitives import canonical_json, sha256_hex
from app.kernel.settings import Settings
from app.media.jail.limits import DecodeLimits
from app.media.sniff import ALL_TYPES, JPEG, MediaKind, SniffedType

DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class FormatLimits:
    """The limits of one file of one format."""

    media_type: str
    kind: MediaKind
    pixels: int
    """Of the picture, or of one frame."""
    frames: int | None
    """That are kept of a video; None for a picture."""
    cpu_s: int
    wall_ms: int
    memory_bytes: int

    def as_json(self) -> dict[str, Any]:
        """As a decoding keeps them: whole numbers, without the format, which the blob has."""
        named = {"pixels": self.pixels, "cpu_s": self.cpu_s, "wall_ms": self.wall_ms, "memory_bytes": self.memory_bytes}
        return named if self.frames is None else {**named, "frames": self.frames}


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
    )


def limits_of(limits: DecodeLimits, sniffed: SniffedType) -> FormatLimits:
    """Those that hold for a file of this format."""
    if sniffed.kind is MediaKind.VIDEO:
        pixels, frames, cpu_s, wall_s = limits.video_pixels, limits.frames, limits.video_cpu_s, limits.video_wall_s
    else:
        is_jpeg = sniffed == JPEG
        pixels, frames = limits.jpeg_pixels if is_jpeg else limits.image_pixels, None
        cpu_s, wall_s = limits.image_cpu_s, limits.image_wall_s
    return FormatLimits(
        sniffed.media_type, sniffed.kind, pixels, frames, cpu_s, round(wall_s * 1000), limits.memory_bytes
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
