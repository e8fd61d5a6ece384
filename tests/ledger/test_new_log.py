"""After a restore that lost signed entries: the log is halted, a new one continues it, and nothing is forked."""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.errors import Misconfigured
from app.kernel.primitives import utc_now
from app.kernel.settings import Settings
from app.ledger import audit, halting, integrator, log, reading
from app.ledger.checkpoint import VerifierKey, open_checkpoint
from app.ledger.halting import LogHalted
from app.ledger.log import LedgerHalted
from app.ledger.record import RECORD_NAME, LogBehindRecord, SignedRecord, SignedTree
from app.ledger_operations import accept_database, start_new_log
from tests.ledger.acts import SIGNER, append, make_view, open_log, scalar, verifier_key
from tests.support.databases import TestDatabase

Sessions = sessionmaker[Session]


def _settings(database: TestDatabase, data: Path) -> Settings:
    return Settings.model_validate(
        {
            "data": data,
            "DATABASE_URL": database.owner_url,
            "app_database_url": database.app_url,
            "integrator_database_url": database.integrator_url,
        }
    )


def _new_log(database: TestDatabase, data: Path, **given: object) -> int:
    options = {"the_old_log_ends": True, "reason": "The disk burned.", "origin": None, "halt": False, **given}
    return start_new_log(_settings(database, data), argparse.Namespace(**options))


@pytest.fixture
def record(tmp_path: Path) -> SignedRecord:
    (tmp_path / "ledger").mkdir()
    return SignedRecord(tmp_path / "ledger" / RECORD_NAME)


def _integrate(engine: Engine, record: SignedRecord) -> list[int]:
    with engine.connect() as connection:
        sizes = []
        while (signed := integrator.integrate_batch(connection, SIGNER, record=record)) is not None:
            sizes.append(signed.size)
    return sizes


def _lose_the_newest(owning: Engine, record: SignedRecord) -> None:
    """As a restore does: what the last line of the record says was signed is not in the database."""
    last = record.last()
    assert last is not None
    lost = f"(SELECT commitment FROM ledger_entries WHERE id >= {min(last.entry_ids)})"
    with owning.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"DELETE FROM ledger_checkpoints WHERE size = {last.size}"))
        connection.execute(text(f"DELETE FROM ledger_nodes WHERE (idx + 1) << level > {last.size - 1}"))
        for table in ("leaves", "disclosures", "bodies", "entries"):
            connection.execute(text(f"DELETE FROM ledger_{table} WHERE commitment IN {lost}"))
        connection.execute(
            text("""
                UPDATE ledger_streams s SET head_seq = e.seq, head_commitment = e.commitment,
                    next_label = decode(convert_from(b.body, 'UTF8')::jsonb ->> 'next', 'hex')
                FROM ledger_entries e JOIN ledger_bodies b USING (commitment)
                WHERE e.stream_id = s.id AND e.seq = (SELECT max(seq) FROM ledger_entries WHERE stream_id = s.id)
            """)
        )


@pytest.fixture
def restored(sessions: Sessions, integrating: Engine, owning: Engine, record: SignedRecord) -> list[str]:
    """Streams of a database that ends one signed entry before its record; the last is empty."""
    streams = open_log(sessions, 3)
    append(sessions, [make_view(streams[0]), make_view(streams[0]), make_view(streams[1])])
    assert _integrate(integrating, record) == [3]
    append(sessions, [make_view(streams[0])])
    assert _integrate(integrating, record) == [4]
    _lose_the_newest(owning, record)
    return [str(stream) for stream in streams]


@contextmanager
def _running(url: str, record: SignedRecord) -> Iterator[None]:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(integrator.run, url, SIGNER, 0.05, stop, record=record)
        yield
        stop.set()
        running.result()


def _wait_until_halted(engine: Engine) -> None:
    deadline = time.monotonic() + 20
    while not scalar(engine, "SELECT count(*) FROM ledger_halts"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_batch_when_the_database_is_behind_the_record_is_refused_and_nothing_is_signed(
    sessions: Sessions, integrating: Engine, restored: list[str], record: SignedRecord
) -> None:
    append(sessions, [make_view(UUID(restored[0]))])
    with pytest.raises(LogBehindRecord, match="4 leaves were signed, the database holds 3"):
        _integrate(integrating, record)

    assert scalar(integrating, "SELECT max(size) FROM ledger_checkpoints") == 3


def test_run_when_the_database_is_behind_halts_the_log_and_goes_on_in_the_next_one(
    database: TestDatabase,
    sessions: Sessions,
    engine: Engine,
    tmp_path: Path,
    restored: list[str],
    record: SignedRecord,
) -> None:
    stream, other, empty = map(UUID, restored)
    with _running(database.integrator_url, record):
        _wait_until_halted(engine)  # Before anybody wrote, and without crashing.
        with pytest.raises(LedgerHalted), sessions() as session:
            log.append(session, [make_view(stream)], recorded=utc_now())
        with pytest.raises(Misconfigured, match="--the-old-log-ends"):
            _new_log(database, tmp_path, the_old_log_ends=False)
        assert _new_log(database, tmp_path) == 0
        receipts = append(sessions, [make_view(each) for each in (stream, other, empty, stream)])
        assert reading.wait_for_checkpoint(sessions, [receipt.commitment for receipt in receipts], 20) is not None

    with sessions() as session:
        current = log.installation(session)
        old_key = VerifierKey(current.origin.removesuffix("/2"), SIGNER.public_key)
        keys = [old_key, VerifierKey(current.origin, SIGNER.public_key)]
        entries = reading.entries_of(session, stream)
        ended = reading.entries_of(session, stream, log_id=1)
        first = reading.entries_of(session, current.system_stream)[0].value()
        newest = reading.latest_checkpoint(session)
        proof = reading.proof(session, ended[0].commitment)
    assert current.log_id == 2
    assert [receipt.seq for receipt in receipts] == [1, 1, 1, 2]
    continued = {"log": old_key.name, "seq": 2, "commitment": ended[-1].commitment}
    assert [entry.value()["data"].get("continues") for entry in entries] == [continued, None]
    assert first["type"] == "system.initialised"
    assert (first["data"]["continues_log"], first["data"]["signed_size"], first["data"]["held_size"]) == (
        old_key.name,
        4,
        3,
    )
    assert newest is not None
    assert open_checkpoint(newest.note, keys[1]).size == newest.size == 5
    assert open_checkpoint(proof.checkpoint, old_key).size == 3  # What was signed of the old log still proves.
    with engine.connect() as connection:
        report = audit.verify_log(connection, keys)
    assert report.faults == []
    assert (report.entries, report.leaves) == (8, 8)


def test_entry_when_the_log_is_halted_is_refused_also_in_plain_sql(
    sessions: Sessions, engine: Engine, integrating: Engine, restored: list[str], record: SignedRecord
) -> None:
    stream = UUID(restored[0])
    append(sessions, [make_view(stream)])
    with integrating.connect() as connection:
        assert halting.check_record(connection, record) is not None
        with pytest.raises(LogHalted):
            integrator.integrate_batch(connection, SIGNER, record=record)
    with pytest.raises(IntegrityError, match="the log is halted"), engine.begin() as connection:
        connection.execute(text("UPDATE ledger_streams SET head_seq = head_seq + 1 WHERE head_seq > 0"))
    with engine.connect() as connection:  # What is here is sound, and yet not all that was signed.
        faults = audit.verify_log(connection, verifier_key(sessions)).faults
    assert [fault.kind for fault in faults] == ["halted"]


def test_halt_when_the_record_and_the_database_agree_is_none(
    sessions: Sessions, integrating: Engine, record: SignedRecord
) -> None:
    (stream,) = open_log(sessions)
    with integrating.connect() as connection:
        assert halting.check_record(connection, record) is None
        append(sessions, [make_view(stream)])
        _integrate(integrating, record)
        assert halting.check_record(connection, record) is None


def test_new_log_when_the_log_is_not_halted_is_refused(
    database: TestDatabase,
    sessions: Sessions,
    tmp_path: Path,
    engine: Engine,
    integrating: Engine,
    record: SignedRecord,
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    _integrate(integrating, record)
    with pytest.raises(Misconfigured, match=r"not halted.*--halt"):
        _new_log(database, tmp_path)
    with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger_logs (id, system_stream, origin, created_at) "
                "SELECT 2, system_stream, 'x', now() FROM ledger_logs"
            )
        )

    assert _new_log(database, tmp_path, halt=True, origin="log.example.org/next") == 0
    with sessions() as session:
        assert log.installation(session).origin == "log.example.org/next"


def test_ended_log_when_written_to_refuses_by_anyone(
    database: TestDatabase,
    sessions: Sessions,
    integrating: Engine,
    owning: Engine,
    tmp_path: Path,
    record: SignedRecord,
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    _integrate(integrating, record)
    append(sessions, [make_view(stream)])  # Never integrated: the new log's first entry of the stream names it.
    _new_log(database, tmp_path, halt=True)
    for statement in (
        (
            "INSERT INTO ledger_leaves (log_id, idx, label, commitment) "
            "SELECT 1, 1, label, commitment FROM ledger_entries WHERE seq = 2"
        ),
        "INSERT INTO ledger_nodes (log_id, level, idx, hash) VALUES (1, 1, 0, sha256('x'))",
        "INSERT INTO ledger_checkpoints (log_id, size, root, note, signed_at) VALUES (1, 2, sha256('x'), 'x', now())",
    ):
        with pytest.raises(IntegrityError, match="that log has ended"), owning.begin() as connection:
            connection.execute(text(statement))
    (receipt,) = append(sessions, [make_view(stream)])
    _integrate(integrating, record)

    with sessions() as session:
        found = reading.find_entry(session, receipt.commitment)
    assert found is not None
    assert found.value()["data"]["continues"]["seq"] == 2
    assert scalar(owning, "SELECT count(*) FROM ledger_queue") == 0


def test_keys_when_their_log_ends_are_retired_with_its_last_size_and_no_other_is_added(
    database: TestDatabase,
    sessions: Sessions,
    integrating: Engine,
    owning: Engine,
    tmp_path: Path,
    record: SignedRecord,
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream), make_view(stream)])
    _integrate(integrating, record)
    with owning.connect() as connection:
        halting.halt_by_hand(connection, "lost")
    with pytest.raises(IntegrityError, match="only after the keys of log 1 were retired"), owning.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger_logs (id, system_stream, origin, created_at) "
                "SELECT 2, system_stream, 'log.example.org/2', now() FROM ledger_logs"
            )
        )
    _new_log(database, tmp_path)
    append(sessions, [make_view(stream)])
    _integrate(integrating, record)

    with sessions() as session:
        assert [(each.first_size, each.last_size) for each in reading.key_periods(session)] == [(1, 2), (1, None)]
    with pytest.raises(IntegrityError, match="that log has ended"), integrating.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger_keys (log_id, key_id, public_key, first_size) "
                "VALUES (1, decode('deadbeef', 'hex'), sha256('x'), 1)"
            )
        )


def test_record_when_it_is_lost_stops_the_integrator_until_the_database_is_accepted(
    database: TestDatabase, sessions: Sessions, integrating: Engine, tmp_path: Path, record: SignedRecord
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    _integrate(integrating, record)
    record.path.unlink()
    append(sessions, [make_view(stream)])
    with pytest.raises(Misconfigured, match="accept-database"):
        _integrate(integrating, record)
    settings = _settings(database, tmp_path)
    with pytest.raises(Misconfigured, match="--nothing-is-missing"):
        accept_database(settings, argparse.Namespace(nothing_is_missing=False))

    assert accept_database(settings, argparse.Namespace(nothing_is_missing=True)) == 0
    assert _integrate(integrating, record) == [2]
    with pytest.raises(Misconfigured, match="not for anybody to overrule"):
        accept_database(settings, argparse.Namespace(nothing_is_missing=True))


CRASHES = """
import os, sys
from pathlib import Path
from app.kernel.database import open_engine
from app.ledger import integrator
from app.ledger.record import SignedRecord
from tests.ledger.acts import SIGNER

class Dying(SignedRecord):
    def add(self, tree):
        super().add(tree)
        os.kill(os.getpid(), 9)

with open_engine(sys.argv[1], pool_size=1).connect() as connection:
    integrator.integrate_batch(connection, SIGNER, record=Dying(Path(sys.argv[2])))
"""


@pytest.mark.thorough
def test_integrator_when_killed_between_record_and_commit_makes_the_next_commit_the_same_tree(
    database: TestDatabase, sessions: Sessions, engine: Engine, integrating: Engine, record: SignedRecord
) -> None:
    stream, other = open_log(sessions, 2)
    with sessions() as slow:  # Its entry comes earlier in the queue than those of the tree, and is seen later.
        log.append(slow, [make_view(other)], recorded=utc_now())
        append(sessions, [make_view(stream) for _ in range(3)])
        command = [sys.executable, "-c", CRASHES, database.integrator_url, str(record.path)]
        assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == -9
        slow.commit()
    signed = record.last()
    assert signed is not None
    assert scalar(engine, "SELECT count(*) FROM ledger_leaves") == 0
    with integrating.connect() as connection:
        assert halting.check_record(connection, record) is None

    assert _integrate(integrating, record) == [3, 4]
    with sessions() as session:
        stored = reading.checkpoint_of(session, 3)
    assert stored is not None
    assert stored.root == signed.root
    with engine.connect() as connection:
        assert audit.verify_log(connection, verifier_key(sessions)).faults == []


@pytest.mark.parametrize(
    "signed",
    [(3, "ab" * 32), (2, "ab" * 32)],
    ids=["of this size, another root", "of a size between the signed ones"],
)
def test_batch_when_a_recorded_tree_is_not_the_databases_is_refused_also_of_no_larger_size(
    sessions: Sessions, integrating: Engine, record: SignedRecord, signed: tuple[int, str]
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(3)])
    assert _integrate(integrating, record) == [3]
    with sessions() as session:
        record.add(SignedTree(log.installation(session).origin, *signed))  # As after a restore that was written to.
    append(sessions, [make_view(stream)])

    with pytest.raises(LogBehindRecord, match=f"lacks the signed tree of {signed[0]} leaves"):
        _integrate(integrating, record)


def test_batch_when_the_entries_of_a_recorded_tree_do_not_give_its_root_is_refused_and_nothing_is_signed(
    sessions: Sessions, engine: Engine, integrating: Engine, record: SignedRecord
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(3)])
    assert _integrate(integrating, record) == [3]
    append(sessions, [make_view(stream)])
    with sessions() as session:
        origin = log.installation(session).origin
        queued = session.scalars(text("SELECT entry_id FROM ledger_queue")).all()
    record.add(
        SignedTree(origin, 4, "ab" * 32, tuple(queued))
    )  # Signed before a restore, over another entry of this id.

    with pytest.raises(LogBehindRecord, match="does not give the signed tree of 4 leaves"):
        _integrate(integrating, record)
    assert scalar(engine, "SELECT max(size) FROM ledger_checkpoints") == 3


def test_batch_when_the_record_is_of_a_log_that_the_database_does_not_know_is_refused(
    sessions: Sessions, integrating: Engine, record: SignedRecord
) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream)])
    record.add(SignedTree("log.example.org/unknown", 1, "ab" * 32))

    with pytest.raises(LogBehindRecord, match="which the database does not know"):
        _integrate(integrating, record)
