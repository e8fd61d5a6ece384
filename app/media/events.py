"""What acts on an item leave in its stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class JailDegraded(Event):
    """A worker decodes although a wall is missing, because an operator allowed it. In the system stream."""

    TYPE: ClassVar[str] = "system.jail_degraded"
    walls: tuple[str, ...]
    escapes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LeadRegistered(Event):
    TYPE: ClassVar[str] = "evidence.lead_registered"
    address: str | None = sealed(default=None)
    claim: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class LeadAssessed(Event):
    """Five coded answers; ``reasons``: question → text, sealed together."""

    TYPE: ClassVar[str] = "evidence.assessed"
    assessment: UUID
    number: int
    supersedes: UUID | None = None
    relevance: str
    reliability: str
    removal_risk: str
    collection_safety: str
    obligations: str
    reasons: Mapping[str, str] | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class LeadDeclined(Event):
    """``assessment``: the one in force, if the lead was assessed."""

    TYPE: ClassVar[str] = "evidence.declined"
    assessment: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceCollected(Event):
    """Bytes came in; their SHA-256 and size are in the entry's object."""

    TYPE: ClassVar[str] = "evidence.collected"
    method: str
    acquired_at: datetime
    tool: str | None = None
    idempotency_sha256: str | None = None
    media_type_claimed: str | None = None
    media_type_sniffed: str | None = None
    collector: str = sealed()
    source: str = sealed()
    source_address: str | None = sealed(default=None)
    claimed_from: str | None = sealed(default=None)
    claimed_to: str | None = sealed(default=None)
    claimed_place: str | None = sealed(default=None)
    file_name: str | None = sealed(default=None)
    notes: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class EvidencePreserved(Event):
    TYPE: ClassVar[str] = "evidence.preserved"
    store: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class EvidenceQuarantined(Event):
    TYPE: ClassVar[str] = "evidence.quarantined"
    store: str
    outcome: str
    found_sha256: str | None = None
    found_size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClaimsRead(Event):
    """The file claims what identifies a person, a place or a device; ``sources``: sealed field → where in the file.
    What several places state has an entry for each.

    The names are those of :data:`app.media.claims.SEALED_FIELDS`; a test compares them.
    """

    TYPE: ClassVar[str] = "evidence.claims_read"
    sources: dict[str, str]
    gps_latitude: str | None = sealed(default=None)
    gps_longitude: str | None = sealed(default=None)
    gps_altitude_m: str | None = sealed(default=None)
    gps_direction_degrees: str | None = sealed(default=None)
    gps_destination_latitude: str | None = sealed(default=None)
    gps_destination_longitude: str | None = sealed(default=None)
    gps_area: str | None = sealed(default=None)
    gps_method: str | None = sealed(default=None)
    location: str | None = sealed(default=None)
    location_name: str | None = sealed(default=None)
    body_serial_number: str | None = sealed(default=None)
    lens_serial_number: str | None = sealed(default=None)
    image_unique_id: str | None = sealed(default=None)
    document_id: str | None = sealed(default=None)
    original_document_id: str | None = sealed(default=None)
    content_identifier: str | None = sealed(default=None)
    owner_name: str | None = sealed(default=None)
    artist: str | None = sealed(default=None)
    author: str | None = sealed(default=None)
    photographer: str | None = sealed(default=None)
    image_editor: str | None = sealed(default=None)
    host_computer: str | None = sealed(default=None)
    copyright: str | None = sealed(default=None)
    title: str | None = sealed(default=None)
    description: str | None = sealed(default=None)
    comment: str | None = sealed(default=None)
    user_comment: str | None = sealed(default=None)
    headline: str | None = sealed(default=None)
    credit: str | None = sealed(default=None)
    caption_writer: str | None = sealed(default=None)
    keywords: str | None = sealed(default=None)
    city: str | None = sealed(default=None)
    region: str | None = sealed(default=None)
    country: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class EvidenceDerived(Event):
    """A file was made from the item's bytes; the entry's object has the new file's SHA-256 and size."""

    TYPE: ClassVar[str] = "evidence.derived"
    kind: str
    tool: str
    version: str
    parameters_sha256: str
    input_sha256: str


@dataclass(frozen=True, kw_only=True)
class EvidenceRedacted(Event):
    """A person had a copy made with parts covered; the copy itself is an ``evidence.derived`` of the kind ``redacted``
    with the same ``parameters_sha256``. ``boxes``: how many; ``time_ms``: of the frame that is covered, if it is one.
    """

    TYPE: ClassVar[str] = "evidence.redacted"
    redaction: UUID
    boxes: int
    parameters_sha256: str
    time_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceLabelled(Event):
    TYPE: ClassVar[str] = "evidence.labelled"
    labels: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EvidenceCorrected(Event):
    """A frozen field has a new reading; both values are sealed. An empty one is absent."""

    TYPE: ClassVar[str] = "evidence.corrected"
    fields: tuple[str, ...]
    correction: UUID
    number: int
    old: str | None = sealed(default=None)
    new: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class EvidenceViewed(Event):
    """``rendering`` says what was read: the original, or what was made from it; ``bytes`` is the size of that."""

    TYPE: ClassVar[str] = "evidence.viewed"
    rendering: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class EvidenceDownloaded(Event):
    TYPE: ClassVar[str] = "evidence.downloaded"
    rendering: str
    bytes: int
