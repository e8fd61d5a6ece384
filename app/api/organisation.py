"""For the organisation's auditor: which cases there are, and the installation's own log, as pages and as a file."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.custody import (
    FILE_RESPONSES,
    CustodyEntryShape,
    Format,
    OfLog,
    Purpose,
    Reason,
    custody_file,
    custody_page,
)
from app.api.http import Page, Requires, Shape, reading
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.exports import organisation
from app.exports.custody_service import CustodyPage, TakenFile
from app.unit_of_work import UnitOfWork

router = APIRouter(prefix="/v1/custody", tags=["Custody"])

OrganisationAuditor = Annotated[Actor, Depends(Requires(Operation.AUDIT_ORGANISATION))]


class AuditedCase(Shape):
    """A case without its content: not even its title."""

    id: UUID
    status: Literal["open", "closed"]
    created_at: datetime
    items: int = Field(description="Evidence items that were ever registered in it.")
    incidents: int = Field(description="Incidents that were ever registered in it.")


@router.get(
    "/cases",
    name="listAuditedCases",
    summary="List every case by its id, for the organisation's auditor",
    response_model=Page[AuditedCase],
    responses=problem_responses(401, 403, 422),
)
def list_audited_cases(
    request: Request, response: Response, actor: OrganisationAuditor, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Oldest first, without titles. Each one's log: `GET /v1/cases/{case_id}/custody`, and `/custody/file`."""
    with reading(request) as session:
        rows = organisation.list_audited_cases(session, actor, after=read_cursor_at(cursor), limit=limit + 1)
    return page(
        request, response, rows, limit, AuditedCase.model_validate, lambda row: cursor_at(row.created_at, row.id)
    )


@router.get(
    "/system",
    name="listSystemCustody",
    summary="Read the installation's own log",
    response_model=Page[CustodyEntryShape],
    responses=problem_responses(401, 403, 422),
)
def list_system_custody(
    request: Request, response: Response, actor: OrganisationAuditor, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Every act on accounts, passwords, sessions and tokens, oldest first. Names and addresses stay sealed."""

    def read(session: Session, after: int) -> CustodyPage:
        return organisation.list_system_custody(session, actor, after=after, limit=limit + 1)

    return custody_page(request, response, limit, cursor, read)


@router.get(
    "/system/file",
    name="takeSystemCustodyFile",
    summary="Take the installation's own log as a file",
    response_class=StreamingResponse,
    responses=FILE_RESPONSES,
)
def take_system_custody_file(
    request: Request,
    actor: OrganisationAuditor,
    purpose: Purpose,
    format: Format = "jsonl",  # noqa: A002 - the name in the address
    reason: Reason = None,
    log_id: OfLog = None,
) -> StreamingResponse:
    """The same log, provably whole. Taking it is an entry (`export.created`) in it. It opens no sealed field."""

    def take(uow: UnitOfWork) -> TakenFile:
        return organisation.take_system_custody_file(
            uow, actor, file_format=format, purpose=purpose, reason=reason, log_id=log_id
        )

    return custody_file(request, format, take)
