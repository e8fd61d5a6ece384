"""A catalog in which one rule changed, and a process that recomputes by it: worker and command in one.

Arguments: the application's database URL; the data directory.
"""

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import imagehash
import structlog

from app.blobs.local import LocalBlobStore
from app.fingerprints.algorithms.algorithm import Reduced
from app.fingerprints.algorithms.catalog import ALGORITHMS, Catalog
from app.fingerprints.algorithms.image_hashes import DHASH
from app.fingerprints.crossing import crossing_jobs
from app.fingerprints.jobs import fingerprint_jobs
from app.fingerprints.match_job import match_jobs
from app.fingerprints.recompute import recompute_jobs
from app.fingerprints.rematching import rematching_jobs
from app.fingerprints_command import feed
from app.job_table import Resources
from app.jobs import Job
from app.kernel.database import open_engine, session_factory
from app.kernel.settings import Settings
from app.media import jobs as media_jobs
from app.media.jail.decoder import Decoder
from app.worker import WorkerLimits, run_worker


def _vertical(picture: Reduced) -> imagehash.ImageHash:
    return imagehash.dhash_vertical(picture.image)


DHASH_2 = replace(DHASH, version="dhash/2", function=_vertical)
CHANGED = Catalog(tuple(DHASH_2 if one is DHASH else one for one in ALGORITHMS), (DHASH,))


def jobs_of(catalog: Catalog) -> tuple[Job, ...]:
    """What a worker of a release with this catalog does."""
    matching = (*match_jobs(catalog), *crossing_jobs(catalog), *rematching_jobs(catalog))
    return (*media_jobs.JOBS, *fingerprint_jobs(catalog), *matching, *recompute_jobs(catalog))


def main(app_url: str, data: str) -> None:
    """Until nothing is due; the command's exit status."""
    sessions = session_factory(open_engine(app_url, pool_size=8))
    settings = Settings(data=Path(data))
    limits = WorkerLimits(attempts=50, first_wait_s=0.1, stop_within_s=0.5, heartbeat_s=0.2, silence_s=1.0)
    status: list[int] = []

    def command() -> None:
        status.append(feed(sessions, CHANGED, window=3, at_once=2, look_every_s=0.1))
        os.kill(os.getpid(), signal.SIGTERM)

    with Decoder() as decoder:
        resources = Resources(settings, LocalBlobStore(settings.data / "blobs"), decoder)
        threading.Thread(target=command, daemon=True).start()
        run_worker(app_url, sessions, jobs_of(CHANGED), resources, limits)
    sys.exit(status[0] if status else 1)


if __name__ == "__main__":
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    main(*sys.argv[1:])
