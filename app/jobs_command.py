"""``exhibit jobs list`` and ``exhibit jobs retry``: background jobs that ended as failed, and another try for them."""

import argparse
import sys

from app.jobs import list_failed, retry_failed
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import application_url
from app.kernel.settings import Settings


def list_jobs(settings: Settings, _: argparse.Namespace) -> int:
    """One line per failed job: id, name, tries, when it failed, and the ids it works on. 1 when there are any."""
    engine = open_engine(application_url(settings), pool_size=1)
    try:
        with session_factory(engine)() as session:
            failed = list_failed(session)
    finally:
        engine.dispose()
    for job in failed:
        about = " ".join(f"{name}={value}" for name, value in sorted(job.arguments.items()))
        sys.stdout.write(f"{job.id}\t{job.name}\t{job.attempts} tries\t{job.failed_at}\t{about}\n")
    return 1 if failed else 0


def retry_jobs(settings: Settings, options: argparse.Namespace) -> int:
    """Put the named failed jobs, or all of them, back into the queue. 1 when a named one is no failed job."""
    engine = open_engine(application_url(settings), pool_size=1)
    try:
        with session_factory(engine).begin() as session:
            retried = retry_failed(session, None if options.all else options.job)
    finally:
        engine.dispose()
    sys.stdout.write(f"{len(retried)} put back into the queue\n")
    missing = sorted(set(options.job) - set(retried))
    for job_id in missing:
        sys.stderr.write(f"exhibit: {job_id} is no failed job\n")
    return 1 if missing else 0
