"""Cases and their members."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, StringConstraints

from app.access.actors import Actor, require_administrator
from app.access.rules import Operation, Role
from app.api.as_of import AsOf, DatedPage, dated, position_at
from app.api.headers import sends
from app.api.http import (
    Changed,
    Email,
    Erased,
    IfMatch,
    Input,
    Page,
    Readable,
    Requires,
    Shape,
    WrittenText,
    commit,
    reading,
    required_version,
    with_version,
    working,
)
from app.api.paging import BadCursor, Cursor, Limit, cursor_at, page, read_cursor, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.cases import service
from app.cases.models import Case
from app.kernel.primitives import encode_cursor
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1/cases", tags=["Cases"])

Administrator = Annotated[Actor, Depends(Requires(Operation.ADMINISTER))]
Lister = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]
Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Inviter = Annotated[Actor, Depends(Requires(Operation.LOOK_UP_ACCOUNT))]
Manager = Annotated[Actor, Depends(Requires(Operation.MANAGE_CASE))]

Title = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]*$"), Readable]
LongText = WrittenText


class CaseCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"title": "Strikes, July", "coordinator_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11"}]
        },
    )

    title: Title
    description: LongText | None = None
    coordinator_id: UUID = Field(description="The account that becomes the case's first coordinator.")


class CaseUpdate(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Strikes, July and August"}]})

    title: Title | None = None
    description: LongText | None = None


class CaseClose(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Every item is signed off."}]})

    reason: LongText


class CaseShape(Changed):
    id: UUID
    title: str
    description: str | None
    status: Literal["open", "closed"]
    erased: list[str] = Erased
    policy_version: int
    created_at: datetime
    version: int


class CaseCreated(Changed):
    """The administrator who makes a case does not see into it."""

    id: UUID
    created_at: datetime
    version: int


class MemberShape(Changed):
    account_id: UUID
    pseudonym: UUID = Field(description="The person's id in this case's custody entries.")
    name: str
    role: Role
    granted_at: datetime
    access_given_at: datetime | None = Field(
        description="When an administrator last set this person's password, or made a token for an account that had "
        "one; null: never. For 24 hours after it the person approves nothing that takes two. As it is now, whatever "
        "`as_of` says.",
    )


class AccountLookUp(Input):
    email: Email = Field(examples=["olena@hub.example"])


class FoundAccount(Shape):
    account_id: UUID
    name: str


class MemberChanged(Changed):
    account_id: UUID
    role: Role


def _case(case: Case) -> CaseShape:
    return CaseShape.model_validate(case)


@router.post(
    "",
    name="createCase",
    status_code=201,
    summary="Open a case",
    response_model=CaseCreated,
    responses={201: sends("Location"), **problem_responses(401, 403, 422)},
)
def create_case(body: CaseCreate, request: Request, actor: Administrator, key: IdempotencyKey = None) -> JSONResponse:
    """By an administrator, who names the first coordinator and then does not see into the case."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createCase",
            request_sha256=request_digest(body),
            authorise=lambda: require_administrator(actor),
        )
        if answer is not None:
            return answer
        case = service.create_case(uow, actor, **body.model_dump())
        return commit(
            uow,
            lambda receipts: CaseCreated(
                id=case.id, created_at=case.created_at, version=case.version, receipts=receipts
            ),
            actor=actor,
            key=key,
            status=201,
            version=case.version,
            location=f"/v1/cases/{case.id}",
        )


@router.get(
    "",
    name="listCases",
    summary="List your cases",
    response_model=Page[CaseShape],
    responses=problem_responses(401, 403, 422),
)
def list_cases(
    request: Request, response: Response, actor: Lister, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Those in which you hold a role, oldest first."""
    with reading(request) as session:
        rows = service.list_cases(session, actor, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _case, lambda row: cursor_at(row.created_at, row.id))


@router.get(
    "/{case_id}",
    name="getCase",
    summary="Read a case",
    response_model=CaseShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_case(case_id: UUID, request: Request, response: Response, actor: Reader) -> CaseShape:
    """To its members. To everybody else it is not there."""
    with reading(request) as session:
        case = service.get_case(session, actor, case_id)
        with_version(response, case.version)
        return _case(case)


@router.patch(
    "/{case_id}",
    name="updateCase",
    summary="Change title or description",
    response_model=CaseShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def update_case(
    case_id: UUID, body: CaseUpdate, request: Request, actor: Manager, if_match: IfMatch = None
) -> JSONResponse:
    """By a coordinator."""
    with working(request) as uow:
        case = service.update_case(uow, actor, case_id, version=required_version(if_match), **body.model_dump())
        return _case_answer(uow, case)


@router.post(
    "/{case_id}/close",
    name="closeCase",
    summary="Close a case",
    response_model=CaseShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def close_case(
    case_id: UUID, body: CaseClose, request: Request, actor: Manager, if_match: IfMatch = None
) -> JSONResponse:
    """By a coordinator. It stays readable; nothing in it changes any more."""
    with working(request) as uow:
        case = service.close_case(uow, actor, case_id, version=required_version(if_match), reason=body.reason)
        return _case_answer(uow, case)


@router.get(
    "/{case_id}/members",
    name="listMembers",
    summary="List the members of a case",
    response_model=DatedPage[MemberShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_members(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One row a role. The pseudonym is the id by which the person stands in this case's custody entries. With `as_of`,
    who held which role then, by the names of now."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_members(session, actor, case_id, after=_member_after(cursor), limit=limit + 1, at=at)
        answer = page(
            request,
            response,
            rows,
            limit,
            lambda row: MemberShape(
                account_id=row[0].account_id,
                pseudonym=row[2],
                name=row[1].name,
                role=row[0].role,
                granted_at=row[0].granted_at,
                access_given_at=row[1].access_given_at,
            ),
            lambda row: encode_cursor(str(row[0].account_id), row[0].role),
        )
        return dated(answer, at)


@router.post(
    "/{case_id}/members/lookup",
    name="lookUpAccount",
    summary="Find the account of an e-mail address",
    response_model=FoundAccount,
    responses=problem_responses(401, 403, 404, 422),
)
def look_up_account(case_id: UUID, body: AccountLookUp, request: Request, actor: Inviter) -> FoundAccount:
    """For coordinators who are about to add a member: the whole address gives the id, else `unknown_account`.

    A POST, so that the address stands in no URL. It changes nothing and is no entry.
    """
    with reading(request) as session:
        account = service.look_up_account(session, actor, case_id, email=body.email)
        return FoundAccount(account_id=account.id, name=account.name)


@router.put(
    "/{case_id}/members/{account_id}/{role}",
    name="grantRole",
    summary="Give a person a role in the case",
    response_model=MemberChanged,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def grant_role(case_id: UUID, account_id: UUID, role: Role, request: Request, actor: Manager) -> JSONResponse:
    """By a coordinator. Giving it again changes nothing, so no If-Match is needed."""
    with working(request) as uow:
        service.grant_role(uow, actor, case_id, account_id=account_id, role=role)
        return commit(uow, lambda receipts: MemberChanged(account_id=account_id, role=role, receipts=receipts))


@router.delete(
    "/{case_id}/members/{account_id}/{role}",
    name="revokeRole",
    summary="Take a role away",
    response_model=MemberChanged,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def revoke_role(case_id: UUID, account_id: UUID, role: Role, request: Request, actor: Manager) -> JSONResponse:
    """By a coordinator. The person's sessions go on, without this role from the next request on."""
    with working(request) as uow:
        service.revoke_role(uow, actor, case_id, account_id=account_id, role=role)
        return commit(uow, lambda receipts: MemberChanged(account_id=account_id, role=role, receipts=receipts))


def _member_after(cursor: str | None) -> tuple[UUID, str] | None:
    parts = read_cursor(cursor, str, str)
    if parts is None:
        return None
    try:
        return UUID(parts[0]), parts[1]
    except ValueError as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error


def _case_answer(uow: UnitOfWork, case: Case) -> JSONResponse:
    return commit(uow, lambda receipts: _case(case).model_copy(update={"receipts": receipts}), version=case.version)
