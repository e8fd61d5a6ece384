"""Every kind of background job, and what their ``work`` functions are given: the worker's composition."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.blobs.local import LocalBlobStore
from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints import match_job
from app.jobs import Job
from app.kernel.settings import Settings
from app.media import jobs as media_jobs
from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits

JOBS: tuple[Job, ...] = (*media_jobs.JOBS, *fingerprint_jobs.JOBS, *match_job.JOBS)


@dataclass(frozen=True)
class Resources:
    """What ``work`` receives as its second argument."""

    settings: Settings
    blobs: LocalBlobStore
    decoder: Decoder


@contextmanager
def open_resources(settings: Settings) -> Iterator[Resources]:
    """The blob store and the decoder, for the worker's lifetime. Raises JailUnavailable: no jail, no decoding."""
    limits = DecodeLimits(image_wall_s=settings.decode_image_wall_s, video_wall_s=settings.decode_video_wall_s)
    blobs = LocalBlobStore(settings.data / "blobs")
    with Decoder(limits) as decoder:
        yield Resources(settings, blobs, decoder)
    blobs.close()
