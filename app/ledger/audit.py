"""The log checked against itself from its first byte: bodies, chains, leaves, tree, signatures. Reads only.

In constant memory and one snapshot, so that it may run beside writers. It finds what was rewritten inside the database;
that the whole log was replaced or cut back, only a checkpoint kept elsewhere can show: compare ``AuditReport.size``
and ``root`` with one.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Row, text

from app.kernel.primitives import format_time
from app.ledger.checkpoint import NoteInvalid, VerifierKey, open_checkpoint
from app.ledger.event import Continued, Link, NotAnEntry, first_link, leaf, parse_body
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.reading import stream_rows

FAULTS_KEPT = 1000
PROGRESS_ROWS = 10_000
NODES_COMPARED = 2_000

FaultKind = Literal[
    "stream_head",
    "body_missing",
    "body_hash",
    "body_form",
    "body_place",
    "body_facts",
    "chain",
    "label_repeated",
    "disclosure",
    "not_integrated",
    "leaf",
    "leaf_order",
    "node",
    "checkpoint",
    "orphan",
]

Progress = Callable[[str, int], None]
"""Called now and then with what is being checked and how many were."""


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it was logged, and where: an entry (stream, seq), a leaf, or neither."""

    kind: FaultKind
    detail: str
    stream: UUID | None = None
    seq: int | None = None
    log_index: int | None = None

    def __str__(self) -> str:
        place = [] if self.stream is None else [f"stream {self.stream}"]
        place += [] if self.seq is None else [f"entry {self.seq}"]
        place += [] if self.log_index is None else [f"leaf {self.log_index}"]
        return f"{self.kind}: {', '.join([*place, self.detail])}"


@dataclass
class AuditReport:
    """What was checked, and the first faults found. ``size`` and ``root`` (hex) are the newest signed tree's."""

    streams: int = 0
    entries: int = 0
    queued: int = 0
    leaves: int = 0
    checkpoints: int = 0
    size: int = 0
    root: str = ""
    faults_count: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return self.faults_count == 0

    def add(self, fault: Fault) -> None:
        self.faults_count += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)


_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

_ENTRIES = text("""
    SELECT s.id AS stream, s.log_id AS head_log, s.head_seq, s.head_commitment, s.next_label, e.log_id, e.seq,
           e.commitment, e.label, e.type,
           e.recorded_at, e.occurred_at, e.object_kind, e.object_id, e.actor_id, e.actor_kind, e.actor_role,
           b.body, l.idx, l.label AS leaf_label, q.entry_id IS NOT NULL AS is_queued, d.fields, d.lines
    FROM ledger_streams s
    LEFT JOIN ledger_entries e ON e.stream_id = s.id
    LEFT JOIN ledger_bodies b ON b.commitment = e.commitment
    LEFT JOIN ledger_leaves l ON l.commitment = e.commitment
    LEFT JOIN ledger_queue q ON q.entry_id = e.id
    LEFT JOIN LATERAL (
        SELECT array_agg(field ORDER BY field) AS fields, array_agg(line ORDER BY field) AS lines
        FROM ledger_disclosures WHERE commitment = e.commitment
    ) d ON true
    ORDER BY s.id, e.log_id, e.seq
""")

_LEAVES = text("""
    SELECT l.idx, l.label, l.commitment, e.commitment IS NOT NULL AS has_entry
    FROM ledger_leaves l LEFT JOIN ledger_entries e ON e.commitment = l.commitment AND e.log_id = l.log_id
    WHERE l.log_id = :log_id ORDER BY l.idx
""")

_LOGS = text("SELECT id, origin FROM ledger_logs ORDER BY id")

_CHECKPOINTS = text("SELECT size, root, note FROM ledger_checkpoints WHERE log_id = :log_id ORDER BY size")

_SAME_NODES = text("""
    SELECT w.level, w.idx FROM unnest(CAST(:levels AS smallint[]), CAST(:indexes AS bigint[]),
                                      CAST(:hashes AS bytea[])) AS w (level, idx, hash)
    LEFT JOIN ledger_nodes n ON n.log_id = :log_id AND n.level = w.level AND n.idx = w.idx
    WHERE n.hash IS DISTINCT FROM w.hash
""")

_COUNT_NODES = text("SELECT count(*) FROM ledger_nodes WHERE log_id = :log_id")

_REPEATED_LABELS = text("""
    SELECT stream_id, seq, encode(label, 'hex') AS label FROM ledger_entries
    WHERE (log_id, label) IN (SELECT log_id, label FROM ledger_entries GROUP BY log_id, label HAVING count(*) > 1)
    ORDER BY stream_id, seq
""")

_ORPHANS = text("""
    SELECT 'entry' AS what, stream_id AS stream, seq FROM ledger_entries
        WHERE stream_id NOT IN (SELECT id FROM ledger_streams)
    UNION ALL SELECT 'body ' || encode(commitment, 'hex'), NULL, NULL FROM ledger_bodies b
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.commitment = b.commitment)
    UNION ALL SELECT 'disclosure of ' || encode(commitment, 'hex'), NULL, NULL FROM ledger_disclosures d
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.commitment = d.commitment)
    UNION ALL SELECT 'queue row ' || entry_id, NULL, NULL FROM ledger_queue q
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.id = q.entry_id)
""")


def verify_log(
    connection: Connection, vkey: VerifierKey | Sequence[VerifierKey], progress: Progress | None = None
) -> AuditReport:
    """Check everything. ``connection`` must not be in a transaction: the audit opens its own, of one snapshot.

    The keys of all logs of this database are needed, each under its log's origin. ``size`` and ``root`` of the report
    are the current log's, its counts those of all logs.
    """
    vkeys = [vkey] if isinstance(vkey, VerifierKey) else list(vkey)
    report = AuditReport()
    tell = progress or (lambda _what, _count: None)
    with connection.begin():
        connection.execute(_SNAPSHOT)
        origins: dict[int, str] = {row.id: row.origin for row in connection.execute(_LOGS)}
        _check_streams(connection, origins, report, tell)
        for row in connection.execute(_REPEATED_LABELS):
            report.add(Fault("label_repeated", f"label {row.label} is used twice", row.stream_id, row.seq))
        for row in connection.execute(_ORPHANS):
            report.add(Fault("orphan", f"{row.what} belongs to nothing", row.stream, row.seq))
        for log_id, origin in origins.items():
            trusted = [each for each in vkeys if each.name == origin]
            if not trusted:
                names = ", ".join(repr(each.name) for each in vkeys)
                report.add(Fault("checkpoint", f"the log's origin is {origin!r}, the key is that of {names}"))
            _check_tree(connection, log_id, trusted, report, tell)
    return report


@dataclass
class _Chain:
    """Where one stream's walk stands: the link that its next entry must fit, and the leaf index before."""

    row: Row[Any]
    link: Link
    origins: dict[int, str]
    log_id: int
    index: int = -1

    @property
    def is_in_current_log(self) -> bool:
        return self.log_id == max(self.origins)

    def enter_log(self, log_id: int) -> None:
        """The stream begins anew there; its first entry names where it ended."""
        continues = self.link.continues
        if self.link.seq > 1:
            continues = Continued(self.origins[self.log_id], self.link.seq - 1, self.link.prev)
        self.link = replace(first_link(self.row.stream), continues=continues)
        self.log_id, self.index = log_id, -1

    def fault(self, kind: FaultKind, detail: str, seq: int | None = None) -> Fault:
        return Fault(kind, detail, self.row.stream, seq)


def _check_streams(connection: Connection, origins: dict[int, str], report: AuditReport, tell: Progress) -> None:
    chain: _Chain | None = None
    for row in stream_rows(connection, _ENTRIES, {}):
        if chain is None or chain.row.stream != row.stream:
            _close_chain(chain, report)
            chain = _Chain(row, first_link(row.stream), origins, row.log_id or row.head_log)
            report.streams += 1
        if row.seq is None:
            continue
        if row.log_id != chain.log_id:
            chain.enter_log(row.log_id)
        for fault in _check_entry(chain, row):
            report.add(fault)
        report.entries += 1
        report.queued += row.is_queued
        if report.entries % PROGRESS_ROWS == 0:
            tell("entries", report.entries)
    _close_chain(chain, report)
    tell("entries", report.entries)


def _close_chain(chain: _Chain | None, report: AuditReport) -> None:
    if chain is None:
        return
    row = chain.row
    if row.head_log != chain.log_id:
        chain.enter_log(row.head_log)
    link = chain.link
    head = (row.head_seq, (row.head_commitment or b"").hex(), row.next_label.hex())
    if head != (link.seq - 1, link.prev, link.label):
        detail = f"head is entry {head[0]} ({head[1][:16]}…), the entries end at {link.seq - 1} ({link.prev[:16]}…)"
        report.add(chain.fault("stream_head", detail, link.seq - 1))


def _check_entry(chain: _Chain, row: Row[Any]) -> Iterator[Fault]:
    """The faults of one entry; moves the chain on, by the row where the body cannot be trusted."""
    commitment = row.commitment.hex()
    if row.seq != chain.link.seq:
        yield chain.fault("chain", f"entry {chain.link.seq} is missing", row.seq)
    yield from _check_leaf_of(chain, row)
    try:
        body = _read_body(row)
    except NotAnEntry as error:
        yield chain.fault(_body_fault(row), str(error), row.seq)
        chain.link = Link(row.seq + 1, commitment, chain.link.label)
        return
    place = {"log": chain.origins.get(row.log_id), "stream": str(row.stream), "seq": row.seq, "label": row.label.hex()}
    for name, expected in place.items():
        if body[name] != expected:
            yield chain.fault("body_place", f"body's {name} is {body[name]!r}, expected {expected!r}", row.seq)
    for name, expected in (("prev", chain.link.prev), ("label", chain.link.label)):
        if body[name] != expected:
            yield chain.fault("chain", f"{name} is {body[name]!r}, the entry before gives {expected!r}", row.seq)
    for name, expected in _facts(row).items():
        if _fact(body, name) != expected:
            yield chain.fault("body_facts", f"column {name} is {expected!r}, body {_fact(body, name)!r}", row.seq)
    due = None if chain.link.continues is None else dataclasses.asdict(chain.link.continues)
    continues = body["data"].get("continues") if isinstance(body["data"], dict) else None
    if continues != due:
        yield chain.fault("chain", f"continues is {continues!r}, the stream in the log before ends at {due!r}", row.seq)
    yield from _check_disclosures(chain, row, body)
    chain.link = Link(row.seq + 1, commitment, str(body["next"]))


def _read_body(row: Row[Any]) -> dict[str, Any]:
    if row.body is None:
        raise NotAnEntry("the body is gone")
    digest = hashlib.sha256(row.body).hexdigest()
    if digest != row.commitment.hex():
        raise NotAnEntry(f"the body's SHA-256 is {digest}, the commitment {row.commitment.hex()}")
    return parse_body(bytes(row.body))


def _body_fault(row: Row[Any]) -> FaultKind:
    if row.body is None:
        return "body_missing"
    return "body_form" if hashlib.sha256(row.body).digest() == row.commitment else "body_hash"


def _facts(row: Row[Any]) -> dict[str, object]:
    return {
        "type": row.type,
        "time": format_time(row.recorded_at),
        "occurred": format_time(row.occurred_at),
        "object.kind": row.object_kind,
        "object.id": str(row.object_id),
        "actor.id": str(row.actor_id),
        "actor.kind": row.actor_kind,
        "actor.role": row.actor_role,
    }


def _fact(body: dict[str, Any], name: str) -> object:
    member, _, inner = name.partition(".")
    value = body[member]
    if not inner:
        return value
    return value.get(inner) if isinstance(value, dict) else None


def _check_disclosures(chain: _Chain, row: Row[Any], body: dict[str, Any]) -> Iterator[Fault]:
    lines = dict(zip(row.fields or (), row.lines or (), strict=True))
    sealed = body["sealed"] if isinstance(body["sealed"], dict) else {}
    for name in sorted(sealed.keys() | lines.keys()):
        if name not in lines:
            yield chain.fault("disclosure", f"the line that opens {name!r} is gone", row.seq)
        elif hashlib.sha256(lines[name]).hexdigest() != sealed.get(name):
            yield chain.fault("disclosure", f"the line of {name!r} is not the one that was sealed", row.seq)


def _check_leaf_of(chain: _Chain, row: Row[Any]) -> Iterator[Fault]:
    if row.idx is None:
        if not row.is_queued and chain.is_in_current_log:  # What an ended log left is named by the log after it.
            yield chain.fault("not_integrated", "neither a leaf nor in the queue", row.seq)
        return
    if row.is_queued:
        yield chain.fault("not_integrated", f"leaf {row.idx}, and still in the queue", row.seq)
    if row.leaf_label != row.label:
        yield chain.fault("leaf", f"leaf {row.idx} bears label {row.leaf_label.hex()}, the entry another", row.seq)
    if row.idx <= chain.index:
        yield chain.fault("leaf_order", f"leaf {row.idx} stands before the leaf of an earlier entry", row.seq)
    chain.index = row.idx


def _check_tree(
    connection: Connection, log_id: int, vkeys: Sequence[VerifierKey], report: AuditReport, tell: Progress
) -> None:
    frontier = Frontier()
    report.size, report.root = 0, ""
    checkpoints = stream_rows(connection, _CHECKPOINTS, {"log_id": log_id})
    due = next(checkpoints, None)
    unchecked: list[tuple[int, int, bytes]] = []
    nodes_count = 0
    for row in stream_rows(connection, _LEAVES, {"log_id": log_id}):
        if row.idx != frontier.size:
            report.add(Fault("leaf", f"expected leaf {frontier.size}", log_index=row.idx))
        if not row.has_entry:
            report.add(Fault("orphan", f"no entry has the commitment {row.commitment.hex()}", log_index=row.idx))
        grown = frontier.append(leaf_hash(leaf(row.label.hex(), row.commitment.hex())))
        unchecked += (node for node in grown if node[0] > 0)
        if len(unchecked) >= NODES_COMPARED:
            nodes_count += _compare_nodes(connection, log_id, unchecked, report)
        while due is not None and due.size <= frontier.size:
            _check_checkpoint(due, frontier, vkeys, report)
            due = next(checkpoints, None)
        if frontier.size % PROGRESS_ROWS == 0:
            tell("leaves", frontier.size)
    nodes_count += _compare_nodes(connection, log_id, unchecked, report)
    report.leaves += frontier.size
    tell("leaves", frontier.size)
    while due is not None:
        report.add(Fault("checkpoint", f"{due.size} leaves were signed, the log holds {frontier.size}"))
        due = next(checkpoints, None)
    if report.size != frontier.size:
        report.add(Fault("checkpoint", f"{frontier.size} leaves, the newest good checkpoint covers {report.size}"))
    stored = connection.execute(_COUNT_NODES, {"log_id": log_id}).scalar_one()
    if stored != nodes_count:
        report.add(Fault("node", f"{stored} nodes are stored, the tree has {nodes_count}"))


def _compare_nodes(
    connection: Connection, log_id: int, nodes: list[tuple[int, int, bytes]], report: AuditReport
) -> int:
    """Compares, empties the list, returns how many there were."""
    count = len(nodes)
    parameters = {
        "log_id": log_id,
        "levels": [level for level, _, _ in nodes],
        "indexes": [index for _, index, _ in nodes],
        "hashes": [digest for _, _, digest in nodes],
    }
    for row in connection.execute(_SAME_NODES, parameters):
        detail = f"the node at level {row.level}, index {row.idx} is missing or not the hash of its leaves"
        report.add(Fault("node", detail, log_index=row.idx << row.level))
    nodes.clear()
    return count


def _check_checkpoint(row: Row[Any], frontier: Frontier, vkeys: Sequence[VerifierKey], report: AuditReport) -> None:
    report.checkpoints += 1
    root = frontier.root()
    try:
        signed = open_checkpoint(row.note, *vkeys)
    except NoteInvalid as error:
        report.add(Fault("checkpoint", f"of size {row.size}: {error}"))
        return
    if (signed.size, signed.root) != (row.size, row.root):
        report.add(Fault("checkpoint", f"of size {row.size}: the signed note says {signed.size}, {signed.root.hex()}"))
    elif (signed.size, signed.root) != (frontier.size, root):
        detail = f"of size {row.size}: signed root {signed.root.hex()}, the leaves give {root.hex()}"
        report.add(Fault("checkpoint", detail, log_index=row.size - 1))
    else:
        report.size, report.root = signed.size, signed.root.hex()
