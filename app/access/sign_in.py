"""Passwords as they are given: signing in and changing one's own, with the brake on guessing them."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_scope, system_stream
from app.access.errors import TooManyAttempts
from app.access.events import SignInFailed
from app.access.models import Account, SignInFailure, Token
from app.access.passwords import password_fits
from app.access.rules import Operation, Scope
from app.access.service import lock_account, set_password
from app.access.tokens import issue_token, revoke_all
from app.kernel.primitives import new_id, sha256_hex, utc_now
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork


def sign_in(
    uow: UnitOfWork, *, email: str, password: str, ttl_s: int, attempts_allowed: int
) -> tuple[Token, str] | None:
    """A session for the right password, else None (the failure is staged as an entry: commit it, then refuse).

    Raises TooManyAttempts after so many failures for the address within 15 minutes.
    """
    _refuse_after_failures(uow.session, email, attempts_allowed)
    account = uow.session.scalar(select(Account).where(Account.email == email.lower()))
    if not password_fits(account, password) or account is None:
        _keep_failure(uow, account, email)
        return None
    actor = EntryActor(account.id, "user", None)
    token, secret = issue_token(
        uow, account, actor, kind="session", name="sign-in", scopes=tuple(Scope), cases=None, roles=None, ttl_s=ttl_s
    )
    return token, secret


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
    account = lock_account(uow.session, actor.account_id, None)
    if not password_fits(account, old_password):
        _keep_failure(uow, account, account.email)
        return None
    entry_actor = actor.system_entry_actor()
    revoke_all(uow, account, entry_actor, kind="session", keep=actor.token_id)
    set_password(uow, account, entry_actor, new_password)
    return account


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
    """Count a wrong password, and stage its entry. An address is kept while it is an account's: any other could never
    be erased, as nobody's; and one that was erased may be tried again."""
    uow.session.add(SignInFailure(id=new_id(), email_sha256=_email_digest(email), failed_at=utc_now()))
    stream = system_stream(uow.session)
    address = None
    if account is not None:  # Before or after its erasure, not at the same moment.
        own = select(Account.email).where(Account.id == account.id).with_for_update(read=True)
        address = uow.session.scalars(own).one()
    uow.record(
        SignInFailed(
            stream=stream,
            actor=EntryActor(stream, "system", None),
            object=EntryObject("account", account.id if account is not None else stream),
            account=None if account is None else account.id,
            email=address if address == email.lower() else None,
        )
    )
