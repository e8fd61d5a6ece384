"""The entries of one type in one stream: what they were about, and their sealed fields, opened where they can be."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.ledger.reading import Reader, disclosures_of

_OF_TYPE = text("""
    SELECT e.seq, e.commitment, b.body FROM ledger_entries e LEFT JOIN ledger_bodies b USING (commitment)
    WHERE e.stream_id = :stream AND e.type = :type ORDER BY e.id
""")
_OBJECTS = text("SELECT object_id FROM ledger_entries WHERE stream_id = :stream AND type = :type")


@dataclass(frozen=True)
class SealedEntry:
    """One entry; ``body`` is None once it was erased as a whole. ``opened``: field → value of what was not erased."""

    seq: int
    commitment: str
    body: dict[str, Any] | None
    opened: dict[str, Any]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset() if self.body is None else frozenset(self.body["sealed"])

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it was erased."""
        return self.body is not None and self.fields == self.opened.keys()


def sealed_entries(session: Reader, stream: UUID, entry_type: str) -> list[SealedEntry]:
    """Every entry of this type in the stream, the oldest first, in all logs (no permission check)."""
    rows = session.execute(_OF_TYPE, {"stream": stream, "type": entry_type}).all()
    lines = disclosures_of(session, [row.commitment.hex() for row in rows]) if rows else {}
    return [
        SealedEntry(
            row.seq,
            row.commitment.hex(),
            None if row.body is None else json.loads(row.body),
            {field: json.loads(line)["value"] for field, line in lines[row.commitment.hex()].items()},
        )
        for row in rows
    ]


def objects_of(session: Reader, stream: UUID, entry_type: str) -> set[UUID]:
    """The objects of every entry of this type in the stream."""
    return set(session.scalars(_OBJECTS, {"stream": stream, "type": entry_type}))
