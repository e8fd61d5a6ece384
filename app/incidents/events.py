"""What incidents and their links leave in the ledger. An act on an item and an incident is one entry in each stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class _IncidentStated(Event):
    """``place`` is sealed as a whole: name, point (in millionths of a degree), radius, administrative units."""

    kind: str | None = None
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    occurred_zone: str | None = None
    place_precision: str | None = None
    code: str | None = sealed(default=None)
    title: str | None = sealed(default=None)
    occurred_basis: str | None = sealed(default=None)
    place: Mapping[str, Any] | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class IncidentCreated(_IncidentStated):
    TYPE: ClassVar[str] = "incident.created"
    external_reference: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class IncidentUpdated(_IncidentStated):
    """Only what was stated anew."""

    TYPE: ClassVar[str] = "incident.updated"


@dataclass(frozen=True, kw_only=True)
class EvidenceLinkedToIncident(Event):
    """In the item's stream."""

    TYPE: ClassVar[str] = "evidence.linked_to_incident"
    incident: UUID
    link: UUID
    depicts: bool
    counted: bool
    segment_ms: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class IncidentEvidenceLinked(Event):
    """In the incident's stream."""

    TYPE: ClassVar[str] = "incident.evidence_linked"
    evidence: UUID
    link: UUID
    depicts: bool
    counted: bool
    segment_ms: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceUnlinked(Event):
    """In the item's stream."""

    TYPE: ClassVar[str] = "evidence.unlinked"
    incident: UUID
    link: UUID


@dataclass(frozen=True, kw_only=True)
class IncidentEvidenceUnlinked(Event):
    """In the incident's stream."""

    TYPE: ClassVar[str] = "incident.evidence_unlinked"
    evidence: UUID
    link: UUID
