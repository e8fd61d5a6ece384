"""Which streams make up the custody log of a case, an incident or an item, and reading them in bounded portions.

Every portion is read in a short transaction of its own: the ledger is only ever added to, so a portion that is named by
stream and number stays what it is, and a slow reader of a long file holds no connection.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session, sessionmaker

from app.cases.service import NOWHERE
from app.exports.errors import StreamsKeepChanging
from app.exports.events import StreamSpan
from app.kernel.database import read_session
from app.ledger import reading
from app.ledger.proof import TlogProof
from app.ledger.reading import SignedCheckpoint, StoredLeaf
from app.verification.signing import envelopes_by_digest

Scope = Literal["case", "incident", "evidence", "selection", "system"]

PORTION_ENTRIES = 200
PORTION_LEAVES = 2000
LOCK_ATTEMPTS = 5


@dataclass(frozen=True)
class Subject:
    """What a custody log is of: a case, an incident, an item or the installation; also the id of its stream."""

    scope: Scope
    id: UUID
    case_id: UUID | None
    """None: the installation's own log, of accounts and tokens."""
    selected: tuple[UUID, ...] = ()
    """Of a selection: the items and incidents, all of the one case whose id this has as its own."""


class Place(NamedTuple):
    """A run of one stream's entries, from ``first`` to ``last``, both included."""

    stream: UUID
    first: int
    last: int


@dataclass(frozen=True)
class CustodyEntry:
    """One entry with its stream's kind; ``log_index`` and ``checkpoint_size`` are None until it is integrated.

    ``checkpoint_size``: the smallest signed tree that holds it. ``body`` is None once it was erased; then
    ``next`` (hex) is the label that it announced, so that the chain goes on.
    """

    id: int
    log_id: int
    stream: UUID
    stream_kind: str
    seq: int
    commitment: str
    label: str
    body: bytes | None
    next: str | None
    log_index: int | None
    checkpoint_size: int | None
    is_kept_back: bool = False
    """Of a blind round that is pending: ``body`` is None for this reader now, and is shown when both have submitted."""


_SUBJECT = text("SELECT case_id FROM ledger_streams WHERE id = :id AND kind = :scope AND case_id IS NOT NULL")

_CASE_STREAMS = text("SELECT id, kind FROM ledger_streams WHERE case_id = :id ORDER BY id")
_OWN_STREAM = text("SELECT id, kind FROM ledger_streams WHERE id = :id")
_LINKS = text("""
    SELECT b.body FROM ledger_entries e JOIN ledger_bodies b USING (commitment)
    WHERE e.stream_id = :id AND e.type = 'incident.evidence_linked'
        AND e.log_id <= coalesce(CAST(:up_to_log AS smallint), e.log_id)
""")
_STREAMS_AMONG = text("SELECT id, kind FROM ledger_streams WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id")
_LOCK_HEADS = text("""
    SELECT id, kind, head_seq, head_commitment FROM ledger_streams
    WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
""")

_PAGE = text("""
    SELECT e.id, e.log_id, e.stream_id, s.kind, e.seq, e.commitment, e.label, b.body, x.next, l.idx, c.size
    FROM (
        SELECT e.id FROM ledger_entries e
        WHERE e.stream_id = ANY(CAST(:streams AS uuid[])) AND e.id > :after
            AND (CAST(:actor AS uuid) IS NULL OR e.actor_id = :actor)
        ORDER BY e.id LIMIT :limit
    ) AS wanted
    JOIN ledger_entries e USING (id) JOIN ledger_streams s ON s.id = e.stream_id
    LEFT JOIN ledger_bodies b USING (commitment) LEFT JOIN ledger_erased_bodies x USING (commitment)
    LEFT JOIN ledger_leaves l USING (commitment)
    LEFT JOIN LATERAL (
        SELECT size FROM ledger_checkpoints WHERE log_id = l.log_id AND size > l.idx ORDER BY size LIMIT 1
    ) c ON true
    ORDER BY e.id
""")
_PORTION = text("""
    SELECT e.id, e.log_id, e.stream_id, s.kind, e.seq, e.commitment, e.label, b.body, x.next, l.idx,
        CAST(NULL AS bigint) AS size
    FROM unnest(CAST(:streams AS uuid[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
        WITH ORDINALITY AS p (stream, first, last, place)
    JOIN ledger_entries e ON e.stream_id = p.stream AND e.log_id = :log_id AND e.seq BETWEEN p.first AND p.last
    JOIN ledger_streams s ON s.id = e.stream_id
    LEFT JOIN ledger_bodies b USING (commitment) LEFT JOIN ledger_erased_bodies x USING (commitment)
    LEFT JOIN ledger_leaves l USING (commitment)
    ORDER BY p.place, e.seq
""")
_INDEXES = text("""
    SELECT e.stream_id, e.seq, l.idx
    FROM unnest(CAST(:streams AS uuid[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
        AS p (stream, first, last)
    JOIN ledger_entries e ON e.stream_id = p.stream AND e.log_id = :log_id AND e.seq BETWEEN p.first AND p.last
    JOIN ledger_leaves l USING (commitment)
    ORDER BY e.stream_id, e.seq
""")
_LEAVES = text("""
    SELECT idx, label, commitment FROM ledger_leaves
    WHERE log_id = :log_id AND idx >= :first AND idx < :end ORDER BY idx
""")
_SIGNED = """
    FROM unnest(CAST(:streams AS uuid[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
        AS p (stream, first, last)
    JOIN ledger_entries e ON e.stream_id = p.stream AND e.log_id = :log_id AND e.seq BETWEEN p.first AND p.last
    JOIN ledger_bodies b USING (commitment)
    WHERE e.type IN ('evidence.submitted', 'case.reviewer_key_requested')
        AND position(CAST('"dsse_sha256":"' AS bytea) IN b.body) > 0
"""
_SIGNED_ENTRIES = text(f"SELECT e.stream_id, e.seq, b.body {_SIGNED} ORDER BY e.stream_id, e.seq")
_ARE_SIGNED = text(f"SELECT EXISTS (SELECT 1 {_SIGNED})")
_CASE_OF_ENTRY = text("""
    SELECT s.case_id, e.actor_id FROM ledger_entries e JOIN ledger_streams s ON s.id = e.stream_id
    WHERE e.commitment = :commitment
""")


def find_subject(session: Session, scope: Scope, object_id: UUID) -> tuple[Subject, UUID]:
    """With the case that it is in; :data:`NOWHERE` when there is no such object, or it is of another kind."""
    case_id = session.execute(_SUBJECT, {"id": object_id, "scope": scope}).scalar_one_or_none() or NOWHERE
    return Subject(scope, object_id, case_id), case_id


def case_of_entry(session: Session, commitment: str) -> tuple[UUID | None, UUID]:
    """The case of an entry, None in the system's stream, and who acted in it; :data:`NOWHERE` where there is none."""
    row = session.execute(_CASE_OF_ENTRY, {"commitment": bytes.fromhex(commitment)}).one_or_none()
    return (NOWHERE, NOWHERE) if row is None else (row.case_id, row.actor_id)


def streams_of(session: Session, subject: Subject, *, up_to_log: int | None = None) -> dict[UUID, str]:
    """The streams of a custody log with their kinds, in order of id: the case's with every stream of the case; the
    incident's with those of every item that was ever linked to it (in the logs up to the named one); the item's own."""
    if subject.scope == "case":
        rows = session.execute(_CASE_STREAMS, {"id": subject.id})
    elif subject.scope == "incident":
        asked = {"id": subject.id, "up_to_log": up_to_log}
        linked = [json.loads(body)["data"]["evidence"] for body in session.scalars(_LINKS, asked)]
        rows = session.execute(_STREAMS_AMONG, {"ids": [str(subject.id), *linked]})
    elif subject.scope == "selection":
        rows = session.execute(_STREAMS_AMONG, {"ids": list(map(str, subject.selected))})
    else:
        rows = session.execute(_OWN_STREAM, {"id": subject.id})
    return {row.id: row.kind for row in rows}


def lock_streams(session: Session, subject: Subject) -> tuple[list[StreamSpan], StreamSpan]:
    """Lock the streams of a custody log and the case's, all at once in id order; the log's streams, and the case's
    (of the installation's log, its own).

    None of them moves until the transaction ends. A stream that joined in between is seen once the locks are held:
    then they are released and taken anew, because locks out of order could block each other.
    Raises StreamsKeepChanging.
    """
    closing = subject.case_id or subject.id
    for _ in range(LOCK_ATTEMPTS):
        included = streams_of(session, subject)
        with session.begin_nested() as attempt:
            rows = session.execute(_LOCK_HEADS, {"ids": sorted({*included, closing})}).all()
            if streams_of(session, subject).keys() == included.keys():
                spans = {row.id: _span(row) for row in rows}
                return [spans[stream] for stream in included], spans[closing]
            attempt.rollback()
    raise StreamsKeepChanging("Items are being added all the time. Nothing was exported; try again.")


def _span(row: Row[Any]) -> StreamSpan:
    return StreamSpan(row.id, row.kind, row.head_seq, (row.head_commitment or b"").hex())


def list_entries(
    session: Session, streams: Sequence[UUID], *, after: int, actor_id: UUID | None, limit: int
) -> list[CustodyEntry]:
    """Entries of these streams in the order in which they were appended; of one actor alone when one is named."""
    rows = session.execute(_PAGE, {"streams": list(streams), "after": after, "actor": actor_id, "limit": limit})
    return [_entry(row) for row in rows]


def portions(spans: Sequence[StreamSpan], size: int = PORTION_ENTRIES) -> Iterator[list[Place]]:
    """All entries of these streams, cut into portions of at most ``size`` entries."""
    portion: list[Place] = []
    room = size
    for span in spans:
        first = 1
        while first <= span.entries:
            last = min(span.entries, first + room - 1)
            portion.append(Place(span.stream, first, last))
            room -= last - first + 1
            first = last + 1
            if room == 0:
                yield portion
                portion, room = [], size
    if portion:
        yield portion


def each_entry(sessions: sessionmaker[Session], spans: Sequence[StreamSpan], log_id: int) -> Iterator[CustodyEntry]:
    """In the order of the streams given, by number, in constant memory: those of one log."""
    for portion in portions(spans):
        with read_session(sessions) as session:
            rows = session.execute(_PORTION, _places(portion, log_id)).all()
        yield from map(_entry, rows)


def each_proof(
    sessions: sessionmaker[Session], spans: Sequence[StreamSpan], checkpoint: SignedCheckpoint
) -> Iterator[tuple[UUID, int, TlogProof]]:
    """Stream, number and inclusion proof in one signed tree, in the order of ``each_entry``; of entries with leaves."""
    for portion in portions([span.with_leaves() for span in spans]):
        with read_session(sessions) as session:
            rows = session.execute(_INDEXES, _places(portion, checkpoint.log_id)).all()
            proofs = reading.proofs_at(session, checkpoint, [row.idx for row in rows])
        for row, proof in zip(rows, proofs, strict=True):
            yield row.stream_id, row.seq, proof


def each_leaf(sessions: sessionmaker[Session], checkpoint: SignedCheckpoint) -> Iterator[StoredLeaf]:
    """The leaves of one signed tree."""
    for first in range(0, checkpoint.size, PORTION_LEAVES):
        portion = {"log_id": checkpoint.log_id, "first": first, "end": min(first + PORTION_LEAVES, checkpoint.size)}
        with read_session(sessions) as session:
            rows = session.execute(_LEAVES, portion).all()
        for row in rows:
            yield StoredLeaf(row.idx, row.label.hex(), row.commitment.hex())


def each_disclosure(
    sessions: sessionmaker[Session], spans: Sequence[StreamSpan], log_id: int
) -> Iterator[tuple[UUID, int, bytes]]:
    """Stream, number and the line that opens one sealed field, in the order of ``each_entry``, fields by name."""
    for portion in portions(spans):
        with read_session(sessions) as session:
            rows = session.execute(_PORTION, _places(portion, log_id)).all()
            opened = reading.disclosures_of(session, [row.commitment.hex() for row in rows])
        for row in rows:
            for _, line in sorted(opened[row.commitment.hex()].items()):
                yield row.stream_id, row.seq, line


def each_opened_entry(
    sessions: sessionmaker[Session], spans: Sequence[StreamSpan], log_id: int
) -> Iterator[tuple[CustodyEntry, dict[str, bytes]]]:
    """As ``each_entry``, each with the lines that open its sealed fields, by name in order."""
    for portion in portions(spans):
        with read_session(sessions) as session:
            rows = session.execute(_PORTION, _places(portion, log_id)).all()
            opened = reading.disclosures_of(session, [row.commitment.hex() for row in rows])
        for row in rows:
            yield _entry(row), dict(sorted(opened[row.commitment.hex()].items()))


def are_signed(sessions: sessionmaker[Session], spans: Sequence[StreamSpan], log_id: int) -> bool:
    """Whether an entry of these streams names an envelope that a person signed."""
    whole = [Place(span.stream, 1, span.entries) for span in spans]
    with read_session(sessions) as session:
        return bool(session.execute(_ARE_SIGNED, _places(whole, log_id)).scalar_one())


def each_envelope(
    sessions: sessionmaker[Session], spans: Sequence[StreamSpan], log_id: int
) -> Iterator[tuple[UUID, int, bytes | None]]:
    """Stream, number and the DSSE envelope that an entry names, in the order of ``each_entry``; None: erased."""
    for portion in portions(spans):
        with read_session(sessions) as session:
            rows = session.execute(_SIGNED_ENTRIES, _places(portion, log_id)).all()
            named = [json.loads(row.body)["data"]["dsse_sha256"] for row in rows]
            kept = envelopes_by_digest(session, named)
        for row, digest in zip(rows, named, strict=True):
            yield row.stream_id, row.seq, kept.get(digest)


def withheld_line(entry: CustodyEntry) -> dict[str, Any]:
    """What a custody log shows of an entry whose body was erased: its place, and nothing of the act."""
    return {
        "withheld": "erased",
        "stream": str(entry.stream),
        "seq": entry.seq,
        "label": entry.label,
        "next": entry.next,
        "commitment": entry.commitment,
    }


def _places(portion: Sequence[Place], log_id: int) -> dict[str, Any]:
    return {
        "log_id": log_id,
        "streams": [place.stream for place in portion],
        "firsts": [place.first for place in portion],
        "lasts": [place.last for place in portion],
    }


def _entry(row: Row[Any]) -> CustodyEntry:
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
        checkpoint_size=row.size,
    )
