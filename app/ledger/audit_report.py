"""What a check of the log found: faults, each with its place, and counts. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

FAULTS_KEPT = 1000

FaultKind = Literal[
    "stream_head",
    "body_missing",
    "body_hash",
    "body_form",
    "body_place",
    "body_facts",
    "chain",
    "label_repeated",
    "disclosure",
    "not_integrated",
    "leaf",
    "leaf_order",
    "node",
    "checkpoint",
    "key",
    "orphan",
    "rollback",
    "fork",
    "halted",
]

Progress = Callable[[str, int], None]
"""Called now and then with what is being checked and how many were."""


def silent(_what: str, _count: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was logged, and where: an entry (stream, seq), a leaf, or neither."""

    kind: FaultKind
    detail: str
    stream: UUID | None = None
    seq: int | None = None
    log_index: int | None = None

    def __str__(self) -> str:
        place = [] if self.stream is None else [f"stream {self.stream}"]
        place += [] if self.seq is None else [f"entry {self.seq}"]
        place += [] if self.log_index is None else [f"leaf {self.log_index}"]
        return f"{self.kind}: {', '.join([*place, self.detail])}"

    def as_json(self) -> dict[str, Any]:
        named = {"stream": None if self.stream is None else str(self.stream), "seq": self.seq, "leaf": self.log_index}
        return {"kind": self.kind, **{k: v for k, v in named.items() if v is not None}, "detail": self.detail}


@dataclass
class AuditReport:
    """What was checked, and the first faults found. ``size`` and ``root`` (hex) are the newest signed tree's."""

    streams: int = 0
    entries: int = 0
    queued: int = 0
    leaves: int = 0
    checkpoints: int = 0
    size: int = 0
    root: str = ""
    faults_count: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return self.faults_count == 0

    def add(self, fault: Fault) -> None:
        self.faults_count += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)

    def as_json(self) -> dict[str, Any]:
        """Counts, the newest tree, and the faults kept; of canonical JSON's types only."""
        counts = ("streams", "entries", "queued", "leaves", "checkpoints", "size", "root", "faults_count")
        return {
            **{name: getattr(self, name) for name in counts},
            "is_sound": self.is_sound,
            "faults": [fault.as_json() for fault in self.faults],
        }
