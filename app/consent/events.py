"""What consents and withdrawals leave in the stream of an item, or of a testimony's incident.

``person`` is the subject's id within the item; ``subject``, sealed, the pseudonym by which people call them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class _Consent(Event):
    consent: UUID
    number: int
    person: UUID
    subject_kind: str
    scope: tuple[str, ...]
    stated_on: str
    """``YYYY-MM-DD``."""
    testimony: UUID | None = None
    subject: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class _Given(_Consent):
    obtained: str
    valid_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceConsentGiven(_Given):
    TYPE: ClassVar[str] = "evidence.consent_given"


@dataclass(frozen=True, kw_only=True)
class EvidenceConsentWithdrawn(_Consent):
    TYPE: ClassVar[str] = "evidence.consent_withdrawn"


@dataclass(frozen=True, kw_only=True)
class IncidentConsentGiven(_Given):
    TYPE: ClassVar[str] = "incident.consent_given"


@dataclass(frozen=True, kw_only=True)
class IncidentConsentWithdrawn(_Consent):
    TYPE: ClassVar[str] = "incident.consent_withdrawn"
