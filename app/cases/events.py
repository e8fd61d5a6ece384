"""What a case's own changes leave in its stream."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class CaseCreated(Event):
    TYPE: ClassVar[str] = "case.created"
    title: str = sealed()
    description: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class CaseUpdated(Event):
    TYPE: ClassVar[str] = "case.updated"
    title: str | None = sealed(default=None)
    description: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class CaseClosed(Event):
    TYPE: ClassVar[str] = "case.closed"


@dataclass(frozen=True, kw_only=True)
class CasePolicyChanged(Event):
    TYPE: ClassVar[str] = "case.policy_changed"
    policy_version: int
    policy_sha256: str


@dataclass(frozen=True, kw_only=True)
class MemberGranted(Event):
    """``account`` is the pseudonym of the person in this case's entries; the name that it means is sealed."""

    TYPE: ClassVar[str] = "case.member_granted"
    account: UUID
    role: str
    name: str = sealed()


@dataclass(frozen=True, kw_only=True)
class MemberRevoked(Event):
    TYPE: ClassVar[str] = "case.member_revoked"
    account: UUID
    role: str


@dataclass(frozen=True, kw_only=True)
class EvidenceRegistered(Event):
    """The case's stream registers every item, so that a case is provably complete."""

    TYPE: ClassVar[str] = "evidence.registered"


@dataclass(frozen=True, kw_only=True)
class IncidentRegistered(Event):
    TYPE: ClassVar[str] = "incident.registered"
