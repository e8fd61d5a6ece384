"""The log that proves itself: exhibit-entries/v1, JSON Lines. Described in docs/auditing.md.

One line a leaf of the range, in order, so that it is written and checked in one pass: header, checkpoint, the log's own
entry, the tree before the range, what chains need from outside it, the leaves, the tree after it, trailer.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from app.auditing.context import each_context
from app.auditing.entry_log import EntryLog
from app.auditing.reading import PlacedEntry, Places, each_leaf, each_placed, next_label
from app.exports.custody_streams import CustodyEntry
from app.kernel.database import read_session
from app.kernel.primitives import canonical_json, format_time
from app.ledger import merkle, reading
from app.ledger.event import leaf
from app.ledger.proof import TlogProof

NAME = "jsonl"
MEDIA_TYPE = "application/jsonl"
SUFFIX = ".entries.jsonl"

FORMAT = "exhibit-entries/v1"
ABOUT = (
    "Entries of a custody ledger, with the proof that none of this range is left out: check it with verify_entries.py "
    "and the log's public key from another source than this file. It proves custody since intake, not that what was "
    "stated is true."
)


def write(entry_log: EntryLog, sessions: sessionmaker[Session]) -> Iterator[bytes]:
    """The file's lines, each with its newline, in constant memory."""
    digest = hashlib.sha256()
    counts = dict.fromkeys(("entries", "leaves", "withheld"), 0)
    lines = 0
    for counted, line in _lines(entry_log, sessions):
        if counted is not None:
            counts[counted] += 1
        lines += 1
        digest.update(line + b"\n")
        yield line + b"\n"
    yield canonical_json({"kind": "trailer", "lines": lines, **counts, "sha256": digest.hexdigest()}) + b"\n"


def _lines(entry_log: EntryLog, sessions: sessionmaker[Session]) -> Iterator[tuple[str | None, bytes]]:
    """Each line without its newline, and as what the trailer counts it."""
    places, size = entry_log.places, entry_log.checkpoint.size
    yield None, canonical_json(_header(entry_log))
    yield None, canonical_json({"kind": "checkpoint", "note": entry_log.checkpoint.note})
    if entry_log.own is not None and entry_log.own_proof is not None:
        yield None, canonical_json({"kind": "own", "entry": json.loads(entry_log.own), **_place(entry_log.own_proof)})
    yield from _outside(entry_log, sessions, "tree_before", 0, places.first)
    for entry, proof in each_context(sessions, entry_log):
        yield None, canonical_json({"kind": "context", **_shown(entry), **({} if proof is None else _place(proof))})
    for one in each_placed(sessions, places):
        yield _line(entry_log, one)
    yield from _outside(entry_log, sessions, "tree_after", places.before, size)


def _outside(
    entry_log: EntryLog, sessions: sessionmaker[Session], kind: str, start: int, end: int
) -> Iterator[tuple[str | None, bytes]]:
    """What stands before or after the range: its leaves, or of a large log the hashes that stand for them."""
    if entry_log.has_leaves:
        for text in each_leaf(sessions, Places(entry_log.checkpoint.log_id, start, end)):
            yield "leaves", _leaf_line(text)
    else:
        yield None, canonical_json({"kind": kind, "hashes": _cover(sessions, entry_log, start, end)})


def _leaf_line(text: bytes) -> bytes:
    return b'{"kind":"leaf","leaf":"%s"}' % text


def _line(entry_log: EntryLog, one: PlacedEntry) -> tuple[str, bytes]:
    """One leaf: the entry's own bytes, its place in its stream, or the leaf alone where nobody asked for its stream."""
    entry = one.entry
    if not one.is_in(entry_log.scope):
        return "leaves", _leaf_line(leaf(entry.label, entry.commitment))
    if entry.body is None:
        return "withheld", canonical_json(_withheld(entry, "erased"))
    if not one.passes(entry_log.filters):
        return "withheld", canonical_json(_withheld(entry, "not_asked"))
    return "entries", entry.body


def _shown(entry: CustodyEntry) -> dict[str, Any]:
    return _withheld(entry, "erased") if entry.body is None else {"entry": json.loads(entry.body)}


def _withheld(entry: CustodyEntry, why: str) -> dict[str, Any]:
    return {
        "withheld": why,
        "stream": str(entry.stream),
        "seq": entry.seq,
        "label": entry.label,
        "next": next_label(entry),
        "commitment": entry.commitment,
    }


def _place(proof: TlogProof) -> dict[str, Any]:
    return {"index": proof.index, "hashes": [each.hex() for each in proof.hashes]}


def _header(entry_log: EntryLog) -> dict[str, Any]:
    return {
        "kind": "header",
        "format": FORMAT,
        "about": ABOUT,
        "log_id": str(entry_log.id),
        "time": format_time(entry_log.time),
        "log": entry_log.vkey.name,
        "tree_size": entry_log.checkpoint.size,
        "vkey_not_a_source_of_trust": entry_log.vkey.encode(),
        "scope": entry_log.scope.document(),
        "asked": entry_log.filters.document(),
        "first": entry_log.places.first,
        "before": entry_log.places.before,
        "outside": "leaves" if entry_log.has_leaves else "hashes",
        "own_entry": "shown" if entry_log.own is not None else "in_a_later_log",
    }


def _cover(sessions: sessionmaker[Session], entry_log: EntryLog, start: int, end: int) -> list[str]:
    """The hashes of the complete subtrees that make up these leaves, from left to right."""
    nodes = merkle.cover(start, end)
    log_id = entry_log.checkpoint.log_id
    with read_session(sessions) as session:
        leaves = reading.leaves_at(session, [index for level, index in nodes if level == 0], log_id=log_id)
        hashes = reading.node_hashes(session, set(nodes), leaves, log_id=log_id)
    return [hashes[node].hex() for node in nodes]
