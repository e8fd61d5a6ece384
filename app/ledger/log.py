"""Appending to the log: streams, entries, receipts. What reads it back is in ``app.ledger.reading``.

``append`` runs as the last step of a domain transaction and never commits. What a crash leaves: before the database's
commit nothing, after it the entry, its body and its place in the queue; the integrator goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from app.kernel.errors import AppError, Misconfigured, constraint_errors
from app.kernel.primitives import new_id, utc_now
from app.ledger.checkpoint import is_key_name
from app.ledger.event import Continued, Entry, Event, Link, StreamKind, first_link, seal_event

CLOSING_TYPE = "export.created"
CHUNK_ENTRIES = 1000


class NoStream(LookupError):
    """An event names a stream that was never created: a bug in the caller."""


class NoInstallation(RuntimeError):
    """The log has no identity yet: ``initialise`` runs at the first start."""


class LedgerHalted(AppError):
    """Whoever writes meets this until an operator has started a new log; so does whoever reads what needs an entry."""

    code = "ledger_halted"
    status = 503
    title = "The ledger is halted: nothing can be written"
    advice = (
        "Repeating does not help. Tell the operator: /readyz says what is wrong, and only they recover what is "
        "missing or start a new log. Nothing was changed; reading goes on."
    )

    def __init__(
        self,
        detail: str = "The database holds less than its ledger has signed, as after a restore from a backup. Nothing "
        "was changed. What needs no entry can be read; an operator recovers what is missing or starts a new log (see "
        "/readyz).",
    ) -> None:
        super().__init__(detail, headers={"Retry-After": "600"})


constraint_errors["exhibit_ledger_halted"] = LedgerHalted()


@dataclass(frozen=True)
class Receipt:
    """What a writer keeps of an entry: enough to find its leaf and to demand its proof. Hashes are hexadecimal."""

    stream: UUID
    seq: int
    commitment: str
    label: str
    type: str


@dataclass(frozen=True)
class Installation:
    """The current log's identity: the stream of the installation's own acts, and the origin in every body and
    checkpoint. ``log_id`` numbers the logs of this database, from 1."""

    system_stream: UUID
    origin: str
    log_id: int


READ_INSTALLATION = text("SELECT system_stream, origin, id AS log_id FROM ledger_logs ORDER BY id DESC LIMIT 1")

_ORIGIN_OF = text("SELECT origin FROM ledger_logs WHERE id = :log_id")
_IS_ORIGIN = text("SELECT EXISTS (SELECT FROM ledger_logs WHERE origin = :origin)")

_CREATE_INSTALLATION = text(
    "INSERT INTO ledger_logs (system_stream, origin, created_at) VALUES (:system_stream, :origin, :now)"
)

_CREATE_STREAM = text("""
    INSERT INTO ledger_streams (id, kind, case_id, next_label, log_id)
    VALUES (:id, :kind, :case_id, :label, (SELECT coalesce(max(id), 1) FROM ledger_logs))
""")


@dataclass(frozen=True)
class Ended:
    """How a log ended: the last tree that is known to have been signed, and how much of it the database holds."""

    origin: str
    signed_size: int
    signed_root: str
    held_size: int


_LOCK_EVERY_STREAM = text("LOCK TABLE ledger_streams IN EXCLUSIVE MODE")
_ENDED = text("SELECT signed_size, signed_root, held_size FROM ledger_halts WHERE log_id = :log_id")
# What it signed is signed; the same key in the new log is another one, because the log's name is a part of it.
_RETIRE_KEYS = text("""
    UPDATE ledger_keys k SET last_size = greatest(
        k.first_size - 1, (SELECT coalesce(max(c.size), 0) FROM ledger_checkpoints c WHERE c.log_id = k.log_id))
    WHERE k.log_id = :log_id AND k.last_size IS NULL
""")
_BEGIN_LOG = text("""
    INSERT INTO ledger_logs (id, system_stream, origin, created_at) VALUES (:id, :system_stream, :origin, :now)
""")
_BEGIN_STREAMS = text("""
    UPDATE ledger_streams SET log_id = :id, head_seq = 0, head_commitment = NULL,
        next_label = sha256(CAST('custody-stream/v1 ' || CAST(id AS text) AS bytea))
""")

_LOCK_CREATION = text("SELECT pg_advisory_xact_lock(:key)")
_CREATION_LOCK_KEY = 0x45584C31

# In id order, so that two writers of the same streams wait for each other and never deadlock. NO KEY: rows that merely
# refer to a stream may be written meanwhile. The log comes along in the same round trip.
_LOCK_STREAMS = text("""
    SELECT s.id, s.head_seq, s.head_commitment, s.next_label, l.id AS log_id, l.origin, l.system_stream,
        EXISTS (SELECT FROM ledger_halts h WHERE h.log_id = l.id) AS is_halted
    FROM ledger_streams s LEFT JOIN ledger_logs l ON l.id = (SELECT max(id) FROM ledger_logs)
    WHERE s.id = ANY(CAST(:ids AS uuid[])) ORDER BY s.id FOR NO KEY UPDATE OF s
""")

# Where streams that begin in the current log ended in an earlier one, if they were there.
_ENDS_BEFORE = text("""
    SELECT DISTINCT ON (e.stream_id) e.stream_id, l.origin, e.seq, e.commitment
    FROM ledger_entries e JOIN ledger_logs l ON l.id = e.log_id
    WHERE e.stream_id = ANY(CAST(:ids AS uuid[])) AND e.log_id < :log_id
    ORDER BY e.stream_id, e.log_id DESC, e.seq DESC
""")

# One statement, one round trip. ORDER BY place: ids rise in the order of the events, and the queue is in order of ids.
# For the driver as it stands, so that arrays go in binary: as text they cost half of the client's time. An array of
# nothing but NULL would have no type in binary, hence '' for no role.
_APPEND = """
    WITH fresh AS (
        SELECT * FROM unnest(
            CAST(%(stream_ids)b AS uuid[]), CAST(%(seqs)b AS bigint[]), CAST(%(commitments)b AS bytea[]),
            CAST(%(labels)b AS bytea[]), CAST(%(types)b AS text[]), CAST(%(occurred)b AS timestamptz[]),
            CAST(%(object_kinds)b AS text[]), CAST(%(object_ids)b AS uuid[]), CAST(%(actor_ids)b AS uuid[]),
            CAST(%(actor_kinds)b AS text[]), CAST(%(actor_roles)b AS text[]), CAST(%(bodies)b AS bytea[]),
            CAST(%(closings)b AS boolean[])
        ) WITH ORDINALITY AS f (stream_id, seq, commitment, label, type, occurred_at, object_kind, object_id,
                                actor_id, actor_kind, actor_role, body, closes_batch, place)
    ), entries AS (
        INSERT INTO ledger_entries (stream_id, log_id, seq, commitment, label, type, recorded_at, occurred_at,
                                    object_kind, object_id, actor_id, actor_kind, actor_role)
        SELECT stream_id, CAST(%(log_id)b AS smallint), seq, commitment, label, type,
               CAST(%(recorded)b AS timestamptz), occurred_at, object_kind, object_id, actor_id, actor_kind,
               NULLIF(actor_role, '')
        FROM fresh ORDER BY place
        RETURNING id, commitment
    ), bodies AS (
        INSERT INTO ledger_bodies (commitment, body) SELECT commitment, body FROM fresh
    ), disclosures AS (
        INSERT INTO ledger_disclosures (commitment, field, line)
        SELECT * FROM unnest(CAST(%(sealed_of)b AS bytea[]), CAST(%(fields)b AS text[]), CAST(%(lines)b AS bytea[]))
    ), queued AS (
        INSERT INTO ledger_queue (entry_id, closes_batch)
        SELECT entries.id, fresh.closes_batch FROM entries JOIN fresh USING (commitment)
    )
    UPDATE ledger_streams s SET head_seq = h.seq, head_commitment = h.commitment, next_label = h.next_label
    FROM unnest(CAST(%(head_ids)b AS uuid[]), CAST(%(head_seqs)b AS bigint[]), CAST(%(head_commitments)b AS bytea[]),
                CAST(%(head_labels)b AS bytea[])) AS h (id, seq, commitment, next_label)
    WHERE s.id = h.id
"""


def installation(session: Session | Connection) -> Installation:
    """The current log. Raises NoInstallation before the first start."""
    row = session.execute(READ_INSTALLATION).one_or_none()
    if row is None:
        raise NoInstallation("the log has no identity yet: initialise it first")
    return Installation(row.system_stream, row.origin, row.log_id)


def origin_of(session: Session | Connection, log_id: int) -> str:
    """Of any log of this installation."""
    return str(session.execute(_ORIGIN_OF, {"log_id": log_id}).scalar_one())


def initialise(session: Session, origin: str | None = None) -> Installation:
    """The log's identity, made if there is none. Idempotent; of two processes that start at once, one makes it.

    Raises Misconfigured when ``origin`` is no key name, or is not that of a log that exists.
    """
    session.execute(_LOCK_CREATION, {"key": _CREATION_LOCK_KEY})
    row = session.execute(READ_INSTALLATION).one_or_none()
    if row is not None:
        if origin is not None and not session.execute(_IS_ORIGIN, {"origin": origin}).scalar_one():
            raise Misconfigured(f"this log's origin is {row.origin!r} for ever; unset EXHIBIT_LOG_ORIGIN ({origin!r})")
        return Installation(row.system_stream, row.origin, row.log_id)
    system_stream = new_id()
    made = Installation(system_stream, f"exhibit.local/{system_stream}" if origin is None else origin, log_id=1)
    if not is_origin(made.origin):
        raise Misconfigured("EXHIBIT_LOG_ORIGIN is host/path without scheme, space or plus, as in log.example.org/2026")
    create_stream(session, system_stream, "system", None)
    session.execute(_CREATE_INSTALLATION, {"system_stream": system_stream, "origin": made.origin, "now": utc_now()})
    return made


def begin_next(session: Session, origin: str | None) -> tuple[Installation, Ended]:
    """A new log after the one that was halted, named ``origin`` or as the first one with a number; and how that ended.

    Every stream begins anew in it, and its first entry there will name where it ended (``append`` does that by itself).
    For the owner's role alone. Nobody writes until the transaction ends. Raises Misconfigured.
    """
    session.execute(_LOCK_EVERY_STREAM)
    current = installation(session)
    ended = session.execute(_ENDED, {"log_id": current.log_id}).one_or_none()
    if ended is None:
        raise Misconfigured(
            f"The log {current.origin} is not halted: nothing that it signed is known to be missing. To end it all the "
            "same, because its key is lost or others hold a head that it never had, repeat the command with --halt."
        )
    number = current.log_id + 1
    name = origin or f"{current.origin.removesuffix(f'/{current.log_id}')}/{number}"
    if not is_origin(name) or session.execute(_IS_ORIGIN, {"origin": name}).scalar_one():
        raise Misconfigured(f"{name!r} cannot be the new log's origin: host/path, no scheme, and no log's so far.")
    place = {"id": number, "system_stream": current.system_stream, "origin": name, "now": utc_now()}
    session.execute(_RETIRE_KEYS, {"log_id": current.log_id})
    session.execute(_BEGIN_LOG, place)
    session.execute(_BEGIN_STREAMS, {"id": number})
    of_old = Ended(current.origin, ended.signed_size, ended.signed_root.hex(), ended.held_size)
    return Installation(current.system_stream, name, number), of_old


def is_origin(name: str) -> bool:
    """Whether a log may be called that: a key's name, and by the C2SP specifications no scheme."""
    return is_key_name(name) and "://" not in name


def create_stream(session: Session, stream_id: UUID, kind: StreamKind, case_id: UUID | None) -> None:
    """The chain of a new object, whose id it bears. Its first entry may be appended in the same transaction."""
    label = bytes.fromhex(first_link(stream_id).label)
    session.execute(_CREATE_STREAM, {"id": stream_id, "kind": kind, "case_id": case_id, "label": label})


def append(
    session: Session, events: Sequence[Event], *, recorded: datetime, request_id: str | None = None
) -> list[Receipt]:
    """Write the entries of these acts, in their order within each stream, and move the streams' heads.

    Locks the streams until the transaction ends: call it last, then commit.
    Raises NoStream; LedgerHalted; ValueError when a body outgrows its limit or holds what an entry cannot hold.
    """
    if not events:
        return []
    links, current = _lock(session, sorted({event.stream for event in events}))
    closings = _closing_places(events)
    numbered = iter(enumerate(events))
    receipts: list[Receipt] = []
    while chunk := list(islice(numbered, CHUNK_ENTRIES)):
        sealed: list[tuple[Event, Entry, bool]] = []
        for place, event in chunk:
            entry = seal_event(event, links[event.stream], log=current.origin, recorded=recorded, request_id=request_id)
            links[event.stream] = entry.following
            sealed.append((event, entry, place in closings))
        heads = {event.stream: links[event.stream] for _, event in chunk}
        parameters = {"log_id": current.log_id, **_parameters(sealed, heads, recorded)}
        session.connection().exec_driver_sql(_APPEND, parameters)
        receipts += (Receipt(e.stream, e.seq, e.commitment, e.label, e.type) for _, e, _ in sealed)
    return receipts


def _lock(session: Session, streams: list[UUID]) -> tuple[dict[UUID, Link], Installation]:
    rows = session.execute(_LOCK_STREAMS, {"ids": streams}).all()
    if len(rows) != len(streams):
        missing = set(streams) - {row.id for row in rows}
        raise NoStream(f"no such stream: {', '.join(sorted(map(str, missing)))}")
    if rows[0].log_id is None:
        raise NoInstallation("the log has no identity yet: initialise it first")
    if rows[0].is_halted:
        raise LedgerHalted()
    current = Installation(rows[0].system_stream, rows[0].origin, rows[0].log_id)
    links = {row.id: Link(row.head_seq + 1, (row.head_commitment or b"").hex(), row.next_label.hex()) for row in rows}
    if current.log_id > 1:
        links |= _continuing(session, current, {stream: link for stream, link in links.items() if link.seq == 1})
    return links, current


def _continuing(session: Session, current: Installation, beginning: dict[UUID, Link]) -> dict[UUID, Link]:
    """The first links of those among these streams that an earlier log began."""
    if not beginning:
        return {}
    rows = session.execute(_ENDS_BEFORE, {"ids": list(beginning), "log_id": current.log_id})
    return {
        row.stream_id: replace(beginning[row.stream_id], continues=Continued(row.origin, row.seq, row.commitment.hex()))
        for row in rows
    }


def _closing_places(events: Sequence[Event]) -> set[int]:
    """Where each export's last ``export.created`` stands: right after it a checkpoint is signed.

    Its streams are locked until the commit, so that in that checkpoint these entries are their streams' last leaves.
    """
    last = {event.object.id: place for place, event in enumerate(events) if event.TYPE == CLOSING_TYPE}
    return set(last.values())


def _parameters(
    sealed: list[tuple[Event, Entry, bool]], heads: dict[UUID, Link], recorded: datetime
) -> dict[str, object]:
    events = [event for event, _, _ in sealed]
    entries = [entry for _, entry, _ in sealed]
    commitments = [bytes.fromhex(entry.commitment) for entry in entries]
    disclosed = [(c, d) for c, entry in zip(commitments, entries, strict=True) for d in entry.disclosures]
    return {
        "recorded": recorded,
        "stream_ids": [entry.stream for entry in entries],
        "seqs": [entry.seq for entry in entries],
        "commitments": commitments,
        "labels": [bytes.fromhex(entry.label) for entry in entries],
        "types": [entry.type for entry in entries],
        "occurred": [event.occurred or recorded for event in events],
        "object_kinds": [event.object.kind for event in events],
        "object_ids": [event.object.id for event in events],
        "actor_ids": [event.actor.id for event in events],
        "actor_kinds": [event.actor.kind for event in events],
        "actor_roles": [event.actor.role or "" for event in events],
        "bodies": [entry.body for entry in entries],
        "closings": [is_closing for _, _, is_closing in sealed],
        "sealed_of": [commitment for commitment, _ in disclosed],
        "fields": [disclosure.field for _, disclosure in disclosed],
        "lines": [disclosure.line for _, disclosure in disclosed],
        "head_ids": list(heads),
        "head_seqs": [link.seq - 1 for link in heads.values()],
        "head_commitments": [bytes.fromhex(link.prev) for link in heads.values()],
        "head_labels": [bytes.fromhex(link.label) for link in heads.values()],
    }
