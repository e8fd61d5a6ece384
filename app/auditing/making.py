"""Making the logs of months that ended: which are due, by a chore; their files, by a job.

The row of a month, its entry and its job are one transaction, and the row's key is the month: so each is made once,
after any crash and by however many workers, and every month that was missed is made up for, the oldest first. A month
is due when it ended some minutes ago and no entry of it waits for its leaf, so that its log is whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor, system_stream
from app.access.models import Account
from app.access.rules import Operation, OrganisationRole
from app.access.rules import Scope as TokenScope
from app.anchors.configuration import read_policy
from app.anchors.publication import await_quorum
from app.auditing import reading as placed
from app.auditing.entry_log import LogFormat, StagedLog, signed_log, system_actor
from app.auditing.events import LogMade, LogUnscheduled
from app.auditing.log_formats import log_format
from app.auditing.months import Month, ended_months, limits
from app.auditing.reading import Places
from app.auditing.schedules import ended_origin, month_filters
from app.auditing.selection import Scope, asked_sha256, find_scope
from app.blobs.store import BlobStore
from app.exports.errors import CheckpointPending
from app.exports.log_models import LogSchedule, StoredLog
from app.exports.removal import MAKE_LOG, REMOVE_PACKAGE
from app.jobs import Job
from app.kernel.database import read_session, session_factory
from app.kernel.errors import AppError
from app.kernel.primitives import Sha256Hex, new_id, utc_now
from app.kernel.settings import Settings
from app.ledger import reading
from app.ledger.event import EntryObject
from app.ledger.models import LedgerEntry
from app.unit_of_work import UnitOfWork, unit_of_work

LOOK_EVERY_S = 60.0
GRACE = timedelta(minutes=10)
"""An entry is recorded and committed in one breath; so much later none of the month is still on its way."""
RIGHT_ENDED = "right_ended"

_WAITING = text("""
    SELECT EXISTS (SELECT FROM ledger_queue q JOIN ledger_entries e ON e.id = q.entry_id WHERE e.recorded_at < :until)
""")
_ERASED = text("SELECT count(*) FROM ledger_erased_bodies")
_LOGS_WITH = text("""
    SELECT l.id FROM ledger_logs l WHERE l.id = (SELECT max(id) FROM ledger_logs) OR EXISTS (
        SELECT FROM ledger_entries e JOIN ledger_leaves USING (commitment)
        WHERE e.log_id = l.id AND e.recorded_at >= :since AND e.recorded_at < :until
    ) ORDER BY l.id
""")


class MakingResources(Protocol):
    """What the worker hands to these."""

    @property
    def settings(self) -> Settings: ...

    @property
    def packages(self) -> BlobStore: ...


@dataclass(frozen=True)
class Plan:
    staged: StagedLog
    own: str
    format: LogFormat
    sessions: sessionmaker[Session]
    erased: int
    """How many bodies the ledger has lost so far: if another goes while the file is written, it is written anew."""
    stale: Sha256Hex | None


@dataclass(frozen=True)
class Made:
    log_id: UUID
    sha256: Sha256Hex
    size_bytes: int
    erased: int


# --- what is due ------------------------------------------------------------------------------------------------------


def make_due(sessions: sessionmaker[Session], _: MakingResources, now: datetime | None = None) -> Mapping[str, Any]:
    """Begins the log of every month that ended and has none."""
    moment, begun = now or utc_now(), 0
    with read_session(sessions) as session:
        schedules = session.scalars(select(LogSchedule.id).where(LogSchedule.ended_at.is_(None))).all()
    for schedule_id in schedules:
        while begin_next(sessions, schedule_id, moment):
            begun += 1
    return {"begun": begun} if begun else {}


def begin_next(sessions: sessionmaker[Session], schedule_id: UUID, now: datetime) -> bool:
    """Of one schedule the oldest month that is due; False when there is none."""
    with unit_of_work(sessions) as uow:
        schedule = uow.session.scalar(
            select(LogSchedule)
            .where(LogSchedule.id == schedule_id, LogSchedule.ended_at.is_(None))
            .with_for_update(skip_locked=True)
        )
        month = None if schedule is None else _due(uow.session, schedule, now)
        if schedule is None or month is None:
            return False
        scope = _scope_of(uow.session, schedule)
        if scope is None:
            _end(uow, schedule, now)
        else:
            _begin(uow, schedule, scope, month, now)
        uow.commit()
        return scope is not None


def _due(session: Session, schedule: LogSchedule, now: datetime) -> Month | None:
    newest = session.scalar(
        select(StoredLog.month).where(StoredLog.schedule_id == schedule.id).order_by(StoredLog.month.desc()).limit(1)
    )
    first = Month.parse(schedule.first_month) if newest is None else Month.parse(newest).next()
    zone = ZoneInfo(schedule.time_zone)
    month = next(ended_months(first, schedule.day, zone, now, GRACE), None)
    if month is None or session.scalar(_WAITING, {"until": limits(month, schedule.day, zone)[1]}):
        return None
    return None if reading.latest_checkpoint(session) is None else month


def _scope_of(session: Session, schedule: LogSchedule) -> Scope | None:
    """What the person who asked for it may be given of everything now; None: nothing any more."""
    account = session.get_one(Account, schedule.requested_by)
    if not account.is_active:
        return None
    held = {OrganisationRole.ADMINISTRATOR: account.is_administrator, OrganisationRole.AUDITOR: account.is_auditor}
    roles = frozenset(role for role, is_held in held.items() if is_held)
    actor = Actor(account.id, account.id, "session", roles, frozenset(TokenScope), None, None)
    try:
        find_scope(session, actor, schedule.case_id, None, Operation.EXPORT)
    except AppError:
        return None
    kind: Any = "organisation" if schedule.case_id is None else "case"
    return Scope(kind, schedule.case_id, None, system_actor(session), None)


def _end(uow: UnitOfWork, schedule: LogSchedule, now: datetime) -> None:
    schedule.ended_at = now
    uow.record(
        LogUnscheduled(
            stream=schedule.stream,
            actor=system_actor(uow.session),
            object=EntryObject("log_schedule", schedule.id),
            reason_code=RIGHT_ENDED,
        )
    )


def _begin(uow: UnitOfWork, schedule: LogSchedule, scope: Scope, month: Month, now: datetime) -> None:
    since, until = limits(month, schedule.day, ZoneInfo(schedule.time_zone))
    for log_id in uow.session.scalars(_LOGS_WITH, {"since": since, "until": until}).all():
        first, before = placed.recorded_within(uow.session, log_id, since, until)
        stored = StoredLog(
            schedule_id=schedule.id,
            month=str(month),
            log_id=log_id,
            id=new_id(),
            stream=schedule.case_id or system_stream(uow.session),
            first=first,
            before=before,
            recorded_from=since,
            recorded_before=until,
            made_at=now,
            state="building",
        )
        uow.session.add(stored)
        uow.record(
            LogMade(
                stream=stored.stream,
                actor=scope.entry_actor,
                object=EntryObject("export", stored.id),
                scope=scope.kind,
                format=schedule.format,
                first=first,
                before=before,
                asked_sha256=asked_sha256(scope.document(), month_filters(schedule, stored).document()),
                schedule=schedule.id,
                month=str(month),
                purpose=schedule.purpose,
                ended_log=ended_origin(uow.session, log_id),
            )
        )
        uow.enqueue(MAKE_LOG, log_id=str(stored.id))


# --- the file ---------------------------------------------------------------------------------------------------------


def plan(session: Session, *, log_id: str, earlier: Sha256Hex | None = None) -> Plan | None:
    """``earlier``: a file that holds what was erased while it was written."""
    stored = session.scalar(select(StoredLog).filter_by(id=UUID(log_id), state="building"))
    if stored is None:
        return None
    schedule = session.get_one(LogSchedule, stored.schedule_id)
    own = session.scalars(
        select(LedgerEntry.commitment).where(LedgerEntry.object_id == stored.id, LedgerEntry.type == LogMade.TYPE)
    ).one()
    kind: Any = "organisation" if schedule.case_id is None else "case"
    scope = Scope(kind, schedule.case_id, None, system_actor(session), None)
    ended = None
    if ended_origin(session, stored.log_id) is not None:
        ended = reading.latest_checkpoint(session, log_id=stored.log_id)
    places = Places(stored.log_id, stored.first, stored.before)
    staged = StagedLog(stored.id, scope, month_filters(schedule, stored), places, stored.stream, ended)
    written_as: Any = schedule.format
    return Plan(staged, own, written_as, session_factory(session.get_bind().engine), _erased(session), earlier)


def work(plan: Plan, resources: MakingResources) -> Made:
    """With the cosignatures of a quorum, if that comes in time. Raises CheckpointPending."""
    settings = resources.settings
    made = signed_log(
        plan.sessions,
        plan.staged,
        plan.own,
        timeout_s=settings.checkpoint_wait_s,
        inline_leaves_up_to=settings.inline_leaves_up_to,
    )
    cosigned = await_quorum(plan.sessions, made.checkpoint, read_policy(settings), settings.witness_wait_s)
    made = replace(made, checkpoint=cosigned)
    with resources.packages.begin() as writer:
        for line in log_format(plan.format).write(made, plan.sessions):
            writer.write(line)
        stored = writer.commit()
    if plan.stale not in (None, stored.sha256):
        resources.packages.remove(plan.stale)
    return Made(made.id, stored.sha256, stored.size_bytes, plan.erased)


def store(uow: UnitOfWork, made: Made) -> Sha256Hex | None:
    """Idempotent by the log's state. Gives back the file when a body was erased meanwhile: it is to be made again."""
    stored = uow.session.scalar(select(StoredLog).filter_by(id=made.log_id, state="building").with_for_update())
    if stored is None:
        uow.enqueue(REMOVE_PACKAGE, sha256=made.sha256)
        return None
    if _erased(uow.session) != made.erased:
        return made.sha256
    stored.state, stored.file_sha256, stored.size_bytes = "ready", made.sha256, made.size_bytes
    return None


def _erased(session: Session) -> int:
    return int(session.execute(_ERASED).scalar_one())


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    stored = uow.session.scalar(
        select(StoredLog).filter_by(id=UUID(arguments["log_id"]), state="building").with_for_update()
    )
    if stored is not None:
        stored.state, stored.error = "failed", error


def waiting(session: Session) -> list[Mapping[str, str]]:
    return [{"log_id": str(each)} for each in session.scalars(select(StoredLog.id).filter_by(state="building"))]


JOBS: tuple[Job, ...] = (Job(MAKE_LOG, plan, work, store, give_up, (CheckpointPending,), waiting),)
