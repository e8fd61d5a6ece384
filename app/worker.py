"""Runs background jobs in threads: plan, work, store; retries with a limit; brings jobs of killed workers back.

A killed worker stops its heartbeat. Every worker looks for such jobs, and puts them back with the attempt counted, so
that a file that kills whoever touches it ends as ``failed`` after ``job_attempts`` and not in a loop. This watch is a
task of the worker's own and not a job: it must run when every thread is busy with a long video. It also enqueues what
waits for a job and has none.

What says nothing about the file (the database or a lock in it, storage, the decoder's jail) is tried again for as long
as it lasts, and not counted.
"""

import asyncio
import logging
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate import jobs as queue
from procrastinate.worker import Worker
from psycopg import AsyncConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from app.jobs import QUEUE, Chore, Job, enqueue_forgotten, hand_back, rescue_stalled, uncount_attempt
from app.kernel.database import read_session
from app.kernel.database_roles import libpq_url
from app.unit_of_work import unit_of_work

logger = structlog.get_logger("exhibit.worker")

HEARTBEAT_S = 2.0
SILENCE_S = 15.0
"""Without a heartbeat for this long a worker counts as dead."""

POLL_S = 2.0
"""Jobs are announced by NOTIFY; those put back, or due later, are found by looking."""

LONGEST_UNCOUNTED_WAIT_S = 300.0
SWEEP_S = 60.0
PROGRAM_LIMIT_EXCEEDED = "54"
"""The class of SQLSTATEs that say that a row is too large or a statement too complex: that is about what is stored."""

WORKER_LOST = "worker_lost"


@dataclass(frozen=True)
class WorkerLimits:
    """How the worker works; seconds."""

    concurrency: int = 2
    attempts: int = 4
    first_wait_s: float = 2.0
    stop_within_s: float = 10.0
    heartbeat_s: float = HEARTBEAT_S
    silence_s: float = SILENCE_S
    sweep_s: float = SWEEP_S


class GaveUp(Exception):
    """The job's last attempt failed, and what it worked on has been told; the queue keeps it as ``failed``."""


class NotNow(Exception):
    """The attempt failed through nothing that the job works on: it is not counted, and tried again after a while."""

    def __init__(self, name: str, wait_s: float) -> None:
        super().__init__(name)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Runner:
    """Runs one attempt of a job. ``resources`` is what the composition root hands to every ``work``."""

    sessions: sessionmaker[Session]
    resources: Any
    limits: WorkerLimits

    def run(self, job: Job, queue_id: int | None, earlier_attempts: int, arguments: Mapping[str, Any]) -> None:
        """One attempt; the job is done when this returns.

        Raises GaveUp after the last attempt, NotNow when the attempt does not count, else what went wrong: the queue
        then tries again.
        """
        log = logger.bind(job=job.name, job_id=queue_id, attempt=earlier_attempts + 1)
        if earlier_attempts >= self.limits.attempts:
            self._give_up(job, arguments, WORKER_LOST, log)
        try:
            self._attempt(job, arguments)
        except Exception as error:
            log.warning("job_attempt_failed", error=type(error).__name__, at=_place(error))
            if _is_not_now(job, error):
                raise NotNow(job.name, self._uncount(queue_id)) from error
            if earlier_attempts + 1 >= self.limits.attempts:
                self._give_up(job, arguments, type(error).__name__, log, error)
            raise
        log.info("job_done")

    def _attempt(self, job: Job, arguments: Mapping[str, Any]) -> None:
        more: Any = self._round(job, arguments)
        while more is not None:
            more = self._round(job, {**arguments, "earlier": more})

    def _round(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        """Plan, work, store; what ``store`` wants to have worked on before it stores, else None."""
        with read_session(self.sessions) as session:
            plan = job.plan(session, **arguments)
        if plan is None:
            return None
        result = job.work(plan, self.resources)
        with unit_of_work(self.sessions) as uow:
            more = job.store(uow, result)
            if more is None:
                uow.commit()
        return more

    def _uncount(self, queue_id: int | None) -> float:
        """Take the attempt out of the count; the seconds to wait: as long as it has lasted, within limits."""
        if queue_id is None:
            return self.limits.first_wait_s
        with self.sessions.begin() as session:
            lasted_s = uncount_attempt(session, job_id=queue_id)
        return min(max(lasted_s, self.limits.first_wait_s), LONGEST_UNCOUNTED_WAIT_S)

    def _give_up(
        self, job: Job, arguments: Mapping[str, Any], error: str, log: Any, cause: Exception | None = None
    ) -> None:
        """Tell what the job worked on. When that fails, it raises: the queue calls again, and only this is done."""
        if job.on_exhausted is not None:
            with unit_of_work(self.sessions) as uow:
                job.on_exhausted(uow, arguments, error)
                uow.commit()
        log.error("job_failed", error=error)
        raise GaveUp(job.name) from cause


def _is_not_now(job: Job, error: Exception) -> bool:
    if isinstance(error, OperationalError):
        return not str(getattr(error.orig, "sqlstate", None)).startswith(PROGRAM_LIMIT_EXCEEDED)
    return isinstance(error, (PoolTimeout, *job.not_now))


def _place(error: BaseException) -> str:
    """Where it was raised, as ``file:line function``: no message and no values, since these can be personal."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno} {frames[-1].name}" if frames else ""


class _Retry(BaseRetryStrategy):
    """Again after 2, 8, 32 … seconds, at most ten minutes, until the runner gave up; uncounted, as the runner says."""

    def __init__(self, limits: WorkerLimits) -> None:
        self._limits = limits

    def get_retry_decision(self, *, exception: BaseException, job: queue.Job) -> RetryDecision | None:
        if isinstance(exception, GaveUp):
            return None
        counted_wait_s = min(self._limits.first_wait_s * 4**job.attempts, 600.0)
        wait_s = exception.wait_s if isinstance(exception, NotNow) else counted_wait_s
        return RetryDecision(retry_in={"seconds": int(wait_s), "milliseconds": int(wait_s * 1000) % 1000})


def run_worker(
    app_url: str,
    sessions: sessionmaker[Session],
    jobs: Sequence[Job],
    resources: Any,
    limits: WorkerLimits,
    chores: Sequence[Chore] = (),
) -> None:
    """Work until SIGTERM or SIGINT. Jobs still running ``stop_within_s`` after that go back to the queue uncounted."""
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # Its lines show arguments and exception texts.
    app = _queue_app(app_url, Runner(sessions, resources, limits), jobs)
    with asyncio.Runner() as runner:
        housekeeping = [(chore, partial(chore.run, sessions, resources)) for chore in chores]
        try:
            is_finished = runner.run(_work(app, sessions, jobs, limits, housekeeping))
        finally:
            for chore in chores:
                if chore.stop is not None:
                    chore.stop(resources)
        if not is_finished:
            logging.shutdown()
            os._exit(0)  # A thread cannot be ended; its job has been handed back.


def _queue_app(app_url: str, runner: Runner, jobs: Sequence[Job]) -> App:
    options = "-c timezone=utc -c synchronous_commit=on"
    connector = PsycopgConnector(
        conninfo=libpq_url(app_url), kwargs={"options": options}, min_size=1, max_size=4, configure=_by_statement
    )
    app = App(connector=connector)
    for job in jobs:
        app.task(name=job.name, queue=QUEUE, pass_context=True, retry=_Retry(runner.limits))(_entry(runner, job))
    return app


async def _by_statement(connection: AsyncConnection[Any]) -> None:
    """The queue asks one function at a time, which is a transaction by itself: no BEGIN and COMMIT around each."""
    await connection.set_autocommit(True)


def _entry(runner: Runner, job: Job) -> Callable[..., None]:
    def run(context: JobContext, **arguments: Any) -> None:
        runner.run(job, context.job.id, context.job.attempts, arguments)

    return run


async def _work(
    app: App,
    sessions: sessionmaker[Session],
    jobs: Sequence[Job],
    limits: WorkerLimits,
    housekeeping: Sequence[tuple[Chore, Callable[[], Mapping[str, Any]]]],
) -> bool:
    """Run the worker; False when threads are still busy after a stop."""
    loop = asyncio.get_running_loop()
    threads = limits.concurrency + len(housekeeping) + 2
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="job"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with app.open_async():
        worker: Any = Worker(  # Its methods carry no types.
            app=app,
            queues=[QUEUE],
            concurrency=limits.concurrency,
            fetch_job_polling_interval=POLL_S,
            delete_jobs=queue.DeleteJobCondition.SUCCESSFUL,
            install_signal_handlers=False,
            update_heartbeat_interval=limits.heartbeat_s,
            stalled_worker_timeout=limits.silence_s,
        )
        working = asyncio.create_task(worker.run())
        watching = asyncio.create_task(_watch(sessions, jobs, limits))
        stopping = asyncio.create_task(stop.wait())
        chores = [asyncio.create_task(_keep_house(chore, run)) for chore, run in housekeeping]
        logger.info("worker_ready")
        await asyncio.wait({working, watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, *chores):
            task.cancel()
        worker_id = worker.worker_id
        worker.stop()
        done, _ = await asyncio.wait({working}, timeout=limits.stop_within_s)
        if not done and worker_id is not None:
            given_back = await asyncio.to_thread(_hand_back, sessions, worker_id)
            logger.info("worker_stopped", jobs_handed_back=given_back)
            return False
    await _raise_failures(working, watching, *chores)
    stopping.cancel()
    logger.info("worker_stopped", jobs_handed_back=[])
    return True


async def _raise_failures(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        try:
            await task
        except asyncio.CancelledError:
            pass  # By us, a moment ago.


async def _watch(sessions: sessionmaker[Session], jobs: Sequence[Job], limits: WorkerLimits) -> None:
    """Rescues stalled jobs, and now and then enqueues forgotten ones; first at the start."""
    now_s = asyncio.get_running_loop().time
    sweep_at_s = now_s()
    while True:
        if now_s() >= sweep_at_s:
            for name, job_id in await asyncio.to_thread(_sweep, sessions, jobs):
                logger.warning("job_was_forgotten", job=name, job_id=job_id)
            sweep_at_s = now_s() + limits.sweep_s
        rescued = await asyncio.to_thread(_rescue, sessions, limits.silence_s)
        for job_id in rescued:
            logger.warning("job_rescued", job_id=job_id)
        await asyncio.sleep(limits.silence_s / 3)


async def _keep_house(chore: Chore, run: Callable[[], Mapping[str, Any]]) -> None:
    log = logger.bind(chore=chore.name)
    while True:
        try:
            found = await asyncio.to_thread(run)
        except Exception as error:  # noqa: BLE001 - whatever it is, the jobs go on
            log.warning("chore_failed", error=type(error).__name__, at=_place(error))
        else:
            if found:
                log.info("chore_done", **found)
        await asyncio.sleep(chore.every_s)


def _rescue(sessions: sessionmaker[Session], silence_s: float) -> list[int]:
    with sessions.begin() as session:
        return rescue_stalled(session, silence_s=silence_s)


def _sweep(sessions: sessionmaker[Session], jobs: Sequence[Job]) -> list[tuple[str, int]]:
    with sessions.begin() as session:
        return enqueue_forgotten(session, jobs)


def _hand_back(sessions: sessionmaker[Session], worker_id: int) -> list[int]:
    with sessions.begin() as session:
        return hand_back(session, worker_id=worker_id)
