"""What the ledger records of its own keys, in the system stream."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class KeyRotated(Event):
    """``began``: the new key signs beside the old one from the next checkpoint on; ``finished``: it signs alone.

    ``public_key``: the new one, 32 bytes in hexadecimal; key ids are those of signed notes.
    """

    TYPE: ClassVar[str] = "system.key_rotated"
    stage: Literal["began", "finished"]
    key_id: str
    public_key: str
    former_key_id: str
