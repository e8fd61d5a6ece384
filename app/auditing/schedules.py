"""Schedules of monthly logs: made, listed, ended; the logs that they made, and taking them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor, system_stream
from app.access.rules import Operation
from app.auditing.entry_log import LogFormat, record_taken, require_shown, require_whole
from app.auditing.errors import LogNotReady, NoLogOfMonth
from app.auditing.events import LogScheduled, LogUnscheduled
from app.auditing.months import month_at
from app.auditing.reading import Places
from app.auditing.selection import Filters, Scope, asked_sha256, find_scope
from app.cases.service import NOWHERE
from app.exports.log_models import LogSchedule, StoredLog
from app.kernel.errors import NotFound
from app.kernel.primitives import new_id, utc_now
from app.ledger import log
from app.ledger.event import EntryObject
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class ScheduleAsked:
    case_id: UUID | None
    filters: Filters
    format: LogFormat
    day: int
    time_zone: str
    purpose: str
    reason: str | None


def create_schedule(uow: UnitOfWork, actor: Actor, asked: ScheduleAsked) -> LogSchedule:
    """From the month on that is now. Raises NotFound, Forbidden."""
    scope = find_scope(uow.session, actor, asked.case_id, None, Operation.SCHEDULE_LOGS)
    now = utc_now()
    schedule = LogSchedule(
        id=new_id(),
        case_id=asked.case_id,
        stream=asked.case_id or system_stream(uow.session),
        requested_by=actor.account_id,
        created_at=now,
        format=asked.format,
        filters=asked.filters.document(),
        purpose=asked.purpose,
        day=asked.day,
        time_zone=asked.time_zone,
        first_month=str(month_at(now, asked.day, ZoneInfo(asked.time_zone))),
    )
    uow.session.add(schedule)
    uow.record(
        LogScheduled(
            stream=schedule.stream,
            actor=scope.entry_actor,
            object=EntryObject("log_schedule", schedule.id),
            scope=scope.kind,
            format=asked.format,
            asked_sha256=asked_sha256(scope.document(), schedule.filters),
            day=asked.day,
            time_zone=asked.time_zone,
            first_month=schedule.first_month,
            purpose=asked.purpose,
            reason=asked.reason,
        )
    )
    return schedule


def require_scheduling(session: Session, actor: Actor, case_id: UUID | None) -> Scope:
    """Raises NotFound, Forbidden."""
    return find_scope(session, actor, case_id, None, Operation.SCHEDULE_LOGS)


def list_schedules(
    session: Session, actor: Actor, case_id: UUID | None, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[LogSchedule]:
    """Of a case, or of everything; oldest first, those that ended too. Raises NotFound, Forbidden."""
    find_scope(session, actor, case_id, None, Operation.EXPORT)
    query = select(LogSchedule).where(
        LogSchedule.case_id.is_(None) if case_id is None else LogSchedule.case_id == case_id
    )
    if after is not None:
        query = query.where(tuple_(LogSchedule.created_at, LogSchedule.id) > after)
    return session.scalars(query.order_by(LogSchedule.created_at, LogSchedule.id).limit(limit)).all()


def end_schedule(uow: UnitOfWork, actor: Actor, schedule_id: UUID) -> LogSchedule:
    """What it made stays. Again: nothing more happens. Raises NotFound, Forbidden."""
    schedule, scope = _find(uow.session, actor, schedule_id, Operation.SCHEDULE_LOGS)
    uow.session.refresh(schedule, with_for_update=True)
    if schedule.ended_at is None:
        schedule.ended_at = utc_now()
        uow.record(
            LogUnscheduled(
                stream=schedule.stream,
                actor=scope.entry_actor,
                object=EntryObject("log_schedule", schedule.id),
            )
        )
    return schedule


def list_logs(
    session: Session, actor: Actor, schedule_id: UUID, *, after: tuple[str, int] | None, limit: int
) -> Sequence[StoredLog]:
    """The logs that a schedule made, oldest first. Raises NotFound, Forbidden."""
    schedule, _ = _find(session, actor, schedule_id, Operation.EXPORT)
    query = select(StoredLog).where(StoredLog.schedule_id == schedule.id)
    if after is not None:
        query = query.where(tuple_(StoredLog.month, StoredLog.log_id) > after)
    return session.scalars(query.order_by(StoredLog.month, StoredLog.log_id).limit(limit)).all()


def take_stored(
    uow: UnitOfWork,
    actor: Actor,
    schedule_id: UUID,
    month: str,
    log_id: int | None,
    *,
    purpose: str,
    reason: str | None,
) -> tuple[LogSchedule, StoredLog]:
    """A finished month's log; taking it is an entry.

    Raises NotFound, Forbidden, NotShownYet, NoLogOfMonth, LogNotReady.
    """
    schedule, scope = _find(uow.session, actor, schedule_id, Operation.EXPORT)
    query = select(StoredLog).where(StoredLog.schedule_id == schedule.id, StoredLog.month == month)
    if log_id is not None:
        query = query.where(StoredLog.log_id == log_id)
    stored = uow.session.scalar(query.order_by(StoredLog.log_id.desc()).limit(1))
    if stored is None:
        raise NoLogOfMonth("None of that month, or not of that log.")
    require_whole(scope)
    require_shown(uow.session, actor, scope)
    if stored.file_sha256 is None:
        raise LogNotReady("It is being made, or made anew because something in it was erased.")
    filters = Filters.of(schedule.filters)
    told = {
        "object": EntryObject("export", stored.id, sha256=stored.file_sha256, size=stored.size_bytes),
        "scope": scope.kind,
        "format": schedule.format,
        "first": stored.first,
        "before": stored.before,
        "asked_sha256": asked_sha256(scope.document(), month_filters(schedule, stored).document()),
        "schedule": schedule.id,
        "purpose": purpose,
        "reason": reason,
        "ended_log": ended_origin(uow.session, stored.log_id),
    }
    record_taken(uow, actor, scope, filters, Places(stored.log_id, stored.first, stored.before), told)
    return schedule, stored


def month_filters(schedule: LogSchedule, stored: StoredLog) -> Filters:
    """The schedule's filters and the month's limits."""
    kept = Filters.of(schedule.filters)
    return Filters(kept.actor, kept.object, kept.types, kept.view, stored.recorded_from, stored.recorded_before)


def ended_origin(session: Session, log_id: int) -> str | None:
    """The origin of a log that has ended; None: it is the current one."""
    if log.installation(session).log_id == log_id:
        return None
    return log.origin_of(session, log_id)


def _find(session: Session, actor: Actor, schedule_id: UUID, operation: Operation) -> tuple[LogSchedule, Scope]:
    """Raises NotFound, Forbidden; one of everything is not there for anybody but the organisation's auditor."""
    schedule = session.get(LogSchedule, schedule_id)
    if schedule is None or (schedule.case_id is None and not actor.organisation_roles):
        find_scope(session, actor, NOWHERE, None, operation)
        raise NotFound()
    return schedule, find_scope(session, actor, schedule.case_id, None, operation)
