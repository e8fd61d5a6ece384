"""What the vault leaves in the stream of an item or an incident. Never anything of an identity, nor its digest.

``identity`` is the record's id, ``source`` its number in the case. Which item or testimony it belongs to is the
stream's own object, or ``testimony``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class _IdentityNamed(Event):
    identity: UUID
    source: int
    testimony: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class _IdentitySealed(_IdentityNamed):
    """``ciphertext_sha256``: of bytes that are padded and under a key of their own; it tells nothing of the name."""

    number: int
    supersedes: UUID | None
    key_id: str
    ciphertext_sha256: str


@dataclass(frozen=True, kw_only=True)
class _Opening(_IdentityNamed):
    opening: UUID


@dataclass(frozen=True, kw_only=True)
class _SecondPerson(_Opening):
    """``second_person``: the other one's pseudonym. Of a decision the one who asked, of an opening who approved it."""

    second_person: UUID


@dataclass(frozen=True, kw_only=True)
class EvidenceIdentitySealed(_IdentitySealed):
    TYPE: ClassVar[str] = "evidence.identity_sealed"


@dataclass(frozen=True, kw_only=True)
class EvidenceOpeningRequested(_Opening):
    TYPE: ClassVar[str] = "evidence.identity_opening_requested"


@dataclass(frozen=True, kw_only=True)
class EvidenceOpeningApproved(_SecondPerson):
    TYPE: ClassVar[str] = "evidence.identity_opening_approved"


@dataclass(frozen=True, kw_only=True)
class EvidenceOpeningRefused(_SecondPerson):
    TYPE: ClassVar[str] = "evidence.identity_opening_refused"


@dataclass(frozen=True, kw_only=True)
class EvidenceIdentityUnsealed(_SecondPerson):
    TYPE: ClassVar[str] = "evidence.identity_unsealed"


@dataclass(frozen=True, kw_only=True)
class IncidentIdentitySealed(_IdentitySealed):
    TYPE: ClassVar[str] = "incident.identity_sealed"


@dataclass(frozen=True, kw_only=True)
class IncidentOpeningRequested(_Opening):
    TYPE: ClassVar[str] = "incident.identity_opening_requested"


@dataclass(frozen=True, kw_only=True)
class IncidentOpeningApproved(_SecondPerson):
    TYPE: ClassVar[str] = "incident.identity_opening_approved"


@dataclass(frozen=True, kw_only=True)
class IncidentOpeningRefused(_SecondPerson):
    TYPE: ClassVar[str] = "incident.identity_opening_refused"


@dataclass(frozen=True, kw_only=True)
class IncidentIdentityUnsealed(_SecondPerson):
    TYPE: ClassVar[str] = "incident.identity_unsealed"


@dataclass(frozen=True, kw_only=True)
class VaultKeyRotated(Event):
    """In the system's stream. ``began``: from now on the new key seals; ``rewrapped``: so many records' own keys were
    wrapped by it; ``finished``: none is left under the former one. Key ids name keys without telling them."""

    TYPE: ClassVar[str] = "system.vault_key_rotated"
    stage: Literal["began", "rewrapped", "finished"]
    key_id: str
    former_key_id: str
    records: int | None = None
