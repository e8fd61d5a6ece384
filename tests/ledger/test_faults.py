"""Fault table: each step of append, integrate, sign, record and publish fails, fails but was stored, or is its last.

After each the whole log is verified from what the database shows, and no acknowledged act is missing or doubled.
The steps of the transactions are cut in ``test_integrator``; here those that reach beyond the database, and crashes.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import utc_now
from app.ledger import audit, integrator, log
from app.ledger.record import RECORD_NAME, SignedRecord, SignedTree
from tests.ledger.acts import SIGNER, append, make_export, make_view, open_log, scalar, verifier_key
from tests.ledger.cutting_proxy import CuttingProxy
from tests.support.databases import TestDatabase

Sessions = sessionmaker[Session]

ROOT = Path(__file__).parents[2]
WRITERS = int(os.environ.get("EXHIBIT_STRESS_WRITERS", "50"))
ACTS_EACH = int(os.environ.get("EXHIBIT_STRESS_ACTS", "6"))
INTEGRATORS = 3


@pytest.fixture
def record(tmp_path: Path) -> SignedRecord:
    return SignedRecord(tmp_path / RECORD_NAME)


def _integrate_all(engine: Engine, record: SignedRecord) -> None:
    with engine.connect() as connection:
        while integrator.integrate_batch(connection, SIGNER, record=record) is not None:
            pass


def _assert_sound(engine: Engine, sessions: Sessions, acknowledged: list[str], record: SignedRecord) -> None:
    """All that was acknowledged is there once, all that is there is in the tree, and the record's end is the tree."""
    with engine.connect() as connection:
        report = audit.verify_log(connection, verifier_key(sessions))
        stored = [row[0].hex() for row in connection.execute(text("SELECT commitment FROM ledger_leaves"))]
    assert report.faults == []
    assert report.queued == 0
    assert report.entries == report.leaves == len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    last = record.last()
    assert last is not None
    assert (last.size, last.root) == (report.size, report.root)


class _Failing(SignedRecord):
    """The record's disk fails before the line is there, in the middle of it, or after it."""

    def __init__(self, path: Path, how: str) -> None:
        super().__init__(path)
        self._how = how

    def add(self, tree: SignedTree) -> None:
        if self._how == "stored":
            super().add(tree)
        elif self._how == "torn":
            with self.path.open("ab") as file:
                file.write(tree.encode()[:50])
        raise OSError("the disk is gone")


@pytest.mark.parametrize("how", ["not stored", "torn", "stored"])
@pytest.mark.parametrize("earlier", [0, 2])
def test_record_when_its_write_fails_or_fails_but_was_stored_loses_and_forks_nothing(
    sessions: Sessions, engine: Engine, integrating: Engine, record: SignedRecord, how: str, earlier: int
) -> None:
    (stream,) = open_log(sessions)
    receipts = append(sessions, [make_view(stream) for _ in range(earlier)])
    _integrate_all(integrating, record)
    receipts += append(sessions, [make_view(stream) for _ in range(3)])
    with pytest.raises(OSError, match="disk is gone"), integrating.connect() as connection:
        integrator.integrate_batch(connection, SIGNER, record=_Failing(record.path, how))

    assert scalar(engine, "SELECT count(*) FROM ledger_leaves") == earlier
    receipts += append(sessions, [make_view(stream)])
    _integrate_all(integrating, record)
    _assert_sound(engine, sessions, [receipt.commitment for receipt in receipts], record)


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_publication_when_the_commit_fails_after_the_record_was_written_is_made_good_by_the_next(
    database: TestDatabase, sessions: Sessions, engine: Engine, integrating: Engine, record: SignedRecord, lost: str
) -> None:
    (stream,) = open_log(sessions)
    receipts = append(sessions, [make_view(stream) for _ in range(3)])
    with CuttingProxy(database.integrator_url, b"COMMIT", "request" if lost == "request" else "answer") as proxy:
        broken = open_engine(proxy.url, pool_size=1)
        with broken.connect() as connection:
            connection.execute(text("SELECT 1"))
        proxy.is_armed = True
        with pytest.raises(DBAPIError), broken.connect() as connection:
            integrator.integrate_batch(connection, SIGNER, record=record)
        assert proxy.has_cut.is_set()
        broken.dispose()

    receipts += append(sessions, make_export([stream]))
    _integrate_all(integrating, record)
    _assert_sound(engine, sessions, [receipt.commitment for receipt in receipts], record)


DIES = """
import os, sys
from pathlib import Path
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import utc_now
from app.ledger import integrator, log, record
from tests.ledger.acts import SIGNER, make_view
from uuid import UUID

step, app_url, integrator_url, path, stream = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), 9)

def dying_after(function):
    def called(*arguments, **named):
        result = function(*arguments, **named)
        die()
        return result
    return called

class Dying:
    public_key = SIGNER.public_key
    def sign(self, message):
        die()

if step.startswith("append"):
    with session_factory(open_engine(app_url, pool_size=1))() as session:
        if step == "append: streams locked":
            log._closing_places = die
        log.append(session, [make_view(UUID(stream))], recorded=utc_now())
        if step == "append: entry written":
            die()
        session.commit()
        die()
kept = record.SignedRecord(Path(path))
if step == "integrate: batch read":
    integrator._read_frontier = die
elif step == "integrate: leaves written":
    integrator._store = dying_after(integrator._store)
elif step == "record: line half written":
    kept.add = lambda tree: (kept.path.open("ab", buffering=0).write(tree.encode()[:70]), die())
elif step == "record: line written":
    kept.add = dying_after(kept.add)
signer = Dying() if step == "sign" else SIGNER
with open_engine(integrator_url, pool_size=1).connect() as connection:
    integrator.integrate_batch(connection, signer, record=kept)
    die()  # "publish: committed"
"""

# Where the process is killed, and whether what it did is stored.
CRASHES = {
    "append: streams locked": False,
    "append: entry written": False,
    "append: committed": True,
    "integrate: batch read": False,
    "sign": False,
    "integrate: leaves written": False,
    "record: line half written": False,
    "record: line written": False,
    "publish: committed": True,
}


@pytest.mark.thorough
@pytest.mark.parametrize("step", CRASHES)
def test_process_when_killed_at_a_step_leaves_all_that_was_acknowledged_once(
    database: TestDatabase, sessions: Sessions, engine: Engine, integrating: Engine, record: SignedRecord, step: str
) -> None:
    (stream,) = open_log(sessions)
    receipts = append(sessions, [make_view(stream) for _ in range(4)])
    command = [sys.executable, "-c", DIES, step, database.app_url, database.integrator_url, str(record.path)]
    died = subprocess.run([*command, str(stream)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    is_append = step.startswith("append")
    stored = "SELECT count(*) - 4 FROM ledger_entries" if is_append else "SELECT count(*) FROM ledger_checkpoints"
    assert scalar(engine, stored) == int(CRASHES[step])

    receipts += append(sessions, [make_view(stream)])
    _integrate_all(integrating, record)
    _assert_sound(engine, sessions, [receipt.commitment for receipt in receipts], record)


RUNS = """
import sys, threading
from pathlib import Path
from app.ledger import integrator
from app.ledger.record import SignedRecord
from tests.ledger.acts import SIGNER

integrator.STAND_BY_S = 0.05
integrator.run(sys.argv[1], SIGNER, 0.01, threading.Event(), record=SignedRecord(Path(sys.argv[2])))
"""


@contextmanager
def _killed_again_and_again(database: TestDatabase, record: SignedRecord) -> Iterator[Callable[[], int]]:
    """Three integrators, each a process; one after the other is killed and started anew. Gives the number of kills."""
    command = [sys.executable, "-c", RUNS, database.integrator_url, str(record.path)]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    running = [start() for _ in range(INTEGRATORS)]
    over, kills = threading.Event(), 0
    chosen = random.Random(7)

    def disturb() -> None:
        nonlocal kills
        while not over.wait(chosen.uniform(0.5, 1.2)):
            place = chosen.randrange(INTEGRATORS)
            running[place].kill()
            running[place].wait()
            running[place] = start()
            kills += 1

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        yield lambda: kills
    finally:
        over.set()
        disturber.join()
        for process in running:
            process.kill()
            process.wait()


def _write(database: TestDatabase, streams: list[UUID], number: int, acknowledged: list[str]) -> None:
    """One writer: one or two streams an act, as services do; each act once, whatever happens to others."""
    engine = open_engine(database.app_url, pool_size=1)
    sessions = session_factory(engine)
    chosen = random.Random(number)
    for _ in range(ACTS_EACH):
        with sessions() as session:
            events = [make_view(stream) for stream in chosen.sample(streams, 2)]
            receipts = log.append(session, events, recorded=utc_now())
            session.commit()
        acknowledged.extend(receipt.commitment for receipt in receipts)
        time.sleep(chosen.uniform(0, 0.3))
    engine.dispose()


@pytest.mark.thorough
def test_log_under_many_writers_and_integrators_that_are_killed_loses_doubles_and_forks_nothing(
    database: TestDatabase, sessions: Sessions, engine: Engine, record: SignedRecord
) -> None:
    streams = open_log(sessions, 10)
    acknowledged: list[str] = []
    with _killed_again_and_again(database, record) as kills, ThreadPoolExecutor(WRITERS) as writers:
        for written in [writers.submit(_write, database, streams, number, acknowledged) for number in range(WRITERS)]:
            written.result()
        deadline = time.monotonic() + 60
        while kills() < 3 or scalar(engine, "SELECT count(*) FROM ledger_queue"):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert len(acknowledged) == 2 * WRITERS * ACTS_EACH
    _assert_sound(engine, sessions, acknowledged, record)
