"""Every stream of the log, entry by entry: its body, its place in the chain, what lists show of it, its leaf."""

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from app.ledger.audit_reading import STREAMS, Belongings, EntryRow, Row, each_batch, each_row
from app.ledger.audit_report import AuditReport, Fault, FaultKind, Progress
from app.ledger.event import Continued, Link, NotAnEntry, first_link, parse_body

FIELD_ERASURES = frozenset({"evidence.erased", "incident.erased", "case.erased", "system.account_erased"})


@dataclass
class _Chain:
    """Where one stream's walk stands: the link that its next entry must fit, and the leaf index before."""

    stream: str
    link: Link
    origins: dict[int, str]
    log_id: int
    index: int = -1
    gone_bodies: dict[str, int] = field(default_factory=dict)
    """Commitment → seq of the bodies that count as erased, and of which no later entry has said so yet."""
    gone_lines: dict[tuple[str, str], int] = field(default_factory=dict)
    """The same for the lines that open a field, by commitment and field."""

    @property
    def is_in_current_log(self) -> bool:
        return self.log_id == max(self.origins)

    def enter_log(self, log_id: int) -> None:
        """The stream begins anew there; its first entry names where it ended."""
        continues = self.link.continues
        if self.link.seq > 1:
            continues = Continued(self.origins.get(self.log_id, ""), self.link.seq - 1, self.link.prev)
        self.link = replace(first_link(UUID(self.stream)), continues=continues)
        self.log_id, self.index = log_id, -1

    def fault(self, kind: FaultKind, detail: str, seq: int | None = None) -> Fault:
        return Fault(kind, detail, UUID(self.stream), seq)


def check_streams(
    connection: Connection, origins: dict[int, str], report: AuditReport, tell: Progress
) -> dict[str, int]:
    """Adds the faults found; gives how many rows of each table belong to an entry."""
    found = dict.fromkeys(("bodies", "leaves", "disclosures", "queue"), 0)
    heads = each_row(connection, STREAMS)
    head = next(heads, None)
    chain: _Chain | None = None
    for batch, belongings in each_batch(connection):
        for table, count in belongings.counts.items():
            found[table] += count
        for row in batch:
            if chain is None or chain.stream != row.stream:
                if chain is not None:
                    head = _close(chain, head, heads, report)
                head = _skip_empty(head, heads, row.stream, origins, report)
                chain = _Chain(row.stream, first_link(UUID(row.stream)), origins, row.log_id)
            elif row.log_id != chain.log_id:
                chain.enter_log(row.log_id)
            for fault in _check_entry(chain, row, belongings):
                report.add(fault)
        report.entries += len(batch)
        tell("entries", report.entries)
    if chain is not None:
        head = _close(chain, head, heads, report)
    _skip_empty(head, heads, None, origins, report)
    report.queued = found["queue"]
    return found


def _skip_empty(
    head: Row | None, heads: Iterator[Row], until: str | None, origins: dict[int, str], report: AuditReport
) -> Row | None:
    """The streams that sort before ``until`` and have no entry; the first row that does not."""
    while head is not None and (until is None or head[0] < until):
        chain = _Chain(head[0], first_link(UUID(head[0])), origins, head[1])
        head = _close(chain, head, heads, report)
    return head


def _close(chain: _Chain, head: Row | None, heads: Iterator[Row], report: AuditReport) -> Row | None:
    """Compare the stream's row with where its entries end; the next stream's row."""
    if head is None or head[0] != chain.stream:
        report.add(chain.fault("orphan", "entries of a stream that there is not", chain.link.seq - 1))
        return head
    for seq in chain.gone_bodies.values():
        report.add(chain.fault("body_missing", "the body is gone, and no later entry erased it", seq))
    for (_, name), seq in chain.gone_lines.items():
        report.add(chain.fault("disclosure", f"the line that opens {name!r} is gone, and no entry erased it", seq))
    _, log_id, head_seq, head_commitment, next_label = head
    report.streams += 1
    if log_id != chain.log_id:
        chain.enter_log(log_id)
    link = chain.link
    stated = (head_seq, (head_commitment or b"").hex(), next_label.hex())
    if stated != (link.seq - 1, link.prev, link.label):
        detail = f"head is entry {stated[0]} ({stated[1][:16]}…), the entries end at {link.seq - 1} ({link.prev[:16]}…)"
        report.add(chain.fault("stream_head", detail, link.seq - 1))
    return next(heads, None)


def _check_entry(chain: _Chain, row: EntryRow, belongings: Belongings) -> Iterator[Fault]:
    """The faults of one entry; moves the chain on, by the row where the body cannot be trusted."""
    commitment = row.commitment.hex()
    if row.seq != chain.link.seq:
        yield chain.fault("chain", f"entry {chain.link.seq} is missing", row.seq)
    yield from _check_leaf(chain, row, belongings)
    raw = belongings.bodies.get(row.commitment)
    if row.commitment in belongings.erased:
        yield from _check_erased(chain, row, belongings)
        return
    try:
        body = _read_body(commitment, raw)
    except NotAnEntry as error:
        yield chain.fault(_body_fault(commitment, raw), str(error), row.seq)
        chain.link = Link(row.seq + 1, commitment, chain.link.label)
        return
    stated, expected = _stated(body), _expected(chain, row)
    if stated != expected:
        for (kind, name), says, should in zip(_COMPARED, stated, expected, strict=True):
            if says != should:
                yield chain.fault(kind, f"{name} is {says!r} in the body, expected {should!r}", row.seq)
    yield from _check_continues(chain, row, body)
    lines = belongings.disclosures.get(row.commitment)
    if lines or body["sealed"]:
        yield from _check_disclosures(chain, row, body["sealed"], lines or {})
    if row.type.endswith("erased"):
        _note_erasure(chain, body)
    chain.link = Link(row.seq + 1, commitment, str(body["next"]))


def _check_erased(chain: _Chain, row: EntryRow, belongings: Belongings) -> Iterator[Fault]:
    """An entry whose body was erased: its label is the one that was due, and the one it announced leads on."""
    commitment, label = row.commitment.hex(), row.label.hex()
    if row.commitment in belongings.bodies:
        yield chain.fault("body_form", "the body is there, though it counts as erased", row.seq)
    if label != chain.link.label:
        yield chain.fault("chain", f"label is {label!r}, the entry before gives {chain.link.label!r}", row.seq)
    if row.commitment in belongings.disclosures:
        yield chain.fault("disclosure", "a field of the erased body can still be opened", row.seq)
    chain.gone_bodies[commitment] = row.seq
    chain.link = Link(row.seq + 1, commitment, belongings.erased[row.commitment].hex())


def _note_erasure(chain: _Chain, body: dict[str, Any]) -> None:
    """What this entry says that it erased is not missed."""
    data = body["data"] if isinstance(body["data"], dict) else {}
    if body["type"] == "entry.erased":
        chain.gone_bodies.pop(str(data.get("commitment")), None)
    elif body["type"] in FIELD_ERASURES:
        chain.gone_lines.pop((str(data.get("commitment")), str(data.get("field"))), None)


def _read_body(commitment: str, raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        raise NotAnEntry("the body is gone")
    digest = hashlib.sha256(raw).hexdigest()
    if digest != commitment:
        raise NotAnEntry(f"the body's SHA-256 is {digest}, the commitment {commitment}")
    return parse_body(raw)


def _body_fault(commitment: str, raw: bytes | None) -> FaultKind:
    if raw is None:
        return "body_missing"
    return "body_form" if hashlib.sha256(raw).hexdigest() == commitment else "body_hash"


_COMPARED: tuple[tuple[FaultKind, str], ...] = (
    ("body_place", "log"),
    ("body_place", "stream"),
    ("body_place", "seq"),
    ("body_place", "label"),
    ("chain", "prev"),
    ("chain", "label"),
    ("body_facts", "type"),
    ("body_facts", "time"),
    ("body_facts", "occurred"),
    ("body_facts", "object.kind"),
    ("body_facts", "object.id"),
    ("body_facts", "actor.id"),
    ("body_facts", "actor.kind"),
    ("body_facts", "actor.role"),
)


def _stated(body: dict[str, Any]) -> tuple[object, ...]:
    """What the body says of what ``_COMPARED`` names."""
    actor, acted_on = body["actor"], body["object"]
    if not isinstance(actor, dict) or not isinstance(acted_on, dict):
        actor, acted_on = {}, {}
    label = body["label"]
    return (
        *(body["log"], body["stream"], body["seq"], label, body["prev"], label),
        *(body["type"], body["time"], body["occurred"], acted_on.get("kind"), acted_on.get("id")),
        *(actor.get("id"), actor.get("kind"), actor.get("role")),
    )


def _expected(chain: _Chain, row: EntryRow) -> tuple[object, ...]:
    """What the columns say of it, and the entry before."""
    return (
        *(chain.origins.get(row.log_id), row.stream, row.seq, row.label.hex(), chain.link.prev, chain.link.label),
        *(row.type, _to_milliseconds(row.recorded), _to_milliseconds(row.occurred), row.object_kind, row.object_id),
        *(row.actor_id, row.actor_kind, row.actor_role),
    )


def _to_milliseconds(moment: str) -> str:
    """A body's spelling of a column's time; one with more than milliseconds has none, and stays as it is."""
    return f"{moment[:-4]}Z" if moment.endswith("000Z") else moment


def _check_continues(chain: _Chain, row: EntryRow, body: dict[str, Any]) -> Iterator[Fault]:
    due = None if chain.link.continues is None else dataclasses.asdict(chain.link.continues)
    continues = body["data"].get("continues") if isinstance(body["data"], dict) else None
    if continues != due:
        yield chain.fault("chain", f"continues is {continues!r}, the stream in the log before ends at {due!r}", row.seq)


def _check_disclosures(chain: _Chain, row: EntryRow, sealed: object, lines: dict[str, bytes]) -> Iterator[Fault]:
    """A line that is gone is a fault unless a later entry of the stream erased it."""
    digests = sealed if isinstance(sealed, dict) else {}
    for name in sorted(digests.keys() | lines.keys()):
        if name not in lines:
            chain.gone_lines[row.commitment.hex(), name] = row.seq
        elif hashlib.sha256(lines[name]).hexdigest() != digests.get(name):
            yield chain.fault("disclosure", f"the line of {name!r} is not the one that was sealed", row.seq)


def _check_leaf(chain: _Chain, row: EntryRow, belongings: Belongings) -> Iterator[Fault]:
    leaf = belongings.leaves.get(row.commitment)
    is_queued = row.id in belongings.queued
    if leaf is None:
        if not is_queued and chain.is_in_current_log:  # What an ended log left is named by the log after it.
            yield chain.fault("not_integrated", "neither a leaf nor in the queue", row.seq)
        return
    if is_queued:
        yield chain.fault("not_integrated", f"leaf {leaf.idx}, and still in the queue", row.seq)
    if leaf.log_id != row.log_id:
        yield chain.fault("leaf", f"leaf {leaf.idx} is one of log {leaf.log_id}, the entry of {row.log_id}", row.seq)
    if leaf.label != row.label:
        yield chain.fault("leaf", f"leaf {leaf.idx} bears label {leaf.label.hex()}, the entry another", row.seq)
    if leaf.idx <= chain.index:
        yield chain.fault("leaf_order", f"leaf {leaf.idx} stands before the leaf of an earlier entry", row.seq)
    chain.index = leaf.idx
