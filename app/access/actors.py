"""Who calls: the actor behind a secret, what its token allows, and how an entry names it."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.access.models import Account, Token
from app.access.rules import RULES, Operation, OrganisationRole, Role, Scope, permission
from app.kernel.errors import Forbidden, Unauthenticated
from app.kernel.primitives import utc_now
from app.ledger import log
from app.ledger.event import EntryActor


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

    def system_entry_actor(self, role: str | None = None) -> EntryActor:
        """The actor of an entry in the system stream, where accounts go by their own ids."""
        return EntryActor(self.account_id, "token" if self.kind == "token" else "user", role)


def token_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def authenticate(session: Session, secret: str) -> Actor:
    """The actor behind a bearer secret. Raises Unauthenticated: unknown, expired, revoked, or a deactivated account."""
    return _actor_behind(session, Token.secret_sha256 == token_digest(secret))


def actor_of_token(session: Session, token_id: UUID) -> Actor:
    """The actor behind a token that was checked before, by its id. Raises Unauthenticated as for its secret."""
    return _actor_behind(session, Token.id == token_id)


def _actor_behind(session: Session, condition: ColumnElement[bool]) -> Actor:
    row = session.execute(select(Token, Account).join(Account).where(condition)).one_or_none()
    if row is None:
        raise Unauthenticated()
    token, account = row
    if token.revoked_at is not None or not account.is_active:
        raise Unauthenticated()
    if token.expires_at <= utc_now():
        raise Unauthenticated("This token has expired. Sign in again.")
    is_limited = token.case_ids is not None or token.roles is not None
    return Actor(
        account_id=account.id,
        token_id=token.id,
        kind=token.kind,
        # A role in the whole installation is wider than any limit to cases or roles.
        organisation_roles=frozenset() if is_limited else _organisation_roles(account),
        scopes=frozenset(Scope(scope) for scope in token.scopes),
        case_ids=None if token.case_ids is None else frozenset(token.case_ids),
        roles=None if token.roles is None else frozenset(Role(role) for role in token.roles),
    )


def _organisation_roles(account: Account) -> frozenset[OrganisationRole]:
    held = {OrganisationRole.ADMINISTRATOR: account.is_administrator, OrganisationRole.AUDITOR: account.is_auditor}
    return frozenset(role for role, is_held in held.items() if is_held)


def note_use(session: Session, actor: Actor) -> bool:
    """Note that a token was used, at most once a minute; True when something changed and wants a commit."""
    token = session.get(Token, actor.token_id)
    now = utc_now()
    if token is None or (token.last_used_at is not None and now - token.last_used_at < timedelta(minutes=1)):
        return False
    token.last_used_at = now
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
    return log.installation(session).system_stream
