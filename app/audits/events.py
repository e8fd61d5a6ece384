"""What the self-audit leaves in the system stream (docs/ledger.md, "Acts and entry types")."""

from dataclasses import dataclass
from typing import ClassVar

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class SystemAudited(Event):
    """One check of the whole log. The object's ``sha256`` is that of the report, a file in the data directory."""

    TYPE: ClassVar[str] = "system.audited"
    tree_size: int
    """Of the newest signed tree that was found sound; 0 when there was none."""
    root: str
    streams: int
    entries: int
    leaves: int
    checkpoints: int
    faults: int
    duration_ms: int
