"""What the worker asks of the zygote. The worker is trusted by it; a file's bytes are in none of this."""

import json
from dataclasses import asdict, dataclass

from app.media.jail.limits import DecodeLimits

MAX_REQUEST_BYTES = 4096
EXIT_NOT_CONFINED = 70
"""A child's exit code when a wall could not be raised: it has read nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One file to decode, as the worker asks for it."""

    kind: str
    decoder: str
    limits: DecodeLimits

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def from_bytes(cls, text: bytes) -> "Request":
        fields = json.loads(text)
        return cls(fields["kind"], fields["decoder"], DecodeLimits(**fields["limits"]))
