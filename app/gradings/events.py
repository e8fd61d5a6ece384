"""What gradings, standards of proof and classifications leave in the incident's stream.

A withdrawal is an entry of the same type that states nothing, with the ``reason_code`` ``withdrawn``.
"""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class IncidentGraded(Event):
    TYPE: ClassVar[str] = "incident.graded"
    grading_id: UUID
    number: int
    grade: str | None
    supersedes: UUID | None
    verdicts: tuple[UUID, ...]
    """What it rests on: the verdicts' ids. Each is of one item and one version, as its own entry says."""
    origins_at_least: int
    origins_at_most: int
    other_source_count: int
    policy_version: int
    rationale: str = sealed()
    other_sources: tuple[str, ...] | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class StandardReached(Event):
    TYPE: ClassVar[str] = "incident.standard_reached"
    standard_id: UUID
    number: int
    standard: str | None
    vocabulary: str
    supersedes: UUID | None
    grading: UUID | None
    """The grading that stood."""
    rationale: str = sealed()


@dataclass(frozen=True, kw_only=True)
class IncidentClassified(Event):
    TYPE: ClassVar[str] = "incident.classified"
    classification_id: UUID
    number: int
    qualifier: str | None
    provisions: tuple[str, ...]
    vocabulary: str
    supersedes: UUID | None
    grading: UUID | None
    """The grading that stood."""
    decided_on: str | None = None
    """``YYYY-MM-DD``."""
    rationale: str = sealed()
    body: str | None = sealed(default=None)
    decision_reference: str | None = sealed(default=None)
