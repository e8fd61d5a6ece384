"""Copies of what a reader should have from elsewhere: log key, witness policy, roots of time stamps, reviewers' keys.

Marked as no source of trust wherever the format has room for a word: whoever forges a package forges these too.
"""

import json
from collections.abc import Iterator
from typing import Any

from app.exports.dossier import Dossier
from app.kernel.primitives import canonical_json

PATH = "data/trust/"
MARK = "NOT A SOURCE OF TRUST: a copy for convenience. Get it from somewhere else than this package."


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    inputs = dossier.inputs
    yield f"{PATH}log.vkey", [f"{inputs.vkey}\n".encode()]
    yield f"{PATH}policy", [f"# {MARK}\n{inputs.policy}".encode()]
    reviewers = _reviewers(dossier)
    if reviewers:
        yield f"{PATH}reviewers.json", [canonical_json({"about": MARK, "reviewers": reviewers})]
    if inputs.tsa_roots is not None:
        yield f"{PATH}tsa-roots.pem", [f"{MARK}\n\n{inputs.tsa_roots}".encode()]


def _reviewers(dossier: Dossier) -> list[dict[str, Any]]:
    """By key id, the keys that signed verdicts of the package, and whose they are: a pseudonym."""
    found: dict[str, dict[str, Any]] = {}
    for entry in dossier.entries([span for span in dossier.spans if span.kind == "evidence"]):
        if entry.body is None or b'"dsse_sha256":"' not in entry.body:
            continue
        value = json.loads(entry.body)
        data = value["data"]
        if value["type"] == "evidence.submitted":
            kept = {name: data[name] for name in ("keyid", "alg", "public_key", "key_bound")}
            found[data["keyid"]] = {**kept, "reviewer": value["actor"]["id"]}
    return [found[keyid] for keyid in sorted(found)]
