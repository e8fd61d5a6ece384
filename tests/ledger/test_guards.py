"""What the database itself refuses: to the application, to the integrator, and to the tables' owner."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.primitives import new_id, utc_now
from app.ledger import log
from tests.ledger.acts import append, integrate_all, make_view, open_log, scalar

Sessions = sessionmaker[Session]

APPEND_ONLY = {
    "ledger_installation": "origin = 'other'",
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
        with pytest.raises(IntegrityError, match="only ever added to"):
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
