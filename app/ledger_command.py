"""``exhibit ledger verify``: every log in the database, checked against itself and pinned keys.

Exit status: 0 all as it was logged, 1 faults, 2 it could not be checked.
"""

import argparse
from collections.abc import Sequence

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from app.kernel.database import driver_url
from app.kernel.database_roles import application_url
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger.audit import verify_log
from app.ledger.checkpoint import VerifierKey
from app.ledger.keys import published_directory, read_verifier_key
from app.monitor_command import pinned_keys
from app.processes import follow_parent
from app.verify_output import ProgressShown, show


def verify_ledger(settings: Settings, options: argparse.Namespace) -> int:
    """Raises Misconfigured without a key, or when the database does not answer."""
    follow_parent(options.parent)
    vkeys = _keys(settings, options.key)
    engine = create_engine(driver_url(application_url(settings)))
    try:
        with ProgressShown(is_asked=options.progress) as tell, engine.connect() as connection:
            report = verify_log(connection, vkeys, tell)
    except DBAPIError as error:
        raise Misconfigured(f"The database could not be read to its end: {type(error.orig).__name__}") from error
    finally:
        engine.dispose()
    summary = (
        f"{report.entries} entries in {report.streams} streams, {report.leaves} leaves, {report.checkpoints} "
        f"checkpoints, {report.queued} waiting; newest tree {report.size} {report.root}"
    )
    return show(report, summary, as_json=options.json)


def _keys(settings: Settings, given: Sequence[str]) -> list[VerifierKey]:
    """The pinned ones, else all that this installation has published itself: earlier ones signed in their time."""
    if given:
        return pinned_keys(given)
    files = sorted(published_directory(settings.data).glob("*.vkey"))
    if not files:
        raise Misconfigured(f"no key is in {published_directory(settings.data)}: give the log's key with --key")
    return list(dict.fromkeys(map(read_verifier_key, files)))
