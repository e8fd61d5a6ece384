"""The queue of entries that have no leaf yet: what the integrator asks of it, in its transaction, under its lock."""

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, Row, text

from app.ledger.record import SignedTree

NAMED_AT_MOST = 20
"""Entries that one line of the operating log names."""

events = structlog.get_logger("ledger.integrator")

_QUEUED = """
    SELECT q.entry_id, q.closes_batch, e.log_id, e.label, e.commitment,
        EXISTS (SELECT FROM ledger_leaves l WHERE l.commitment = e.commitment) AS has_leaf
    FROM ledger_queue q JOIN ledger_entries e ON e.id = q.entry_id
"""
_QUEUE = text(_QUEUED + "ORDER BY q.entry_id LIMIT :limit")
_QUEUED_OF = text(_QUEUED + "WHERE q.entry_id = ANY(CAST(:ids AS bigint[])) AND e.log_id = :log_id ORDER BY q.entry_id")
_LEAVE_QUEUE = "DELETE FROM ledger_queue WHERE entry_id = ANY(CAST(%(ids)b AS bigint[]))"


def read_queue(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """The oldest entries of the queue, of whatever log, in the order in which they get their leaves."""
    return connection.execute(_QUEUE, {"limit": limit}).all()


def leave_queue(connection: Connection, entry_ids: list[int]) -> None:
    """The database lets only those go that have their leaf, or whose log has ended."""
    connection.exec_driver_sql(_LEAVE_QUEUE, {"ids": entry_ids})


def rows_of(connection: Connection, log_id: int, tree: SignedTree) -> Sequence[Row[Any]]:
    """Those of a signed tree's new entries that are in the queue still."""
    ids = {"ids": list(tree.entry_ids), "log_id": log_id}
    return [row for row in connection.execute(_QUEUED_OF, ids) if not row.has_leaf]


def drop_settled(connection: Connection, queue: Sequence[Row[Any]], log_id: int) -> Sequence[Row[Any]]:
    """The rows without those that get no leaf, which must not stop the log: entries that have theirs and were queued
    again, and entries that an ended log never integrated (their streams' first entries in this log name them)."""
    repeated = [row.entry_id for row in queue if row.has_leaf]
    ended = [row.entry_id for row in queue if row.log_id != log_id and not row.has_leaf]
    for what, ids in (("integrator_dropped_repeated", repeated), ("integrator_dropped_ended", ended)):
        if ids:
            events.warning(what, entry_ids=ids[:NAMED_AT_MOST], entries=len(ids))
            leave_queue(connection, ids)
    return [row for row in queue if row.log_id == log_id and not row.has_leaf]


def cut_batch(queue: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """The rows up to the first that must be the last leaf of a checkpoint."""
    for place, row in enumerate(queue):
        if row.closes_batch:
            return queue[: place + 1]
    return queue
