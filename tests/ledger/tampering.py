"""What a superuser can do to the ledger's tables, kind by kind, and the fault that must name it.

As a superuser does it: with ``session_replication_role = replica`` no trigger and no foreign key is in the way, and the
constraints that would refuse are dropped. The log that is tampered with: six entries in one stream ("mine"), integrated
by threes, and one in another stream ("other"), still in the queue.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from app.kernel.primitives import canonical_json, sha256_hex
from app.ledger.checkpoint import Checkpoint, Signer, VerifierKey, sign_checkpoint
from app.ledger.event import leaf
from app.ledger.merkle import Frontier, leaf_hash
from tests.ledger.acts import OTHER_SIGNER, SIGNER

UNGUARD = (
    "SET LOCAL session_replication_role = replica",
    "ALTER TABLE ledger_bodies DROP CONSTRAINT ck_ledger_bodies_commitment_is_hash",
    "ALTER TABLE ledger_entries DROP CONSTRAINT uq_ledger_entries_log_id_label",
    "ALTER TABLE ledger_leaves DROP CONSTRAINT uq_ledger_leaves_log_id_label",
    "ALTER TABLE ledger_leaves DROP CONSTRAINT uq_ledger_leaves_commitment",
    "ALTER TABLE ledger_nodes DROP CONSTRAINT ck_ledger_nodes_coordinates",
    "ALTER TABLE ledger_streams DROP CONSTRAINT ck_ledger_streams_head",
)

MINE = "(SELECT stream_id FROM ledger_entries GROUP BY stream_id ORDER BY count(*) DESC LIMIT 1)"
OTHER = "(SELECT stream_id FROM ledger_entries GROUP BY stream_id ORDER BY count(*) LIMIT 1)"
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


@dataclass(frozen=True)
class Tampering:
    """``done``: statements, or a function. Found: a fault of ``kind`` that names this entry of mine, or leaf."""

    done: list[str] | Callable[[Connection], None]
    kind: str
    seq: int | None = None
    leaf: int | None = None
    is_mine: bool = True

    def apply(self, connection: Connection) -> None:
        for statement in UNGUARD:
            connection.exec_driver_sql(statement)
        if callable(self.done):
            self.done(connection)
            return
        for statement in self.done:
            changed = connection.exec_driver_sql(statement).rowcount
            assert changed != 0, f"the tampering changed nothing: {statement}"


def rewrite(connection: Connection, signer: Signer) -> None:
    """The third entry says something else, and everything after it, up to heads, leaves, nodes and roots, fits that."""
    rows = connection.execute(
        text(
            f"SELECT e.seq, e.commitment, b.body FROM ledger_entries e JOIN ledger_bodies b USING (commitment) "
            f"WHERE e.stream_id = {MINE} ORDER BY e.seq"
        )
    ).all()
    prev = ""
    for row in rows:
        value = json.loads(row.body)
        if row.seq == 3:
            value["data"]["rendering"] = "original"
        value["prev"] = prev
        body = canonical_json(value)
        prev = sha256_hex(body)
        changed = {"old": row.commitment, "new": bytes.fromhex(prev), "body": body}
        for table in ("entries", "bodies", "disclosures", "leaves"):
            connection.execute(text(f"UPDATE ledger_{table} SET commitment = :new WHERE commitment = :old"), changed)
        connection.execute(text("UPDATE ledger_bodies SET body = :body WHERE commitment = :new"), changed)
        connection.execute(
            text("UPDATE ledger_streams SET head_commitment = :new WHERE head_commitment = :old"), changed
        )
    rebuild(connection, signer)


def rebuild(connection: Connection, signer: Signer) -> None:
    """Nodes, roots and signatures over the leaves as they are now."""
    origin = connection.execute(text("SELECT origin FROM ledger_logs")).scalar_one()
    sizes = set(connection.execute(text("SELECT size FROM ledger_checkpoints")).scalars())
    frontier = Frontier()
    for row in connection.execute(text("SELECT label, commitment FROM ledger_leaves ORDER BY idx")).all():
        for level, index, digest in frontier.append(leaf_hash(leaf(row.label.hex(), row.commitment.hex()))):
            connection.execute(
                text("UPDATE ledger_nodes SET hash = :hash WHERE level = :level AND idx = :index"),
                {"hash": digest, "level": level, "index": index},
            )
        if frontier.size in sizes:
            note = sign_checkpoint(Checkpoint(origin, frontier.size, frontier.root()), signer)
            connection.execute(
                text("UPDATE ledger_checkpoints SET root = :root, note = :note WHERE size = :size"),
                {"root": frontier.root(), "note": note, "size": frontier.size},
            )


def sign(size: int, root: str | None = None, *, signer: Signer = SIGNER, origin: str | None = None) -> Any:
    """Replaces (or adds) the checkpoint of this size by a signed one of another root."""

    def done(connection: Connection) -> None:
        own = connection.execute(text("SELECT origin FROM ledger_logs")).scalar_one()
        stored = connection.execute(text("SELECT root FROM ledger_checkpoints ORDER BY size DESC LIMIT 1")).scalar_one()
        digest = bytes(stored) if root is None else bytes.fromhex(root)
        note = sign_checkpoint(Checkpoint(origin or own, size, digest), signer)
        connection.execute(text("DELETE FROM ledger_checkpoints WHERE size = :size"), {"size": size})
        connection.execute(
            text("INSERT INTO ledger_checkpoints (size, root, note, signed_at) VALUES (:size, :root, :note, now())"),
            {"size": size, "root": digest, "note": note},
        )

    return done


def swap_leaves_and_sign(connection: Connection) -> None:
    """Two entries change places in the tree, which the log's own key then signs."""
    for old, new in ((2, 50), (3, 2), (50, 3)):
        connection.exec_driver_sql(_move_leaf(old, new))
    rebuild(connection, SIGNER)


def slip_key_in(connection: Connection) -> None:
    origin = str(connection.exec_driver_sql("SELECT origin FROM ledger_logs").scalar_one())
    key_id = VerifierKey(origin, OTHER_SIGNER.public_key).key_id.hex()
    connection.exec_driver_sql(INSERT_KEY.format(key_id=key_id, public_key=OTHER_SIGNER.public_key.hex()))


def flip_signature(connection: Connection) -> None:
    note = str(connection.exec_driver_sql("SELECT note FROM ledger_checkpoints WHERE size = 6").scalar_one())
    at = note.rindex(" ") + 20
    other = note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1 :]
    connection.execute(text("UPDATE ledger_checkpoints SET note = :note WHERE size = 6"), {"note": other})


INSERT_FORGED_ENTRY = f"""
    INSERT INTO ledger_entries (stream_id, seq, commitment, label, type, recorded_at, occurred_at, object_kind,
                                object_id, actor_id, actor_kind)
    SELECT {MINE}, 7, sha256('forged'), %s, type, recorded_at, occurred_at, object_kind, object_id, actor_id, actor_kind
    FROM ledger_entries WHERE commitment = {THIRD}
"""
CUT_TAIL = f"DELETE FROM ledger_entries WHERE stream_id = {MINE} AND seq = 6"
EXCHANGE_DISCLOSURES = f"""
    UPDATE ledger_disclosures d SET line = o.line FROM ledger_disclosures o, ledger_entries e
    WHERE d.commitment = {THIRD} AND o.commitment = e.commitment AND e.stream_id = {MINE} AND e.seq = 4
"""
ADD_LOG = """
    INSERT INTO ledger_logs (id, system_stream, origin, created_at)
    SELECT 2, system_stream, 'log.example.org/forged', created_at FROM ledger_logs
"""
INSERT_KEY = """
    INSERT INTO ledger_keys (log_id, key_id, public_key, first_size)
    VALUES (1, decode('{key_id}', 'hex'), decode('{public_key}', 'hex'), 1)
"""
COUNT_AS_ERASED = f"INSERT INTO ledger_erased_bodies VALUES ({THIRD}, sha256('next'))"

TAMPERINGS: dict[str, Tampering] = {
    # --- bodies ---
    "body edited": Tampering([EDIT_BODY], "body_hash", 3),
    "body deleted": Tampering([_without_third("bodies")], "body_missing", 3),
    "body emptied": Tampering([_on_third("bodies", "body = ''")], "body_hash", 3),
    "bodies exchanged": Tampering([SWAP_BODY], "body_hash", 3),
    "body edited, entry re-hashed": Tampering([EDIT_BODY, REHASH_ENTRY, REHASH_BODY], "not_integrated", 3),
    "body edited, entry and leaf re-hashed": Tampering([EDIT_BODY, REHASH_LEAF, REHASH_ENTRY, REHASH_BODY], "chain", 4),
    "body edited, all re-hashed, tree": Tampering(
        [EDIT_BODY, REHASH_LEAF, REHASH_ENTRY, REHASH_BODY], "checkpoint", leaf=2
    ),
    "body respelled, entry re-hashed": Tampering([RESPELL_BODY, REHASH_ENTRY, REHASH_BODY], "body_form", 3),
    "body invented": Tampering(["INSERT INTO ledger_bodies VALUES (sha256('x'), 'x')"], "orphan"),
    "body counted as erased that no entry erased": Tampering(
        [_without_third("disclosures"), _without_third("bodies"), COUNT_AS_ERASED], "body_missing", 3
    ),
    "body counted as erased that is there": Tampering([COUNT_AS_ERASED], "body_form", 3),
    "everything after an edit made to fit, but the signature": Tampering(
        lambda connection: rewrite(connection, OTHER_SIGNER), "checkpoint"
    ),
    # --- what lists show of an entry ---
    "listed type changed": Tampering([_on_third("entries", "type = 'evidence.collected'")], "body_facts", 3),
    "listed time of the event changed": Tampering(
        [_on_third("entries", "occurred_at = occurred_at - interval '1 day'")], "body_facts", 3
    ),
    "listed time of recording changed": Tampering(
        [_on_third("entries", "recorded_at = recorded_at - interval '1 second'")], "body_facts", 3
    ),
    "listed time changed by a microsecond": Tampering(
        [_on_third("entries", "recorded_at = recorded_at + interval '1 microsecond'")], "body_facts", 3
    ),
    "listed actor changed": Tampering([_on_third("entries", "actor_id = gen_random_uuid()")], "body_facts", 3),
    "listed kind of actor changed": Tampering([_on_third("entries", "actor_kind = 'system'")], "body_facts", 3),
    "listed role changed": Tampering([_on_third("entries", "actor_role = 'custodian'")], "body_facts", 3),
    "listed role removed": Tampering([_on_third("entries", "actor_role = NULL")], "body_facts", 3),
    "listed object changed": Tampering([_on_third("entries", "object_id = gen_random_uuid()")], "body_facts", 3),
    "listed kind of object changed": Tampering([_on_third("entries", "object_kind = 'incident'")], "body_facts", 3),
    # --- order, place, chain ---
    "entry removed": Tampering([*map(_without_third, ("disclosures", "bodies", "entries"))], "chain", 4),
    "first entry removed": Tampering([f"DELETE FROM ledger_entries WHERE stream_id = {MINE} AND seq = 1"], "chain", 2),
    "entries exchanged": Tampering([_renumber(3, 99), _renumber(2, 3), _renumber(99, 2)], "body_place", 2),
    "entry renumbered": Tampering([_renumber(6, 7)], "chain", 7),
    "entries renumbered from two on": Tampering([_renumber(n, n + 1) for n in range(6, 0, -1)], "chain", 2),
    "entry moved to another stream": Tampering(
        [f"UPDATE ledger_entries SET stream_id = {OTHER}, seq = 2 WHERE commitment = {THIRD}"],
        "body_place",
        2,
        is_mine=False,
    ),
    "entry moved to another log": Tampering([ADD_LOG, _on_third("entries", "log_id = 2")], "body_place", 3),
    "entry's label changed": Tampering([_on_third("entries", "label = sha256('other')")], "body_place", 3),
    "entry's commitment changed": Tampering([_on_third("entries", "commitment = sha256('other')")], "body_missing", 3),
    "label used twice": Tampering([REPEAT_LABEL], "label_repeated", 5),
    "second entry with the same label": Tampering(
        [INSERT_FORGED_ENTRY.replace("%s", f"(SELECT label FROM ledger_entries WHERE commitment = {THIRD})")],
        "label_repeated",
        7,
    ),
    "entry invented": Tampering([INSERT_FORGED_ENTRY.replace("%s", "sha256('label')")], "not_integrated", 7),
    # --- tails and heads ---
    "tail cut off": Tampering([CUT_TAIL], "stream_head", 5),
    "tail cut off, head moved back": Tampering([CUT_TAIL, MOVE_HEAD_BACK], "orphan", leaf=5),
    "tail cut off with its leaf": Tampering(
        [CUT_TAIL, MOVE_HEAD_BACK, "DELETE FROM ledger_leaves WHERE idx = 5"], "checkpoint"
    ),
    "head moved back": Tampering([MOVE_HEAD_BACK], "stream_head", 6),
    "head moved ahead": Tampering([f"UPDATE ledger_streams SET head_seq = 7 WHERE id = {MINE}"], "stream_head", 6),
    "head's commitment changed": Tampering(
        [f"UPDATE ledger_streams SET head_commitment = sha256('x') WHERE id = {MINE}"], "stream_head", 6
    ),
    "next label foretold otherwise": Tampering(
        [f"UPDATE ledger_streams SET next_label = sha256('other') WHERE id = {MINE}"], "stream_head", 6
    ),
    "stream removed": Tampering([f"DELETE FROM ledger_streams WHERE id = {MINE}"], "orphan", 6),
    "stream emptied, its row left": Tampering(
        [f"DELETE FROM ledger_entries WHERE stream_id = {OTHER}"], "stream_head", 0, is_mine=False
    ),
    "stream moved to another log": Tampering(
        [f"UPDATE ledger_streams SET log_id = 2 WHERE id = {MINE}"], "stream_head", 0
    ),
    # --- disclosures and queue ---
    "disclosure edited": Tampering([_on_third("disclosures", "line = line || ' '")], "disclosure", 3),
    "disclosure deleted": Tampering([_without_third("disclosures")], "disclosure", 3),
    "disclosure added": Tampering([f"INSERT INTO ledger_disclosures VALUES ({THIRD}, 'reason', 'x')"], "disclosure", 3),
    "disclosure renamed": Tampering([_on_third("disclosures", "field = 'note'")], "disclosure", 3),
    "disclosures exchanged": Tampering([EXCHANGE_DISCLOSURES], "disclosure", 3),
    "disclosure of nothing": Tampering(
        ["INSERT INTO ledger_disclosures VALUES (sha256('x'), 'reason', 'x')"], "orphan"
    ),
    "queue row removed": Tampering(["DELETE FROM ledger_queue"], "not_integrated", 1, is_mine=False),
    "queue row of nothing": Tampering(["INSERT INTO ledger_queue VALUES (999, false)"], "orphan"),
    "entry with a leaf queued again": Tampering(
        [f"INSERT INTO ledger_queue SELECT id, false FROM ledger_entries WHERE commitment = {THIRD}"],
        "not_integrated",
        3,
    ),
    # --- leaves ---
    "leaf's label changed": Tampering([_on_third("leaves", "label = sha256('other')")], "leaf", 3),
    "leaf's commitment changed": Tampering([_on_third("leaves", "commitment = sha256('x')")], "not_integrated", 3),
    "leaf removed": Tampering([_without_third("leaves")], "leaf", leaf=3),
    "leaf invented": Tampering(
        ["INSERT INTO ledger_leaves (idx, label, commitment) VALUES (6, sha256('a'), sha256('b'))"], "orphan", leaf=6
    ),
    "leaf moved": Tampering([_move_leaf(2, 50)], "leaf", leaf=3),
    "leaves exchanged": Tampering([_move_leaf(2, 50), _move_leaf(3, 2), _move_leaf(50, 3)], "leaf_order", 4),
    "leaves exchanged, and signed": Tampering(swap_leaves_and_sign, "leaf_order", 4),
    "leaf of an entry twice": Tampering(
        [
            """INSERT INTO ledger_leaves (idx, label, commitment)
            SELECT 6, label, commitment FROM ledger_leaves WHERE idx = 2"""
        ],
        "label_repeated",
        leaf=6,
    ),
    "leaf moved to another log": Tampering([ADD_LOG, "UPDATE ledger_leaves SET log_id = 2 WHERE idx = 2"], "leaf", 3),
    "newest leaf removed": Tampering(["DELETE FROM ledger_leaves WHERE idx = 5"], "not_integrated", 6),
    # --- nodes: what proofs are made of ---
    "node changed": Tampering(
        ["UPDATE ledger_nodes SET hash = sha256('x') WHERE level = 1 AND idx = 1"], "node", leaf=2
    ),
    "top node changed": Tampering(["UPDATE ledger_nodes SET hash = sha256('x') WHERE level = 2"], "node", leaf=0),
    "node removed": Tampering(["DELETE FROM ledger_nodes WHERE level = 1 AND idx = 2"], "node", leaf=4),
    "nodes exchanged": Tampering(
        [
            f"UPDATE ledger_nodes SET idx = {new} WHERE level = 1 AND idx = {old}"
            for old, new in ((0, 9), (1, 0), (9, 1))
        ],
        "node",
        leaf=2,
    ),
    "node beyond the tree": Tampering(
        ["INSERT INTO ledger_nodes (level, idx, hash) VALUES (9, 9, sha256('x'))"], "node", leaf=9 << 9
    ),
    "node of an incomplete subtree": Tampering(
        ["INSERT INTO ledger_nodes (level, idx, hash) VALUES (2, 1, sha256('x'))"], "node", leaf=4
    ),
    "node in the place of a leaf": Tampering(
        ["INSERT INTO ledger_nodes (level, idx, hash) VALUES (0, 2, sha256('x'))"], "node", leaf=2
    ),
    # --- checkpoints, keys, identities ---
    "root column changed": Tampering(["UPDATE ledger_checkpoints SET root = sha256('x') WHERE size = 6"], "checkpoint"),
    "size column changed": Tampering(["UPDATE ledger_checkpoints SET size = 5 WHERE size = 6"], "checkpoint"),
    "note's size changed": Tampering(
        [r"UPDATE ledger_checkpoints SET note = replace(note, E'\n6\n', E'\n7\n')"], "checkpoint"
    ),
    "note's signature changed": Tampering(flip_signature, "checkpoint"),
    "note emptied": Tampering(["UPDATE ledger_checkpoints SET note = '' WHERE size = 3"], "checkpoint"),
    "newest checkpoint removed": Tampering(["DELETE FROM ledger_checkpoints WHERE size = 6"], "checkpoint"),
    "every checkpoint removed": Tampering(["DELETE FROM ledger_checkpoints"], "checkpoint"),
    "older checkpoint replaced, same size, another root, signed": Tampering(sign(3, "ab" * 32), "checkpoint", leaf=2),
    "newest checkpoint replaced, same size, another root, signed": Tampering(sign(6, "ab" * 32), "checkpoint", leaf=5),
    "newest checkpoint replaced by another key's": Tampering(sign(6, signer=OTHER_SIGNER), "checkpoint"),
    "newest checkpoint replaced by another log's": Tampering(sign(6, origin="log.example.net"), "checkpoint"),
    "checkpoint of leaves that there are not": Tampering(sign(7, "ab" * 32), "checkpoint"),
    "checkpoint between two, signed, of another tree": Tampering(sign(4, "ab" * 32), "checkpoint", leaf=3),
    "origin changed": Tampering(["UPDATE ledger_logs SET origin = 'other.example'"], "checkpoint"),
    "key slipped into the published history": Tampering(slip_key_in, "key"),
    "key in the history under another one's id": Tampering(
        [INSERT_KEY.format(key_id="deadbeef", public_key=SIGNER.public_key.hex())], "key"
    ),
    "key retired before a checkpoint that it signed": Tampering(
        ["UPDATE ledger_keys SET last_size = 3"], "key", leaf=5
    ),
    "key said to have begun after a checkpoint that it signed": Tampering(
        ["UPDATE ledger_keys SET first_size = 4"], "key", leaf=2
    ),
    "history of keys emptied": Tampering(["DELETE FROM ledger_keys"], "key", leaf=5),
    "log invented": Tampering([ADD_LOG], "checkpoint"),
}
