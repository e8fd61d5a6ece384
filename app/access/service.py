"""Accounts, sign-in and tokens: changes and queries."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from app.access.errors import (
    EmailTaken,
    LastAdministrator,
    TooManyAttempts,
    WiderThanOwner,
)
from app.access.events import (
    AccountCreated,
    AccountDeactivated,
    CredentialsChanged,
    SignedIn,
    SignInFailed,
    SystemInitialised,
    TokenCreated,
    TokenRevoked,
)
from app.access.models import Account, SignInFailure, Token
from app.access.rules import RULES, Operation, OrganisationRole, Role, Scope, permission
from app.kernel.errors import Forbidden, NotFound, Unauthenticated, VersionMismatch
from app.kernel.primitives import new_id, sha256_hex, utc_now
from app.ledger import log
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork

TOKEN_PREFIX = "exh_"  # noqa: S105 - it marks a secret, so that scanners find one that leaked
BOOTSTRAP_EMAIL = "administrator@exhibit.invalid"

_hasher = PasswordHasher()


@cache
def _dummy_hash() -> str:
    """Checked when no account is found, so that the time of an answer does not tell which addresses exist."""
    return _hasher.hash(secrets.token_hex(16))


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


def require_scope(actor: Actor, operation: Operation) -> None:
    """Refuse what the token was not made for. Raises Forbidden."""
    scope = RULES[operation].scope
    if operation is not Operation.PUBLIC and scope not in actor.scopes:
        raise Forbidden(f"This token lacks the scope '{scope}'.", extra={"scope": scope})


def require_administrator(actor: Actor) -> EntryActor:
    """The administrator as an entry's actor. Raises Forbidden."""
    require_scope(actor, Operation.ADMINISTER)
    permitted = permission(Operation.ADMINISTER, frozenset(), actor.organisation_roles)
    if permitted is None:
        raise Forbidden("Only an administrator may do this.")
    return actor.system_entry_actor(permitted.role)


def bootstrap_administrator(uow: UnitOfWork, *, ttl_s: int) -> str | None:
    """The first administrator and the secret to enter with; None when there is an account already."""
    if uow.session.scalar(select(func.count()).select_from(Account)):
        return None
    account = _new_account("Administrator", BOOTSTRAP_EMAIL, is_administrator=True, is_auditor=False, password=None)
    uow.session.add(account)
    uow.session.flush()
    stream = system_stream(uow.session)
    actor = EntryActor(stream, "system", None)
    uow.record(SystemInitialised(stream=stream, actor=actor, object=EntryObject("system", stream)))
    _record_account(uow, account, actor)
    _, secret = _new_token(
        uow, account, actor, kind="token", name="bootstrap", scopes=tuple(Scope), cases=None, roles=None, ttl_s=ttl_s
    )
    return secret


def create_account(
    uow: UnitOfWork,
    actor: Actor,
    *,
    name: str,
    email: str,
    is_administrator: bool = False,
    is_auditor: bool = False,
    password: str | None = None,
) -> Account:
    """A new person. Raises EmailTaken."""
    entry_actor = require_administrator(actor)
    if uow.session.scalar(select(Account.id).where(Account.email == email.lower())) is not None:
        raise EmailTaken("Another account has this e-mail address.")
    account = _new_account(name, email, is_administrator, is_auditor, password)
    uow.session.add(account)
    uow.session.flush()
    _record_account(uow, account, entry_actor)
    return account


def _new_account(name: str, email: str, is_administrator: bool, is_auditor: bool, password: str | None) -> Account:
    return Account(
        id=new_id(),
        name=name,
        email=email.lower(),
        password_hash=None if password is None else _hasher.hash(password),
        is_administrator=is_administrator,
        is_auditor=is_auditor,
        is_active=True,
        created_at=utc_now(),
        version=1,
    )


def _record_account(uow: UnitOfWork, account: Account, actor: EntryActor) -> None:
    uow.record(
        AccountCreated(
            stream=system_stream(uow.session),
            actor=actor,
            object=EntryObject("account", account.id, account.version),
            account=account.id,
            administrator=account.is_administrator,
            auditor=account.is_auditor,
            name=account.name,
            email=account.email,
        )
    )


def system_stream(session: Session) -> UUID:
    return log.installation(session).system_stream


def get_account(session: Session, actor: Actor, account_id: UUID) -> Account:
    """An account, to an administrator or to oneself; NotFound to anybody else."""
    if actor.account_id != account_id:
        require_administrator(actor)
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound()
    return account


def list_accounts(
    session: Session, actor: Actor, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Account]:
    """Accounts in order of creation, for an administrator."""
    require_administrator(actor)
    query = select(Account).order_by(Account.created_at, Account.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(Account.created_at, Account.id) > after)
    return session.scalars(query).all()


def deactivate_account(uow: UnitOfWork, actor: Actor, account_id: UUID, *, version: int) -> Account:
    """Nobody signs in or acts as this person any more; what they did stays. Raises LastAdministrator."""
    entry_actor = require_administrator(actor)
    # Every administrator's row is locked, so that two of them cannot shut each other out at once.
    administrators = uow.session.scalars(
        select(Account.id).where(Account.is_administrator, Account.is_active).order_by(Account.id).with_for_update()
    ).all()
    account = _lock_account(uow.session, account_id, version)
    if list(administrators) == [account.id]:
        raise LastAdministrator("This is the only active administrator; make another one first.")
    if account.is_active:
        account.is_active = False
        account.version += 1
        _revoke_all(uow, account, entry_actor)
        uow.record(
            AccountDeactivated(
                stream=system_stream(uow.session),
                actor=entry_actor,
                object=EntryObject("account", account.id, account.version),
                account=account.id,
            )
        )
    return account


def reset_password(uow: UnitOfWork, actor: Actor, account_id: UUID, *, password: str, version: int) -> Account:
    """A new password by an administrator; every session and token of the account ends, but the one in use."""
    entry_actor = require_administrator(actor)
    account = _lock_account(uow.session, account_id, version)
    _revoke_all(uow, account, entry_actor, keep=actor.token_id)
    _set_password(uow, account, entry_actor, password)
    return account


def _set_password(uow: UnitOfWork, account: Account, entry_actor: EntryActor, password: str) -> None:
    account.password_hash = _hasher.hash(password)
    account.version += 1
    uow.record(
        CredentialsChanged(
            stream=system_stream(uow.session),
            actor=entry_actor,
            object=EntryObject("account", account.id, account.version),
            account=account.id,
        )
    )


def change_own_password(
    uow: UnitOfWork, actor: Actor, *, old_password: str, new_password: str, attempts_allowed: int
) -> Account | None:
    """A new password for oneself, given the old one, else None (the failure is staged: commit it, then refuse).

    One's other sessions end. Raises TooManyAttempts: a stolen token must not serve to guess the password.
    """
    require_scope(actor, Operation.MANAGE_OWN_ACCESS)
    # The address is held before the account, as a sign-in holds them.
    email = uow.session.scalars(select(Account.email).where(Account.id == actor.account_id)).one()
    _refuse_after_failures(uow.session, email, attempts_allowed)
    account = _lock_account(uow.session, actor.account_id, None)
    if not _password_fits(account, old_password):
        _keep_failure(uow, account, account.email)
        return None
    entry_actor = actor.system_entry_actor()
    _revoke_all(uow, account, entry_actor, kind="session", keep=actor.token_id)
    _set_password(uow, account, entry_actor, new_password)
    return account


def _lock_account(session: Session, account_id: UUID, version: int | None) -> Account:
    account = session.scalar(select(Account).where(Account.id == account_id).with_for_update())
    if account is None:
        raise NotFound()
    if version is not None and account.version != version:
        raise VersionMismatch(f"The account is at version {account.version}. Read it again, then repeat the change.")
    return account


def sign_in(
    uow: UnitOfWork, *, email: str, password: str, ttl_s: int, attempts_allowed: int
) -> tuple[Token, str] | None:
    """A session for the right password, else None (the failure is staged as an entry: commit it, then refuse).

    Raises TooManyAttempts after so many failures for the address within 15 minutes.
    """
    _refuse_after_failures(uow.session, email, attempts_allowed)
    account = uow.session.scalar(select(Account).where(Account.email == email.lower()))
    if not _password_fits(account, password) or account is None:
        _keep_failure(uow, account, email)
        return None
    actor = EntryActor(account.id, "user", None)
    token, secret = _new_token(
        uow, account, actor, kind="session", name="sign-in", scopes=tuple(Scope), cases=None, roles=None, ttl_s=ttl_s
    )
    return token, secret


def _password_fits(account: Account | None, password: str) -> bool:
    stored = account.password_hash if account is not None and account.is_active else None
    try:
        _hasher.verify(stored or _dummy_hash(), password)
    except VerifyMismatchError:
        return False
    return stored is not None


def _refuse_after_failures(session: Session, email: str, attempts_allowed: int) -> None:
    """Raises TooManyAttempts after so many wrong passwords for the address within 15 minutes.

    Guesses for one address come one after the other until the transaction ends, so that each sees those before it.
    """
    lock_key = int.from_bytes(bytes.fromhex(_email_digest(email))[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(lock_key)))
    failures = session.scalar(
        select(func.count())
        .select_from(SignInFailure)
        .where(
            SignInFailure.email_sha256 == _email_digest(email),
            SignInFailure.failed_at > utc_now() - timedelta(minutes=15),
        )
    )
    if failures is not None and failures >= attempts_allowed:
        raise TooManyAttempts("Too many wrong passwords for this address. Wait 15 minutes.")


def _email_digest(email: str) -> str:
    return sha256_hex(email.lower().encode("utf-8"))


def _keep_failure(uow: UnitOfWork, account: Account | None, email: str) -> None:
    """Count a wrong password, and stage its entry."""
    uow.session.add(SignInFailure(id=new_id(), email_sha256=_email_digest(email), failed_at=utc_now()))
    stream = system_stream(uow.session)
    uow.record(
        SignInFailed(
            stream=stream,
            actor=EntryActor(stream, "system", None),
            object=EntryObject("account", account.id if account is not None else stream),
            account=None if account is None else account.id,
            email=email,
        )
    )


def create_token(
    uow: UnitOfWork,
    actor: Actor,
    *,
    account_id: UUID,
    name: str,
    scopes: Sequence[Scope],
    cases: Sequence[UUID] | None,
    roles: Sequence[Role] | None,
    ttl_s: int,
) -> tuple[Token, str]:
    """A token for oneself or, by an administrator, for another account; never wider than the one used to ask.

    Nor does it outlive a token that was used to ask; a session's may. Raises WiderThanOwner, NotFound.
    """
    require_scope(actor, Operation.MANAGE_OWN_ACCESS)
    entry_actor = actor.system_entry_actor()
    if actor.account_id != account_id:
        entry_actor = require_administrator(actor)
    _require_narrower(actor, scopes, cases, roles)
    account = uow.session.get(Account, account_id)
    if account is None or not account.is_active:
        raise NotFound()
    return _new_token(
        uow,
        account,
        entry_actor,
        kind="token",
        name=name,
        scopes=scopes,
        cases=cases,
        roles=roles,
        ttl_s=ttl_s,
        maker=_hold_maker(uow.session, actor),
    )


def _hold_maker(session: Session, actor: Actor) -> Token:
    """The token used to ask, held so that its revocation comes after and finds what it made. Raises Unauthenticated."""
    maker = session.scalars(
        select(Token)
        .where(Token.id == actor.token_id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).one()
    if maker.revoked_at is not None:
        raise Unauthenticated()
    return maker


def _require_narrower(
    actor: Actor, scopes: Sequence[Scope], cases: Sequence[UUID] | None, roles: Sequence[Role] | None
) -> None:
    wider_scope = not set(scopes) <= actor.scopes
    wider_cases = actor.case_ids is not None and (cases is None or not set(cases) <= actor.case_ids)
    wider_roles = actor.roles is not None and (roles is None or not set(roles) <= actor.roles)
    if wider_scope or wider_cases or wider_roles:
        raise WiderThanOwner("A token cannot allow more than the one it was made with.")


def _new_token(
    uow: UnitOfWork,
    account: Account,
    actor: EntryActor,
    *,
    kind: str,
    name: str,
    scopes: Sequence[Scope],
    cases: Sequence[UUID] | None,
    roles: Sequence[Role] | None,
    ttl_s: int,
    maker: Token | None = None,
) -> tuple[Token, str]:
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = utc_now()
    expires_at = now + timedelta(seconds=ttl_s)
    if maker is not None and maker.kind == "token":
        expires_at = min(expires_at, maker.expires_at)
    token = Token(
        id=new_id(),
        account_id=account.id,
        kind=kind,
        name=name,
        secret_sha256=token_digest(secret),
        scopes=sorted(set(scopes)),
        case_ids=None if cases is None else list(cases),
        roles=None if roles is None else sorted(set(roles)),
        made_by=None if maker is None else maker.id,
        created_at=now,
        expires_at=expires_at,
    )
    uow.session.add(token)
    stream = system_stream(uow.session)
    entry_object = EntryObject("token", token.id)
    if kind == "session":
        uow.record(SignedIn(stream=stream, actor=actor, object=entry_object, account=account.id, token=token.id))
    else:
        uow.record(
            TokenCreated(
                stream=stream,
                actor=actor,
                object=entry_object,
                account=account.id,
                token=token.id,
                scopes=tuple(token.scopes),
                cases=None if cases is None else tuple(cases),
                roles=None if token.roles is None else tuple(token.roles),
                expires_at=token.expires_at,
                name=name,
            )
        )
    return token, secret


def list_tokens(
    session: Session, actor: Actor, account_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Token]:
    """The tokens of an account (never their secrets), newest last; one's own, or any as an administrator."""
    require_scope(actor, Operation.MANAGE_OWN_ACCESS)
    if actor.account_id != account_id:
        require_administrator(actor)
    query = select(Token).where(Token.account_id == account_id).order_by(Token.created_at, Token.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(Token.created_at, Token.id) > after)
    return session.scalars(query).all()


def sign_out(uow: UnitOfWork, actor: Actor) -> Token:
    """End the secret in use, which any token may; what a session made goes on, what a token made ends with it."""
    token = _lock_token(uow.session, actor.token_id)
    if token.kind == "session":
        _revoke(uow, token, actor.system_entry_actor())
    else:
        _revoke_with_descendants(uow, token, actor.system_entry_actor())
    return token


def revoke_token(uow: UnitOfWork, actor: Actor, token_id: UUID) -> Token:
    """End a token or session at once, and every token made with it; revoking it again changes nothing.

    Any token may revoke itself. Raises NotFound, Forbidden.
    """
    seen = uow.session.get(Token, token_id)
    if seen is None:
        raise NotFound()
    entry_actor = actor.system_entry_actor()
    if seen.account_id != actor.account_id:
        if OrganisationRole.ADMINISTRATOR not in actor.organisation_roles:
            raise NotFound()
        entry_actor = require_administrator(actor)
    if token_id != actor.token_id:
        require_scope(actor, Operation.MANAGE_OWN_ACCESS)
    token = _lock_token(uow.session, token_id)
    _revoke_with_descendants(uow, token, entry_actor)
    return token


def _lock_token(session: Session, token_id: UUID) -> Token:
    return session.scalars(
        select(Token).where(Token.id == token_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def _revoke_with_descendants(uow: UnitOfWork, token: Token, actor: EntryActor) -> None:
    """End a locked token and all that were made with it, whoever's they are.

    One generation is locked before the next is looked for: a token being made meanwhile is either found or refused.
    """
    _revoke(uow, token, actor)
    makers = [token.id]
    while makers:
        made = uow.session.scalars(
            select(Token)
            .where(Token.made_by.in_(makers))
            .order_by(Token.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()
        for descendant in made:
            _revoke(uow, descendant, actor)
        makers = [descendant.id for descendant in made]


def _revoke_all(
    uow: UnitOfWork, account: Account, actor: EntryActor, *, kind: str | None = None, keep: UUID | None = None
) -> None:
    query = select(Token).where(Token.account_id == account.id, Token.revoked_at.is_(None)).with_for_update()
    for token in uow.session.scalars(query).all():
        if token.id != keep and (kind is None or token.kind == kind):
            _revoke(uow, token, actor)


def _revoke(uow: UnitOfWork, token: Token, actor: EntryActor) -> None:
    if token.revoked_at is not None:
        return
    token.revoked_at = utc_now()
    uow.record(
        TokenRevoked(
            stream=system_stream(uow.session),
            actor=actor,
            object=EntryObject("token", token.id),
            account=token.account_id,
            token=token.id,
        )
    )


def note_use(session: Session, actor: Actor) -> bool:
    """Note that a token was used, at most once a minute; True when something changed and wants a commit."""
    token = session.get(Token, actor.token_id)
    now = utc_now()
    if token is None or (token.last_used_at is not None and now - token.last_used_at < timedelta(minutes=1)):
        return False
    token.last_used_at = now
    return True
