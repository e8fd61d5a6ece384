"""Accounts: changes and queries."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_administrator, system_stream
from app.access.errors import EmailTaken, LastAdministrator
from app.access.events import AccountCreated, AccountDeactivated, CredentialsChanged, SystemInitialised
from app.access.models import Account
from app.access.passwords import hash_password
from app.access.rules import Scope
from app.access.tokens import issue_token, revoke_all
from app.kernel.errors import NotFound, VersionMismatch
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork

BOOTSTRAP_EMAIL = "administrator@exhibit.invalid"


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
    _, secret = issue_token(
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
        password_hash=None if password is None else hash_password(password),
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
    account = lock_account(uow.session, account_id, version)
    if list(administrators) == [account.id]:
        raise LastAdministrator("This is the only active administrator; make another one first.")
    if account.is_active:
        account.is_active = False
        account.version += 1
        revoke_all(uow, account, entry_actor)
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
    account = lock_account(uow.session, account_id, version)
    revoke_all(uow, account, entry_actor, keep=actor.token_id)
    set_password(uow, account, entry_actor, password)
    if account.id != actor.account_id:
        account.access_given_at = utc_now()
    return account


def set_password(uow: UnitOfWork, account: Account, entry_actor: EntryActor, password: str) -> None:
    account.password_hash = hash_password(password)
    account.version += 1
    uow.record(
        CredentialsChanged(
            stream=system_stream(uow.session),
            actor=entry_actor,
            object=EntryObject("account", account.id, account.version),
            account=account.id,
        )
    )


def lock_account(session: Session, account_id: UUID, version: int | None) -> Account:
    account = session.scalar(select(Account).where(Account.id == account_id).with_for_update())
    if account is None:
        raise NotFound()
    if version is not None and account.version != version:
        raise VersionMismatch(f"The account is at version {account.version}. Read it again, then repeat the change.")
    return account
