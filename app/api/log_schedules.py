"""Logs that are made every month by themselves: schedules, what they made, and taking it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field, StringConstraints

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.custody import FILE_RESPONSES, PURPOSE, Purpose, Reason, attachment
from app.api.http import (
    Changed,
    Input,
    Page,
    ReceiptShape,
    Requires,
    Shape,
    WrittenText,
    commit,
    reading,
    services,
    working,
)
from app.api.incident_shapes import ZoneName
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.auditing import schedules
from app.auditing.log_formats import log_format
from app.auditing.months import LAST_DAY
from app.auditing.schedules import ScheduleAsked
from app.auditing.selection import Filters
from app.blobs.store import BlobMissing, BlobUnreadable
from app.exports.log_models import LogSchedule, StoredLog
from app.kernel.primitives import Sha256Hex, encode_cursor
from app.media.errors import ContentUnavailable

router = APIRouter(route_class=LedgerRoute, prefix="/v1/ledger/schedules", tags=["Ledger"])

Scheduler = Annotated[Actor, Depends(Requires(Operation.SCHEDULE_LOGS))]
Auditor = Annotated[Actor, Depends(Requires(Operation.EXPORT))]
OfCase = Annotated[
    UUID | None,
    Query(alias="case", description="Those of this case; without it, of everything, for the organisation's auditor."),
]
EntryType = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z_]+$")]


class ScheduleCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "case": "5f0c1c39-7c1f-4f0e-9d0a-0c5b4d3b7a11",
                    "view": "access",
                    "time_zone": "Europe/Kyiv",
                    "purpose": "audit",
                }
            ]
        },
    )

    case: UUID | None = Field(None, description="Null: of everything, for the organisation's auditor.")
    format: Literal["jsonl", "csv"] = Field("jsonl", description="`jsonl` carries its proof.")
    view: Literal["all", "access"] = "all"
    types: Annotated[list[EntryType], Field(max_length=50)] = Field([], description="Of these types; empty: of all.")
    actor: UUID | None = Field(None, description="Acts of this actor, as entries name them.")
    object: UUID | None = Field(None, description="Acts on this object.")
    day: int = Field(1, ge=1, le=LAST_DAY, description="The day of the month on which each month begins.")
    time_zone: ZoneName = Field("UTC", description="Whose days they are, as `Europe/Kyiv`.")
    purpose: Annotated[str, StringConstraints(pattern=PURPOSE)] = Field(description="Why, as one word.")
    reason: WrittenText | None = Field(None, max_length=2000, description="More about why; sealed in the ledger.")

    def asked(self) -> ScheduleAsked:
        filters = Filters(self.actor, self.object, tuple(self.types), self.view)
        return ScheduleAsked(self.case, filters, self.format, self.day, self.time_zone, self.purpose, self.reason)


class ScheduleShape(Changed):
    id: UUID
    case_id: UUID | None
    format: Literal["jsonl", "csv"]
    filters: dict[str, Any]
    day: int
    time_zone: str
    purpose: str
    first_month: str = Field(description="The first one that it makes.", examples=["2026-11"])
    created_at: datetime
    ended_at: datetime | None = Field(description="Also when who asked for it lost the right.")


class StoredLogShape(Shape):
    month: str = Field(examples=["2026-11"])
    log: int = Field(description="Of which of this installation's logs.")
    id: UUID
    state: Literal["building", "ready", "failed"]
    error: str | None
    recorded_from: datetime
    recorded_before: datetime
    index_from: int
    index_before: int
    made_at: datetime
    size_bytes: int | None
    sha256: str | None


@router.post(
    "",
    name="createLogSchedule",
    status_code=201,
    summary="Have a log made of every month",
    response_model=ScheduleShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def create_log_schedule(
    body: ScheduleCreate, request: Request, actor: Scheduler, key: IdempotencyKey = None
) -> Response:
    """From the present month on, each some minutes after it ended, with its proof. Who asks must keep the right to what
    is in it: it is asked again whenever one is made, and of whoever takes one.
    """
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createLogSchedule",
            request_sha256=request_digest(body),
            authorise=lambda: schedules.require_scheduling(uow.session, actor, body.case),
        )
        if answer is not None:
            return answer
        made = schedules.create_schedule(uow, actor, body.asked())
        return commit(uow, lambda receipts: _shape(made, receipts), actor=actor, key=key, status=201)


@router.get(
    "",
    name="listLogSchedules",
    summary="List schedules of logs",
    response_model=Page[ScheduleShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_log_schedules(
    request: Request,
    response: Response,
    actor: Auditor,
    case_id: OfCase = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Oldest first; those that ended too."""
    with reading(request) as session:
        found = schedules.list_schedules(session, actor, case_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, found, limit, _shape, lambda each: cursor_at(each.created_at, each.id))


@router.delete(
    "/{schedule_id}",
    name="endLogSchedule",
    summary="End a schedule of logs",
    response_model=ScheduleShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def end_log_schedule(schedule_id: UUID, request: Request, actor: Scheduler) -> Response:
    """No further log is made. Those that were made stay."""
    with working(request) as uow:
        ended = schedules.end_schedule(uow, actor, schedule_id)
        return commit(uow, lambda receipts: _shape(ended, receipts))


@router.get(
    "/{schedule_id}/logs",
    name="listScheduledLogs",
    summary="List the logs that a schedule made",
    response_model=Page[StoredLogShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_scheduled_logs(
    schedule_id: UUID, request: Request, response: Response, actor: Auditor, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Oldest month first."""
    after = read_cursor(cursor, str, int)
    with reading(request) as session:
        found = schedules.list_logs(
            session, actor, schedule_id, after=None if after is None else (after[0], after[1]), limit=limit + 1
        )
        return page(request, response, found, limit, _stored_shape, lambda each: encode_cursor(each.month, each.log_id))


@router.get(
    "/{schedule_id}/logs/{month}/file",
    name="takeScheduledLog",
    summary="Take the log of a month",
    response_class=StreamingResponse,
    responses=FILE_RESPONSES,
)
def take_scheduled_log(
    schedule_id: UUID,
    month: Annotated[str, Path(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])],
    request: Request,
    actor: Auditor,
    purpose: Purpose,
    reason: Reason = None,
    log_id: Annotated[int | None, Query(alias="log", ge=1, le=32767, description="Of an earlier log.")] = None,
) -> StreamingResponse:
    """The file as it was made. Taking it is an entry (`export.log_taken`), as of any other log."""
    with working(request) as uow:
        schedule, stored = schedules.take_stored(uow, actor, schedule_id, month, log_id, purpose=purpose, reason=reason)
        sha256, written_as = stored.file_sha256, log_format(schedule.format)
        assert sha256 is not None
        try:
            chunks = services(request).packages.read_range(Sha256Hex(sha256))
        except (BlobMissing, BlobUnreadable) as error:
            raise ContentUnavailable() from error
        uow.commit()
    return StreamingResponse(
        chunks, media_type=written_as.MEDIA_TYPE, headers=attachment(f"log-{month}{written_as.SUFFIX}")
    )


def _shape(schedule: LogSchedule, receipts: list[ReceiptShape] | None = None) -> ScheduleShape:
    return ScheduleShape(
        receipts=receipts or [],
        id=schedule.id,
        case_id=schedule.case_id,
        format=schedule.format,
        filters=schedule.filters,
        day=schedule.day,
        time_zone=schedule.time_zone,
        purpose=schedule.purpose,
        first_month=schedule.first_month,
        created_at=schedule.created_at,
        ended_at=schedule.ended_at,
    )


def _stored_shape(stored: StoredLog) -> StoredLogShape:
    return StoredLogShape(
        month=stored.month,
        log=stored.log_id,
        id=stored.id,
        state=stored.state,
        error=stored.error,
        recorded_from=stored.recorded_from,
        recorded_before=stored.recorded_before,
        index_from=stored.first,
        index_before=stored.before,
        made_at=stored.made_at,
        size_bytes=stored.size_bytes,
        sha256=stored.file_sha256,
    )
