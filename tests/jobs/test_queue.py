"""The queue: a job exists with its transaction; no job is lost with its worker; a job that cannot succeed ends."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.jobs import enqueue, hand_back, rescue_stalled
from app.unit_of_work import unit_of_work
from app.worker import Runner, WorkerLimits, _queue_app
from tests.support.databases import TestDatabase
from tests.support.worker_process import TABLE

DEADLINE_S = 40.0


@pytest.fixture
def tables(database: TestDatabase) -> None:
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(TABLE)


@contextmanager
def worker(database: TestDatabase, *, attempts: int = 4, duration_s: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.support.worker_process", database.app_url, str(attempts), str(duration_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_for(condition: Callable[[], Any], *, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.05)


def rows(database: TestDatabase, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(statement.encode()).fetchall()


def statuses(database: TestDatabase) -> list[str]:
    return [row[0] for row in rows(database, "SELECT status::text FROM procrastinate_jobs ORDER BY id")]


def is_at_work(database: TestDatabase, *, after: int) -> bool:
    """Whether a job is being worked on, and this many are done."""
    return len(rows(database, "SELECT 1 FROM test_results")) >= after and "doing" in statuses(database)


def test_enqueue_when_transaction_rolls_back_then_there_is_no_job(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with sessions() as session:
        enqueue(session, "write", {"number": 1})
        session.rollback()
    assert statuses(database) == []


def test_enqueue_when_unit_of_work_commits_then_job_waits_with_its_arguments(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with unit_of_work(sessions) as uow:
        uow.enqueue("write", number=7)
        assert statuses(database) == []
        uow.commit()
    assert rows(database, "SELECT task_name, args->>'number', status::text FROM procrastinate_jobs") == [
        ("write", "7", "todo")
    ]


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_worker_when_job_is_enqueued_then_takes_it_at_once(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with worker(database) as process:
        assert process.stdout is not None
        assert b"worker_ready" in process.stdout.readline()
        wait_for(
            lambda: rows(
                database, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            ),
            what="worker listens",
        )
        started = time.monotonic()
        with sessions.begin() as session:
            enqueue(session, "write", {"number": 1})
        wait_for(lambda: rows(database, "SELECT 1 FROM test_results"), what="the result")
        assert time.monotonic() - started < 1.5, "found by polling, not by the notification"


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_worker_when_killed_at_work_then_no_job_is_lost_and_each_has_one_result(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        for number in range(30):
            enqueue(session, "write", {"number": number})
    for done in (3, 9):
        with worker(database, duration_s=0.1) as process:
            wait_for(lambda: is_at_work(database, after=done), what="the worker at work")  # noqa: B023
            process.kill()
    assert "doing" in statuses(database), "nothing was at work when it was killed: the test shows nothing"
    with worker(database):
        wait_for(lambda: not statuses(database), what="an empty queue")
    results = rows(database, "SELECT number, outcome FROM test_results ORDER BY number")
    assert results == [(number, "done") for number in range(30)]


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_job_when_it_kills_every_worker_then_ends_as_failed(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        enqueue(session, "kill", {"number": 1})
    for _ in range(2):
        with worker(database, attempts=2) as process:
            assert process.wait(DEADLINE_S) == -signal.SIGKILL
    with worker(database, attempts=2):
        wait_for(lambda: statuses(database) == ["failed"], what="the job's end")
    assert rows(database, "SELECT number, outcome FROM test_results") == [(1, "worker_lost")]


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_job_when_every_attempt_raises_then_is_told_once_and_no_text_is_logged(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        enqueue(session, "fail", {"number": 5})
    with worker(database, attempts=3) as process:
        wait_for(lambda: statuses(database) == ["failed"], what="the job's end")
        process.terminate()
        assert process.stdout is not None
        log = process.stdout.read().decode()
        assert process.wait(DEADLINE_S) == 0
    assert rows(database, "SELECT number, outcome FROM test_results") == [(5, "ValueError")]
    assert log.count("job_attempt_failed") == 3
    assert "person's name" not in log


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_job_when_storage_is_away_for_more_than_its_attempts_then_is_done_when_it_is_back(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        enqueue(session, "not_now", {"number": 3})
    with worker(database, attempts=2):
        wait_for(lambda: not statuses(database) or "failed" in statuses(database), what="the job's end")
    assert rows(database, "SELECT number, outcome FROM test_results") == [(3, "done")]


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_worker_when_stopped_at_work_then_hands_the_job_back_uncounted(
    database: TestDatabase, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        enqueue(session, "write", {"number": 1})
    with worker(database, duration_s=30) as process:
        wait_for(lambda: statuses(database) == ["doing"], what="the worker at work")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    assert rows(database, "SELECT status::text, attempts FROM procrastinate_jobs") == [("todo", 0)]


def test_rescue_when_worker_lives_then_its_job_stays(database: TestDatabase, sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        enqueue(session, "write", {"number": 1})
        worker_id = session.scalar(text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        session.execute(text("SELECT procrastinate_fetch_job_v2(NULL, :id)"), {"id": worker_id})
    with sessions.begin() as session:
        assert rescue_stalled(session, silence_s=60) == []
        assert len(rescue_stalled(session, silence_s=-1)) == 1
    assert rows(database, "SELECT status::text, attempts FROM procrastinate_jobs") == [("todo", 1)]
    with sessions.begin() as session:
        assert hand_back(session, worker_id=worker_id or 0) == []


def test_queue_when_a_worker_asks_it_then_each_function_is_a_transaction_by_itself(database: TestDatabase) -> None:
    """A worker asks some eight times a file: BEGIN and COMMIT around each would be as many round trips again."""
    runner: Any = Runner(sessionmaker(), None, WorkerLimits())

    async def is_by_itself() -> bool:
        app = _queue_app(database.app_url, runner, [])
        connector: Any = app.connector
        async with app.open_async(), connector.pool.connection() as connection:
            return bool(connection.autocommit)

    assert asyncio.run(is_by_itself())
