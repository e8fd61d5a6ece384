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
from app.ledger.halting import LogHalted, check_against, check_witnesses, halt, refuse_halted, size_of
from app.ledger.keys import LogKeys, SigningFailed
from app.ledger.log import Installation, NoInstallation
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.queue import cut_batch, drop_settled, leave_queue, read_queue, rows_of
from app.ledger.reading import NotInLog, SignedCheckpoint
from app.ledger.record import LogBehindRecord, SignedRecord, SignedTree

ADVISORY_LOCK = 0x45584C32
"""Held by the one integrator that works; its stand-bys try for it."""

BATCH_ENTRIES = 5000
STAND_BY_S = 1.0
LONGEST_RETRY_S = 15.0
events = structlog.get_logger("ledger.integrator")


class LogDamaged(Exception):
    """What the database holds is not what was signed. Nothing more is signed until an operator has looked."""


@dataclass(frozen=True)
class Batch:
    checkpoint: SignedCheckpoint
    has_more: bool
    """Whether the queue held more when the batch was cut."""


Subtrees = tuple[int, int, list[bytes]]
"""Level, index of the first, hashes: complete subtrees that stand side by side."""

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
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
        connection.execute(_LOCK, {"key": ADVISORY_LOCK})
        if record is not None:
            held.enter_context(record.held())
        return _write_batch(connection, signers, limit, record)


def _write_batch(
    connection: Connection, signers: Sequence[Signer], limit: int, record: SignedRecord | None
) -> Batch | None:
    check_witnesses(connection)
    queue = read_queue(connection, limit)
    if not queue:
        return None
    current = log.installation(connection)
    refuse_halted(connection, current)
    size = size_of(connection, current.log_id)
    unstored = check_against(connection, current, size, record)
    waiting = drop_settled(connection, queue, current.log_id)
    rows = cut_batch(waiting) if unstored is None else rows_of(connection, current.log_id, unstored)
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
    leave_queue(connection, [row.entry_id for row in rows])


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
        refuse_halted(connection, current)
        size = size_of(connection, current.log_id)
        check_against(connection, current, size, record)
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
