"""Background jobs: their shape, and how they enter the queue (Procrastinate's tables in the same PostgreSQL).

A job is enqueued in the session's own transaction: it exists from the commit on, or not at all. It runs as three
functions, so that no transaction is open while bytes are copied or decoded::

    plan(session, **arguments) -> Plan | None    reads what is needed; None: there is nothing left to do
    work(plan, resources) -> Result              the long part, without a database
    store(uow, result) -> None                   writes, records, enqueues; the runner commits

When ``store`` finds that what was planned is no longer all there is, it writes nothing and gives something back: the
runner lets go of the transaction and its locks, and plans, works and stores again, with that as ``plan``'s ``earlier``.
A job may run twice (a worker that was thought dead can finish late): ``store`` is idempotent by a unique key.
The runner is ``app.worker``; this module knows nothing of what any job does.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procrastinate import App, SyncPsycopgConnector
from procrastinate.jobs import JobDeferrer
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

QUEUE = "exhibit"
IN_BULK = -10
"""The priority of what is done over many stored files at once: after whatever else waits, which has 0."""

Waiting = Callable[[Session], Sequence[Mapping[str, Any]]]

_enqueuing = App(connector=SyncPsycopgConnector())
"""Never opened: every insertion goes through the connection of the session that enqueues."""


@dataclass(frozen=True)
class Job:
    """One kind of job. The functions' own types are the job's business: what ``plan`` gives, ``work`` takes.

    ``on_exhausted(uow, arguments, error)`` is called once after the last attempt, so that what the job worked on
    ends as ``failed``; ``error`` is a code without personal data: an exception's class name, or ``worker_lost`` when
    every attempt took its worker with it.

    Errors of the types ``not_now`` say nothing about what the job works on (storage that is away, a decoder that cannot
    run): the job is tried again without a limit, and the attempt is not counted.

    ``waiting(session)`` gives the arguments of everything that by its own state waits for this job: what has no job in
    the queue gets one, before what is done in bulk. ``waiting_in_bulk`` gives what comes after all else, ``IN_BULK``.
    """

    name: str
    plan: Callable[..., Any]
    work: Callable[[Any, Any], Any]
    store: Callable[[Any, Any], Any]
    on_exhausted: Callable[[Any, Mapping[str, Any], str], None] | None = None
    not_now: tuple[type[Exception], ...] = ()
    waiting: Waiting | None = None
    waiting_in_bulk: Waiting | None = None


@dataclass(frozen=True)
class Chore:
    """What a worker does by itself now and then, first at its start; ``run(sessions, resources)``.

    Every worker does it, also at the same time. An exception is logged, and the next time is waited for. What it gives
    back is logged, unless it is empty. ``stop(resources)`` is called when the worker ends: it waits for what runs then.
    """

    name: str
    every_s: float
    run: Callable[[sessionmaker[Session], Any], Mapping[str, Any]]
    stop: Callable[[Any], None] | None = None


def enqueue(
    session: Session, task: str, arguments: Mapping[str, Any], *, priority: int = 0, lock: str | None = None
) -> int:
    """Insert a job in the session's transaction; the queue's id for it. ``arguments`` are JSON: ids, never content.

    Of the jobs with one ``lock`` one runs at a time, in all workers together.
    """
    connection = session.connection().connection.driver_connection
    deferrer: JobDeferrer = _enqueuing.configure_task(
        task, queue=QUEUE, connection=connection, priority=priority, lock=lock
    )
    return deferrer.defer(**arguments)


_RESCUE = text(
    """
    UPDATE procrastinate_jobs
       SET status = 'todo', attempts = attempts + 1, scheduled_at = NULL, worker_id = NULL
     WHERE id IN (SELECT job.id
                    FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
                   WHERE job.status = 'doing' AND job.queue_name = :queue
                     AND (worker.id IS NULL
                          OR worker.last_heartbeat < now() - make_interval(secs => :silence_s))
                     FOR UPDATE OF job SKIP LOCKED)
    RETURNING id
    """
)


def rescue_stalled(session: Session, *, silence_s: float) -> list[int]:
    """Put the jobs of workers without a heartbeat back, counting the attempt that died with them; their ids.

    One statement that locks the rows: of several workers that look at once, one puts each job back. (The library's
    two steps, list and retry, could take a job away from the worker that has already got it anew.)
    """
    return list(session.scalars(_RESCUE, {"queue": QUEUE, "silence_s": silence_s}))


_HAND_BACK = text(
    """
    UPDATE procrastinate_jobs SET status = 'todo', scheduled_at = NULL, worker_id = NULL
     WHERE status = 'doing' AND worker_id = :worker_id
    RETURNING id
    """
)


def hand_back(session: Session, *, worker_id: int) -> list[int]:
    """Put the jobs of a worker that stops in order back, without counting an attempt; their ids."""
    return list(session.scalars(_HAND_BACK, {"worker_id": worker_id}))


_UNCOUNT = text(
    """
    UPDATE procrastinate_jobs SET attempts = attempts - 1
     WHERE id = :job_id AND status = 'doing'
    RETURNING (SELECT extract(epoch FROM clock_timestamp() - min(event.at))::double precision
                 FROM procrastinate_events event WHERE event.job_id = :job_id AND event.type = 'started')
    """
)


def uncount_attempt(session: Session, *, job_id: int) -> float:
    """Take the running attempt out of the count (putting the job back adds it); seconds since the first attempt."""
    return float(session.scalar(_UNCOUNT, {"job_id": job_id}) or 0.0)


_SWEEP_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_SWEEP_LOCK_KEY = 0x53574550
_KNOWN = text("SELECT args FROM procrastinate_jobs WHERE task_name = :task AND status IN ('todo', 'doing', 'failed')")


def enqueue_forgotten(session: Session, jobs: Sequence[Job]) -> list[tuple[str, int]]:
    """Enqueue what waits for a job and has none; each job's name and the queue's id. Give it a fresh session.

    A job that ended as failed counts as one: what kills its worker would otherwise do so for ever. All is read in one
    snapshot, so that nothing that was enqueued or done meanwhile is enqueued again; only one worker looks at a time.
    """
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    if not session.scalar(_SWEEP_LOCK, {"lock": _SWEEP_LOCK_KEY}):
        return []
    found: list[tuple[str, int]] = []
    for job in jobs:
        for find, priority in ((job.waiting, 0), (job.waiting_in_bulk, IN_BULK)):
            waiting = [] if find is None else find(session)
            known = {_as_key(known) for known in session.scalars(_KNOWN, {"task": job.name})} if waiting else set()
            forgotten = [arguments for arguments in waiting if _as_key(arguments) not in known]
            found.extend((job.name, enqueue(session, job.name, each, priority=priority)) for each in forgotten)
    return found


@dataclass(frozen=True)
class FailedJob:
    """A job that ended as failed; it stays in the queue so that an operator sees it."""

    id: int
    name: str
    attempts: int
    arguments: Mapping[str, Any]
    failed_at: datetime | None


_FAILED = text(
    """
    SELECT job.id, job.task_name, job.attempts, job.args,
           (SELECT max(event.at) FROM procrastinate_events event
             WHERE event.job_id = job.id AND event.type = 'failed') AS failed_at
      FROM procrastinate_jobs job
     WHERE job.status = 'failed' AND job.queue_name = :queue
     ORDER BY job.id
    """
)


def list_failed(session: Session) -> list[FailedJob]:
    """The failed jobs, the oldest first."""
    rows = session.execute(_FAILED, {"queue": QUEUE})
    return [FailedJob(row.id, row.task_name, row.attempts, row.args, row.failed_at) for row in rows]


_RETRY = text(
    """
    UPDATE procrastinate_jobs job
       SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL
     WHERE job.status = 'failed' AND job.queue_name = :queue
       AND (CAST(:ids AS bigint[]) IS NULL OR job.id = ANY(:ids))
    RETURNING id
    """
)


def retry_failed(session: Session, ids: Sequence[int] | None) -> list[int]:
    """Put these failed jobs back, or all (None), with all their tries before them; the ids of those put back.

    What a job does twice it does once: trying one again whose work is done changes nothing.
    """
    return list(session.scalars(_RETRY, {"queue": QUEUE, "ids": None if ids is None else list(ids)}))


def _as_key(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True)
