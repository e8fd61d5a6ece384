"""How much one file may cost its decoder. The numbers are policy: the API shows them."""

from dataclasses import dataclass

MIB = 1024 * 1024
_NOUNS = {"image": "picture", "video": "video"}


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
    sequence_frames: int = 256
    """Frames kept of one animated picture, or pages of one file, after the first."""
    sequence_pixels: int = 600_000_000
    """Decoded in all for these, at full size: 50 pages of 12 megapixels, or 6,000 frames of 320 × 320."""
    open_files: int = 32

    def cpu_s(self, kind: str) -> int:
        """Processor seconds for a file of this kind: ``video``, or anything else."""
        return self.video_cpu_s if kind == "video" else self.image_cpu_s

    def wall_s(self, kind: str) -> float:
        """Seconds from begin to end for a file of this kind."""
        return self.video_wall_s if kind == "video" else self.image_wall_s

    def cpu_words(self, kind: str) -> str:
        """That a file needed more, for people."""
        return f"decoding took more than {self.cpu_s(kind)} s of processor time, the most for a {_NOUNS[kind]}"

    def wall_words(self, kind: str) -> str:
        return f"decoding took longer than {self.wall_s(kind):g} s, the most for a {_NOUNS[kind]}"

    def memory_words(self) -> str:
        return f"decoding needed more than {self.memory_bytes // MIB} MiB of memory, the most for a file"
