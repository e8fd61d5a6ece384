"""Runs the jobs that wait in a test's database, one after the other, as the worker runs them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import text

from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints.algorithms.catalog import Catalog
from app.fingerprints.decodings import Decoded
from app.job_table import JOBS, Resources
from app.jobs import Job, enqueue_forgotten
from app.kernel.primitives import Sha256Hex
from app.media.derivatives import store_files
from app.media.jail.decoder import Decoder, OnProgress
from app.media.jobs import MediaResources
from app.worker import Runner, WorkerLimits
from tests.support.api import Api

_TAKE = text(
    """
    DELETE FROM procrastinate_jobs WHERE id = (SELECT id FROM procrastinate_jobs WHERE status = 'todo'
    ORDER BY priority DESC, id LIMIT 1) RETURNING id, task_name, attempts, args
    """
)


class Work:
    """The jobs of one API's database; ``finish`` runs them until none waits."""

    def __init__(self, api: Api, decoder: Decoder, jobs: Sequence[Job] = JOBS) -> None:
        services = api.app.state.services
        self.resources = Resources(services.settings, services.blobs, decoder)
        self._sessions = services.sessions
        self._runner = Runner(services.sessions, self.resources, WorkerLimits())
        self._jobs = {job.name: job for job in jobs}

    def finish(self) -> list[str]:
        """The names of the jobs that ran. Raises what a job raised."""
        ran: list[str] = []
        while (name := self.run_one()) is not None:
            ran.append(name)
        return ran

    def sweep(self) -> list[str]:
        """Enqueue what by its own state waits for a job and has none, as a worker does now and then, and run it."""
        with self._sessions.begin() as session:
            enqueue_forgotten(session, list(self._jobs.values()))
        return self.finish()

    def run_one(self) -> str | None:
        """The name of the job that ran, the oldest; None when none waits. Raises what it raised."""
        waiting = self._take()
        if waiting is None:
            return None
        job_id, name, attempts, arguments = waiting
        self._runner.run(self._jobs[name], job_id, attempts, arguments)
        return name

    def _take(self) -> tuple[int, str, int, dict[str, str]] | None:
        with self._sessions.begin() as session:
            row = session.execute(_TAKE).one_or_none()
        return None if row is None else (row.id, row.task_name, row.attempts, row.args)


_decoders: list[Decoder] = []
_decoded: dict[tuple[bytes, Catalog], Decoded] = {}
_decode = fingerprint_jobs.decode


@contextmanager
def work_of(api: Api, *, decodes_anew: bool = False) -> Iterator[Work]:
    """Work with the test process's one decoder: each decoding has a child of its own, as in a worker.

    Most tests upload the same few files: what a decoding gave is given again for the same bytes, its files stored anew,
    unless the test asks for decoding itself.
    """
    if not _decoders:
        _decoders.append(Decoder())
    fingerprint_jobs.decode = _decode if decodes_anew else _decode_once
    try:
        yield Work(api, _decoders[0])
    finally:
        fingerprint_jobs.decode = _decode


def _decode_once(
    sha256: Sha256Hex,
    resources: MediaResources,
    catalog: Catalog,
    on_progress: OnProgress | None = None,
) -> Decoded:
    """By what the file's bytes are now, whatever its name says. What killed its decoder is not remembered."""
    fd = resources.blobs.open(sha256)
    try:
        with os.fdopen(os.dup(fd), "rb") as file:
            key = (hashlib.file_digest(file, "sha256").digest(), catalog)
    finally:
        os.close(fd)
    if key not in _decoded:
        _decoded[key] = _decode(sha256, resources, catalog, on_progress)
        return _decoded[key]
    known = _decoded[key]
    renderings = [each.rendering for each in known.renderings]
    return replace(known, renderings=store_files(resources.blobs, renderings))


def close_decoder() -> None:
    while _decoders:
        _decoders.pop().close()
