"""Taking values out of the log: disclosures and, exceptionally, bodies. The entries' places and commitments stay.

Nothing here commits, and nothing is permitted by it: the database refuses a commit that lacks the erasing entry.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

NEVER_ERASED = frozenset({"evidence.registered", "incident.registered", "incident.evidence_linked", "export.created"})
"""Entries without which nobody could tell that a custody log is complete. Nor are those that record an erasure."""


@dataclass(frozen=True)
class ErasableEntry:
    """One entry and what stands open in it. ``body`` is None once it was erased."""

    stream: UUID
    stream_kind: str
    case_id: UUID | None
    seq: int
    commitment: str
    type: str
    transaction: str
    body: dict[str, Any] | None

    @property
    def is_for_ever(self) -> bool:
        """Whether its body may not be erased whoever asks."""
        if self.body is not None and "continues" in self.body["data"]:
            return True  # It says where its stream ended in the log before, and alone proves entries without a leaf.
        return self.type in NEVER_ERASED or self.type.startswith("entry.") or self.type.endswith("erased")


@dataclass(frozen=True)
class OpenField:
    """A sealed field whose value can still be read: the disclosure is there."""

    entry: ErasableEntry
    field: str
    value: Any

    @property
    def facts(self) -> dict[str, Any]:
        return {} if self.entry.body is None else dict(self.entry.body["data"])

    @property
    def actor(self) -> str | None:
        """Who acted, as the entry names them."""
        return None if self.entry.body is None else str(self.entry.body["actor"]["id"])

    def mentions(self, words: str) -> bool:
        """Whether its value holds these words somewhere."""
        return any(words in each for each in _texts(self.value))


@dataclass(frozen=True)
class Stated:
    """The act of a statement, and the one in which the same is stated anew; None: it is not. 0: from before acts were
    numbered."""

    act: int
    until_act: int | None


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


_COLUMNS = "e.stream_id, s.kind, s.case_id, e.seq, e.commitment, e.type, CAST(e.xact AS text) AS xact, b.body"
_JOINED = "ledger_entries e JOIN ledger_streams s ON s.id = e.stream_id"
_ONE = text(
    f"SELECT {_COLUMNS} FROM {_JOINED} LEFT JOIN ledger_bodies b USING (commitment) "  # noqa: S608 - constants
    "WHERE e.commitment = :commitment"
)
_OPEN = (
    f"SELECT {_COLUMNS}, d.field, d.line FROM {_JOINED} "  # noqa: S608 - constants
    "JOIN ledger_disclosures d USING (commitment) JOIN ledger_bodies b USING (commitment) WHERE "
)
_OPEN_OF_ENTRY = text(_OPEN + "e.commitment = :commitment ORDER BY d.field")
# The same stream; and other streams of the case where the same transaction wrote, as an act on two objects does.
_OF_CASE = "e.stream_id IN (SELECT s.id FROM ledger_streams s WHERE s.case_id = :case)"
_OPEN_BESIDE = text(
    f"{_OPEN} e.stream_id = :stream OR (CAST(e.xact AS text) = :xact AND {_OF_CASE}) "
    "ORDER BY e.stream_id, e.id, d.field"
)
_OPEN_OF_TYPES = text(
    _OPEN + "e.stream_id = ANY(CAST(:streams AS uuid[])) AND e.type = ANY(CAST(:types AS text[])) "
    "ORDER BY e.stream_id, e.id, d.field"
)
# Of the first later entry that seals the field anew; no row: there is none. An act of None is older than all numbers.
_STATED = text("""
    SELECT given.act AS stated, later.id IS NOT NULL AS is_stated_later, later.act AS stated_later
    FROM ledger_entries given LEFT JOIN LATERAL (
        SELECT e.id, e.act FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment
        WHERE e.stream_id = given.stream_id AND e.id > given.id AND e.type = ANY(CAST(:types AS text[]))
            AND jsonb_exists(CAST(convert_from(b.body, 'UTF8') AS jsonb) -> 'sealed', :field)
        ORDER BY e.id LIMIT 1) later ON true
    WHERE given.commitment = :commitment
""")
_DELETE_DISCLOSURES = text("""
    DELETE FROM ledger_disclosures d
    USING unnest(CAST(:commitments AS bytea[]), CAST(:fields AS text[])) AS gone (commitment, field)
    WHERE d.commitment = gone.commitment AND d.field = gone.field
""")
_DELETE_BODY = text("DELETE FROM ledger_bodies WHERE commitment = :commitment")


def find_entry(session: Session, commitment: str) -> ErasableEntry | None:
    row = session.execute(_ONE, {"commitment": bytes.fromhex(commitment)}).one_or_none()
    return None if row is None else _entry(row)


def open_fields(session: Session, commitment: str) -> list[OpenField]:
    """What can be read of one entry's sealed fields."""
    return [_field(row) for row in session.execute(_OPEN_OF_ENTRY, {"commitment": bytes.fromhex(commitment)})]


def open_fields_beside(session: Session, entry: ErasableEntry) -> list[OpenField]:
    """What can be read in an entry's stream, and in those where the same act was recorded."""
    found = session.execute(_OPEN_BESIDE, {"stream": entry.stream, "case": entry.case_id, "xact": entry.transaction})
    return [_field(row) for row in found]


def open_fields_of_types(session: Session, streams: Collection[UUID], types: Collection[str]) -> list[OpenField]:
    rows = session.execute(_OPEN_OF_TYPES, {"streams": list(streams), "types": list(types)})
    return [_field(row) for row in rows]


def when_stated(session: Session, entry: ErasableEntry, types: Collection[str], field: str) -> Stated:
    """In which act this entry seals the field, and in which one a later entry of the stream, of one of these types,
    seals it anew."""
    given = {"commitment": bytes.fromhex(entry.commitment), "types": list(types), "field": field}
    row = session.execute(_STATED, given).one()
    return Stated(row.stated or 0, (row.stated_later or 0) if row.is_stated_later else None)


def delete_disclosures(session: Session, fields: Sequence[OpenField]) -> None:
    given = {
        "commitments": [bytes.fromhex(each.entry.commitment) for each in fields],
        "fields": [each.field for each in fields],
    }
    session.execute(_DELETE_DISCLOSURES, given)


def delete_body(session: Session, commitment: str) -> None:
    """Its label chain goes on: the database keeps ``next`` when a body goes."""
    session.execute(_DELETE_BODY, {"commitment": bytes.fromhex(commitment)})


def _entry(row: Row[Any]) -> ErasableEntry:
    return ErasableEntry(
        stream=row.stream_id,
        stream_kind=row.kind,
        case_id=row.case_id,
        seq=row.seq,
        commitment=row.commitment.hex(),
        type=row.type,
        transaction=row.xact,
        body=None if row.body is None else json.loads(row.body),
    )


def _field(row: Row[Any]) -> OpenField:
    return OpenField(_entry(row), row.field, json.loads(row.line)["value"])
