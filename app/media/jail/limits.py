"""How much one file may cost its decoder. The numbers are policy: the API shows them."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """The limits of one file's decoding. A limit that is hit never loses the file: it names the outcome."""

    memory_bytes: int = 2048 * MIB
    """Address space of the decoding process."""
    image_cpu_s: int = 20
    video_cpu_s: int = 1800
    image_wall_s: float = 60.0
    video_wall_s: float = 1800.0
    jpeg_pixels: int = 268_000_000
    """JPEG is decoded at a fraction of its size (draft mode), so that more fits into the memory limit."""
    image_pixels: int = 128_000_000
    video_pixels: int = 40_000_000
    """One frame of a video: 8192 × 4320 fits."""
    frames: int = 200_000
    """Frames kept of one video: five hours and a half of uninterrupted change at ten a second."""
    open_files: int = 32

    def cpu_s(self, kind: str) -> int:
        """Processor seconds for a file of this kind: ``video``, or anything else."""
        return self.video_cpu_s if kind == "video" else self.image_cpu_s
