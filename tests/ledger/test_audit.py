"""The self-audit finds each kind of tampering that a database's owner can do, and names the place."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.ledger import audit
from app.ledger.audit_report import AuditReport, Fault
from app.ledger.checkpoint import VerifierKey
from tests.ledger.acts import OTHER_SIGNER, append, integrate_all, make_view, open_log, verifier_key

Sessions = sessionmaker[Session]

TABLES = (
    *(
        "logs",
        "halts",
        "keys",
        "streams",
        "entries",
        "bodies",
        "disclosures",
        "queue",
        "leaves",
        "nodes",
        "checkpoints",
    ),
)

# As the owner of the tables, with triggers off and the constraints gone that would refuse it.
UNGUARD = [
    *(f"ALTER TABLE ledger_{table} DISABLE TRIGGER USER" for table in TABLES),
    "ALTER TABLE ledger_bodies DROP CONSTRAINT fk_ledger_bodies_commitment_ledger_entries",
    "ALTER TABLE ledger_bodies DROP CONSTRAINT ck_ledger_bodies_commitment_is_hash",
    "ALTER TABLE ledger_disclosures DROP CONSTRAINT fk_ledger_disclosures_commitment_ledger_entries",
    "ALTER TABLE ledger_queue DROP CONSTRAINT fk_ledger_queue_entry_id_ledger_entries",
    "ALTER TABLE ledger_leaves DROP CONSTRAINT fk_ledger_leaves_commitment_ledger_entries",
    "ALTER TABLE ledger_entries DROP CONSTRAINT uq_ledger_entries_log_id_label",
]

MINE = "(SELECT id FROM ledger_streams ORDER BY head_seq DESC LIMIT 1)"
THIRD = f"(SELECT commitment FROM ledger_entries WHERE stream_id = {MINE} AND seq = 3)"

EDIT_BODY = f"""
    UPDATE ledger_bodies SET body = replace(convert_from(body, 'UTF8'), 'preview', 'original')::bytea
    WHERE commitment = {THIRD}
"""
RESPELL_BODY = f"""
    UPDATE ledger_bodies SET body = replace(convert_from(body, 'UTF8'), '"seq":3', '"seq": 3')::bytea
    WHERE commitment = {THIRD}
"""
SWAP_BODY = f"""
    UPDATE ledger_bodies b SET body = o.body FROM ledger_bodies o, ledger_entries e
    WHERE b.commitment = {THIRD} AND o.commitment = e.commitment AND e.stream_id = {MINE} AND e.seq = 4
"""
REHASH_LEAF = f"""
    UPDATE ledger_leaves l SET commitment = sha256(b.body) FROM ledger_bodies b
    WHERE b.commitment = l.commitment AND l.commitment = {THIRD}
"""
REHASH_ENTRY = f"""
    UPDATE ledger_entries e SET commitment = sha256(b.body) FROM ledger_bodies b
    WHERE b.commitment = e.commitment AND e.commitment = {THIRD}
"""
REHASH_BODY = "UPDATE ledger_bodies SET commitment = sha256(body) WHERE commitment <> sha256(body)"
MOVE_HEAD_BACK = f"""
    UPDATE ledger_streams s SET head_seq = 5, head_commitment = e.commitment
    FROM ledger_entries e WHERE s.id = {MINE} AND e.stream_id = s.id AND e.seq = 5
"""
REPEAT_LABEL = f"""
    UPDATE ledger_entries SET label = (SELECT label FROM ledger_entries WHERE commitment = {THIRD})
    WHERE stream_id = {MINE} AND seq = 5
"""


def _on_third(table: str, change: str) -> str:
    return f"UPDATE ledger_{table} SET {change} WHERE commitment = {THIRD}"


def _without_third(table: str) -> str:
    return f"DELETE FROM ledger_{table} WHERE commitment = {THIRD}"


def _renumber(old: int, new: int) -> str:
    return f"UPDATE ledger_entries SET seq = {new} WHERE stream_id = {MINE} AND seq = {old}"


def _move_leaf(old: int, new: int) -> str:
    return f"UPDATE ledger_leaves SET idx = {new} WHERE idx = {old}"


# What is done → (statements, kind of one fault that must be found, seq of the entry that it names or None).
TAMPERINGS: dict[str, tuple[list[str], str, int | None]] = {
    "body edited": ([EDIT_BODY], "body_hash", 3),
    "body deleted": ([_without_third("bodies")], "body_missing", 3),
    "bodies swapped": ([SWAP_BODY], "body_hash", 3),
    "body edited, entry re-hashed": ([EDIT_BODY, REHASH_ENTRY, REHASH_BODY], "not_integrated", 3),
    "body edited, entry and leaf re-hashed": ([EDIT_BODY, REHASH_LEAF, REHASH_ENTRY, REHASH_BODY], "chain", 4),
    "body edited, all re-hashed, tree": ([EDIT_BODY, REHASH_LEAF, REHASH_ENTRY, REHASH_BODY], "checkpoint", None),
    "body respelled, entry re-hashed": ([RESPELL_BODY, REHASH_ENTRY, REHASH_BODY], "body_form", 3),
    "listed type changed": ([_on_third("entries", "type = 'evidence.collected'")], "body_facts", 3),
    "listed time changed": ([_on_third("entries", "occurred_at = occurred_at - interval '1 day'")], "body_facts", 3),
    "listed actor changed": ([_on_third("entries", "actor_id = gen_random_uuid()")], "body_facts", 3),
    "entry removed": ([*map(_without_third, ("disclosures", "bodies", "entries"))], "chain", 4),
    "entries exchanged": ([_renumber(3, 99), _renumber(2, 3), _renumber(99, 2)], "body_place", 2),
    "tail cut off, head moved back": (
        [f"DELETE FROM ledger_entries WHERE stream_id = {MINE} AND seq = 6", MOVE_HEAD_BACK],
        "orphan",
        None,
    ),
    "head moved back": ([MOVE_HEAD_BACK], "stream_head", 6),
    "next label foretold otherwise": (
        [f"UPDATE ledger_streams SET next_label = sha256('other') WHERE id = {MINE}"],
        "stream_head",
        6,
    ),
    "label used twice": ([REPEAT_LABEL], "label_repeated", 5),
    "disclosure edited": ([_on_third("disclosures", "line = line || ' '")], "disclosure", 3),
    "disclosure deleted": ([_without_third("disclosures")], "disclosure", 3),
    "disclosure invented": ([f"INSERT INTO ledger_disclosures VALUES ({THIRD}, 'reason', 'x')"], "disclosure", 3),
    "queue row removed": (["DELETE FROM ledger_queue"], "not_integrated", 1),
    "leaf's label changed": ([_on_third("leaves", "label = sha256('other')")], "leaf", 3),
    "leaf invented": (["INSERT INTO ledger_leaves VALUES (6, sha256('a'), sha256('b'))"], "orphan", None),
    "leaf moved": ([_move_leaf(2, 50)], "leaf", None),
    "leaves exchanged": ([_move_leaf(2, 50), _move_leaf(3, 2), _move_leaf(50, 3)], "leaf_order", 4),
    "node changed": (["UPDATE ledger_nodes SET hash = sha256('x') WHERE level = 1 AND idx = 1"], "node", None),
    "node removed": (["DELETE FROM ledger_nodes WHERE level = 2"], "node", None),
    "node invented": (["INSERT INTO ledger_nodes VALUES (9, 9, sha256('x'))"], "node", None),
    "root column changed": (["UPDATE ledger_checkpoints SET root = sha256('x') WHERE size = 6"], "checkpoint", None),
    "note changed": ([r"UPDATE ledger_checkpoints SET note = replace(note, E'\n6\n', E'\n7\n')"], "checkpoint", None),
    "newest checkpoint removed": (["DELETE FROM ledger_checkpoints WHERE size = 6"], "checkpoint", None),
    "leaf cut off below a checkpoint": (["DELETE FROM ledger_leaves WHERE idx = 5"], "checkpoint", None),
    "origin changed": (["UPDATE ledger_logs SET origin = 'other.example'"], "checkpoint", None),
}


@pytest.fixture
def _filled(sessions: Sessions, integrating: Engine) -> None:
    """Six entries in one stream, integrated by threes, and one in another stream, still in the queue."""
    mine, other = open_log(sessions, 2)
    append(sessions, [make_view(mine) for _ in range(6)])
    integrate_all(integrating, limit=3)
    append(sessions, [make_view(other)])


def _audit(engine: Engine, key: VerifierKey) -> AuditReport:
    with engine.connect() as connection:
        return audit.verify_log(connection, key)


@pytest.mark.usefixtures("_filled")
def test_verify_log_of_an_untouched_log_finds_nothing(sessions: Sessions, engine: Engine) -> None:
    told: list[tuple[str, int]] = []
    with engine.connect() as connection:
        report = audit.verify_log(connection, verifier_key(sessions), lambda what, count: told.append((what, count)))

    assert report.is_sound
    assert (report.streams, report.entries, report.queued) == (3, 7, 1)
    assert (report.leaves, report.checkpoints, report.size) == (6, 2, 6)
    assert told == [("entries", 7), ("leaves", 6)]


def test_verify_log_of_an_empty_log_finds_nothing(sessions: Sessions, engine: Engine) -> None:
    open_log(sessions)

    assert _audit(engine, verifier_key(sessions)).is_sound


@pytest.mark.usefixtures("_filled")
def test_verify_log_with_another_key_accepts_no_checkpoint(sessions: Sessions, engine: Engine) -> None:
    report = _audit(engine, VerifierKey(verifier_key(sessions).name, OTHER_SIGNER.public_key))

    assert {fault.kind for fault in report.faults} == {"checkpoint"}
    assert report.size == 0


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("name", TAMPERINGS)
def test_verify_log_after_tampering_names_the_culprit(
    sessions: Sessions, engine: Engine, owning: Engine, name: str
) -> None:
    statements, kind, seq = TAMPERINGS[name]
    key = verifier_key(sessions)
    with owning.begin() as connection:
        for statement in UNGUARD + statements:
            changed = connection.exec_driver_sql(statement).rowcount
            assert changed != 0, f"the tampering changed nothing: {statement}"

    report = _audit(engine, key)

    found = [(fault.kind, fault.seq) for fault in report.faults]
    assert (kind, seq) in found, "\n".join(map(str, report.faults))
    assert not report.is_sound


def test_fault_as_text_names_kind_and_place() -> None:
    assert str(Fault("node", "gone", log_index=4)) == "node: leaf 4, gone"
