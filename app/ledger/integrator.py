"""The integrator: gives queued entries their leaf indexes and signs the tree (docs/ledger.md, "Sequencing").

One batch, in this order; what a crash after each step leaves, and what the next integrator then does:

1. Leaves, nodes, checkpoint and the emptied queue in an open transaction, the tree signed: nothing. The signature dies
   with the process; nobody has seen it.
2. A line in the record of signed trees, on disk: a tree that is signed and that no database holds. The next one
   integrates exactly the entries of that line, which must give exactly that root (the signature is the same, too).
   When they are not in the queue any more, the database is an older one: the log is halted.
3. The database's commit, which publishes: only now can anybody read the checkpoint. Nothing is left to do. When the
   commit was stored and its answer lost, the next batch sees it in the database.

So the record holds every tree that anybody could have seen, and the database holds every tree of the record, but for
the last one for a moment. Whatever lacks more was restored from a backup (``halt``). Every batch starts from what the
database and the record hold, never from memory.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.kernel.database import open_engine
from app.kernel.errors import Misconfigured
from app.kernel.primitives import utc_now
from app.ledger import log, merkle, reading
from app.ledger.checkpoint import (
    Checkpoint,
    NoteInvalid,
    Signer,
    VerifierKey,
    open_checkpoint,
    sign_checkpoint,
)
from app.ledger.event import leaf
from app.ledger.keys import LogKeys, SigningFailed
from app.ledger.log import Installation, NoInstallation
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.reading import NotInLog, SignedCheckpoint
from app.ledger.record import LogBehindRecord, SignedRecord, SignedTree

ADVISORY_LOCK = 0x45584C32
"""Held by the one integrator that works; its stand-bys try for it."""

BATCH_ENTRIES = 5000
STAND_BY_S = 1.0
LONGEST_RETRY_S = 15.0
NAMED_AT_MOST = 20
"""Entries that one line of the operating log names."""

events = structlog.get_logger("ledger.integrator")


class LogDamaged(Exception):
    """What the database holds is not what was signed. Nothing more is signed until an operator has looked."""


class LogHalted(Exception):
    """This log was halted: it gets no further entry, leaf or signature."""


@dataclass(frozen=True)
class Batch:
    checkpoint: SignedCheckpoint
    has_more: bool
    """Whether the queue held more when the batch was cut."""


Subtrees = tuple[int, int, list[bytes]]
"""Level, index of the first, hashes: complete subtrees that stand side by side."""

_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
# Along the keys, however small the tables were when they were last measured: a batch must not read the whole log.
_BEGIN = text("""
    SELECT pg_advisory_xact_lock(:key), set_config('enable_seqscan', 'off', true),
        set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
""")
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_SIZE = text("SELECT coalesce(max(idx) + 1, 0) FROM ledger_leaves WHERE log_id = :log_id")
_QUEUED = """
    SELECT q.entry_id, q.closes_batch, e.log_id, e.label, e.commitment, l.idx IS NOT NULL AS has_leaf
    FROM ledger_queue q JOIN ledger_entries e ON e.id = q.entry_id
        LEFT JOIN ledger_leaves l ON l.commitment = e.commitment
"""
_QUEUE = text(_QUEUED + "ORDER BY q.entry_id LIMIT :limit")
_QUEUED_OF = text(_QUEUED + "WHERE q.entry_id = ANY(CAST(:ids AS bigint[])) AND e.log_id = :log_id ORDER BY q.entry_id")
# What app.anchors found out; of a log that is halted already there is nothing more to say.
_CONTRADICTED = text("""
    SELECT w.name, w.alarm_size, w.size FROM witnesses w
    WHERE w.log_id = (SELECT max(id) FROM ledger_logs) AND w.ends_log
        AND NOT EXISTS (SELECT FROM ledger_halts h WHERE h.log_id = w.log_id)
    ORDER BY w.name, w.public_key
""")
_HALT_REASON = text("SELECT reason FROM ledger_halts WHERE log_id = :log_id")
_IS_EARLIER_LOG = text("SELECT EXISTS (SELECT FROM ledger_logs WHERE id < :log_id AND origin = :origin)")
_HALT = text("""
    INSERT INTO ledger_halts (log_id, signed_size, signed_root, held_size, reason, halted_at)
    SELECT max(id), :signed_size, :signed_root, :held_size, :reason, :now FROM ledger_logs
    ON CONFLICT DO NOTHING
""")
_KEYS = text("""
    SELECT k.log_id, l.origin, k.key_id, k.public_key, k.last_size
    FROM ledger_keys k JOIN ledger_logs l ON l.id = k.log_id ORDER BY k.log_id, k.first_size
""")
_ADD_KEY = text("""
    INSERT INTO ledger_keys (log_id, key_id, public_key, first_size) VALUES (:log_id, :key_id, :public_key, :first_size)
""")
_RETIRE_KEY = text("UPDATE ledger_keys SET last_size = :size WHERE log_id = :log_id AND key_id = :key_id")
# Digests side by side in one value: as arrays of the driver's they cost as much as the hashing.
_ADD_LEAVES = """
    INSERT INTO ledger_leaves (log_id, idx, label, commitment)
    SELECT CAST(%(log_id)b AS smallint), CAST(%(size)b AS bigint) + n,
        substr(packed, n * 64 + 1, 32), substr(packed, n * 64 + 33, 32)
    FROM (SELECT CAST(%(packed)b AS bytea) AS packed) p, generate_series(0, octet_length(packed) / 64 - 1) n
"""
_ADD_NODES = """
    INSERT INTO ledger_nodes (log_id, level, idx, hash)
    SELECT CAST(%(log_id)b AS smallint), r.level, r.first + n, substr(packed, (r.place + n) * 32 + 1, 32)
    FROM (SELECT CAST(%(packed)b AS bytea) AS packed) p, unnest(
        CAST(%(levels)b AS smallint[]), CAST(%(firsts)b AS bigint[]), CAST(%(places)b AS int[]),
        CAST(%(counts)b AS int[])) AS r (level, first, place, count), generate_series(0, r.count - 1) n
"""
_ADD_CHECKPOINT = text("""
    INSERT INTO ledger_checkpoints (log_id, size, root, note, signed_at)
    VALUES (:log_id, :size, :root, :note, :signed_at)
""")
_LEAVE_QUEUE = "DELETE FROM ledger_queue WHERE entry_id = ANY(CAST(%(ids)b AS bigint[]))"


def integrate_batch(
    connection: Connection, *signers: Signer, limit: int = BATCH_ENTRIES, record: SignedRecord | None = None
) -> SignedCheckpoint | None:
    """Integrate and sign one batch in one transaction; None when the queue is empty.

    Raises LogDamaged, LogBehindRecord, LogHalted, Misconfigured, SigningFailed or the database's error; then nothing
    was written, unless the commit itself was stored and only its answer lost, which the next call sees.
    """
    batch = integrate(connection, *signers, limit=limit, record=record)
    return None if batch is None else batch.checkpoint


def integrate(
    connection: Connection, *signers: Signer, limit: int = BATCH_ENTRIES, record: SignedRecord | None = None
) -> Batch | None:
    """As ``integrate_batch``, telling also whether more is waiting."""
    with ExitStack() as held, connection.begin():  # The record is let go after the commit.
        connection.execute(_BEGIN, {"key": ADVISORY_LOCK})
        if record is not None:
            held.enter_context(record.held())
        return _write_batch(connection, signers, limit, record)


def _write_batch(
    connection: Connection, signers: Sequence[Signer], limit: int, record: SignedRecord | None
) -> Batch | None:
    _check_witnesses(connection)
    queue = connection.execute(_QUEUE, {"limit": limit}).all()
    if not queue:
        return None
    current = log.installation(connection)
    _refuse_halted(connection, current)
    size = connection.execute(_SIZE, {"log_id": current.log_id}).scalar_one()
    unstored = _check_record(connection, current, size, record)
    waiting = _drop_settled(connection, queue, current.log_id)
    rows = cut_batch(waiting) if unstored is None else _rows_of(connection, current, unstored)
    if not rows:
        return None
    _note_keys(connection, current, signers, size)
    frontier = _read_frontier(connection, current, size, signers)
    nodes = frontier.extend([_hash_of(row) for row in rows])
    tree = SignedTree(current.origin, frontier.size, frontier.root().hex(), tuple(row.entry_id for row in rows))
    if unstored is not None and unstored != tree:
        raise LogBehindRecord(f"the queue does not give the signed tree of {unstored.size} leaves", unstored, size)
    checkpoint = _sign(Checkpoint(current.origin, frontier.size, frontier.root()), signers, current.log_id)
    _store(connection, checkpoint, size, rows, nodes)
    if record is not None and unstored is None:
        record.add(tree)
    return Batch(checkpoint, has_more=len(rows) < len(waiting) or len(queue) == limit)


def _store(
    connection: Connection, checkpoint: SignedCheckpoint, size: int, rows: Sequence[Row[Any]], nodes: list[Subtrees]
) -> None:
    log_id = {"log_id": checkpoint.log_id}
    leaves = b"".join([part for row in rows for part in (row.label, row.commitment)])
    connection.exec_driver_sql(_ADD_LEAVES, {**log_id, "size": size, "packed": leaves})
    counts = [len(hashes) for _, _, hashes in nodes]
    runs = {
        "levels": [level for level, _, _ in nodes],
        "firsts": [first for _, first, _ in nodes],
        "places": [sum(counts[:place]) for place in range(len(counts))],
        "counts": counts,
        "packed": b"".join(each for _, _, hashes in nodes for each in hashes),
    }
    connection.exec_driver_sql(_ADD_NODES, {**log_id, **runs})
    connection.execute(
        _ADD_CHECKPOINT,
        {
            **log_id,
            "size": checkpoint.size,
            "root": bytes.fromhex(checkpoint.root),
            "note": checkpoint.note,
            "signed_at": checkpoint.signed_at,
        },
    )
    connection.exec_driver_sql(_LEAVE_QUEUE, {"ids": [row.entry_id for row in rows]})


def _check_witnesses(connection: Connection) -> None:
    """Raises LogBehindRecord when the policy's quorum holds trees that this database lacks: it is an older one,
    restored. One witness alone stops nothing (docs/decisions/0013)."""
    told = connection.execute(_CONTRADICTED).all()
    last = reading.latest_checkpoint(connection) if told else None
    if last is None:
        return
    claims = ", ".join(
        f"{each.name} one of {each.alarm_size} leaves" if each.alarm_size else f"{each.name} another of {each.size}"
        for each in told
    )
    reason = f"a quorum of witnesses cosigned other trees than the database's of {last.size} leaves: {claims}"
    raise LogBehindRecord(reason, SignedTree(log.installation(connection).origin, last.size, last.root), last.size)


def _refuse_halted(connection: Connection, current: Installation) -> None:
    reason = connection.execute(_HALT_REASON, {"log_id": current.log_id}).scalar_one_or_none()
    if reason is not None:
        raise LogHalted(f"the log {current.origin} was halted: {reason}")


def _rows_of(connection: Connection, current: Installation, tree: SignedTree) -> Sequence[Row[Any]]:
    ids = {"ids": list(tree.entry_ids), "log_id": current.log_id}
    return [row for row in connection.execute(_QUEUED_OF, ids) if not row.has_leaf]


def _drop_settled(connection: Connection, queue: Sequence[Row[Any]], log_id: int) -> Sequence[Row[Any]]:
    """The rows without those that get no leaf, which must not stop the log: entries that have theirs and were queued
    again, and entries that an ended log never integrated (their streams' first entries in this log name them)."""
    repeated = [row.entry_id for row in queue if row.has_leaf]
    ended = [row.entry_id for row in queue if row.log_id != log_id and not row.has_leaf]
    for what, ids in (("integrator_dropped_repeated", repeated), ("integrator_dropped_ended", ended)):
        if ids:
            events.warning(what, entry_ids=ids[:NAMED_AT_MOST], entries=len(ids))
            connection.exec_driver_sql(_LEAVE_QUEUE, {"ids": ids})
    return [row for row in queue if row.log_id == log_id and not row.has_leaf]


def cut_batch(queue: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """The rows up to the first that must be the last leaf of a checkpoint."""
    for place, row in enumerate(queue):
        if row.closes_batch:
            return queue[: place + 1]
    return queue


def _read_frontier(connection: Connection, current: Installation, size: int, signers: Sequence[Signer]) -> Frontier:
    """The tree as it stands, checked to be the one last signed: whatever is appended to it is consistent with that."""
    log_id = current.log_id
    last = reading.latest_checkpoint(connection, log_id=log_id)
    if last is None:
        if size:
            raise LogDamaged(f"{size} leaves, and no checkpoint was ever signed")
        return Frontier()
    cover = merkle.cover(0, size)
    try:
        signed = open_checkpoint(last.note, *(VerifierKey(current.origin, each.public_key) for each in signers))
        leaves = reading.leaves_at(connection, [index for level, index in cover if level == 0], log_id=log_id)
        hashes = reading.node_hashes(connection, set(cover), leaves, log_id=log_id)
    except (NoteInvalid, NotInLog) as error:
        raise LogDamaged(f"the checkpoint of size {last.size} or its tree: {error}") from error
    frontier = Frontier(size, [hashes[node] for node in cover])
    if (signed.size, signed.root) != (size, frontier.root()):
        raise LogDamaged(
            f"signed: {signed.size} leaves, root {signed.root.hex()}; held: {size} leaves, root {frontier.root().hex()}"
        )
    return frontier


def _check_record(
    connection: Connection, current: Installation, size: int, record: SignedRecord | None
) -> SignedTree | None:
    """Whether the database holds all that was signed; the tree whose commit is still due, if there is one.

    Raises LogBehindRecord; Misconfigured when the record is gone, because then nobody knows.
    """
    if record is None:
        return None
    last = record.last()
    if last is None:
        if size:
            raise Misconfigured(
                f"{record.path} is missing, and {size} leaves were signed: restore the file. If it is lost, nobody can "
                "tell whether this database is the newest one. When it comes from a backup: exhibit ledger "
                "start-new-log. When you know that nothing is missing: exhibit ledger accept-database."
            )
        return None
    origin = current.origin if last.origin is None and current.log_id == 1 else last.origin
    if origin != current.origin:
        if not connection.execute(_IS_EARLIER_LOG, {"log_id": current.log_id, "origin": origin}).scalar_one():
            raise LogBehindRecord(f"the log {origin} was signed, which the database does not know", last, size)
        return None
    if last.size <= size:
        stored = reading.checkpoint_of(connection, last.size, log_id=current.log_id)
        if stored is None or stored.root != last.root:
            raise LogBehindRecord(f"the database lacks the signed tree of {last.size} leaves", last, size)
        return None
    if last.size - len(last.entry_ids) != size or len(_rows_of(connection, current, last)) != len(last.entry_ids):
        raise LogBehindRecord(f"{last.size} leaves were signed, the database holds {size}", last, size)
    return last


def check_record(connection: Connection, record: SignedRecord) -> str | None:
    """Halt the log if the database is behind the record; why it is halted, if it is.

    For a start, before anybody can write: an integrator may be at work beside it.

    The record is read first: whatever it holds by then, a later snapshot of the database holds too, or its queue does.
    Raises Misconfigured.
    """
    record_then = _AsRead(record)
    with connection.begin():
        connection.execute(_SNAPSHOT)
        try:
            current = log.installation(connection)
            size = connection.execute(_SIZE, {"log_id": current.log_id}).scalar_one()
            reason: str | None = connection.execute(_HALT_REASON, {"log_id": current.log_id}).scalar_one_or_none()
            if reason is None:
                _check_record(connection, current, size, record_then)
            return reason
        except NoInstallation:
            return None
        except LogBehindRecord as error:
            behind = error
    halt(connection, behind)
    return str(behind)


class _AsRead(SignedRecord):
    """The record as it stood at one moment."""

    def __init__(self, record: SignedRecord) -> None:
        super().__init__(record.path)
        self._last = record.last()

    def last(self) -> SignedTree | None:
        return self._last


def halt(connection: Connection, behind: LogBehindRecord) -> None:
    """From here on the database refuses every entry, until an operator has started a new log. Cannot be undone."""
    events.error("ledger_halted", reason=str(behind))
    with connection.begin():
        connection.execute(
            _HALT,
            {
                "signed_size": behind.signed.size,
                "signed_root": bytes.fromhex(behind.signed.root),
                "held_size": behind.held_size,
                "reason": str(behind),
                "now": utc_now(),
            },
        )


def halt_by_hand(connection: Connection, reason: str) -> None:
    """As ``halt``, for another cause than a missing tree: a lost key, or outsiders hold a head that is not ours."""
    with connection.begin():
        current = log.installation(connection)
        last = reading.latest_checkpoint(connection, log_id=current.log_id)
    if last is None:
        raise Misconfigured("Nothing was signed in this log: there is nothing to end.")
    halt(connection, LogBehindRecord(reason, SignedTree(current.origin, last.size, last.root), last.size))


def accept_database(connection: Connection, record: SignedRecord) -> SignedTree:
    """Begin a record that was lost, with the newest tree that the database holds. Raises Misconfigured."""
    with record.held(), connection.begin():
        current = log.installation(connection)
        last = reading.latest_checkpoint(connection, log_id=current.log_id)
        if record.last() is not None:
            raise Misconfigured(f"{record.path} is there: what it says was signed is not for anybody to overrule.")
        if last is None:
            raise Misconfigured("Nothing was signed in this log: the record begins with the first signature.")
        accepted = SignedTree(current.origin, last.size, last.root)
        record.add(accepted)
    return accepted


def _note_keys(
    connection: Connection, current: Installation, signers: Sequence[Signer], size: int
) -> tuple[list[VerifierKey], list[VerifierKey]]:
    """Bring the published history up to date: keys that begin with the next checkpoint, keys that ended with the last.

    The keys that sign now, and all others that ever signed. Raises Misconfigured for a key that is retired.
    """
    rows = connection.execute(_KEYS).all()
    known = {bytes(row.public_key): row for row in rows if row.log_id == current.log_id}
    for signer in signers:
        row = known.get(signer.public_key)
        if row is None:
            key_id = VerifierKey(current.origin, signer.public_key).key_id
            # Of a log that is older than this history, all that there is was signed with the key it has.
            place = {"log_id": current.log_id, "key_id": key_id, "first_size": size + 1 if known else 1}
            connection.execute(_ADD_KEY, {**place, "public_key": signer.public_key})
        elif row.last_size is not None:
            raise Misconfigured(f"the key {row.key_id.hex()} of this log was retired: it signs nothing more")
    now = [VerifierKey(current.origin, signer.public_key) for signer in signers]
    for public_key, row in known.items():
        if row.last_size is None and public_key not in {key.public_key for key in now}:
            connection.execute(_RETIRE_KEY, {"log_id": current.log_id, "key_id": row.key_id, "size": size})
    ever = [VerifierKey(row.origin, bytes(row.public_key)) for row in rows]
    return now, [key for key in ever if key not in now]


def _hash_of(row: Row[Any]) -> bytes:
    return leaf_hash(leaf(row.label.hex(), row.commitment.hex()))


def _sign(checkpoint: Checkpoint, signers: Sequence[Signer], log_id: int) -> SignedCheckpoint:
    note = sign_checkpoint(checkpoint, *signers)
    return SignedCheckpoint(checkpoint.size, checkpoint.root.hex(), note, utc_now(), log_id)


def run(
    database_url: str,
    signer: Signer | LogKeys,
    period_s: float,
    stop: threading.Event,
    *,
    record: SignedRecord | None = None,
) -> None:
    """Integrate until ``stop``: at most one checkpoint a period, or as fast as it goes while there is a backlog.

    Lost connections and other passing faults (of the database, of the key's holder) are logged and tried again; when
    the log is halted it waits until a new one begins; what is no passing fault (LogDamaged, Misconfigured, a missing
    privilege) is logged and raised.
    """
    keys = signer if isinstance(signer, LogKeys) else LogKeys(signer)
    engine = open_engine(database_url, pool_size=1)
    retry_s = period_s
    try:
        while not stop.is_set():
            began_s = time.monotonic()
            try:
                with engine.connect() as connection:
                    connection.detach()  # Closing it then ends the session, and with it the advisory lock.
                    _serve(connection, keys, period_s, stop, record)
            except (OperationalError, InterfaceError, SigningFailed) as error:
                if time.monotonic() - began_s > LONGEST_RETRY_S:  # It worked for a while: a fault of its own.
                    retry_s = period_s
                lost = isinstance(error, DBAPIError)
                events.warning(
                    "integrator_lost_database" if lost else "integrator_could_not_sign",
                    error=str(error.orig) if isinstance(error, DBAPIError) else str(error),
                    retry_s=retry_s,
                )
                stop.wait(retry_s)
                retry_s = min(retry_s * 2, LONGEST_RETRY_S)
    except (DBAPIError, LogDamaged, Misconfigured) as error:
        events.error("integrator_stopped", error=str(error), kind=type(error).__name__)
        raise
    finally:
        engine.dispose()


def _serve(
    connection: Connection, keys: LogKeys, period_s: float, stop: threading.Event, record: SignedRecord | None
) -> None:
    if not _stand_by(connection, stop):
        return
    events.info("integrator_leads")
    settled: tuple[Signer, ...] | None = None
    while not stop.is_set():
        began_s = time.monotonic()
        try:
            signers = keys.signers()
            if settled is not signers:
                settled = signers if _settle(connection, keys, signers, record) else None
            batch = integrate(connection, *signers, record=record)
        except LogBehindRecord as behind:
            halt(connection, behind)
            continue
        except LogHalted:
            settled = None  # The new log, when it begins, is another name for the keys.
            stop.wait(STAND_BY_S)
            continue
        if batch is None or not batch.has_more:
            stop.wait(max(0.0, period_s - (time.monotonic() - began_s)))


def _settle(connection: Connection, keys: LogKeys, signers: Sequence[Signer], record: SignedRecord | None) -> bool:
    """Before the first signature with these keys: is the database behind, and who may know the keys? False: no log yet.

    Raises LogBehindRecord, LogHalted, Misconfigured.
    """
    with ExitStack() as held, connection.begin():
        connection.execute(_LOCK, {"key": ADVISORY_LOCK})
        if record is not None:
            held.enter_context(record.held())
        try:
            current = log.installation(connection)
        except NoInstallation:
            return False
        _refuse_halted(connection, current)
        size = connection.execute(_SIZE, {"log_id": current.log_id}).scalar_one()
        _check_record(connection, current, size, record)
        now, earlier = _note_keys(connection, current, signers, size)
    keys.publish(now, earlier)
    return True


def _stand_by(connection: Connection, stop: threading.Event) -> bool:
    """Until the lock is ours (True) or we are to stop (False)."""
    is_told = False
    while not stop.is_set():
        with connection.begin():
            if connection.execute(_TRY_LOCK, {"key": ADVISORY_LOCK}).scalar_one():
                return True
        if not is_told:
            events.info("integrator_stands_by")
            is_told = True
        stop.wait(STAND_BY_S)
    return False
