"""The scheduled self-audit, beside the worker's jobs: the operator's own command, in a process of its own.

Of several workers one audits, under an advisory lock of its session; when it is due, the log itself says, so restarts
neither repeat nor forget one. A process of its own: hours of hashing would else hold the worker's interpreter.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from app.audits.service import newest_audit, record_audit
from app.kernel.database import open_engine, read_session, session_factory
from app.kernel.primitives import utc_now
from app.kernel.settings import Settings
from app.ledger.log import LedgerHalted, NoInstallation
from app.unit_of_work import unit_of_work

AUDIT_LOCK = 0x45584C35
LOOK_S = 10.0
AFTER_FAULT_S = 300.0
STOP_WITHIN_S = 15.0
NICENESS = 10
FAULTS_TOLD = 20

logger = structlog.get_logger("exhibit.audit")

_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")


class AuditFailed(Exception):
    """The check did not come to a result: neither sound nor unsound."""


def audits_directory(data: Path) -> Path:
    return data / "audits"


@contextmanager
def running_audits(settings: Settings, app_url: str) -> Iterator[None]:
    """Audit beside the block, until it ends; nothing when the period is 0."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(settings, app_url, stop), name="audit", daemon=True)
    if settings.audit_period_s:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if thread.is_alive():
            thread.join(STOP_WITHIN_S)


def _run(settings: Settings, app_url: str, stop: threading.Event) -> None:
    engine = open_engine(app_url, pool_size=2)
    sessions = session_factory(engine)
    try:
        while not stop.is_set():
            wait_s = LOOK_S
            try:
                with engine.connect() as connection:
                    connection.detach()  # Closing it then ends the session, and with it the advisory lock.
                    audit_when_due(connection, sessions, settings, app_url, stop)
            except NoInstallation:
                pass  # Before the first start has finished.
            except (DBAPIError, PoolTimeout, AuditFailed, LedgerHalted, OSError) as error:
                logger.error("audit_failed", error=type(error).__name__, retry_s=AFTER_FAULT_S)
                wait_s = AFTER_FAULT_S
            stop.wait(wait_s)
    finally:
        engine.dispose()


def audit_when_due(
    connection: Connection, sessions: sessionmaker[Session], settings: Settings, app_url: str, stop: threading.Event
) -> bool:
    """One look: audit and record when it is due and nobody else is at it; whether that was done."""
    if not _is_due(sessions, settings):
        return False
    with alone(connection) as is_alone:
        if not is_alone or not _is_due(sessions, settings):  # Another worker had just finished.
            return False
        began_s = time.monotonic()
        report = _check(settings, app_url, stop)
        if report is None:
            return False
        _record(sessions, settings, report, time.monotonic() - began_s)
        return True


@contextmanager
def alone(connection: Connection) -> Iterator[bool]:
    """Whether nobody else audits; then nobody does until the block ends. No transaction is open meanwhile."""
    with connection.begin():
        is_alone = bool(connection.execute(_TRY_LOCK, {"key": AUDIT_LOCK}).scalar_one())
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.begin():
                connection.execute(_UNLOCK, {"key": AUDIT_LOCK})


def _is_due(sessions: sessionmaker[Session], settings: Settings) -> bool:
    with read_session(sessions) as session:
        newest = newest_audit(session)
    return newest is None or utc_now() - newest.at >= timedelta(seconds=settings.audit_period_s)


def _check(settings: Settings, app_url: str, stop: threading.Event) -> dict[str, Any] | None:
    """The report of ``exhibit ledger verify``; None when told to stop. Raises AuditFailed."""
    command = [sys.executable, "-m", "app.cli", "ledger", "verify", "--json", "--parent", str(os.getpid())]
    environment = os.environ | {"EXHIBIT_DATA": str(settings.data), "EXHIBIT_APP_DATABASE_URL": app_url}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    try:
        while True:
            try:
                output, _ = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    return None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode not in (0, 1):
        raise AuditFailed(f"status {process.returncode}")
    try:
        report: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise AuditFailed("no report") from error
    return report


def _record(sessions: sessionmaker[Session], settings: Settings, report: dict[str, Any], duration_s: float) -> None:
    path = record_report(sessions, report, duration_s, audits_directory(settings.data))
    told = {"entries": report["entries"], "tree_size": report["size"], "duration_s": round(duration_s, 1)}
    if not report["faults_count"]:
        logger.info("audit_sound", **told)
        return
    places = [
        {key: fault[key] for key in ("kind", "stream", "seq", "leaf") if key in fault} for fault in report["faults"]
    ]
    logger.error(
        "audit_found_faults", faults=report["faults_count"], first=places[:FAULTS_TOLD], report=path.name, **told
    )


def record_report(sessions: sessionmaker[Session], report: dict[str, Any], duration_s: float, directory: Path) -> Path:
    """Log what a check found; where its report is. Raises LedgerHalted."""
    with unit_of_work(sessions) as uow:
        path = record_audit(uow, report, duration_s, directory)
        try:
            uow.commit()
        except LedgerHalted:  # Of a commit whose answer was lost the report may be needed.
            path.unlink()
            raise
    return path
