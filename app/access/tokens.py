"""Tokens and sessions: making them, listing them, ending them."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_administrator, require_scope, system_stream, token_digest
from app.access.errors import WiderThanOwner
from app.access.events import SignedIn, TokenCreated, TokenRevoked
from app.access.models import Account, Token
from app.access.rules import Operation, OrganisationRole, Role, Scope
from app.kernel.errors import NotFound, Unauthenticated
from app.kernel.primitives import new_id, utc_now
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork

TOKEN_PREFIX = "exh_"  # noqa: S105 - it marks a secret, so that scanners find one that leaked


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
    return issue_token(
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


def issue_token(
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
        if OrganisationRole.ADMINISTRATOR not in actor.organisation_roles or Scope.ADMIN not in actor.scopes:
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


def revoke_all(
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
