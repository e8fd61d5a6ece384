"""What reviewers signed with their own keys: DSSE envelopes, byte for byte. They hold the reviewers' words."""

import json
from collections.abc import Iterator

from app.exports.dossier import Dossier
from app.kernel.database import read_session
from app.verification.signing import envelopes_by_digest

PATH = "data/verdicts/"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    """``<verdict id>.dsse.json``, where rationales are opened; one that was erased is not there."""
    if not dossier.opens_field("rationale"):
        return
    for verdict_id, digest in sorted(_signed(dossier)):
        with read_session(dossier.sessions) as session:
            kept = envelopes_by_digest(session, [digest])
        if digest in kept:
            yield f"{PATH}{verdict_id}.dsse.json", [kept[digest]]


def _signed(dossier: Dossier) -> Iterator[tuple[str, str]]:
    """Verdict and digest of each entry that names an envelope."""
    for entry in dossier.entries([span for span in dossier.spans if span.kind == "evidence"]):
        if entry.body is not None and b'"dsse_sha256":"' in entry.body:
            value = json.loads(entry.body)
            if value["type"] == "evidence.submitted":
                yield value["data"]["verdict_id"], value["data"]["dsse_sha256"]
