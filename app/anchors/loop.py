"""The two asking loops, beside the worker's jobs: one for witnesses, one for time-stamping authorities.

Each runs in a thread of its own, and of several workers in one at a time: it holds an advisory lock of its session, on
a connection on which no transaction is ever open while the network is awaited.
"""

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.configuration import configured_authorities, read_policy
from app.anchors.contradictions import judge_alarms
from app.anchors.outgoing import Outgoing
from app.anchors.stamping import stamp_heads
from app.anchors.witnessing import witness_newest
from app.kernel.database import open_engine, session_factory
from app.kernel.settings import Settings
from app.ledger.policy import Policy

WITNESS_LOCK = 0x45584C33
STAMP_LOCK = 0x45584C34
STAND_BY_S = 5.0
AFTER_FAULT_S = 15.0
LOOK_FOR_STAMPS_S = 2.0
STOP_WITHIN_S = 15.0

logger = structlog.get_logger("exhibit.anchors")

_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")


@dataclass(frozen=True)
class Loop:
    """``step`` is one pass over whatever is due."""

    name: str
    lock: int
    period_s: float
    step: Callable[[sessionmaker[Session], Outgoing], int]


def configured_loops(settings: Settings) -> list[Loop]:
    """What this installation's settings ask for; none without any. Raises Misconfigured."""
    policy, authorities, loops = read_policy(settings), configured_authorities(settings), list[Loop]()
    if policy is not None and any(witness.url for witness in policy.witnesses):
        loops.append(Loop("witnesses", WITNESS_LOCK, settings.witness_period_s, witnessing(policy)))
    if authorities:
        loops.append(
            Loop(
                "anchors",
                STAMP_LOCK,
                LOOK_FOR_STAMPS_S,
                lambda sessions, outgoing: stamp_heads(sessions, authorities, outgoing, settings.anchor_period_s),
            )
        )
    return loops


def witnessing(policy: Policy) -> Callable[[sessionmaker[Session], Outgoing], int]:
    """A pass over the policy's witnesses, and what comes of their alarms."""

    def step(sessions: sessionmaker[Session], outgoing: Outgoing) -> int:
        asked = witness_newest(sessions, policy.witnesses, outgoing)
        with sessions.begin() as session:
            judge_alarms(session, policy)
        return asked

    return step


@contextmanager
def running_loops(settings: Settings, app_url: str) -> Iterator[None]:
    """Run the configured loops beside the block, until it ends. Raises Misconfigured."""
    stop = threading.Event()
    threads = [
        threading.Thread(
            target=run, args=(loop, app_url, settings.outgoing_timeout_s, stop), name=loop.name, daemon=True
        )
        for loop in configured_loops(settings)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(STOP_WITHIN_S)


def run(loop: Loop, app_url: str, timeout_s: float, stop: threading.Event) -> None:
    """Work until ``stop``. What goes wrong is told and tried again: the worker's jobs must not suffer from it."""
    engine = open_engine(app_url, pool_size=12)
    sessions, outgoing = session_factory(engine), Outgoing(timeout_s)
    try:
        while not stop.is_set():
            try:
                with engine.connect() as connection:
                    connection.detach()  # Closing it then ends the session, and with it the advisory lock.
                    _serve(loop, connection, sessions, outgoing, stop)
            except (DBAPIError, PoolTimeout) as error:
                logger.warning("asking_lost_database", loop=loop.name, error=type(error).__name__)
                stop.wait(AFTER_FAULT_S)
            except Exception as error:  # noqa: BLE001 - a fault of ours in one pass; the next one begins anew
                place = traceback.extract_tb(error.__traceback__)[-1]  # No text: it could hold what nobody checked.
                at = f"{Path(place.filename).name}:{place.lineno} {place.name}"
                logger.error("asking_failed", loop=loop.name, error=type(error).__name__, at=at)
                stop.wait(AFTER_FAULT_S)
    finally:
        engine.dispose()


def _serve(
    loop: Loop, connection: Connection, sessions: sessionmaker[Session], outgoing: Outgoing, stop: threading.Event
) -> None:
    while not stop.is_set():
        if not hold_lock(connection, loop.lock):
            stop.wait(STAND_BY_S)
            continue
        logger.info("asking_leads", loop=loop.name)
        while not stop.is_set():
            loop.step(sessions, outgoing)
            stop.wait(loop.period_s)
            with connection.begin():  # Raises when the session, and with it the lock, is gone.
                connection.execute(text("SELECT 1"))


def hold_lock(connection: Connection, key: int) -> bool:
    """Take the lock for the session's life, if nobody has it. The transaction ends at once."""
    with connection.begin():
        return bool(connection.execute(_TRY_LOCK, {"key": key}).scalar_one())
