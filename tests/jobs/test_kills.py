"""Killing the zygote or the worker at any moment loses no job: each file is fingerprinted once, and none is failed.

``EXHIBIT_STRESS_KILLS`` sets how often the zygote is killed (for hours of it); ``EXHIBIT_TEST_SEED`` when.
"""

import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from app.job_table import JOBS
from app.media.jail.decoder import Decoder, DecoderDied
from app.worker import NotNow, Runner, WorkerLimits
from tests import media_samples as samples
from tests.media.people import METADATA, Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.support.killed_job import Step, run_killed
from tests.support.work import Work

KILLS = int(os.environ.get("EXHIBIT_STRESS_KILLS", "3"))
SEED = int(os.environ.get("EXHIBIT_TEST_SEED", "7"))
BY_NAME = {job.name: job for job in JOBS}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as found:
        yield found


@pytest.fixture
def hub(api: Api) -> Hub:
    return Hub(api)


def received(hub: Hub, content: bytes) -> str:
    form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
    item: str = hub.collector.post(f"/v1/cases/{hub.case_id}/evidence", files=form).json()["id"]
    return item


def rows(hub: Hub, statement: str) -> list[tuple[Any, ...]]:
    with hub.api.app.state.services.sessions() as session:
        return [tuple(row) for row in session.execute(text(statement))]


class Killer(threading.Thread):
    """Kills the decoder's zygote at random moments, so many times."""

    def __init__(self, decoder: Decoder, kills: int) -> None:
        super().__init__(daemon=True)
        self._decoder, self._left = decoder, kills
        self._chance = random.Random(SEED)
        self._killed: set[int] = set()

    def run(self) -> None:
        while self._left:
            zygote = self._decoder._zygote
            if zygote is None or zygote._process.pid in self._killed:
                time.sleep(0.005)
                continue
            time.sleep(self._chance.uniform(0.0, 0.4))
            self._killed.add(zygote._process.pid)
            if zygote.is_living():
                zygote._process.kill()
                self._left -= 1


def run_as_the_queue_does(runner: Runner, name: str, item: str) -> None:
    """Attempts with their count, as the queue gives them; one too many fails the test."""
    attempts = 0
    while True:
        try:
            runner.run(BY_NAME[name], None, attempts, {"evidence_id": item})
            return
        except NotNow:
            continue  # Not counted.
        except DecoderDied:
            attempts += 1


@pytest.mark.thorough
def test_zygote_when_killed_at_random_moments_under_a_stream_of_files_then_each_is_fingerprinted(
    hub: Hub, decoder: Decoder
) -> None:
    work = Work(hub.api, decoder)
    runner = Runner(hub.api.app.state.services.sessions, work.resources, WorkerLimits())
    killer = Killer(decoder, KILLS)
    killer.start()
    items: list[str] = []
    while killer.is_alive() or not items:
        number = len(items)
        content = samples.recompressed(PHOTOGRAPHS[number % 3], 30 + number % 60)
        items.append(received(hub, content + str(number).encode()))
        for name in ("preserve", "fingerprint", "match"):
            run_as_the_queue_does(runner, name, items[-1])

    assert rows(hub, "SELECT DISTINCT fingerprint_status, fingerprint_reason FROM evidence") == [("done", None)]
    assert rows(hub, "SELECT count(*), max(number) FROM decodings") == [(len(items), 1)]
    entries = "SELECT count(*) FROM ledger_entries WHERE type = 'evidence.fingerprinted' GROUP BY stream_id"
    assert set(rows(hub, entries)) == {(1,)}


@pytest.mark.thorough
@pytest.mark.parametrize("at", ["worked", "stored", "committed"])
def test_worker_when_killed_after_a_step_of_a_job_then_another_does_the_job_and_all_is_there_once(
    hub: Hub, decoder: Decoder, database: TestDatabase, at: Step
) -> None:
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["tests.support.killed_job"])
    item = received(hub, PHOTOGRAPHS[0].read_bytes())
    other = received(hub, samples.recompressed(PHOTOGRAPHS[0], 60))
    work = Work(hub.api, decoder)
    work.run_one()
    for name in ("fingerprint", "match"):
        if name == "match":
            work.run_one()  # Of the other item: preserve.
            work.run_one()  # And of this one: fingerprint.
        arguments = {"evidence_id": item}
        killed = forks.Process(
            target=run_killed, args=(database.app_url, str(hub.api.settings.data), name, arguments, at)
        )
        killed.start()
        killed.join(60)
        assert killed.exitcode == -signal.SIGKILL
    work.finish()

    assert rows(hub, "SELECT DISTINCT fingerprint_status FROM evidence") == [("done",)]
    assert rows(hub, "SELECT count(*), max(number) FROM decodings") == [(2, 1)]
    once = {"evidence.fingerprinted": 1, "evidence.derived": 3, "evidence.matched": 1}  # Preview, thumbnail and frames.
    for one in (item, other):
        assert {kind: hub.entries(one, kind) for kind in once} == once
