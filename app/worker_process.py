"""``exhibit worker``: works on background jobs with the application's rights."""

import argparse

from app.anchors.loop import running_loops
from app.job_table import CHORES, JOBS, open_resources
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import APP_GROUP, application_url, check_role
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.media.jail.decoder import JailUnavailable
from app.processes import begin_daemon
from app.worker import WorkerLimits, run_worker


def run_job_worker(settings: Settings, options: argparse.Namespace) -> int:
    """Work until SIGTERM. Raises Misconfigured where the decoder cannot be confined."""
    begin_daemon(options)
    url = application_url(settings)
    check_role(url, APP_GROUP)
    limits = WorkerLimits(settings.worker_concurrency, settings.job_attempts)
    engine = open_engine(url, pool_size=settings.worker_concurrency + 2 + len(CHORES))
    try:
        with open_resources(settings) as resources, running_loops(settings, url):
            run_worker(url, session_factory(engine), JOBS, resources, limits, CHORES)
    except JailUnavailable as error:
        raise Misconfigured(f"The decoder cannot be confined, so nothing is decoded: {error}") from error
    finally:
        engine.dispose()
    return 0
