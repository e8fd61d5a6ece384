"""What the worker asks of the zygote. The worker is trusted by it; a file's bytes are in none of this."""

import json
from dataclasses import asdict, dataclass

from app.media.jail.limits import DecodeLimits

MAX_REQUEST_BYTES = 4096
EXIT_NOT_CONFINED = 70
"""A child's exit code when a wall could not be raised: it has read nothing."""

EXIT_ESCAPED = 71
"""A probe's exit code when what it tried was not refused."""


@dataclass(frozen=True, slots=True)
class Request:
    """One file to decode, or one probe of the walls, as the worker asks for it."""

    kind: str
    """``image``, ``video``; ``probe``: there is no file."""
    decoder: str
    """The format's decoder; of a probe its name."""
    limits: DecodeLimits
    is_strict: bool = True
    """Whether a wall that the kernel does not give ends the child."""
    claims_only: bool = False
    """Of an image's file only the first picture is decoded, and nothing is counted."""

    @property
    def is_film(self) -> bool:
        """Whether it needs FFmpeg: recordings do, and HEIC, which may hold one."""
        return self.kind == "video" or self.decoder == "HEIF"

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def from_bytes(cls, text: bytes) -> "Request":
        fields = json.loads(text)
        return cls(**{**fields, "limits": DecodeLimits(**fields["limits"])})
