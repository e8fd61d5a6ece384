"""Every kind of background job, and what their ``work`` functions are given: the worker's composition."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.auditing import making
from app.blobs.local import LocalBlobStore
from app.exports import export_jobs, removal
from app.fingerprints import crossing, match_job, rematching, similar_job, stop_list_effects
from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints.algorithms.reducing import without_fourth
from app.fingerprints.feature_index import FEATURES
from app.fingerprints.feature_keeping import FeatureKeeper
from app.fingerprints.index_keeping import KEEP_EVERY_S, Keeper
from app.fingerprints.proposing import INDEX
from app.fingerprints.recompute import recompute_jobs
from app.fingerprints.similar_files import QueryFiles
from app.fingerprints.stop_list_finding import PROPOSE_EVERY_S, Demands, propose_frames
from app.jobs import Chore, Job
from app.kernel.settings import Settings
from app.media import jobs as media_jobs
from app.media import redaction_jobs
from app.media.jail.decoder import Decoder
from app.media.limits import decode_limits
from app.media.orphans import sweep_orphans
from app.media.progress import WRITE_EVERY_S, ProgressBoard, write_progress
from app.unit_of_work import unit_of_work
from app.verification import recycled_notices

logger = structlog.get_logger("exhibit.worker")

JOBS: tuple[Job, ...] = (
    *media_jobs.JOBS,
    *redaction_jobs.JOBS,
    *fingerprint_jobs.JOBS,
    *match_job.JOBS,
    *crossing.JOBS,
    *rematching.JOBS,
    *stop_list_effects.JOBS,
    *recompute_jobs(),
    *similar_job.JOBS,
    *recycled_notices.JOBS,
    *export_jobs.JOBS,
    *removal.JOBS,
    *making.JOBS,
)

SWEEP_EVERY_S = 6 * 3600.0
EXPIRE_EVERY_S = 3600.0


@dataclass(frozen=True)
class Resources:
    """What ``work`` receives as its second argument."""

    settings: Settings
    blobs: LocalBlobStore
    decoder: Decoder
    progress: ProgressBoard = field(default_factory=ProgressBoard)

    @cached_property
    def query_files(self) -> QueryFiles:
        """What is searched with."""
        return QueryFiles(self.settings.data / "similar")

    @cached_property
    def packages(self) -> LocalBlobStore:
        """Finished exports. A place of their own, so that whoever cleans up evidence never meets them."""
        return LocalBlobStore(self.settings.data / "packages")

    @cached_property
    def index_keeper(self) -> Keeper:
        """Of the index that this process searches in."""
        return Keeper(INDEX, self.settings.data / "index")

    @cached_property
    def feature_keeper(self) -> FeatureKeeper:
        """Of the local features' index."""
        return FeatureKeeper(FEATURES, self.settings.data / "index")


@contextmanager
def open_resources(settings: Settings) -> Iterator[Resources]:
    """The blob store and the decoder, for the worker's lifetime. Raises JailUnavailable: no jail, no decoding."""
    blobs = LocalBlobStore(settings.data / "blobs")
    with Decoder(decode_limits(settings), mode=settings.decoder_jail, without_fourth=without_fourth) as decoder:
        yield Resources(settings, blobs, decoder)
    blobs.close()


def _sweep_orphans(sessions: sessionmaker[Session], resources: Resources) -> dict[str, Any]:
    settings = resources.settings
    swept = sweep_orphans(sessions, resources.blobs, grace_s=settings.orphan_grace_s, kept_s=settings.orphans_kept_s)
    if swept.is_refused:
        logger.error("too_many_orphans", files=swept.files, orphans=swept.orphans)
    return {"files": swept.files, "set_aside": len(swept.set_aside), "dropped": len(swept.dropped)}


def _write_progress(sessions: sessionmaker[Session], resources: Resources) -> dict[str, Any]:
    if reached := resources.progress.read():
        with sessions.begin() as session:
            write_progress(session, reached)
    return {}


def _keep_index(sessions: sessionmaker[Session], resources: Resources) -> dict[str, Any]:
    return resources.index_keeper.keep(sessions)


def _keep_feature_index(sessions: sessionmaker[Session], resources: Resources) -> dict[str, Any]:
    return resources.feature_keeper.keep(sessions)


def _expire_packages(sessions: sessionmaker[Session], _: Resources) -> dict[str, Any]:
    with unit_of_work(sessions) as uow:
        expired = removal.expire_packages(uow)
        uow.commit()
    return {"expired": expired} if expired else {}


def _propose_frames(sessions: sessionmaker[Session], resources: Resources) -> dict[str, Any]:
    demands = Demands(resources.settings.stop_list_sources, resources.settings.stop_list_uploaders)
    with unit_of_work(sessions) as uow:
        found = propose_frames(uow, INDEX, demands)
        uow.commit()
    return found


CHORES: tuple[Chore, ...] = (
    Chore("sweep_orphans", SWEEP_EVERY_S, _sweep_orphans),
    Chore("sweep_packages", SWEEP_EVERY_S, removal.sweep_packages),
    Chore("expire_packages", EXPIRE_EVERY_S, _expire_packages),
    Chore("make_due_logs", making.LOOK_EVERY_S, making.make_due),
    Chore("write_progress", WRITE_EVERY_S, _write_progress),
    Chore("propose_frames", PROPOSE_EVERY_S, _propose_frames),
    Chore("keep_index", KEEP_EVERY_S, _keep_index, lambda resources: resources.index_keeper.stop()),
    Chore("keep_feature_index", KEEP_EVERY_S, _keep_feature_index, lambda resources: resources.feature_keeper.stop()),
    *similar_job.CHORES,
)
