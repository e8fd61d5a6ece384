"""What the database itself refuses: to the application, to the integrator, and to the tables' owner."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.primitives import new_id, utc_now
from app.ledger import log
from app.ledger.event import first_link
from tests.ledger.acts import append, integrate_all, make_view, open_log, scalar

Sessions = sessionmaker[Session]

APPEND_ONLY = {
    "ledger_logs": "origin = 'other'",
    "ledger_entries": "type = 'evidence.forged'",
    "ledger_bodies": "body = ''",
    "ledger_disclosures": "line = ''",
    "ledger_leaves": "idx = idx + 100",
    "ledger_nodes": "hash = hash",
    "ledger_checkpoints": "note = ''",
}


@pytest.fixture(autouse=True)
def _filled(sessions: Sessions, integrating: Engine) -> None:
    (stream,) = open_log(sessions)
    append(sessions, [make_view(stream) for _ in range(3)])
    integrate_all(integrating)
    append(sessions, [make_view(stream)])


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def _edits() -> Iterator[tuple[str, str]]:
    for table, change in APPEND_ONLY.items():
        yield table, f"UPDATE {table} SET {change}"
        yield table, f"DELETE FROM {table}"
        yield table, f"TRUNCATE {table} CASCADE"
    yield "ledger_streams", "DELETE FROM ledger_streams"
    yield "ledger_streams", "TRUNCATE ledger_streams CASCADE"
    yield "ledger_queue", "UPDATE ledger_queue SET closes_batch = true"
    yield "ledger_queue", "TRUNCATE ledger_queue"


def test_edit_of_the_ledger_by_anyone_is_refused(engine: Engine, integrating: Engine, owning: Engine) -> None:
    for table, statement in _edits():
        before = scalar(owning, f"SELECT count(*) FROM {table}")
        assert before, f"{table} holds nothing that could be edited"
        for role in (engine, integrating):
            with pytest.raises((ProgrammingError, IntegrityError)):
                _run(role, statement)
        with pytest.raises(IntegrityError, match=r"only ever added to|only with the entry that erases it"):
            _run(owning, statement)
        assert scalar(owning, f"SELECT count(*) FROM {table}") == before


def test_application_beyond_its_rights_is_refused(engine: Engine) -> None:
    for statement in (
        "INSERT INTO ledger_leaves VALUES (99, sha256('a'), sha256('b'))",
        "INSERT INTO ledger_nodes VALUES (1, 99, sha256('a'))",
        "INSERT INTO ledger_checkpoints VALUES (99, sha256('a'), '', now())",
        "DELETE FROM ledger_queue",
        "INSERT INTO ledger_entries (stream_id, seq, xact) VALUES (gen_random_uuid(), 1, '1')",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            _run(engine, statement)


def test_integrator_beyond_its_rights_is_refused(integrating: Engine) -> None:
    for statement in (
        "SELECT * FROM ledger_bodies",
        "SELECT * FROM ledger_disclosures",
        "INSERT INTO ledger_queue VALUES (99, false)",
        "UPDATE ledger_streams SET head_seq = head_seq + 1",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            _run(integrating, statement)


def test_integrator_emptying_the_queue_without_leaves_is_refused(integrating: Engine, engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="only with its leaf"):
        _run(integrating, "DELETE FROM ledger_queue")

    assert scalar(engine, "SELECT count(*) FROM ledger_queue") == 1


def test_leaf_when_it_is_not_its_entrys_commitment_and_label_is_refused(integrating: Engine) -> None:
    queued = "ledger_entries e JOIN ledger_queue q ON q.entry_id = e.id"
    for values in ("1, sha256('a'), sha256('b')", "1, e.label, sha256('b')", "1, sha256('a'), e.commitment"):
        with pytest.raises(IntegrityError, match="stands for no entry"):
            _run(
                integrating,
                f"INSERT INTO ledger_leaves (idx, log_id, label, commitment) SELECT 3, {values} FROM {queued}",
            )


def test_stream_head_when_not_moved_onto_a_new_entry_is_refused(engine: Engine) -> None:
    for change in (
        *("head_seq = head_seq - 1", "head_seq = head_seq", "head_seq = head_seq + 1"),
        "next_label = sha256('other')",
    ):
        with pytest.raises(IntegrityError, match="only forward"):
            _run(engine, f"UPDATE ledger_streams SET {change} WHERE head_seq > 0")


def test_stream_when_given_to_another_case_is_refused(owning: Engine) -> None:
    with pytest.raises(IntegrityError, match="fixed once created"):
        _run(owning, "UPDATE ledger_streams SET case_id = gen_random_uuid()")


def test_body_when_not_of_its_commitment_is_refused(sessions: Sessions, owning: Engine) -> None:
    with pytest.raises(IntegrityError, match="commitment_is_hash"):
        _run(owning, "INSERT INTO ledger_bodies SELECT commitment, 'other' FROM ledger_entries LIMIT 1")


@pytest.fixture
def things(owning: Engine) -> str:
    """A domain table, guarded as later migrations guard theirs."""
    _run(owning, "CREATE TABLE things (id uuid PRIMARY KEY, stream uuid, state text)")
    _run(owning, "GRANT SELECT, INSERT, UPDATE, DELETE ON things TO exhibit_app")
    _run(
        owning,
        "CREATE CONSTRAINT TRIGGER require_entry AFTER INSERT OR UPDATE OR DELETE ON things "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream')",
    )
    return "INSERT INTO things VALUES (:id, :stream, 'new')"


def test_change_with_its_entry_in_either_order_commits(sessions: Sessions, engine: Engine, things: str) -> None:
    with sessions.begin() as session:
        stream = new_id()
        session.execute(text(things), {"id": new_id(), "stream": stream})
        log.create_stream(session, stream, "evidence", None)
        log.append(session, [make_view(stream)], recorded=utc_now())
        session.execute(text("UPDATE things SET state = 'changed'"))
    with sessions.begin() as session:
        log.append(session, [make_view(stream)], recorded=utc_now())
        session.execute(text("DELETE FROM things"))

    assert scalar(engine, "SELECT count(*) FROM things") == 0


@pytest.mark.parametrize("change", ["UPDATE things SET state = 'changed'", "DELETE FROM things"])
def test_change_without_its_entry_does_not_commit(sessions: Sessions, engine: Engine, things: str, change: str) -> None:
    (stream,) = open_log(sessions)
    with sessions.begin() as session:
        session.execute(text(things), {"id": new_id(), "stream": stream})
        log.append(session, [make_view(stream)], recorded=utc_now())

    with pytest.raises(IntegrityError, match="has no custody entry"):
        _run(engine, change)
    assert scalar(engine, "SELECT state FROM things") == "new"


def test_change_with_an_entry_in_another_stream_only_does_not_commit(sessions: Sessions, things: str) -> None:
    mine, other = open_log(sessions, 2)
    append(sessions, [make_view(mine), make_view(other)])

    with sessions() as session:
        session.execute(text(things), {"id": new_id(), "stream": mine})
        log.append(session, [make_view(other)], recorded=utc_now())
        with pytest.raises(IntegrityError, match=f"no custody entry in stream {mine}"):
            session.commit()


def test_change_of_a_row_without_stream_does_not_commit(sessions: Sessions, things: str) -> None:
    with sessions() as session:
        session.execute(text(things), {"id": new_id(), "stream": None})
        with pytest.raises(IntegrityError, match="has no custody entry"):
            session.commit()


INVENT_ENTRY = """
    INSERT INTO ledger_entries (stream_id, seq, commitment, label, type, recorded_at, occurred_at,
                                object_kind, object_id, actor_id, actor_kind)
    VALUES (:stream, :seq, :commitment, :label, 'x', now(), now(), 'x', :stream, :stream, 'user')
"""
INVENT_BODY = "INSERT INTO ledger_bodies VALUES (:commitment, :body)"
INVENT_QUEUED = "INSERT INTO ledger_queue SELECT id, false FROM ledger_entries WHERE commitment = :commitment"
INVENT_HEAD = """
    UPDATE ledger_streams SET head_seq = :seq, head_commitment = :commitment, next_label = :next_label
    WHERE id = :stream
"""
INVENTED = (INVENT_ENTRY, INVENT_BODY, INVENT_QUEUED, INVENT_HEAD)


def _invent(session: Session, stream: UUID, seq: int, label: bytes, following: bytes, *, leave_out: str = "") -> None:
    """An entry as the application's role could write it by itself, less one of its rows."""
    body = json.dumps({"next": following.hex(), "by": str(new_id()), "sealed": {}}).encode()
    commitment = hashlib.sha256(body).digest()
    values = {"stream": stream, "seq": seq, "label": label, "commitment": commitment, "body": body}
    for statement in INVENTED:
        if statement != leave_out:
            session.execute(text(statement), {**values, "next_label": following})


def _first_label(stream: UUID) -> bytes:
    return bytes.fromhex(first_link(stream).label)


def test_entry_written_by_hand_when_whole_commits_and_the_stream_goes_on(sessions: Sessions) -> None:
    (stream,) = open_log(sessions)
    with sessions.begin() as session:
        _invent(session, stream, 1, _first_label(stream), secrets.token_bytes(32))

    assert append(sessions, [make_view(stream)])[0].seq == 2


@pytest.mark.parametrize("leave_out", [INVENT_BODY, INVENT_QUEUED, INVENT_HEAD])
def test_entry_when_a_part_of_it_is_missing_does_not_commit(sessions: Sessions, leave_out: str) -> None:
    (stream,) = open_log(sessions)
    with pytest.raises(IntegrityError, match=r"lacks its body|do not bear"), sessions.begin() as session:
        _invent(session, stream, 1, _first_label(stream), secrets.token_bytes(32), leave_out=leave_out)

    assert append(sessions, [make_view(stream)])[0].seq == 1


def test_entry_when_its_label_is_not_the_one_due_is_refused(sessions: Sessions) -> None:
    stream, other = open_log(sessions, 2)
    for label in (_first_label(other), secrets.token_bytes(32)):
        with sessions() as session, pytest.raises(IntegrityError, match="do not bear the labels"):
            _invent(session, stream, 1, label, secrets.token_bytes(32))

    assert [receipt.seq for receipt in append(sessions, [make_view(stream), make_view(other)])] == [1, 1]


def test_head_when_the_next_label_is_not_its_bodys_is_refused(sessions: Sessions, engine: Engine) -> None:
    (stream,) = open_log(sessions)
    with sessions() as session:
        _invent(session, stream, 1, _first_label(stream), secrets.token_bytes(32), leave_out=INVENT_HEAD)
        head = "head_seq = 1, head_commitment = (SELECT commitment FROM ledger_entries WHERE stream_id = :stream)"
        with pytest.raises(IntegrityError, match="do not bear the labels"):
            session.execute(
                text(f"UPDATE ledger_streams SET {head}, next_label = sha256('other') WHERE id = :stream"),
                {"stream": stream},
            )


def test_label_due_in_another_stream_when_chained_to_from_ones_own_is_refused(sessions: Sessions) -> None:
    stream, other = open_log(sessions, 2)
    due = _first_label(other)
    with sessions() as session, pytest.raises(IntegrityError, match="uq_ledger_streams_next_label"):
        _invent(session, stream, 1, _first_label(stream), due)
    with sessions() as session:
        _invent(session, stream, 1, _first_label(stream), due, leave_out=INVENT_HEAD)
        _invent(session, stream, 2, due, secrets.token_bytes(32))
        with pytest.raises(IntegrityError, match="due elsewhere"):
            session.commit()

    assert append(sessions, [make_view(other)])[0].seq == 1


def test_stream_when_its_first_label_is_not_its_ids_is_refused(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="first_label"):
        _run(engine, "INSERT INTO ledger_streams (id, kind, next_label) SELECT gen_random_uuid(), 'case', sha256('x')")


def test_entry_when_written_in_an_older_snapshot_does_not_commit(sessions: Sessions) -> None:
    (stream,) = open_log(sessions)
    with sessions() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        log.append(session, [make_view(stream)], recorded=utc_now())
        with pytest.raises(IntegrityError, match="READ COMMITTED"):
            session.commit()


def test_queueing_of_an_entry_that_has_its_leaf_is_refused(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="has its leaf already"):
        _run(
            engine,
            "INSERT INTO ledger_queue SELECT e.id, false FROM ledger_entries e JOIN ledger_leaves USING (commitment)",
        )


def test_disclosure_when_it_does_not_open_its_body_or_comes_later_is_refused(sessions: Sessions) -> None:
    (stream,) = open_log(sessions)
    invent = text("INSERT INTO ledger_disclosures VALUES (:commitment, :field, :line)")
    with sessions() as session:
        (receipt,) = log.append(session, [make_view(stream)], recorded=utc_now())
        commitment = bytes.fromhex(receipt.commitment)
        with pytest.raises(IntegrityError, match="opens a field"):
            session.execute(invent, {"commitment": commitment, "field": "reason", "line": b"{}"})
    body = json.dumps({"next": "ab" * 32, "sealed": {"note": hashlib.sha256(b"{}").hexdigest()}}).encode()
    values = {"stream": stream, "seq": 1, "label": _first_label(stream), "next_label": bytes.fromhex("ab" * 32)}
    values |= {"commitment": hashlib.sha256(body).digest(), "body": body, "field": "note", "line": b"{}"}
    with sessions.begin() as session:
        for statement in INVENTED:
            session.execute(text(statement), values)
    with sessions() as session, pytest.raises(IntegrityError, match="written with its entry"):
        session.execute(invent, values)
