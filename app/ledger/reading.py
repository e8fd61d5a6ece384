"""Reading the log back: entries, leaves, checkpoints, proofs. Nothing here writes.

Long answers come from server-side cursors, in constant memory; they need their transaction to stay open. Leaf indexes
and tree sizes are those of one log: the current one unless ``log_id`` names an earlier one.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, TextClause, text
from sqlalchemy.orm import Session, sessionmaker

from app.ledger import merkle
from app.ledger.checkpoint import VerifierKey
from app.ledger.event import leaf, parse_body
from app.ledger.merkle import Node, leaf_hash
from app.ledger.proof import TlogProof

Reader = Session | Connection

CURSOR_ROWS = 500
POLL_S = 0.03


class NotInLog(LookupError):
    """No leaf, or no signed checkpoint, covers what was asked for (yet)."""


@dataclass(frozen=True)
class StoredEntry:
    """One entry as it stands. Hashes are hexadecimal; ``log_index`` is None until it is integrated."""

    stream: UUID
    seq: int
    type: str
    recorded_at: datetime
    occurred_at: datetime
    object_kind: str
    object_id: UUID
    actor_id: UUID
    actor_kind: str
    actor_role: str | None
    commitment: str
    label: str
    body: bytes
    log_id: int
    log_index: int | None

    def value(self) -> dict[str, Any]:
        """The body's JSON. Raises NotAnEntry when the stored bytes are no entry."""
        return parse_body(self.body)

    @property
    def leaf(self) -> bytes:
        return leaf(self.label, self.commitment)


@dataclass(frozen=True)
class StoredLeaf:
    index: int
    label: str
    commitment: str

    @property
    def leaf(self) -> bytes:
        return leaf(self.label, self.commitment)


@dataclass(frozen=True)
class SignedCheckpoint:
    """A signed tree head; ``note`` is the exact published text, ``root`` hexadecimal."""

    size: int
    root: str
    note: str
    signed_at: datetime
    log_id: int = 1


@dataclass(frozen=True)
class Head:
    """How far a stream goes: its number of entries, and the last one's commitment (None when it has none)."""

    entries: int
    commitment: str | None


_ENTRIES = """
    SELECT e.stream_id, e.seq, e.type, e.recorded_at, e.occurred_at, e.object_kind, e.object_id, e.actor_id,
           e.actor_kind, e.actor_role, e.commitment, e.label, b.body, e.log_id, l.idx
    FROM ledger_entries e JOIN ledger_bodies b USING (commitment) LEFT JOIN ledger_leaves l USING (commitment)
"""


def _of_log(statement: str) -> TextClause:
    """``:this_log`` is the parameter ``log_id``, or the current log when that is None."""
    this_log = "coalesce(CAST(:log_id AS smallint), (SELECT max(id) FROM ledger_logs))"
    return text(statement.replace(":this_log", this_log))


_PAGE = _of_log(
    _ENTRIES + "WHERE e.stream_id = :stream AND e.log_id = :this_log AND e.seq > :after ORDER BY e.seq LIMIT :limit"
)
_ONE = text(_ENTRIES + "WHERE e.commitment = :commitment")
_WHOLE_STREAM = _of_log(
    _ENTRIES + "WHERE e.stream_id = :stream AND e.log_id = :this_log AND e.seq <= :last ORDER BY e.seq"
)
_HEAD = text("SELECT head_seq, head_commitment FROM ledger_streams WHERE id = :stream")
_LEAVES = _of_log(
    "SELECT idx, label, commitment FROM ledger_leaves WHERE log_id = :this_log AND idx < :size ORDER BY idx"
)
_LEAVES_AT = _of_log("""
    SELECT l.idx, l.label, l.commitment
    FROM unnest(CAST(:indexes AS bigint[])) AS wanted (idx) JOIN ledger_leaves l USING (idx)
    WHERE l.log_id = :this_log
""")
_NODES_AT = _of_log("""
    SELECT n.level, n.idx, n.hash
    FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[])) AS wanted (level, idx)
    JOIN ledger_nodes n USING (level, idx)
    WHERE n.log_id = :this_log
""")
_KEY_PERIODS = text("""
    SELECT l.origin, k.public_key, k.first_size, k.last_size
    FROM ledger_keys k JOIN ledger_logs l ON l.id = k.log_id
    WHERE k.log_id = coalesce(CAST(:log_id AS smallint), k.log_id) ORDER BY k.log_id, k.first_size
""")
_DISCLOSURES = text("""
    SELECT commitment, field, line FROM ledger_disclosures
    WHERE commitment = ANY(CAST(:commitments AS bytea[])) ORDER BY commitment, field
""")
_CHECKPOINT = "SELECT size, root, note, signed_at, log_id FROM ledger_checkpoints "
_LATEST = _of_log(_CHECKPOINT + "WHERE log_id = :this_log ORDER BY size DESC LIMIT 1")
_OF_SIZE = _of_log(_CHECKPOINT + "WHERE log_id = :this_log AND size = :size")
_FIRST_ABOVE = text(_CHECKPOINT + "WHERE log_id = :log_id AND size > :index ORDER BY size LIMIT 1")
_PLACES = text("SELECT log_id, idx FROM ledger_leaves WHERE commitment = ANY(CAST(:commitments AS bytea[]))")


def entries_of(
    session: Reader, stream: UUID, *, after_seq: int = 0, limit: int = 100, log_id: int | None = None
) -> list[StoredEntry]:
    """One page of a stream's entries, in order."""
    rows = session.execute(_PAGE, {"stream": stream, "after": after_seq, "limit": limit, "log_id": log_id})
    return [_stored(row) for row in rows]


def find_entry(session: Reader, commitment: str) -> StoredEntry | None:
    row = session.execute(_ONE, {"commitment": bytes.fromhex(commitment)}).one_or_none()
    return None if row is None else _stored(row)


def each_entry(session: Reader, stream: UUID, *, last_seq: int, log_id: int | None = None) -> Iterator[StoredEntry]:
    """A stream's entries up to ``last_seq`` in constant memory."""
    for row in stream_rows(session, _WHOLE_STREAM, {"stream": stream, "last": last_seq, "log_id": log_id}):
        yield _stored(row)


def each_leaf(session: Reader, size: int, *, log_id: int | None = None) -> Iterator[StoredLeaf]:
    """The first ``size`` leaves of the public tree in constant memory."""
    for row in stream_rows(session, _LEAVES, {"size": size, "log_id": log_id}):
        yield StoredLeaf(row.idx, row.label.hex(), row.commitment.hex())


def head_of(session: Reader, stream: UUID) -> Head:
    """In the current log. Raises NotInLog when there is no such stream."""
    row = session.execute(_HEAD, {"stream": stream}).one_or_none()
    if row is None:
        raise NotInLog(f"no stream {stream}")
    return Head(row.head_seq, None if row.head_commitment is None else row.head_commitment.hex())


@dataclass(frozen=True)
class KeyPeriod:
    """A key of a log and the sizes of the checkpoints that bear its signature; ``last_size`` None: it signs still."""

    vkey: VerifierKey
    first_size: int
    last_size: int | None

    def covers(self, size: int) -> bool:
        """Whether a checkpoint of this size bears its signature."""
        return self.first_size <= size and (self.last_size is None or size <= self.last_size)


def key_periods(session: Reader, *, log_id: int | None = None) -> list[KeyPeriod]:
    """Every key that ever signed, of all logs or of one, oldest first."""
    return [
        KeyPeriod(VerifierKey(row.origin, bytes(row.public_key)), row.first_size, row.last_size)
        for row in session.execute(_KEY_PERIODS, {"log_id": log_id})
    ]


def key_of(session: Reader, checkpoint: SignedCheckpoint) -> VerifierKey:
    """The key that signed a tree; of two, during a rotation, the older one."""
    periods = key_periods(session, log_id=checkpoint.log_id)
    return next(each.vkey for each in periods if each.covers(checkpoint.size))


def disclosures_of(session: Reader, commitments: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """Commitment → field → the line that opens it. Whoever may not see personal fields is not given these."""
    opened: dict[str, dict[str, bytes]] = {commitment: {} for commitment in commitments}
    for row in session.execute(_DISCLOSURES, {"commitments": [bytes.fromhex(each) for each in commitments]}):
        opened[row.commitment.hex()][row.field] = bytes(row.line)
    return opened


def latest_checkpoint(session: Reader, *, log_id: int | None = None) -> SignedCheckpoint | None:
    return _checkpoint(session.execute(_LATEST, {"log_id": log_id}).one_or_none())


def checkpoint_of(session: Reader, size: int, *, log_id: int | None = None) -> SignedCheckpoint | None:
    return _checkpoint(session.execute(_OF_SIZE, {"size": size, "log_id": log_id}).one_or_none())


def checkpoint_over(session: Reader, commitments: Sequence[str]) -> SignedCheckpoint | None:
    """The smallest signed tree that holds all these entries of one log; None while one of them is not integrated.

    For the entries of one ``export.created`` it is the tree in which they are their streams' last leaves.
    """
    wanted = set(commitments)
    rows = session.execute(_PLACES, {"commitments": [bytes.fromhex(each) for each in wanted]}).all()
    logs = {row.log_id for row in rows}
    if len(rows) < len(wanted) or len(logs) != 1:
        return None
    place = {"log_id": logs.pop(), "index": max(row.idx for row in rows)}
    return _checkpoint(session.execute(_FIRST_ABOVE, place).one_or_none())


def wait_for_checkpoint(
    sessions: sessionmaker[Session], commitments: Sequence[str], timeout_s: float
) -> SignedCheckpoint | None:
    """``checkpoint_over`` as soon as there is one; None after ``timeout_s``. Holds no connection while it sleeps."""
    deadline = time.monotonic() + timeout_s
    while True:
        with sessions() as session:
            found = checkpoint_over(session, commitments)
        if found is not None or time.monotonic() >= deadline:
            return found
        time.sleep(POLL_S)


def proof(session: Reader, commitment: str, size: int | None = None) -> TlogProof:
    """An entry's inclusion in its log's newest signed tree, or the signed one of ``size`` leaves. Raises NotInLog."""
    checkpoint, index = signed_place(session, commitment, size)
    return proofs_at(session, checkpoint, [index])[0]


def signed_place(session: Reader, commitment: str, size: int | None = None) -> tuple[SignedCheckpoint, int]:
    """Its log's newest signed tree, or the one of ``size`` leaves, and the entry's leaf. Raises NotInLog."""
    place = session.execute(_PLACES, {"commitments": [bytes.fromhex(commitment)]}).one_or_none()
    if place is None:
        raise NotInLog("this entry is not in a signed tree")
    own = place.log_id
    checkpoint = latest_checkpoint(session, log_id=own) if size is None else checkpoint_of(session, size, log_id=own)
    if checkpoint is None or place.idx >= checkpoint.size:
        raise NotInLog("this entry is not in a signed tree of that size")
    return checkpoint, place.idx


def proofs_at(session: Reader, checkpoint: SignedCheckpoint, indexes: Sequence[int]) -> list[TlogProof]:
    """The inclusion of each of these leaves in one signed tree, in two queries for all. Raises NotInLog."""
    if any(index >= checkpoint.size for index in indexes):
        raise NotInLog(f"a leaf is not among the {checkpoint.size} of this checkpoint")
    nodes = {(0, index) for index in indexes}
    for index in indexes:
        nodes.update(merkle.nodes_of(merkle.inclusion_ranges(index, checkpoint.size)))
    leaves = leaves_at(session, [index for level, index in nodes if level == 0], log_id=checkpoint.log_id)
    hashes = node_hashes(session, nodes, leaves, log_id=checkpoint.log_id)
    return [
        TlogProof(
            index,
            tuple(merkle.inclusion_proof(index, checkpoint.size, lambda level, at: hashes[level, at])),
            checkpoint.note,
            leaves[index].leaf,
        )
        for index in indexes
    ]


def consistency_proof(session: Reader, old: int, new: int, *, log_id: int | None = None) -> list[bytes]:
    """That the tree of ``new`` leaves begins with the tree of ``old``. Raises NotInLog beyond the log's size."""
    nodes = set(merkle.nodes_of(merkle.consistency_ranges(old, new)))
    leaves = leaves_at(session, [index for level, index in nodes if level == 0], log_id=log_id)
    hashes = node_hashes(session, nodes, leaves, log_id=log_id)
    return merkle.consistency_proof(old, new, lambda level, index: hashes[level, index])


def leaves_at(session: Reader, indexes: Sequence[int], *, log_id: int | None = None) -> dict[int, StoredLeaf]:
    rows = session.execute(_LEAVES_AT, {"indexes": list(indexes), "log_id": log_id})
    return {row.idx: StoredLeaf(row.idx, row.label.hex(), row.commitment.hex()) for row in rows}


def node_hashes(
    session: Reader, nodes: set[Node], leaves: dict[int, StoredLeaf], *, log_id: int | None = None
) -> dict[Node, bytes]:
    """The hashes of these complete subtrees; those of level 0 follow from ``leaves``. Raises NotInLog."""
    stored = [node for node in nodes if node[0] > 0]
    wanted = {"levels": [n[0] for n in stored], "indexes": [n[1] for n in stored], "log_id": log_id}
    rows = session.execute(_NODES_AT, wanted)
    hashes: dict[Node, bytes] = {(row.level, row.idx): bytes(row.hash) for row in rows}
    hashes.update({(0, index): leaf_hash(each.leaf) for index, each in leaves.items()})
    missing = nodes - hashes.keys()
    if missing:
        raise NotInLog(f"the tree lacks its nodes {sorted(missing)[:5]}")
    return hashes


def stream_rows(session: Reader, statement: TextClause, parameters: dict[str, Any]) -> Iterator[Row[Any]]:
    """Rows through a server-side cursor, some hundreds at a time."""
    options = {"stream_results": True, "yield_per": CURSOR_ROWS}
    with session.execute(statement, parameters, execution_options=options) as rows:
        yield from rows


def _stored(row: Row[Any]) -> StoredEntry:
    return StoredEntry(
        stream=row.stream_id,
        seq=row.seq,
        type=row.type,
        recorded_at=row.recorded_at,
        occurred_at=row.occurred_at,
        object_kind=row.object_kind,
        object_id=row.object_id,
        actor_id=row.actor_id,
        actor_kind=row.actor_kind,
        actor_role=row.actor_role,
        commitment=row.commitment.hex(),
        label=row.label.hex(),
        body=bytes(row.body),
        log_id=row.log_id,
        log_index=row.idx,
    )


def _checkpoint(row: Row[Any] | None) -> SignedCheckpoint | None:
    if row is None:
        return None
    return SignedCheckpoint(row.size, row.root.hex(), row.note, row.signed_at, row.log_id)
