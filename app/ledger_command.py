"""``exhibit ledger verify``: the whole log in the database, checked against itself and a pinned key."""

import argparse
import sys
from pathlib import Path

from sqlalchemy import create_engine

from app.kernel.database import driver_url
from app.kernel.database_roles import application_url
from app.kernel.settings import Settings
from app.ledger.audit import verify_log
from app.ledger.checkpoint import VerifierKey, parse_vkey
from app.ledger.keys import VKEY_NAME, published_directory, read_verifier_key


def verify_ledger(settings: Settings, options: argparse.Namespace) -> int:
    """0 when all is as it was logged, 1 when not; the faults go to standard output."""
    engine = create_engine(driver_url(application_url(settings)))
    try:
        with engine.connect() as connection:
            report = verify_log(connection, _pinned_key(settings, options.key))
    finally:
        engine.dispose()
    for fault in report.faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(
        f"{report.entries} entries in {report.streams} streams, {report.leaves} leaves, {report.checkpoints} "
        f"checkpoints, {report.queued} waiting; newest tree {report.size} {report.root}: {report.faults_count} faults\n"
    )
    return 1 if report.faults_count else 0


def _pinned_key(settings: Settings, given: str | None) -> VerifierKey:
    if given is None:
        return read_verifier_key(published_directory(settings.data) / VKEY_NAME)
    file = Path(given)
    return read_verifier_key(file) if file.is_file() else parse_vkey(given)
