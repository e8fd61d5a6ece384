"""``exhibit worker``: works on background jobs with the application's rights."""

import argparse

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.anchors.loop import running_loops
from app.audits.loop import running_audits
from app.job_table import CHORES, JOBS, open_resources
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import APP_GROUP, application_url, check_role
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.media.decoders import record_decoder
from app.media.jail.decoder import Decoder, JailUnavailable
from app.processes import begin_daemon
from app.unit_of_work import unit_of_work
from app.worker import WorkerLimits, run_worker

logger = structlog.get_logger("exhibit.worker")


def run_job_worker(settings: Settings, options: argparse.Namespace) -> int:
    """Work until SIGTERM. Raises Misconfigured where the decoder cannot be confined."""
    begin_daemon(options)
    url = application_url(settings)
    check_role(url, APP_GROUP)
    limits = WorkerLimits(settings.worker_concurrency, settings.job_attempts)
    engine = open_engine(url, pool_size=settings.worker_concurrency + 2 + len(CHORES))
    sessions = session_factory(engine)
    try:
        with open_resources(settings) as resources:
            _report_decoder(sessions, resources.decoder)
            with running_loops(settings, url), running_audits(settings, url):
                run_worker(url, sessions, JOBS, resources, limits, CHORES)
    except JailUnavailable as error:
        raise Misconfigured(
            f"The decoder cannot be confined, so nothing is decoded: {error}. "
            "EXHIBIT_DECODER_JAIL=degraded decodes all the same, and the ledger says so."
        ) from error
    finally:
        engine.dispose()
    return 0


def _report_decoder(sessions: sessionmaker[Session], decoder: Decoder) -> None:
    """Try to get out, once a start and before the first file, and keep what was found. Raises JailUnavailable."""
    report = decoder.examine()
    if not report.is_sound:
        logger.warning("decoder_not_confined", escapes=report.escapes, walls=report.walls)
    with unit_of_work(sessions) as uow:
        record_decoder(uow, report)
        uow.commit()
