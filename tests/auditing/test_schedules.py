"""Monthly logs: each month exactly once, made up for after downtime, with its proof, and only while rights last."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.access.actors import Actor
from app.access.rules import Role
from app.auditing import making, schedules
from app.auditing.months import limits, month_at
from app.auditing.schedules import ScheduleAsked
from app.auditing.selection import Filters
from app.blobs.local import LocalBlobStore
from app.cases.service import revoke_role
from app.exports.log_models import LogSchedule, StoredLog
from app.exports.removal import remove_packages_with_body
from app.kernel.errors import NotFound
from app.kernel.primitives import Sha256Hex, utc_now
from app.kernel.settings import Settings
from app.ledger.erasing import find_entry
from app.unit_of_work import UnitOfWork, unit_of_work
from tests.auditing.logs import Desk
from tests.factories import add_role, commit_in, make_person

KYIV = ZoneInfo("Europe/Kyiv")


class Resources:
    """What the worker hands to the job."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(data=directory, inline_leaves_up_to=1000)
        self.packages = LocalBlobStore(directory / "packages")

    def bytes_of(self, stored: StoredLog) -> bytes:
        assert stored.file_sha256 is not None
        return b"".join(self.packages.read_range(Sha256Hex(stored.file_sha256)))


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Resources]:
    made = Resources(tmp_path)
    yield made
    made.packages.close()


def schedule(desk: Desk, actor: Actor, case_id: UUID | None, zone: str = "Europe/Kyiv") -> UUID:
    asked = ScheduleAsked(case_id, Filters(), "jsonl", 1, zone, "audit", None)
    return commit_in(desk.hub.sessions, lambda uow: schedules.create_schedule(uow, actor, asked)).id


def begin(desk: Desk, now: datetime) -> None:
    """What the chore does; it waits for the integrator as it does from minute to minute."""
    for _ in range(200):
        with desk.hub.sessions() as session:
            if not session.scalar(text("SELECT count(*) FROM ledger_queue")):
                break
    making.make_due(desk.hub.sessions, None, now)  # type: ignore[arg-type]


def run_jobs(desk: Desk, resources: Resources) -> None:
    with desk.hub.sessions() as session:
        waiting = making.waiting(session)
    for arguments in waiting:
        with desk.hub.sessions() as session:
            plan = making.plan(session, log_id=arguments["log_id"])
        assert plan is not None
        made = making.work(plan, resources)
        assert commit_in(desk.hub.sessions, partial(making.store, made=made)) is None


def logs_of(desk: Desk, schedule_id: UUID) -> list[StoredLog]:
    with desk.hub.sessions() as session:
        query = select(StoredLog).filter_by(schedule_id=schedule_id).order_by(StoredLog.month)
        return list(session.scalars(query))


def later(months: int) -> datetime:
    """An hour after so many months have ended, the present one first."""
    month = month_at(utc_now(), 1, KYIV)
    for _ in range(months):
        month = month.next()
    return limits(month, 1, KYIV)[0] + timedelta(hours=1)


def test_months_when_the_worker_was_away_then_each_is_made_once_and_proves_itself(
    desk: Desk, resources: Resources
) -> None:
    hub = desk.hub
    made = schedule(desk, desk.auditor, None)
    begin(desk, utc_now())
    assert logs_of(desk, made) == []
    for _ in range(8):  # Each pass waits until the entries of the one before are signed.
        begin(desk, later(3))
    logs = logs_of(desk, made)
    assert len(logs) == 3
    assert len({log.month for log in logs}) == 3
    assert logs[0].recorded_before == logs[1].recorded_from
    run_jobs(desk, resources)
    for log in logs_of(desk, made):
        assert desk.check(resources.bytes_of(log)).findings == [], log.month
    with hub.sessions() as session:
        count = session.execute(text("SELECT count(*) FROM ledger_entries WHERE type = 'export.log_made'"))
        assert count.scalar_one() == 3


def test_a_month_when_its_log_is_taken_then_rights_are_asked_again_and_it_is_an_entry(
    desk: Desk, resources: Resources
) -> None:
    hub, sessions = desk.hub, desk.hub.sessions
    petro = make_person(sessions, "Petro")
    add_role(sessions, hub.coordinator, hub.case_id, petro, Role.AUDITOR)
    made = schedule(desk, petro, hub.case_id)
    begin(desk, later(1))
    run_jobs(desk, resources)
    (log,) = logs_of(desk, made)
    report = desk.check(resources.bytes_of(log))
    assert report.findings == []
    assert report.as_json()["checks"]["completeness"] == "proven"

    def take(actor: Actor) -> None:
        with unit_of_work(sessions) as uow:
            schedules.take_stored(uow, actor, made, log.month, None, purpose="court", reason=None)
            uow.commit()

    take(petro)
    commit_in(
        sessions,
        lambda uow: revoke_role(uow, hub.coordinator, hub.case_id, account_id=petro.account_id, role=Role.AUDITOR),
    )
    with pytest.raises(NotFound):
        take(petro)
    take(desk.auditor)
    with sessions() as session:
        taken = text("SELECT count(*) FROM ledger_entries WHERE type = 'export.log_taken' AND object_id = :id")
        assert session.execute(taken, {"id": log.id}).scalar_one() == 2
    begin(desk, later(2))
    begin(desk, later(3))
    assert len(logs_of(desk, made)) == 1
    with sessions() as session:
        ended = session.get_one(LogSchedule, made).ended_at
        assert ended is not None


@pytest.mark.thorough
def test_a_month_when_a_body_in_it_is_erased_then_its_file_goes_and_is_made_anew(
    desk: Desk, resources: Resources
) -> None:
    made = schedule(desk, desk.hub.coordinator, desk.hub.case_id)
    begin(desk, later(1))
    run_jobs(desk, resources)
    (before,) = logs_of(desk, made)
    with desk.hub.sessions() as session:
        commitment = session.execute(
            text("SELECT commitment FROM ledger_entries WHERE stream_id = :item LIMIT 1"), {"item": desk.hub.items[0]}
        ).scalar_one()

    def erase(uow: UnitOfWork) -> None:
        entry = find_entry(uow.session, bytes(commitment).hex())
        assert entry is not None
        remove_packages_with_body(uow, entry)

    commit_in(desk.hub.sessions, erase)
    (gone,) = logs_of(desk, made)
    assert (gone.state, gone.file_sha256) == ("building", None)
    with desk.hub.sessions() as session:
        removal = text("SELECT args ->> 'sha256' FROM procrastinate_jobs WHERE task_name = 'remove_package'")
        assert session.scalars(removal).all() == [before.file_sha256]
    run_jobs(desk, resources)
    (anew,) = logs_of(desk, made)
    assert anew.state == "ready"
    assert desk.check(resources.bytes_of(anew)).findings == []


def refusal(desk: Desk, statement: str) -> str | None:
    """The constraint by which the application's own role is refused."""
    with pytest.raises(IntegrityError) as refused, desk.hub.sessions.begin() as session:
        session.execute(text(statement))
    assert isinstance(refused.value.orig, psycopg.Error)
    return refused.value.orig.diag.constraint_name


def test_schedule_and_its_logs_when_changed_by_raw_sql_then_the_database_refuses(
    desk: Desk, resources: Resources
) -> None:
    ended, running = (schedule(desk, desk.auditor, None) for _ in range(2))
    begin(desk, later(1))
    run_jobs(desk, resources)
    commit_in(desk.hub.sessions, lambda uow: schedules.end_schedule(uow, desk.auditor, ended))
    changes = (
        *("purpose = 'another'", "day = 2", "filters = '{\"type\": []}'", "case_id = gen_random_uuid()"),
        *("requested_by = gen_random_uuid()", "first_month = '2099-01'"),
    )
    for change in changes:
        assert (
            refusal(desk, f"UPDATE log_schedules SET {change} WHERE id = '{running}'") == "exhibit_log_schedule_stays"
        )
    for change in ("ended_at = NULL", "ended_at = ended_at + interval '1 day'"):
        assert refusal(desk, f"UPDATE log_schedules SET {change} WHERE id = '{ended}'") == "exhibit_log_schedule_stays"
    assert refusal(desk, f"UPDATE log_schedules SET ended_at = now() WHERE id = '{running}'") == "exhibit_require_entry"
    for change in ("month = '2099-01'", "before = before - 1", "first = first + 1", "recorded_before = now()"):
        assert refusal(desk, f"UPDATE stored_logs SET {change}") == "exhibit_stored_log_stays"
