"""What accounts, tokens and sign-ins leave in the system stream (docs/ledger.md, "Acts and entry types")."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class SystemInitialised(Event):
    """The first entry of a log. ``continues_log`` and what follows: only of a log that another one came before.

    ``signed_size`` and ``signed_root``: the last tree that is known to have been signed there; ``held_size`` of its
    leaves are in this database.
    """

    TYPE: ClassVar[str] = "system.initialised"
    continues_log: str | None = None
    signed_size: int | None = None
    signed_root: str | None = None
    held_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class AccountCreated(Event):
    TYPE: ClassVar[str] = "system.account_created"
    account: UUID
    administrator: bool
    auditor: bool
    name: str = sealed()
    email: str = sealed()


@dataclass(frozen=True, kw_only=True)
class AccountDeactivated(Event):
    TYPE: ClassVar[str] = "system.account_deactivated"
    account: UUID


@dataclass(frozen=True, kw_only=True)
class CredentialsChanged(Event):
    TYPE: ClassVar[str] = "system.account_credentials_changed"
    account: UUID


@dataclass(frozen=True, kw_only=True)
class TokenCreated(Event):
    TYPE: ClassVar[str] = "system.token_created"
    account: UUID
    token: UUID
    scopes: tuple[str, ...]
    cases: tuple[UUID, ...] | None
    roles: tuple[str, ...] | None
    expires_at: datetime
    name: str = sealed()


@dataclass(frozen=True, kw_only=True)
class TokenRevoked(Event):
    TYPE: ClassVar[str] = "system.token_revoked"
    account: UUID
    token: UUID


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    TYPE: ClassVar[str] = "system.signed_in"
    account: UUID
    token: UUID


@dataclass(frozen=True, kw_only=True)
class SignInFailed(Event):
    TYPE: ClassVar[str] = "system.sign_in_failed"
    account: UUID | None
    email: str | None = sealed(default=None)
    """Of the account; what nobody has as an address may be a slip, or one that was erased, and is not kept."""
