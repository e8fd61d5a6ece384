"""What one more copy costs a case that holds very many copies of a few photographs.

``python -m benchmarks.many_copies [--copies 300,600,1200] [--photographs 3] [--more 4]``

Copies are what people make of a photograph (``benchmarks.corpus``'s edits, saved anew in sizes and qualities that a
seed gives), in equal parts of each photograph; of those that are held every ``DISTINCT`` are the same pictures, with
other bytes behind them, and are not decoded again. Up to ``--copies`` they are uploaded, fingerprinted, and settled by
hand: what they have in common with each other is not looked for, which would cost their square. Then ``--more`` arrive
as any do, one after the other, each by another edit and of the first photograph.

Of their job ``match``: rounds, matches that it made, processor time of this process (in which the worker's jobs run)
and of its database, time by the clock, and the highest resident memory against what it was before.
"""

import argparse
import hashlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg
import structlog
from PIL import Image

from app.fingerprints import jobs as fingerprint_jobs
from app.fingerprints.algorithms.catalog import Catalog
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.decodings import Decoded
from app.fingerprints.feature_index import FEATURES
from app.fingerprints.proposing import INDEX
from app.job_table import JOBS
from app.kernel.primitives import Sha256Hex
from app.media.jail.decoder import OnProgress
from app.media.jobs import MediaResources
from benchmarks.corpus.photograph_edits import EDITS
from benchmarks.held_elsewhere import spent_in_database_ms
from benchmarks.ingest_videos import Watch, resident_kib
from tests.media.people import METADATA
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api, running_api
from tests.support.databases import (
    close_connections,
    create_database,
    make_run_directory,
    open_server,
    remove_run_directory,
)
from tests.support.work import Work, work_of

COPIES = ("reencoded", "cropped_25", "messenger", "screenshot", "logo", "cropped_50", "mirrored", "cropped_10")
DISTINCT = 96
MARK_BYTES = 8
"""Behind the picture: a number, so that no two files have the same bytes."""
MATCH = "match"

SETTLE = """
SET session_replication_role = replica;
UPDATE evidence SET fingerprint_status = 'done', settled_decoding = 1 WHERE fingerprint_status = 'pending';
DELETE FROM procrastinate_jobs;
ANALYZE;
"""


class Cost(NamedTuple):
    rounds: int
    matches: int
    process_s: float
    database_s: float
    clock_s: float
    peak_mib: float
    """More than was resident before."""


def copy_of(picture: Image.Image, number: int) -> bytes:
    """The copy of this number: by another edit than the one before, and like none in its bytes."""
    chance = Random(number)
    edited = EDITS[COPIES[number % len(COPIES)]](picture, chance)
    edited.thumbnail((chance.randint(700, 1000),) * 2)
    written = io.BytesIO()
    edited.save(written, "JPEG", quality=chance.randint(60, 92))
    return written.getvalue()


def held_copies(pictures: Sequence[Image.Image], numbers: range) -> Iterator[bytes]:
    made: dict[int, bytes] = {}
    for number in numbers:
        which = number % DISTINCT
        if which not in made:
            made[which] = copy_of(pictures[which % len(pictures)], which)
        yield made[which] + number.to_bytes(MARK_BYTES, "big")


@contextmanager
def decoding_once() -> Iterator[None]:
    """What was decoded is not decoded again of the same picture with another mark behind it."""
    known: dict[bytes, Decoded] = {}
    decode = fingerprint_jobs.decode

    def decode_once(
        sha256: Sha256Hex, resources: MediaResources, catalog: Catalog, on_progress: OnProgress | None = None
    ) -> Decoded:
        with os.fdopen(resources.blobs.open(sha256), "rb") as file:
            picture = hashlib.sha256(file.read()[:-MARK_BYTES]).digest()
        if picture not in known:
            known[picture] = decode(sha256, resources, catalog, on_progress)
        return known[picture]

    fingerprint_jobs.decode = decode_once
    try:
        yield
    finally:
        fingerprint_jobs.decode = decode


class Case:
    """A case of an installation of its own, which counts what its jobs ``match`` cost."""

    def __init__(self, api: Api, work: Work, owner_url: str) -> None:
        self._rounds = 0
        jobs = [replace(job, plan=self._counted(job.plan)) if job.name == MATCH else job for job in JOBS]
        self._work = Work(api, work.resources.decoder, jobs)
        self._sessions = api.app.state.services.sessions
        self._owner = psycopg.connect(owner_url, autocommit=True)
        self._person = api.person("Collector")
        self._id = api.case(self._person, collector=(self._person,))

    def _counted(self, plan: Any) -> Any:
        def planned(*arguments: Any, **named: Any) -> Any:
            self._rounds += 1
            return plan(*arguments, **named)

        return planned

    def hold(self, contents: Iterator[bytes]) -> None:
        """Fingerprinted, and settled as if each were compared already; the indexes have read them."""
        for content in contents:
            self._receive(content)
            while self._work.run_one() != "fingerprint":
                pass
            self._owner.execute("DELETE FROM procrastinate_jobs")
        self._owner.execute(SETTLE)
        with self._sessions() as session:
            INDEX.blobs_near(session, PDQ.version, [bytes(32)], 0)
            FEATURES.blocks(session)

    def match(self, content: bytes) -> Cost:
        """One more, as any arrives."""
        self._receive(content)
        while self._work.run_one() != "fingerprint":
            pass
        self._rounds, matches = 0, self._matches()
        database_ms, process_s, clock_s = self._spent_ms(), time.process_time(), time.perf_counter()
        before_kib = resident_kib()
        with Watch() as watch:
            while self._work.run_one() != MATCH:
                pass
        clock_s, process_s = time.perf_counter() - clock_s, time.process_time() - process_s
        database_s = (self._spent_ms() - database_ms) / 1e3
        self._work.finish()
        peak_mib = (watch.peak_kib - before_kib) / 1024
        return Cost(self._rounds, self._matches() - matches, process_s, database_s, clock_s, peak_mib)

    def _receive(self, content: bytes) -> None:
        form: list[tuple[str, Any]] = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
        answer = self._person.post(f"/v1/cases/{self._id}/evidence", files=form)
        assert answer.status_code == 201, answer.text

    def _matches(self) -> int:
        row = self._owner.execute("SELECT count(*) FROM matches").fetchone()
        assert row is not None
        return int(row[0])

    def _spent_ms(self) -> float:
        return sum(spent_in_database_ms(self._owner).values())


@contextmanager
def own_case() -> Iterator[Case]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    directory = make_run_directory()
    try:
        database = create_database(open_server(directory))
        with tempfile.TemporaryDirectory() as data, running_api(database, Path(data)) as api:
            with work_of(api, decodes_anew=True) as work:
                yield Case(api, work, database.owner_url)
    finally:
        close_connections()
        remove_run_directory(directory)


def report(held: int, costs: Sequence[Cost]) -> None:
    print(f"{held} copies held")
    print(f"  {'edit':12} rounds matches  process s  database s  clock s  MiB more")
    for number, cost in enumerate(costs):
        told = f"{cost.rounds:6} {cost.matches:7} {cost.process_s:10.2f} {cost.database_s:11.2f}"
        print(f"  {COPIES[number % len(COPIES)]:12} {told} {cost.clock_s:8.2f} {cost.peak_mib:9.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", default="300,600,1200")
    parser.add_argument("--photographs", type=int, default=3)
    parser.add_argument("--more", type=int, default=4)
    options = parser.parse_args()
    pictures = [Image.open(path).convert("RGB") for path in PHOTOGRAPHS[: options.photographs]]
    for picture in pictures:
        picture.thumbnail((1200, 1200))
    held = 0
    with own_case() as case:
        for copies in map(int, options.copies.split(",")):
            with decoding_once():
                case.hold(held_copies(pictures, range(held, copies)))
            more = range(1_000_000 + 8 * copies, 1_000_000 + 8 * copies + options.more)
            report(copies, [case.match(copy_of(pictures[0], number)) for number in more])
            held = copies


if __name__ == "__main__":
    main()
