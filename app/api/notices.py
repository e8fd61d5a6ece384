"""Notices to a case's coordinators: an item of another case resembles one of theirs."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Changed, Page, Requires, commit, reading, working
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.fingerprints import notices
from app.fingerprints.models import MatchNotice

router = APIRouter(route_class=LedgerRoute, prefix="/v1/cases", tags=["Matches"])

Coordinator = Annotated[Actor, Depends(Requires(Operation.READ_NOTICES))]
Manager = Annotated[Actor, Depends(Requires(Operation.MANAGE_CASE))]


class NoticeShape(Changed):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0c5b1e43-52a4-4c6f-9a53-90bb0b1c7c11",
                    "evidence_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
                    "tier": "same_picture",
                    "found_at": "2026-07-14T09:31:00.000Z",
                    "still_found": True,
                    "acknowledged_at": None,
                    "receipts": [],
                }
            ]
        }
    )

    id: UUID
    evidence_id: UUID = Field(description="The item of this case. Of the other one nothing is told.")
    tier: Literal["exact", "same_picture"] = Field(description="The same bytes, or surely the same picture.")
    found_at: datetime
    still_found: bool = Field(
        description="Whether the product's rule, by which cases are compared, still finds what the notice is about."
    )
    acknowledged_at: datetime | None


def _notice(found: tuple[MatchNotice, bool]) -> NoticeShape:
    row, still_found = found
    return NoticeShape(
        id=row.id,
        evidence_id=row.evidence_id,
        tier=cast(Literal["exact", "same_picture"], row.tier),
        found_at=row.found_at,
        still_found=still_found,
        acknowledged_at=row.acknowledged_at,
    )


@router.get(
    "/{case_id}/notices",
    name="listNotices",
    summary="What resembles an item of another case",
    response_model=Page[NoticeShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_notices(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Coordinator,
    unacknowledged: Annotated[bool, Query(description="Only those that no coordinator has acknowledged.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """For coordinators, in the order in which they were given: one for each item of this case and each other case.
    Which case that is, and which item, is not told; members of both see the match itself."""
    with reading(request) as session:
        rows = notices.list_notices(
            session, actor, case_id, open_only=unacknowledged, after=read_cursor_at(cursor), limit=limit + 1
        )
        return page(request, response, rows, limit, _notice, lambda found: cursor_at(found[0].found_at, found[0].id))


@router.put(
    "/{case_id}/notices/{notice_id}/acknowledgement",
    name="acknowledgeNotice",
    summary="Acknowledge a notice",
    response_model=NoticeShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def acknowledge_notice(case_id: UUID, notice_id: UUID, request: Request, actor: Manager) -> JSONResponse:
    """By a coordinator. Doing so again changes nothing, so no If-Match is needed."""
    with working(request) as uow:
        notice = _notice(notices.acknowledge_notice(uow, actor, case_id, notice_id))
        return commit(uow, lambda receipts: notice.model_copy(update={"receipts": receipts}))
