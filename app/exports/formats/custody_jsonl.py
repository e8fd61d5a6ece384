"""The custody file that proves itself: exhibit-custody/v1, JSON Lines. Described in docs/custody.md.

Its order lets it be written and checked in one pass: header, checkpoint, entries, proofs, leaves, disclosures,
signed envelopes if there are any, trailer.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from app.exports.custody_service import CustodyExport
from app.exports.custody_streams import (
    are_signed,
    each_disclosure,
    each_entry,
    each_envelope,
    each_leaf,
    each_proof,
    withheld_line,
)
from app.kernel.primitives import canonical_json, format_time
from app.ledger.reading import StoredLeaf

NAME = "jsonl"
MEDIA_TYPE = "application/jsonl"
SUFFIX = ".custody.jsonl"

FORMAT = "exhibit-custody/v1"
ABOUT = (
    "A custody log that proves itself: check it with verify_custody.py and the log's public key from another source "
    "than this file. It proves custody since intake, not that what was stated is true."
)


def write(export: CustodyExport, sessions: sessionmaker[Session]) -> Iterator[bytes]:
    """The file's lines, each with its newline, in constant memory."""
    digest = hashlib.sha256()
    lines_count = 0
    has_envelopes = export.is_disclosed and are_signed(sessions, export.spans, export.checkpoint.log_id)
    sections = ("entries", "proofs", "leaves", "disclosures", *(("envelopes",) if has_envelopes else ()))
    counts = dict.fromkeys(sections, 0)
    for counted, line in _lines(export, sessions, has_envelopes=has_envelopes):
        if counted is not None:
            counts[counted] += 1
        lines_count += 1
        digest.update(line + b"\n")
        yield line + b"\n"
    trailer = {"kind": "trailer", "lines": lines_count, **counts, "sha256": digest.hexdigest()}
    yield canonical_json(trailer) + b"\n"


def _lines(
    export: CustodyExport, sessions: sessionmaker[Session], *, has_envelopes: bool
) -> Iterator[tuple[str | None, bytes]]:
    """Each line without its newline, and as what the trailer counts it."""
    log_id = export.checkpoint.log_id
    yield None, canonical_json(_header(export, has_envelopes=has_envelopes))
    yield None, canonical_json({"kind": "checkpoint", "note": export.checkpoint.note})
    for entry in each_entry(sessions, export.spans, log_id):
        yield "entries", canonical_json(withheld_line(entry)) if entry.body is None else entry.body
    for stream, seq, proof in each_proof(sessions, export.spans, export.checkpoint):
        hashes = [each.hex() for each in proof.hashes]
        shown = {"kind": "proof", "stream": str(stream), "seq": seq, "index": proof.index, "hashes": hashes}
        yield "proofs", canonical_json(shown)
    if export.has_leaves:
        for leaf in each_leaf(sessions, export.checkpoint):
            yield "leaves", _leaf_line(leaf)
    if export.is_disclosed:
        for stream, seq, line in each_disclosure(sessions, export.spans, log_id):
            opening = {"kind": "disclosure", "stream": str(stream), "seq": seq, "opens": json.loads(line)}
            yield "disclosures", canonical_json(opening)
    if has_envelopes:
        for stream, seq, content in each_envelope(sessions, export.spans, log_id):
            what = {"withheld": "erased"} if content is None else {"envelope": json.loads(content)}
            yield "envelopes", canonical_json({"kind": "envelope", "stream": str(stream), "seq": seq, **what})


def _header(export: CustodyExport, *, has_envelopes: bool) -> dict[str, Any]:
    return {
        **({"envelopes": "all"} if has_envelopes else {}),
        **({} if export.continued_by is None else {"continued_by": export.continued_by}),
        "kind": "header",
        "format": FORMAT,
        "about": ABOUT,
        "export_id": str(export.id),
        "time": format_time(export.time),
        "scope": export.subject.scope,
        "object": {"kind": export.subject.scope, "id": str(export.subject.id)},
        "log": export.vkey.name,
        "tree_size": export.checkpoint.size,
        "vkey_not_a_source_of_trust": export.vkey.encode(),
        "leaves": "all" if export.has_leaves else "none",
        "disclosures": "all" if export.is_disclosed else "none",
        "streams": [span.document() for span in export.spans],
    }


def _leaf_line(leaf: StoredLeaf) -> bytes:
    """Canonical JSON written directly: a leaf holds nothing that needs escaping, and there are very many."""
    return b'{"index":%d,"kind":"leaf","leaf":"%s"}' % (leaf.index, leaf.leaf)
