"""Entries by their places in a log's tree: pages of those that filters leave, and whole ranges in portions.

A place never changes and new ones come at the end, so a page by place is stable. What reads many is read in portions,
each in a short transaction: the ledger is only added to, but for bodies that are erased.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session, sessionmaker

from app.auditing.selection import Filters, Scope
from app.exports.custody_streams import CustodyEntry
from app.kernel.database import read_session
from app.ledger.event import leaf

PORTION_LEAVES = 2000

_OF = """
    FROM ledger_leaves l JOIN ledger_entries e USING (commitment) JOIN ledger_streams s ON s.id = e.stream_id
    LEFT JOIN ledger_bodies b USING (commitment)
"""
_COLUMNS = """
    SELECT e.id, e.log_id, e.stream_id, s.kind, s.case_id, e.seq, e.type, e.actor_id, e.object_id, e.commitment,
        e.label, b.body, x.next, l.idx
"""
_PLACED = "WHERE l.log_id = :log_id AND l.idx >= :first AND l.idx < :before"
_CONDITIONS = {
    "stream": "e.stream_id = :stream",
    "case_id": "s.case_id = :case_id",
    "actor": "e.actor_id = :actor",
    "own": "e.actor_id = :own",
    "object": "e.object_id = :object",
    "types": "e.type = ANY(CAST(:types AS text[]))",
    "recorded_from": "e.recorded_at >= :recorded_from",
    "recorded_before": "e.recorded_at < :recorded_before",
}
_ERASED_TELLS_NOTHING = "b.body IS NOT NULL"
_CHECKPOINT = """
    LEFT JOIN LATERAL (
        SELECT size FROM ledger_checkpoints WHERE log_id = l.log_id AND size > l.idx ORDER BY size LIMIT 1
    ) c ON true
"""
_PORTION = text(f"{_COLUMNS} {_OF} LEFT JOIN ledger_erased_bodies x USING (commitment) {_PLACED} ORDER BY l.idx")
_LEAVES = text("""
    SELECT label, commitment FROM ledger_leaves WHERE log_id = :log_id AND idx >= :first AND idx < :before ORDER BY idx
""")
_RECORDED_WITHIN = text("""
    SELECT min(l.idx), max(l.idx) FROM ledger_entries e JOIN ledger_leaves l USING (commitment)
    WHERE e.log_id = :log_id AND e.recorded_at >= coalesce(:recorded_from, CAST('-infinity' AS timestamptz))
        AND e.recorded_at < coalesce(:recorded_before, CAST('infinity' AS timestamptz))
""")
_RECORDED_BEFORE = text("""
    SELECT max(l.idx) FROM ledger_entries e JOIN ledger_leaves l USING (commitment)
    WHERE e.log_id = :log_id AND e.recorded_at < :recorded_from
""")


@dataclass(frozen=True)
class Places:
    """Leaves ``first`` up to ``before``, the last one excluded, of one log."""

    log_id: int
    first: int
    before: int

    def portions(self) -> Iterator["Places"]:
        for first in range(self.first, self.before, PORTION_LEAVES):
            yield Places(self.log_id, first, min(first + PORTION_LEAVES, self.before))


@dataclass(frozen=True)
class PlacedEntry:
    """One leaf's entry: its custody entry, its case, and what filters ask of it."""

    entry: CustodyEntry
    case_id: UUID | None
    type: str
    actor: UUID
    object: UUID

    @property
    def index(self) -> int:
        assert self.entry.log_index is not None
        return self.entry.log_index

    def is_in(self, scope: Scope) -> bool:
        if scope.kind == "stream":
            return self.entry.stream == scope.stream
        return scope.kind == "organisation" or self.case_id == scope.case_id

    def passes(self, filters: Filters) -> bool:
        types = filters.wanted_types
        return (
            filters.actor in (None, self.actor)
            and filters.object in (None, self.object)
            and (types is None or self.type in types)
        )


def list_page(session: Session, scope: Scope, filters: Filters, places: Places, *, limit: int) -> list[CustodyEntry]:
    """At most ``limit`` entries of these places that the scope and the filters leave, in their order."""
    asked = _asked(scope, filters)
    conditions = [_CONDITIONS[name] for name in asked]
    if filters.reads_bodies:
        conditions.append(_ERASED_TELLS_NOTHING)
    wanted = " AND ".join([_PLACED, *conditions])
    statement = text(
        f"{_COLUMNS}, c.size {_OF} LEFT JOIN ledger_erased_bodies x USING (commitment) {_CHECKPOINT} "
        f"{wanted} ORDER BY l.idx LIMIT :limit"
    )
    rows = session.execute(statement, {**asked, **_bounds(places), "limit": limit})
    return [_entry(row, row.size) for row in rows]


def cases_with(session: Session, scope: Scope, filters: Filters, places: Places) -> list[UUID]:
    """The cases that have an entry among these, in order of id."""
    asked = _asked(scope, filters)
    wanted = " AND ".join([_PLACED, "s.case_id IS NOT NULL", *(_CONDITIONS[name] for name in asked)])
    statement = text(f"SELECT DISTINCT s.case_id {_OF} {wanted} ORDER BY s.case_id")
    return list(session.scalars(statement, {**asked, **_bounds(places)}))


def each_placed(sessions: sessionmaker[Session], places: Places) -> Iterator[PlacedEntry]:
    """Every leaf of the range with its entry, in constant memory."""
    for portion in places.portions():
        with read_session(sessions) as session:
            rows = session.execute(_PORTION, _bounds(portion)).all()
        yield from map(placed, rows)


def each_leaf(sessions: sessionmaker[Session], places: Places) -> Iterator[bytes]:
    """The text of every leaf of the range, in constant memory."""
    for portion in places.portions():
        with read_session(sessions) as session:
            rows = session.execute(_LEAVES, _bounds(portion)).all()
        for row in rows:
            yield leaf(row.label.hex(), row.commitment.hex())


def placed(row: Row[Any]) -> PlacedEntry:
    return PlacedEntry(_entry(row, None), row.case_id, row.type, row.actor_id, row.object_id)


def recorded_within(session: Session, log_id: int, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """The smallest range of places that holds every entry of the log that was recorded then; empty, where the first
    one after it would stand, when there is none."""
    asked = {"log_id": log_id, "recorded_from": since, "recorded_before": until}
    first, last = session.execute(_RECORDED_WITHIN, asked).one()
    if first is not None:
        return first, last + 1
    earlier = None if since is None else session.scalar(_RECORDED_BEFORE, {"log_id": log_id, "recorded_from": since})
    at = 0 if earlier is None else earlier + 1
    return at, at


def next_label(entry: CustodyEntry) -> str:
    """The label that the entry announced."""
    if entry.body is None:
        assert entry.next is not None
        return entry.next
    return str(json.loads(entry.body)["next"])


def _asked(scope: Scope, filters: Filters) -> dict[str, Any]:
    given: dict[str, Any] = {
        "stream": scope.stream,
        "case_id": scope.case_id if scope.kind == "case" else None,
        "own": scope.own_acts_of,
        "actor": filters.actor,
        "object": filters.object,
        "types": filters.wanted_types,
        "recorded_from": filters.recorded_from,
        "recorded_before": filters.recorded_before,
    }
    return {name: value for name, value in given.items() if value is not None}


def _bounds(places: Places) -> dict[str, int]:
    return {"log_id": places.log_id, "first": places.first, "before": places.before}


def _entry(row: Row[Any], size: int | None) -> CustodyEntry:
    return CustodyEntry(
        id=row.id,
        log_id=row.log_id,
        stream=row.stream_id,
        stream_kind=row.kind,
        seq=row.seq,
        commitment=row.commitment.hex(),
        label=row.label.hex(),
        body=None if row.body is None else bytes(row.body),
        next=None if row.next is None else row.next.hex(),
        log_index=row.idx,
        checkpoint_size=size,
    )
