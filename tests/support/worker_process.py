"""A worker process with jobs of the tests' own: ``write`` notes that it ran, ``kill`` takes its worker with it,
``not_now`` finds its storage away three times.

Arguments: the application's database URL; attempts; seconds one ``write`` takes.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.jobs import Job
from app.kernel.database import open_engine, session_factory
from app.unit_of_work import UnitOfWork
from app.worker import WorkerLimits, run_worker

TABLE = """
CREATE TABLE test_results (number int PRIMARY KEY, outcome text NOT NULL);
CREATE TABLE test_attempts (number int NOT NULL);
GRANT SELECT, INSERT ON test_results, test_attempts TO exhibit_app;
"""


_tries: list[int] = []


def plan(session: Session, *, number: int) -> int | None:
    is_done = session.scalar(text("SELECT true FROM test_results WHERE number = :number"), {"number": number})
    return None if is_done else number


def work(number: int, duration_s: float) -> int:
    time.sleep(duration_s)
    return number


def kill(number: int, duration_s: float) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int, duration_s: float) -> int:
    raise ValueError(f"a text with a person's name, {number}")


def not_now(number: int, duration_s: float) -> int:
    _tries.append(number)
    if len(_tries) <= 3:
        raise BlockingIOError("the storage is away")
    return number


def store(uow: UnitOfWork, number: int) -> None:
    uow.session.execute(text("INSERT INTO test_attempts VALUES (:number)"), {"number": number})
    uow.session.execute(
        text("INSERT INTO test_results VALUES (:number, 'done') ON CONFLICT DO NOTHING"), {"number": number}
    )


def give_up(uow: UnitOfWork, arguments: Mapping[str, Any], error: str) -> None:
    uow.session.execute(
        text("INSERT INTO test_results VALUES (:number, :error)"), {"number": arguments["number"], "error": error}
    )


JOBS = (
    Job("write", plan, work, store, give_up),
    Job("kill", plan, kill, store, give_up),
    Job("fail", plan, fail, store, give_up),
    Job("not_now", plan, not_now, store, give_up, not_now=(BlockingIOError,)),
)


def main(app_url: str, attempts: str, duration_s: str) -> None:
    engine = open_engine(app_url, pool_size=8)
    limits = WorkerLimits(
        attempts=int(attempts), first_wait_s=0.1, stop_within_s=0.5, heartbeat_s=0.2, silence_s=1.0, concurrency=2
    )
    run_worker(app_url, session_factory(engine), JOBS, float(duration_s), limits)
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
