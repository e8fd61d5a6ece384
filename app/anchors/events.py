"""What the asking of outsiders leaves in the system stream (docs/ledger.md, "Acts and entry types")."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class HeadAnchored(Event):
    """The object's ``sha256`` and ``size`` are those of the whole response (``.tsr``)."""

    TYPE: ClassVar[str] = "system.head_anchored"
    authority: str
    tree_size: int
    root: str
    checkpoint_sha256: str
    """Of the exact bytes that were stamped: the note as the log signed it, without cosignatures."""
    stamped_at: datetime
