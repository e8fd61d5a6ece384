"""``exhibit ledger verify`` and ``exhibit ledger audit-now``: every log in the database, against itself and its keys.

Exit status: 0 all as it was logged, 1 faults, 2 it could not be checked, or not be recorded.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from app.audits.loop import alone, audits_directory, record_report
from app.kernel.database import driver_url, open_engine, session_factory
from app.kernel.database_roles import application_url, described
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger.audit import verify_log
from app.ledger.audit_report import AuditReport
from app.ledger.checkpoint import VerifierKey
from app.ledger.keys import pinned_keys, published_directory, read_verifier_key
from app.ledger.log import LedgerHalted
from app.processes import follow_parent
from app.verify_output import ProgressShown, show


def verify_ledger(settings: Settings, options: argparse.Namespace) -> int:
    """Raises Misconfigured without a key, or when the database does not answer."""
    follow_parent(options.parent)
    vkeys, url = _keys(settings, options.key), application_url(settings)
    _say_where(url, options)
    report = _check(url, vkeys, options)
    return show(report, _summary(report), as_json=options.json)


def audit_now(settings: Settings, options: argparse.Namespace) -> int:
    """Check the whole log with the published keys, as a worker does each period, and record what was found.

    Raises Misconfigured without a key, when the database does not answer, a worker is at it, or the log is halted.
    """
    vkeys, url = _keys(settings, ()), application_url(settings)
    engine = open_engine(url, pool_size=2)
    try:
        with engine.connect() as connection, alone(connection) as is_alone:
            if not is_alone:
                raise Misconfigured("The log is being checked right now: see GET /v1/ledger/audits when that is done.")
            began_s = time.monotonic()
            _say_where(url, options)
            report = _check(url, vkeys, options)
            status = show(report, _summary(report), as_json=options.json)
            duration_s = time.monotonic() - began_s
            record_report(session_factory(engine), report.as_json(), duration_s, audits_directory(settings.data))
            return status
    except LedgerHalted as error:
        raise Misconfigured("The log is halted: what was found could be shown, and not be recorded.") from error
    except DBAPIError as error:
        raise Misconfigured(f"What was found could not be recorded: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def _say_where(url: str, options: argparse.Namespace) -> None:
    """Which database is checked: first, so that it is known too when it does not answer. Not in between the JSON."""
    (sys.stderr if options.json else sys.stdout).write(f"database {described(url)}\n")
    sys.stdout.flush()


def _check(url: str, vkeys: Sequence[VerifierKey], options: argparse.Namespace) -> AuditReport:
    engine = create_engine(driver_url(url))
    try:
        with ProgressShown(is_asked=options.progress) as tell, engine.connect() as connection:
            return verify_log(connection, vkeys, tell)
    except DBAPIError as error:
        raise Misconfigured(f"The database could not be read to its end: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()


def _summary(report: AuditReport) -> str:
    return (
        f"{report.entries} entries in {report.streams} streams, {report.leaves} leaves, {report.checkpoints} "
        f"checkpoints, {report.queued} waiting; newest tree {report.size} {report.root}"
    )


def _keys(settings: Settings, given: Sequence[str]) -> list[VerifierKey]:
    """The pinned ones, else all that this installation has published itself: earlier ones signed in their time."""
    if given:
        return pinned_keys(given)
    files = sorted(published_directory(settings.data).glob("*.vkey"))
    if not files:
        raise Misconfigured(f"no key is in {published_directory(settings.data)}: give the log's key with --key")
    return list(dict.fromkeys(map(read_verifier_key, files)))
