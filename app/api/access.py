"""Sessions, accounts and tokens."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, StringConstraints

from app.access import service, sign_in, tokens
from app.access.actors import Actor, require_administrator
from app.access.errors import BadCredentials
from app.access.models import Account, Token
from app.access.rules import Operation, Role, Scope
from app.api.headers import sends
from app.api.http import (
    Changed,
    Email,
    Erased,
    IfMatch,
    Input,
    Page,
    Public,
    Readable,
    ReadAsWritten,
    Requires,
    Shape,
    commit,
    reading,
    required_version,
    services,
    with_version,
    working,
)
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.threads import takes_long
from app.api.waiting import LedgerRoute
from app.cases.service import roles_by_case
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["People and tokens"])

SignedIn = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]
AnyToken = Annotated[Actor, Depends(Requires(Operation.END_OWN_ACCESS))]
OwnAccess = Annotated[Actor, Depends(Requires(Operation.MANAGE_OWN_ACCESS))]
Administrator = Annotated[Actor, Depends(Requires(Operation.ADMINISTER))]
Password = Annotated[str, StringConstraints(min_length=12, max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$"), Readable, ReadAsWritten]


class SessionCreate(Input):
    email: Email = Field(examples=["olena@hub.example"])
    password: str = Field(min_length=1, max_length=1000, examples=["correct horse battery staple"])


class SecretAnswer(Changed):
    """A secret, shown once. Only its SHA-256 is kept."""

    id: UUID
    token: str = Field(description="Send it as `Authorization: Bearer …`.", examples=["exh_3q2-…"])
    expires_at: datetime


class AccountCreate(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Olena", "email": "olena@hub.example"}]})

    name: Name
    email: Email
    password: Password | None = Field(default=None, description="None: the person enters with tokens only.")
    is_administrator: bool = False
    is_auditor: bool = Field(default=False, description="Organisation's auditor: every custody log, without content.")


class AccountShape(Changed):
    id: UUID
    name: str
    email: str
    is_administrator: bool
    is_auditor: bool
    is_active: bool
    created_at: datetime
    version: int
    erased: list[str] = Erased


class CaseRoles(Shape):
    """The roles you hold in one case, as far as the token that you called with may use them."""

    case_id: UUID
    roles: list[Role]


class Me(Shape):
    """Who you are, and what the token that you called with allows at the most."""

    account: AccountShape
    scopes: list[Scope]
    case_ids: list[UUID] | None = Field(description="What your token is limited to; null: every case of yours.")
    roles: list[Role] | None = Field(description="What your token is limited to; null: every role of yours.")
    cases: list[CaseRoles] = Field(description="Your cases, in order of id. Their titles: `GET /v1/cases`.")


class PasswordChange(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"old_password": "correct horse battery staple", "new_password": "a longer one, with a comma"}]
        }
    )

    old_password: str = Field(min_length=1, max_length=1000)
    new_password: Password


class PasswordReset(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "a longer one, with a comma"}]})

    password: Password


class TokenCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={"examples": [{"name": "ingest script", "scopes": ["read", "write"], "expires_in_s": 86400}]},
    )

    name: Name
    scopes: list[Scope] = Field(min_length=1)
    account_id: UUID | None = Field(default=None, description="Another's, by an administrator; default: your own.")
    case_ids: list[UUID] | None = Field(default=None, max_length=1000, description="Null: every case of the account.")
    roles: list[Role] | None = Field(default=None, description="Null: every role of the account.")
    expires_in_s: int | None = Field(default=None, ge=1, description="Seconds; default and most: the server's limit.")


class TokenShape(Changed):
    id: UUID
    account_id: UUID
    kind: Literal["session", "token"]
    name: str
    scopes: list[Scope]
    case_ids: list[UUID] | None
    roles: list[Role] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    erased: list[str] = Erased


def _account(account: Account) -> AccountShape:
    return AccountShape.model_validate(account)


@router.post(
    "/sessions",
    name="createSession",
    status_code=201,
    summary="Sign in with e-mail and password",
    response_model=SecretAnswer,
    responses=problem_responses(401, 422, 429),
    dependencies=[Depends(Public())],
)
@takes_long
def create_session(body: SessionCreate, request: Request) -> JSONResponse:
    """A short-lived session. A failed attempt is a custody entry; after too many, wait (429)."""
    settings = services(request).settings
    with working(request) as uow:
        made = sign_in.sign_in(
            uow,
            email=body.email,
            password=body.password,
            ttl_s=settings.session_ttl_s,
            attempts_allowed=settings.sign_in_attempts_per_15_min,
        )
        if made is None:
            uow.commit()
            raise BadCredentials("Check both. After several failures the address is blocked for 15 minutes.")
        token, secret = made
        return commit(
            uow,
            lambda receipts: SecretAnswer(id=token.id, token=secret, expires_at=token.expires_at, receipts=receipts),
            status=201,
            holds_secret=True,
        )


@router.delete(
    "/sessions/current",
    name="deleteCurrentSession",
    summary="Sign out",
    response_model=TokenShape,
    responses=problem_responses(401, 403),
)
def delete_current_session(request: Request, actor: AnyToken) -> JSONResponse:
    """End the session or token that you called with, at once; with a token also those that were made with it."""
    with working(request) as uow:
        token = tokens.sign_out(uow, actor)
        return commit(uow, lambda receipts: _token(token).model_copy(update={"receipts": receipts}))


@router.get("/me", name="getMe", summary="Who am I", response_model=Me, responses=problem_responses(401, 403))
def get_me(request: Request, actor: SignedIn) -> Me:
    """Your account, what your token allows, and the roles you hold in each of your cases."""
    with reading(request) as session:
        account = service.get_account(session, actor, actor.account_id)
        return Me(
            account=_account(account),
            scopes=sorted(actor.scopes),
            case_ids=None if actor.case_ids is None else sorted(actor.case_ids),
            roles=None if actor.roles is None else sorted(actor.roles),
            cases=[CaseRoles(case_id=case_id, roles=roles) for case_id, roles in roles_by_case(session, actor)],
        )


@router.post(
    "/me/password",
    name="changeMyPassword",
    summary="Change your own password",
    response_model=AccountShape,
    responses=problem_responses(401, 403, 422, 429),
)
@takes_long
def change_my_password(body: PasswordChange, request: Request, actor: OwnAccess) -> JSONResponse:
    """Needs the old password. Your other sessions end."""
    with working(request) as uow:
        account = sign_in.change_own_password(
            uow,
            actor,
            old_password=body.old_password,
            new_password=body.new_password,
            attempts_allowed=services(request).settings.sign_in_attempts_per_15_min,
        )
        if account is None:
            uow.commit()
            raise BadCredentials("The old password is not right.")
        return _account_answer(uow, account)


@router.post(
    "/users",
    name="createUser",
    status_code=201,
    summary="Create an account",
    response_model=AccountShape,
    responses={201: sends("Location"), **problem_responses(401, 403, 409, 422)},
)
@takes_long
def create_user(
    body: AccountCreate, request: Request, actor: Administrator, key: IdempotencyKey = None
) -> JSONResponse:
    """By an administrator. The person's name and e-mail are sealed in the ledger."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createUser",
            request_sha256=request_digest(body),
            authorise=lambda: require_administrator(actor),
        )
        if answer is not None:
            return answer
        account = service.create_account(uow, actor, **body.model_dump())
        return commit(
            uow,
            lambda receipts: _account(account).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
            version=account.version,
            location=f"/v1/users/{account.id}",
        )


@router.get(
    "/users",
    name="listUsers",
    summary="List accounts",
    response_model=Page[AccountShape],
    responses=problem_responses(401, 403, 422),
)
def list_users(
    request: Request, response: Response, actor: Administrator, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """For administrators, oldest first."""
    with reading(request) as session:
        rows = service.list_accounts(session, actor, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _account, _created)


@router.get(
    "/users/{account_id}",
    name="getUser",
    summary="Read an account",
    response_model=AccountShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_user(account_id: UUID, request: Request, response: Response, actor: SignedIn) -> AccountShape:
    """Your own, or any as an administrator."""
    with reading(request) as session:
        account = service.get_account(session, actor, account_id)
        with_version(response, account.version)
        return _account(account)


@router.post(
    "/users/{account_id}/deactivate",
    name="deactivateUser",
    summary="Deactivate an account",
    response_model=AccountShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def deactivate_user(account_id: UUID, request: Request, actor: Administrator, if_match: IfMatch = None) -> JSONResponse:
    """Every session and token of the account ends at once. What the person did stays."""
    with working(request) as uow:
        account = service.deactivate_account(uow, actor, account_id, version=required_version(if_match))
        return _account_answer(uow, account)


@router.put(
    "/users/{account_id}/password",
    name="resetPassword",
    summary="Reset an account's password",
    response_model=AccountShape,
    responses=problem_responses(401, 403, 404, 412, 422, 428),
)
@takes_long
def reset_password(
    account_id: UUID, body: PasswordReset, request: Request, actor: Administrator, if_match: IfMatch = None
) -> JSONResponse:
    """By an administrator. The account's sessions and tokens end, but the one that you called with."""
    with working(request) as uow:
        account = service.reset_password(
            uow, actor, account_id, password=body.password, version=required_version(if_match)
        )
        return _account_answer(uow, account)


@router.post(
    "/tokens",
    name="createToken",
    status_code=201,
    summary="Create a token",
    response_model=SecretAnswer,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def create_token(body: TokenCreate, request: Request, actor: OwnAccess, key: IdempotencyKey = None) -> JSONResponse:
    """For yourself or, as an administrator, for another account; never wider than the token that you call with.

    Made with a token, it ends with that one at the latest; made with a session, it may live to the server's limit.

    The secret is in this answer and nowhere else: a repeated request answers 409 `secret_already_shown`.
    """
    longest = services(request).settings.token_ttl_s
    owner = body.account_id or actor.account_id
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createToken",
            request_sha256=request_digest(body),
            authorise=lambda: service.get_account(uow.session, actor, owner),
        )
        if answer is not None:
            return answer
        token, secret = tokens.create_token(
            uow,
            actor,
            account_id=owner,
            name=body.name,
            scopes=body.scopes,
            cases=body.case_ids,
            roles=body.roles,
            ttl_s=min(body.expires_in_s or longest, longest),
        )
        return commit(
            uow,
            lambda receipts: SecretAnswer(id=token.id, token=secret, expires_at=token.expires_at, receipts=receipts),
            actor=actor,
            key=key,
            status=201,
            holds_secret=True,
        )


@router.get(
    "/tokens",
    name="listTokens",
    summary="List tokens",
    response_model=Page[TokenShape],
    responses=problem_responses(401, 403, 422),
)
def list_tokens(
    request: Request,
    response: Response,
    actor: OwnAccess,
    account_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Your own tokens and sessions, or another account's as an administrator; never the secrets."""
    with reading(request) as session:
        owner = account_id or actor.account_id
        rows = tokens.list_tokens(session, actor, owner, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _token, _created)


@router.delete(
    "/tokens/{token_id}",
    name="revokeToken",
    summary="Revoke a token",
    response_model=TokenShape,
    responses=problem_responses(401, 403, 404, 422),
)
def revoke_token(token_id: UUID, request: Request, actor: AnyToken) -> JSONResponse:
    """At once, with every token made with it. Your own, or any as an administrator.

    Revoking it again changes nothing, so no If-Match is needed.
    """
    with working(request) as uow:
        token = tokens.revoke_token(uow, actor, token_id)
        return commit(uow, lambda receipts: _token(token).model_copy(update={"receipts": receipts}))


def _token(token: Token) -> TokenShape:
    return TokenShape.model_validate(token)


def _account_answer(uow: UnitOfWork, account: Account) -> JSONResponse:
    return commit(
        uow,
        lambda receipts: _account(account).model_copy(update={"receipts": receipts}),
        version=account.version,
    )


def _created(row: Account | Token) -> str:
    return cursor_at(row.created_at, row.id)
