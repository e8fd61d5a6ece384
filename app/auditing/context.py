"""What the chains of a range need from outside it: where each stream stood when the range begins.

Of each stream of the scope its last entry before the range, with its proof: that announces the label of the next one,
by which it is seen whether the range leaves an entry out. Of one without an entry in the range also its next one after
it: so it is seen that the former was the last. Of a case's own stream all entries before the range: they register the
case's items and incidents, so they say which streams there are. Each is bound to the next by ``prev``, so the last
one's proof serves them all.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.auditing.entry_log import EntryLog
from app.auditing.reading import placed
from app.exports.custody_streams import CustodyEntry
from app.kernel.database import read_session
from app.ledger import reading
from app.ledger.proof import TlogProof

PORTION = 200
Placed = tuple[CustodyEntry, TlogProof | None]

_ENTRIES = """
    SELECT e.id, e.log_id, e.stream_id, s.kind, s.case_id, e.seq, e.type, e.actor_id, e.object_id, e.commitment,
        e.label, b.body, x.next, l.idx
    FROM ledger_entries e JOIN ledger_leaves l USING (commitment) JOIN ledger_streams s ON s.id = e.stream_id
    LEFT JOIN ledger_bodies b USING (commitment) LEFT JOIN ledger_erased_bodies x USING (commitment)
"""
_WHOLE = text(f"""
    {_ENTRIES} WHERE e.stream_id = :stream AND e.log_id = :log_id AND e.seq > :after AND e.seq < :last
    ORDER BY e.seq LIMIT :limit
""")
_LAST_BEFORE = text(f"""
    SELECT edge.* FROM unnest(CAST(:streams AS uuid[])) AS wanted (stream) CROSS JOIN LATERAL (
        {_ENTRIES} WHERE e.stream_id = wanted.stream AND e.log_id = :log_id AND l.idx < :first
        ORDER BY e.seq DESC LIMIT 1
    ) AS edge
""")  # noqa: S608 - put together of constants
_NEXT_AFTER = text(f"""
    SELECT edge.* FROM unnest(CAST(:streams AS uuid[])) AS wanted (stream) CROSS JOIN LATERAL (
        {_ENTRIES} WHERE e.stream_id = wanted.stream AND e.log_id = :log_id AND l.idx >= :before AND l.idx < :size
        ORDER BY e.seq LIMIT 1
    ) AS edge
""")  # noqa: S608 - put together of constants
_STREAMS = text("SELECT id FROM ledger_streams WHERE case_id = :case_id AND id > :after ORDER BY id LIMIT :limit")


def each_context(sessions: sessionmaker[Session], entry_log: EntryLog) -> Iterator[Placed]:
    """Entries outside the range, by stream, those at its edges with their inclusion proofs."""
    scope = entry_log.scope
    if scope.kind == "organisation":
        return
    if scope.kind == "stream":
        assert scope.stream is not None
        yield from _edges(sessions, entry_log, [scope.stream])
        return
    assert scope.case_id is not None
    yield from _whole(sessions, entry_log, scope.case_id)
    after = UUID(int=0)
    while True:
        with read_session(sessions) as session:
            asked = {"case_id": scope.case_id, "after": after, "limit": PORTION}
            streams = list(session.scalars(_STREAMS, asked))
        yield from _edges(sessions, entry_log, [stream for stream in streams if stream != scope.case_id])
        if len(streams) < PORTION:
            return
        after = streams[-1]


def _whole(sessions: sessionmaker[Session], entry_log: EntryLog, stream: UUID) -> Iterator[Placed]:
    """The case's own stream up to the range, but for the last entry before it; and its edges."""
    edges = list(_edges(sessions, entry_log, [stream]))
    last = next((entry.seq for entry, _ in edges if (entry.log_index or 0) < entry_log.places.first), 0)
    asked: dict[str, Any] = {"stream": stream, "after": 0, "last": last, "limit": PORTION, **_bounds(entry_log)}
    while True:
        with read_session(sessions) as session:
            rows = session.execute(_WHOLE, asked).all()
        yield from ((placed(row).entry, None) for row in rows)
        if len(rows) < PORTION:
            break
        asked["after"] = rows[-1].seq
    yield from edges


def _edges(sessions: sessionmaker[Session], entry_log: EntryLog, streams: list[UUID]) -> Iterator[Placed]:
    """Of each stream the last entry before the range and, if the range has none of it, the next one after."""
    asked = {"streams": streams, **_bounds(entry_log)}
    with read_session(sessions) as session:
        before = {row.stream_id: row for row in session.execute(_LAST_BEFORE, asked)}
        rows = list(before.values())
        for row in session.execute(_NEXT_AFTER, asked):
            former = before.get(row.stream_id)
            if row.seq == (1 if former is None else former.seq + 1):
                rows.append(row)
        rows.sort(key=lambda row: (row.stream_id, row.seq))
        proofs = reading.proofs_at(session, entry_log.checkpoint, [row.idx for row in rows])
    yield from ((placed(row).entry, proof) for row, proof in zip(rows, proofs, strict=True))


def _bounds(entry_log: EntryLog) -> dict[str, int]:
    places = entry_log.places
    return {
        "log_id": places.log_id,
        "first": places.first,
        "before": places.before,
        "size": entry_log.checkpoint.size,
    }
