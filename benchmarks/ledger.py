"""Append and integrate: entries a second, and how long from a commit to the signed checkpoint over it. fsync on.

``python -m benchmarks.ledger [--seconds 10] [--writers 8] [--bulk 50] [--rate 500]``

Targets on 2 cores with the clients on them: 500 single-entry transactions/s; 5,000 entries/s with 50 a transaction; the
integrator 20,000 entries/s; commit to checkpoint p99 0.5 s at 500 entries/s. Each writing figure stands beside a plain
peer: the same number of rows of the same bytes into one table without key, trigger or chain, committed alike.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.queues import Queue
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.database import open_engine, session_factory
from app.kernel.embedded_postgres import start_postgres
from app.kernel.primitives import new_id, utc_now
from app.ledger import integrator, log, reading
from app.ledger.record import SignedRecord
from app.migration import migrate
from tests.ledger.acts import SIGNER, make_view

BODY_BYTES = 900
"""About what an entry of a view has with its disclosure."""

BACKLOG_ENTRIES = 50_000
ROOT = Path(__file__).resolve().parents[1]

Write = Callable[[sessionmaker[Session], UUID], None]


def write_entries(count: int, sessions: sessionmaker[Session], stream: UUID) -> None:
    with sessions() as session:
        log.append(session, [make_view(stream) for _ in range(count)], recorded=utc_now())
        session.commit()


def write_plain(count: int, sessions: sessionmaker[Session], _stream: UUID) -> None:
    with sessions() as session:
        rows = [{"body": os.urandom(BODY_BYTES)} for _ in range(count)]
        session.execute(text("INSERT INTO plain_peer (body) VALUES (:body)"), rows)
        session.commit()


def _write_until(url: str, write: Write, stream: UUID, seconds: float, done: "Queue[int]") -> None:
    engine = open_engine(url, pool_size=1)
    sessions = session_factory(engine)
    write(sessions, stream)  # Connected, planned.
    ends, count = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        write(sessions, stream)
        count += 1
    engine.dispose()
    done.put(count)


def transactions_per_s(url: str, write: Write, streams: list[UUID], seconds: float) -> float:
    """As many processes as streams, each writing to one of its own."""
    fork = multiprocessing.get_context("spawn")
    done: Queue[int] = fork.Queue()
    writers = [fork.Process(target=_write_until, args=(url, write, stream, seconds, done)) for stream in streams]
    for writer in writers:
        writer.start()
    count = sum(done.get() for _ in writers)
    for writer in writers:
        writer.join()
    return count / seconds


def integrated_per_s(engine: Engine, record: SignedRecord, sessions: sessionmaker[Session], stream: UUID) -> float:
    """Of a backlog that is filled up to ``BACKLOG_ENTRIES`` first."""
    while (waiting := _waiting(engine)) < BACKLOG_ENTRIES:
        write_entries(1000, sessions, stream)
    began = time.monotonic()
    with engine.connect() as connection:
        while integrator.integrate_batch(connection, SIGNER, record=record) is not None:
            pass
    return waiting / (time.monotonic() - began)


def _waiting(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM ledger_queue")).scalar_one())


def checkpoint_latency_s(
    sessions: sessionmaker[Session], url: str, record: Path, streams: list[UUID], rate: int, seconds: float
) -> list[float]:
    """From each commit, at a steady rate, until the newest signed tree covers it; the integrator is a process."""
    code = (
        "import sys, threading; from pathlib import Path; from app.ledger import integrator; "
        "from app.ledger.record import SignedRecord; from tests.ledger.acts import SIGNER; "
        "integrator.run(sys.argv[1], SIGNER, 0.2, threading.Event(), record=SignedRecord(Path(sys.argv[2])))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, url, str(record)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with sessions.begin() as session:  # It works; how long it takes to start is not what is measured.
        (first,) = log.append(session, [make_view(streams[0])], recorded=utc_now())
    if reading.wait_for_checkpoint(sessions, [first.commitment], 60) is None:
        raise RuntimeError("the integrator has not started within a minute")
    committed: dict[str, float] = {}
    over = threading.Event()

    def write(stream: UUID, pause_s: float) -> None:
        due = time.monotonic()
        while not over.is_set():
            with sessions() as session:
                (receipt,) = log.append(session, [make_view(stream)], recorded=utc_now())
                session.commit()
            committed[receipt.commitment] = time.monotonic()
            due += pause_s
            over.wait(max(0.0, due - time.monotonic()))

    writers = [threading.Thread(target=write, args=(stream, len(streams) / rate)) for stream in streams]
    for writer in writers:
        writer.start()
    found = _watch(sessions, committed, seconds, over)
    for writer in writers:
        writer.join()
    running.terminate()
    running.wait()
    return found


def _watch(
    sessions: sessionmaker[Session], committed: dict[str, float], seconds: float, over: threading.Event
) -> list[float]:
    waited: list[float] = []
    ends, at = time.monotonic() + seconds, 0
    while not over.is_set():
        with sessions() as session:
            rows = session.execute(
                text("SELECT idx, commitment FROM ledger_leaves WHERE idx >= :at ORDER BY idx"), {"at": at}
            ).all()
        now = time.monotonic()
        at = rows[-1].idx + 1 if rows else at
        waited += [now - committed[key] for row in rows if (key := row.commitment.hex()) in committed]
        if now > ends:
            over.set()
        time.sleep(0.01)
    return sorted(waited)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--bulk", type=int, default=50)
    parser.add_argument("--rate", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="exhibit-") as name:
        Path(name).chmod(0o711)
        postgres = start_postgres(Path(name) / "data")
        try:
            migrate(postgres.owner_url)
            measure(postgres.owner_url, Path(name) / "log.signed", options)
        finally:
            postgres.stop()


def measure(url: str, record_path: Path, options: argparse.Namespace) -> None:
    engine = open_engine(url, pool_size=options.writers + 2)
    sessions, record = session_factory(engine), SignedRecord(record_path)
    streams = [new_id() for _ in range(options.writers)]
    with sessions.begin() as session:
        log.initialise(session)
        for stream in streams:
            log.create_stream(session, stream, "evidence", None)
        session.execute(text("CREATE TABLE plain_peer (body bytea)"))
    for name, count in (("single", 1), ("bulk", options.bulk)):
        of_log = count * transactions_per_s(url, partial(write_entries, count), streams, options.seconds)
        plain = count * transactions_per_s(url, partial(write_plain, count), streams, options.seconds)
        print(f"{name}: {of_log:,.0f} entries/s; plain rows {plain:,.0f}/s; ratio {of_log / plain:.2f}", flush=True)
    integrated = integrated_per_s(engine, record, sessions, streams[0])
    print(f"integrator: {integrated:,.0f} entries/s of a backlog", flush=True)
    waited = checkpoint_latency_s(sessions, url, record_path, streams, options.rate, options.seconds)
    middle, late = waited[len(waited) // 2], waited[int(len(waited) * 0.99)]
    print(f"commit to checkpoint at {len(waited) / options.seconds:.0f}/s: p50 {middle:.2f} s, p99 {late:.2f} s")
    engine.dispose()


if __name__ == "__main__":
    main()
