"""What erasing leaves in the ledger: which entry, which field, why and by what authority. Never what it said."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class FieldErased(Event):
    """One sealed field of one entry of this stream can no longer be read here."""

    seq: int
    commitment: str
    field: str


@dataclass(frozen=True, kw_only=True)
class EvidenceErased(FieldErased):
    TYPE: ClassVar[str] = "evidence.erased"


@dataclass(frozen=True, kw_only=True)
class IncidentErased(FieldErased):
    TYPE: ClassVar[str] = "incident.erased"


@dataclass(frozen=True, kw_only=True)
class CaseErased(FieldErased):
    TYPE: ClassVar[str] = "case.erased"


@dataclass(frozen=True, kw_only=True)
class AccountErased(FieldErased):
    TYPE: ClassVar[str] = "system.account_erased"
    account: UUID


@dataclass(frozen=True, kw_only=True)
class EntryErasureRequested(Event):
    """A custodian asks for an entry's whole body to go; a second one decides."""

    TYPE: ClassVar[str] = "entry.erasure_requested"
    request: UUID
    seq: int
    commitment: str


@dataclass(frozen=True, kw_only=True)
class EntryErasureRefused(Event):
    TYPE: ClassVar[str] = "entry.erasure_refused"
    request: UUID
    seq: int
    commitment: str


@dataclass(frozen=True, kw_only=True)
class EntryErased(Event):
    """The second custodian approved, and the body is gone; seq, label, next and commitment stay."""

    TYPE: ClassVar[str] = "entry.erased"
    request: UUID
    seq: int
    commitment: str
