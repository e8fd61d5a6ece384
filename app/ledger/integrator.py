"""The integrator: gives queued entries their leaf indexes and signs the tree (docs/ledger.md, "Sequencing").

One commit point. A crash before it leaves the queue as it was; after it, leaves, nodes and the signed checkpoint.
Either way the next batch starts from what the database holds, never from memory.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.kernel.database import open_engine
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
from app.ledger.keys import LogBehindRecord, SignedRecord
from app.ledger.log import Installation
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.reading import NotInLog, SignedCheckpoint

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


@dataclass(frozen=True)
class Batch:
    checkpoint: SignedCheckpoint
    has_more: bool
    """Whether the queue held more when the batch was cut."""


_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_SIZE = text("SELECT coalesce(max(idx) + 1, 0) FROM ledger_leaves WHERE log_id = :log_id")
_QUEUE = text("""
    SELECT q.entry_id, q.closes_batch, e.log_id, e.label, e.commitment,
        EXISTS (SELECT FROM ledger_leaves l WHERE l.commitment = e.commitment) AS has_leaf
    FROM ledger_queue q JOIN ledger_entries e ON e.id = q.entry_id ORDER BY q.entry_id LIMIT :limit
""")
_ADD_LEAVES = text("""
    INSERT INTO ledger_leaves (log_id, idx, label, commitment)
    SELECT :log_id, * FROM unnest(CAST(:indexes AS bigint[]), CAST(:labels AS bytea[]), CAST(:commitments AS bytea[]))
""")
_ADD_NODES = text("""
    INSERT INTO ledger_nodes (log_id, level, idx, hash)
    SELECT :log_id, * FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[]), CAST(:hashes AS bytea[]))
""")
_ADD_CHECKPOINT = text("""
    INSERT INTO ledger_checkpoints (log_id, size, root, note, signed_at)
    VALUES (:log_id, :size, :root, :note, :signed_at)
""")
_LEAVE_QUEUE = text("DELETE FROM ledger_queue WHERE entry_id = ANY(CAST(:ids AS bigint[]))")


def integrate_batch(
    connection: Connection, signer: Signer, *, limit: int = BATCH_ENTRIES, record: SignedRecord | None = None
) -> SignedCheckpoint | None:
    """Integrate and sign one batch in one transaction; None when the queue is empty.

    Raises LogDamaged, LogBehindRecord, or the database's error; then nothing was written, unless the commit itself was
    stored and only its answer lost, which the next call sees in the database.
    """
    batch = integrate(connection, signer, limit=limit, record=record)
    return None if batch is None else batch.checkpoint


def integrate(
    connection: Connection, signer: Signer, *, limit: int = BATCH_ENTRIES, record: SignedRecord | None = None
) -> Batch | None:
    """As ``integrate_batch``, telling also whether more is waiting."""
    with connection.begin():
        connection.execute(_LOCK, {"key": ADVISORY_LOCK})
        batch = _write_batch(connection, signer, limit, record)
    if batch is not None and record is not None:
        record.add(batch.checkpoint.size, batch.checkpoint.root)
    return batch


def _write_batch(connection: Connection, signer: Signer, limit: int, record: SignedRecord | None) -> Batch | None:
    queue = connection.execute(_QUEUE, {"limit": limit}).all()
    if not queue:
        return None
    current = log.installation(connection)
    waiting = _drop_settled(connection, queue, current.log_id)
    rows = cut_batch(waiting)
    if not rows:
        return None
    frontier = _read_frontier(connection, current, signer, record)
    first = frontier.size
    nodes = [node for row in rows for node in frontier.append(_hash_of(row)) if node[0] > 0]
    connection.execute(
        _ADD_LEAVES,
        {
            "log_id": current.log_id,
            "indexes": list(range(first, frontier.size)),
            "labels": [row.label for row in rows],
            "commitments": [row.commitment for row in rows],
        },
    )
    levels, indexes, hashes = zip(*nodes, strict=True) if nodes else ((), (), ())
    nodes_of_batch = {"levels": list(levels), "indexes": list(indexes), "hashes": list(hashes)}
    connection.execute(_ADD_NODES, {"log_id": current.log_id, **nodes_of_batch})
    checkpoint = _sign(Checkpoint(current.origin, frontier.size, frontier.root()), signer, current.log_id)
    connection.execute(
        _ADD_CHECKPOINT,
        {
            "log_id": current.log_id,
            "size": checkpoint.size,
            "root": bytes.fromhex(checkpoint.root),
            "note": checkpoint.note,
            "signed_at": checkpoint.signed_at,
        },
    )
    connection.execute(_LEAVE_QUEUE, {"ids": [row.entry_id for row in rows]})
    return Batch(checkpoint, has_more=len(rows) < len(waiting) or len(queue) == limit)


def _drop_settled(connection: Connection, queue: Sequence[Row[Any]], log_id: int) -> Sequence[Row[Any]]:
    """The rows without those that get no leaf, which must not stop the log: entries that have theirs and were queued
    again, and entries that an ended log never integrated (their streams' first entries in this log name them)."""
    repeated = [row.entry_id for row in queue if row.has_leaf]
    ended = [row.entry_id for row in queue if row.log_id != log_id and not row.has_leaf]
    for what, ids in (("integrator_dropped_repeated", repeated), ("integrator_dropped_ended", ended)):
        if ids:
            events.warning(what, entry_ids=ids[:NAMED_AT_MOST], entries=len(ids))
            connection.execute(_LEAVE_QUEUE, {"ids": ids})
    return [row for row in queue if row.log_id == log_id and not row.has_leaf]


def cut_batch(queue: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """The rows up to the first that must be the last leaf of a checkpoint."""
    for place, row in enumerate(queue):
        if row.closes_batch:
            return queue[: place + 1]
    return queue


def _read_frontier(
    connection: Connection, current: Installation, signer: Signer, record: SignedRecord | None
) -> Frontier:
    """The tree as it stands, checked to be the one last signed: whatever is appended to it is consistent with that."""
    log_id = current.log_id
    size = connection.execute(_SIZE, {"log_id": log_id}).scalar_one()
    last = reading.latest_checkpoint(connection, log_id=log_id)
    _check_record(connection, size, record)
    if last is None:
        if size:
            raise LogDamaged(f"{size} leaves, and no checkpoint was ever signed")
        return Frontier()
    cover = merkle.cover(0, size)
    try:
        signed = open_checkpoint(last.note, VerifierKey(current.origin, signer.public_key))
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


def _check_record(connection: Connection, size: int, record: SignedRecord | None) -> None:
    last = None if record is None else record.last()
    if last is None:
        return
    recorded_size, recorded_root = last
    if recorded_size > size:
        raise LogBehindRecord(f"{recorded_size} leaves were signed, the database holds {size}")
    stored = reading.checkpoint_of(connection, recorded_size)
    if stored is None or stored.root != recorded_root:
        raise LogBehindRecord(f"the database lacks the signed tree of {recorded_size} leaves, root {recorded_root}")


def _hash_of(row: Row[Any]) -> bytes:
    return leaf_hash(leaf(row.label.hex(), row.commitment.hex()))


def _sign(checkpoint: Checkpoint, signer: Signer, log_id: int) -> SignedCheckpoint:
    note = sign_checkpoint(checkpoint, signer)
    return SignedCheckpoint(checkpoint.size, checkpoint.root.hex(), note, utc_now(), log_id)


def run(
    database_url: str,
    signer: Signer,
    period_s: float,
    stop: threading.Event,
    *,
    record: SignedRecord | None = None,
) -> None:
    """Integrate until ``stop``: at most one checkpoint a period, or as fast as it goes while there is a backlog.

    Lost connections and other passing faults of the database are logged and tried again; what is no passing fault
    (LogDamaged, LogBehindRecord, a missing privilege) is logged and raised.
    """
    engine = open_engine(database_url, pool_size=1)
    retry_s = period_s
    try:
        while not stop.is_set():
            began_s = time.monotonic()
            try:
                with engine.connect() as connection:
                    connection.detach()  # Closing it then ends the session, and with it the advisory lock.
                    _serve(connection, signer, period_s, stop, record)
            except (OperationalError, InterfaceError) as error:
                if time.monotonic() - began_s > LONGEST_RETRY_S:  # It worked for a while: a fault of its own.
                    retry_s = period_s
                events.warning("integrator_lost_database", error=str(error.orig), retry_s=retry_s)
                stop.wait(retry_s)
                retry_s = min(retry_s * 2, LONGEST_RETRY_S)
    except (DBAPIError, LogDamaged, LogBehindRecord) as error:
        events.error("integrator_stopped", error=str(error), kind=type(error).__name__)
        raise
    finally:
        engine.dispose()


def _serve(
    connection: Connection, signer: Signer, period_s: float, stop: threading.Event, record: SignedRecord | None
) -> None:
    if not _stand_by(connection, stop):
        return
    events.info("integrator_leads")
    while not stop.is_set():
        began_s = time.monotonic()
        batch = integrate(connection, signer, record=record)
        if batch is None or not batch.has_more:
            stop.wait(max(0.0, period_s - (time.monotonic() - began_s)))


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
