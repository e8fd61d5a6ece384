"""The part of a custody log that stands in a log which has ended, because a restore lost signed entries of it.

A file covers one log. Of an ended one nothing can be added any more, this export's own entries neither: they are
written in the current log. Where each stream ended is said by its first entry in the next log (``data.continues``),
which also covers entries that never got a leaf.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.anchors.publication import with_cosignatures
from app.exports.custody_streams import Subject, streams_of
from app.exports.events import StreamSpan
from app.kernel.errors import NotFound
from app.ledger import log, reading
from app.ledger.checkpoint import VerifierKey
from app.ledger.reading import SignedCheckpoint

_NEXT_ORIGIN = text("SELECT origin FROM ledger_logs WHERE id = :log_id + 1")
_SPANS = text("""
    SELECT s.id, s.kind, h.seq, h.commitment, (
        SELECT count(*) FROM ledger_entries e JOIN ledger_leaves l USING (commitment)
        WHERE e.stream_id = s.id AND e.log_id = :log_id
    ) AS integrated
    FROM ledger_streams s CROSS JOIN LATERAL (
        SELECT e.seq, e.commitment FROM ledger_entries e
        WHERE e.stream_id = s.id AND e.log_id = :log_id ORDER BY e.seq DESC LIMIT 1
    ) h
    WHERE s.id = ANY(CAST(:ids AS uuid[])) ORDER BY s.id
""")


@dataclass(frozen=True)
class EndedPart:
    """What an ended log holds of one subject: nothing of it moves any more. ``continued_by``: the next log's origin."""

    spans: list[StreamSpan]
    checkpoint: SignedCheckpoint
    vkey: VerifierKey
    continued_by: str


def find_ended_part(session: Session, subject: Subject, log_id: int) -> EndedPart | None:
    """None for the current log. Raises NotFound when there is no such log, or it holds nothing (signed) of this."""
    current = log.installation(session)
    if log_id == current.log_id:
        return None
    if log_id > current.log_id:
        raise NotFound(f"There is no log {log_id}; the current one is {current.log_id}.")
    ids = list(streams_of(session, subject, up_to_log=log_id))
    spans = [_span(row) for row in session.execute(_SPANS, {"ids": ids, "log_id": log_id})]
    checkpoint = reading.latest_checkpoint(session, log_id=log_id)
    if checkpoint is None or subject.id not in {span.stream for span in spans}:
        raise NotFound(f"Log {log_id} holds nothing of this, or nothing of it was ever signed.")
    return EndedPart(
        spans,
        with_cosignatures(session, checkpoint),
        reading.key_of(session, checkpoint),
        session.execute(_NEXT_ORIGIN, {"log_id": log_id}).scalar_one(),
    )


def _span(row: Row[Any]) -> StreamSpan:
    stream: UUID = row.id
    return StreamSpan(stream, row.kind, row.seq, row.commitment.hex(), row.integrated)
