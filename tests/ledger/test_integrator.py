"""The integrator: contiguous indexes, batches that close, faults at each step, two at once, a damaged log."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import utc_now
from app.ledger import audit, integrator, log, reading
from app.ledger.integrator import LogDamaged
from app.ledger.record import LogBehindRecord, SignedRecord
from tests.ledger.acts import (
    OTHER_SIGNER,
    SIGNER,
    append,
    integrate_all,
    make_export,
    make_view,
    open_log,
    scalar,
    verifier_key,
)
from tests.ledger.cutting_proxy import CuttingProxy
from tests.support.databases import TestDatabase

Sessions = sessionmaker[Session]


def _assert_sound(engine: Engine, sessions: Sessions, entries: int) -> None:
    """The whole log verified from what the database shows: nothing lost, doubled or left."""
    with engine.connect() as connection:
        report = audit.verify_log(connection, verifier_key(sessions))
    assert report.faults == []
    assert (report.entries, report.leaves, report.queued) == (entries, entries, 0)


def test_integrate_batch_of_an_empty_queue_signs_nothing(sessions: Sessions, integrating: Engine) -> None:
    open_log(sessions)

    assert integrate_all(integrating) == []
    with sessions() as session:
        assert reading.latest_checkpoint(session) is None


def test_integrate_batch_when_an_entry_is_queued_again_drops_it_and_goes_on(
    sessions: Sessions, engine: Engine, integrating: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(3)])
    integrate_all(integrating)
    append(sessions, [make_view(stream)])
    with owning.begin() as connection:
        connection.execute(text("ALTER TABLE ledger_queue DISABLE TRIGGER enter_queue"))
        connection.execute(text("INSERT INTO ledger_queue SELECT id, true FROM ledger_entries ON CONFLICT DO NOTHING"))

    with structlog.testing.capture_logs() as logged:
        assert integrate_all(integrating) == [4]

    assert [(line["event"], line["entries"]) for line in logged] == [("integrator_dropped_repeated", 3)]
    _assert_sound(engine, sessions, 4)


def test_integrate_batch_closes_right_after_the_last_entry_of_an_export(
    sessions: Sessions, engine: Engine, integrating: Engine
) -> None:
    streams = open_log(sessions, 3)
    append(sessions, [make_view(stream) for stream in streams])
    exported = append(sessions, make_export(streams[:2]))
    append(sessions, [make_view(streams[0])])

    assert integrate_all(integrating) == [5, 6]
    with sessions() as session:
        checkpoint = reading.checkpoint_over(session, [receipt.commitment for receipt in exported])
        assert checkpoint is not None
        for receipt in exported:
            places = [entry.log_index for entry in reading.entries_of(session, receipt.stream)]
            within = [place for place in places if place is not None and place < checkpoint.size]
            assert len(within) == receipt.seq  # The export's entry is its stream's last leaf in that tree.
    _assert_sound(engine, sessions, 6)


def test_integrate_batch_of_two_exports_in_one_transaction_closes_after_each(
    sessions: Sessions, integrating: Engine
) -> None:
    streams = open_log(sessions, 2)
    append(sessions, [*make_export(streams), *make_export(streams), make_view(streams[0])])

    assert integrate_all(integrating) == [2, 4, 5]


@pytest.mark.thorough
def test_integrate_by_two_at_once_under_writers_leaves_no_gap(
    sessions: Sessions, engine: Engine, integrating: Engine
) -> None:
    streams = open_log(sessions, 4)
    writers_done = threading.Event()

    def write(number: int) -> None:
        for _ in range(40):
            append(sessions, [make_view(streams[number]), make_view(streams[(number + 1) % 4])])

    def integrate(_: int) -> None:
        with integrating.connect() as connection:
            while True:
                is_last_round = writers_done.is_set()
                while integrator.integrate_batch(connection, SIGNER, limit=7) is not None:
                    pass
                if is_last_round:
                    return

    with ThreadPoolExecutor(6) as pool:
        integrations = [pool.submit(integrate, number) for number in range(2)]
        list(pool.map(write, range(4)))
        writers_done.set()
        for integration in integrations:
            integration.result()
    _assert_sound(engine, sessions, 320)


def test_integrate_in_commit_order_gives_late_commits_their_leaves(
    sessions: Sessions, engine: Engine, integrating: Engine
) -> None:
    early, late = open_log(sessions, 2)
    with sessions() as slow:
        log.append(slow, [make_view(late)], recorded=utc_now())
        append(sessions, [make_view(early)])
        assert integrate_all(integrating) == [1]
        slow.commit()

    assert integrate_all(integrating) == [2]
    _assert_sound(engine, sessions, 2)


Loss = Literal["request", "answer"]


@contextmanager
def _cut(database_url: str, trigger: bytes, lost: Loss) -> Iterator[tuple[CuttingProxy, Engine]]:
    with CuttingProxy(database_url, trigger, lost) as proxy:
        engine = open_engine(proxy.url, pool_size=1)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        proxy.is_armed = True
        yield proxy, engine
        engine.dispose()


# What fails at each step, and what is in the database afterwards: (statement, how it is lost, batches stored).
FAULTS: list[tuple[bytes, Loss, int]] = [
    (b"pg_advisory_xact_lock", "request", 0),
    (b"FROM ledger_queue", "answer", 0),
    (b"INSERT INTO ledger_leaves", "request", 0),
    (b"INSERT INTO ledger_leaves", "answer", 0),
    (b"INSERT INTO ledger_nodes", "answer", 0),
    (b"INSERT INTO ledger_checkpoints", "request", 0),
    (b"INSERT INTO ledger_checkpoints", "answer", 0),
    (b"DELETE FROM ledger_queue", "answer", 0),
    (b"COMMIT", "request", 0),
    (b"COMMIT", "answer", 1),
]


@pytest.mark.parametrize(("trigger", "lost", "stored"), FAULTS)
def test_integrate_batch_when_a_step_fails_loses_and_doubles_nothing(
    database: TestDatabase,
    sessions: Sessions,
    engine: Engine,
    integrating: Engine,
    trigger: bytes,
    lost: Loss,
    stored: int,
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(5)])
    with _cut(database.integrator_url, trigger, lost) as (proxy, broken):
        with pytest.raises(DBAPIError), broken.connect() as connection:
            integrator.integrate_batch(connection, SIGNER)
        assert proxy.has_cut.is_set()

    assert scalar(engine, "SELECT count(*) FROM ledger_checkpoints") == stored
    append(sessions, [make_view(stream)])
    assert integrate_all(integrating) == [6]
    _assert_sound(engine, sessions, 6)


APPEND_FAULTS: list[tuple[bytes, Loss, int]] = [
    (b"FOR NO KEY UPDATE", "answer", 0),
    (b"INSERT INTO ledger_entries", "request", 0),
    (b"INSERT INTO ledger_entries", "answer", 0),
    (b"COMMIT", "request", 0),
    (b"COMMIT", "answer", 1),
]


@pytest.mark.parametrize(("trigger", "lost", "stored"), APPEND_FAULTS)
def test_append_when_a_step_fails_is_whole_or_nothing(
    database: TestDatabase,
    sessions: Sessions,
    engine: Engine,
    integrating: Engine,
    trigger: bytes,
    lost: Loss,
    stored: int,
) -> None:
    (stream,) = open_log(sessions)
    with _cut(database.app_url, trigger, lost) as (proxy, broken):
        with pytest.raises(DBAPIError):
            append(session_factory(broken), [make_view(stream)])
        assert proxy.has_cut.is_set()

    for table in ("ledger_entries", "ledger_bodies", "ledger_disclosures", "ledger_queue"):
        assert scalar(engine, f"SELECT count(*) FROM {table}") == stored
    assert append(sessions, [make_view(stream)])[0].seq == stored + 1
    integrate_all(integrating)
    _assert_sound(engine, sessions, stored + 1)


def test_integrate_batch_when_signing_fails_writes_nothing(sessions: Sessions, integrating: Engine) -> None:
    class BrokenSigner:
        public_key = SIGNER.public_key

        def sign(self, message: bytes) -> bytes:
            raise OSError("the key's device is gone")

    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    with pytest.raises(OSError, match="device is gone"), integrating.connect() as connection:
        integrator.integrate_batch(connection, BrokenSigner())

    assert scalar(integrating, "SELECT count(*) FROM ledger_leaves") == 0
    assert integrate_all(integrating) == [1]


def test_integrate_batch_with_another_key_than_before_is_refused(sessions: Sessions, integrating: Engine) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    integrate_all(integrating)
    append(sessions, [make_view(stream)])

    with pytest.raises(LogDamaged, match="not signed by a trusted key"), integrating.connect() as connection:
        integrator.integrate_batch(connection, OTHER_SIGNER)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE ledger_leaves SET label = sha256('other') WHERE idx = 4",
        "UPDATE ledger_nodes SET hash = sha256('other') WHERE level = 2",
        "DELETE FROM ledger_nodes WHERE level = 2",
        "DELETE FROM ledger_leaves WHERE idx = 4",
        "DELETE FROM ledger_checkpoints",
        "UPDATE ledger_checkpoints SET note = replace(note, '5', '6')",
    ],
)
def test_integrate_batch_when_the_tree_is_not_the_one_signed_signs_nothing(
    sessions: Sessions, integrating: Engine, owning: Engine, tampering: str
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(5)])
    integrate_all(integrating)
    append(sessions, [make_view(stream)])
    table = tampering.replace("DELETE FROM", "UPDATE").split()[1]
    with owning.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(tampering))

    with pytest.raises(LogDamaged), integrating.connect() as connection:
        integrator.integrate_batch(connection, SIGNER)


def test_integrate_batch_when_the_database_is_behind_the_record_is_refused(
    sessions: Sessions, integrating: Engine, tmp_path: Path
) -> None:
    (stream,) = open_log(sessions)
    record = SignedRecord(tmp_path / "log.signed")
    append(sessions, [make_view(stream)])
    with integrating.connect() as connection:
        checkpoint = integrator.integrate_batch(connection, SIGNER, record=record)
    assert checkpoint is not None
    written = SignedRecord(tmp_path / "log.signed").last()
    assert written is not None
    assert (written.size, written.root) == (1, checkpoint.root)
    append(sessions, [make_view(stream)])

    for line in (f"9 {checkpoint.root}\n", f"1 {'00' * 32}\n"):
        (tmp_path / "log.signed").write_text(line)
        with pytest.raises(LogBehindRecord), integrating.connect() as connection:
            integrator.integrate_batch(connection, SIGNER, record=SignedRecord(tmp_path / "log.signed"))


KILLED = """
import sys, time
from app.kernel.database import open_engine
from app.ledger import integrator
from tests.ledger.acts import SIGNER

class StallingSigner:
    public_key = SIGNER.public_key
    def sign(self, message):
        print("signing", flush=True)
        time.sleep(60)
        return b""

with open_engine(sys.argv[1], pool_size=1).connect() as connection:
    integrator.integrate_batch(connection, StallingSigner())
"""


@pytest.mark.thorough
def test_integrator_when_killed_in_its_transaction_leaves_the_next_to_go_on(
    database: TestDatabase, sessions: Sessions, engine: Engine, integrating: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(5)])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", KILLED, database.integrator_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"signing\n"
        process.send_signal(signal.SIGKILL)

    assert integrate_all(integrating) == [5]
    _assert_sound(engine, sessions, 5)


class _Running:
    """``integrator.run`` in a thread; ``stop`` raises what it raised."""

    def __init__(self, url: str) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(integrator.run, url, SIGNER, 0.05, self._stop)

    def stop(self) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._future.result()

    def is_over(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self._future.done():
            time.sleep(0.02)
        return self._future.done()


def _wait(sessions: Sessions, commitment: str) -> None:
    assert reading.wait_for_checkpoint(sessions, [commitment], 20.0) is not None


def test_run_when_its_connection_is_killed_says_so_and_goes_on(
    database: TestDatabase, sessions: Sessions, engine: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    with structlog.testing.capture_logs() as logged:
        running = _Running(database.integrator_url)
        _wait(sessions, append(sessions, [make_view(stream)])[0].commitment)
        killed = scalar(
            owning,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename LIKE '%integrator%'",
        )
        _wait(sessions, append(sessions, [make_view(stream)])[0].commitment)
        running.stop()

    assert killed == 1
    assert "integrator_lost_database" in [entry["event"] for entry in logged]
    _assert_sound(engine, sessions, 2)


def test_run_by_two_at_once_has_one_lead_and_the_other_take_over(
    database: TestDatabase, sessions: Sessions, engine: Engine
) -> None:
    (stream,) = open_log(sessions)
    with structlog.testing.capture_logs() as logged:
        first = _Running(database.integrator_url)
        _wait(sessions, append(sessions, [make_view(stream)])[0].commitment)
        second = _Running(database.integrator_url)
        while "integrator_stands_by" not in [entry["event"] for entry in logged]:
            time.sleep(0.02)
        first.stop()
        _wait(sessions, append(sessions, [make_view(stream)])[0].commitment)
        second.stop()

    assert [entry["event"] for entry in logged] == ["integrator_leads", "integrator_stands_by", "integrator_leads"]
    _assert_sound(engine, sessions, 2)


def test_run_when_the_log_is_damaged_stops_and_says_why(
    database: TestDatabase, sessions: Sessions, integrating: Engine, owning: Engine
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(2)])
    integrate_all(integrating)
    with owning.begin() as connection:
        connection.execute(text("ALTER TABLE ledger_nodes DISABLE TRIGGER USER"))
        connection.execute(text("DELETE FROM ledger_nodes"))
    append(sessions, [make_view(stream)])

    with structlog.testing.capture_logs() as logged:
        running = _Running(database.integrator_url)
        assert running.is_over(20.0)
        with pytest.raises(LogDamaged):
            running.stop()
    assert ("integrator_stopped", "LogDamaged") in [(entry["event"], entry.get("kind")) for entry in logged]


def test_run_when_it_may_not_write_stops_and_says_why(database: TestDatabase, sessions: Sessions) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])

    running = _Running(database.app_url)
    assert running.is_over(20.0)
    with pytest.raises(DBAPIError, match="permission denied") as caught:
        running.stop()
    assert not isinstance(caught.value, OperationalError)
