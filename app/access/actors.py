"""Who calls: the actor behind a secret, what its token allows, and how an entry names it."""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from app.access.models import Account, Token
from app.access.rules import RULES, Operation, OrganisationRole, Role, Scope, permission
from app.kernel.errors import Forbidden, Unauthenticated
from app.kernel.primitives import utc_now
from app.ledger import log
from app.ledger.event import EntryActor

USE_NOTED_EVERY = timedelta(minutes=1)
_SYSTEM_STREAM = "system_stream"
"""In what a session holds beside its rows."""


@dataclass(frozen=True)
class Actor:
    """Who calls: an account, and what the secret it called with allows at the most."""

    account_id: UUID
    token_id: UUID
    kind: str
    organisation_roles: frozenset[OrganisationRole]
    scopes: frozenset[Scope]
    case_ids: frozenset[UUID] | None
    """Cases the token may act in; None: every case of the account."""
    roles: frozenset[Role] | None
    """Roles the token may use; None: every role of the account."""
    use_is_noted: bool = field(default=False, compare=False)
    """Whether this use of the token need not be noted: another one was, within the minute."""

    def system_entry_actor(self, role: str | None = None) -> EntryActor:
        """The actor of an entry in the system stream, where accounts go by their own ids."""
        return EntryActor(self.account_id, "token" if self.kind == "token" else "user", role)


def token_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def authenticate(session: Session, secret: str) -> Actor:
    """The actor behind a bearer secret. Raises Unauthenticated: unknown, expired, revoked, or a deactivated account."""
    return _actor_behind(session, _BY_SECRET, token_digest(secret))


def actor_of_token(session: Session, token_id: UUID) -> Actor:
    """The actor behind a token that was checked before, by its id. Raises Unauthenticated as for its secret."""
    return _actor_behind(session, _BY_ID, token_id)


_KNOWN = (
    *(Token.id, Token.kind, Token.scopes, Token.case_ids, Token.roles, Token.expires_at, Token.revoked_at),
    *(Token.last_used_at, Token.account_id, Account.is_active, Account.is_administrator, Account.is_auditor),
)
"""Columns and no objects: the session that asks serves the operation too, which must read such rows itself."""

# Each request asks one of these: made anew it would take longer than its answer.
_BY_SECRET = select(*_KNOWN).join(Account).where(Token.secret_sha256 == bindparam("sought"))
_BY_ID = select(*_KNOWN).join(Account).where(Token.id == bindparam("sought"))


def _actor_behind(session: Session, statement: Select[*tuple[Any, ...]], sought: str | UUID) -> Actor:
    token = session.execute(statement, {"sought": sought}).one_or_none()
    if token is None or token.revoked_at is not None or not token.is_active:
        raise Unauthenticated()
    now = utc_now()
    if token.expires_at <= now:
        raise Unauthenticated("This token has expired. Sign in again.")
    is_limited = token.case_ids is not None or token.roles is not None
    held = {OrganisationRole.ADMINISTRATOR: token.is_administrator, OrganisationRole.AUDITOR: token.is_auditor}
    return Actor(
        account_id=token.account_id,
        token_id=token.id,
        kind=token.kind,
        # A role in the whole installation is wider than any limit to cases or roles.
        organisation_roles=frozenset() if is_limited else frozenset(role for role in held if held[role]),
        scopes=frozenset(Scope(scope) for scope in token.scopes),
        case_ids=None if token.case_ids is None else frozenset(token.case_ids),
        roles=None if token.roles is None else frozenset(Role(role) for role in token.roles),
        use_is_noted=token.last_used_at is not None and now - token.last_used_at < USE_NOTED_EVERY,
    )


def note_use(session: Session, actor: Actor) -> bool:
    """Note that a token was used, at most once a minute; True when something changed and wants a commit."""
    if actor.use_is_noted:
        return False
    session.execute(update(Token).where(Token.id == actor.token_id).values(last_used_at=utc_now()))
    return True


def require_scope(actor: Actor, operation: Operation) -> None:
    """Refuse what the token was not made for. Raises Forbidden."""
    scope = RULES[operation].scope
    if scope is not None and scope not in actor.scopes:
        raise Forbidden(f"This token lacks the scope '{scope}'.", extra={"scope": scope})


def require_administrator(actor: Actor) -> EntryActor:
    """The administrator as an entry's actor. Raises Forbidden."""
    return _as_administrator(actor, Operation.ADMINISTER)


def require_metrics_reader(actor: Actor) -> None:
    """Raises Forbidden."""
    _as_administrator(actor, Operation.READ_METRICS)


def require_stop_list_editor(actor: Actor) -> EntryActor:
    """The administrator as an entry's actor. Raises Forbidden."""
    return _as_administrator(actor, Operation.EDIT_STOP_LIST)


def require_stop_list_reader(actor: Actor) -> None:
    """An administrator, or the organisation's auditor. Raises Forbidden."""
    require_scope(actor, Operation.READ_STOP_LIST)
    if permission(Operation.READ_STOP_LIST, frozenset(), actor.organisation_roles) is None:
        raise Forbidden("Only the organisation's auditor and administrators may do this.")


def require_audits_reader(actor: Actor) -> None:
    """An administrator, or the organisation's auditor. Raises Forbidden."""
    require_scope(actor, Operation.READ_AUDITS)
    if permission(Operation.READ_AUDITS, frozenset(), actor.organisation_roles) is None:
        raise Forbidden("Only the organisation's auditor and administrators may do this.")


def _as_administrator(actor: Actor, operation: Operation) -> EntryActor:
    require_scope(actor, operation)
    permitted = permission(operation, frozenset(), actor.organisation_roles)
    if permitted is None:
        raise Forbidden("Only an administrator may do this.")
    return actor.system_entry_actor(permitted.role)


def require_organisation_auditor(actor: Actor) -> EntryActor:
    """The organisation's auditor as an entry's actor. Raises Forbidden."""
    require_scope(actor, Operation.AUDIT_ORGANISATION)
    permitted = permission(Operation.AUDIT_ORGANISATION, frozenset(), actor.organisation_roles)
    if permitted is None:
        raise Forbidden("Only the organisation's auditor may do this.")
    return actor.system_entry_actor(permitted.role)


def system_stream(session: Session) -> UUID:
    """Asked once in a session: whatever log the installation is in, its own stream stays the same."""
    if _SYSTEM_STREAM not in session.info:
        session.info[_SYSTEM_STREAM] = log.installation(session).system_stream
    found: UUID = session.info[_SYSTEM_STREAM]
    return found
