"""What a reviewer signs: in-toto statements (v1) in canonical JSON, made anew by the server and compared. Pure.

A statement is accepted only when its bytes are those that the server makes of what it is about to record. So every
field is checked, none can be added, and no other spelling is kept. Predicates and their fields: docs/custody.md.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.kernel.primitives import Sha256Hex, canonical_json, format_time
from app.verification.dsse import ALGORITHM, STATEMENT_TYPE
from app.verification.errors import StatementDiffers, StatementTimeImplausible

KEY_PREDICATE = "urn:exhibit:reviewer-key:v1"
VERDICT_PREDICATE = "urn:exhibit:verdict:v1"

CLOCK_SKEW = timedelta(minutes=5)
"""How far the signer's clock may be ahead of the server's."""
SIGNED_WITHIN = timedelta(days=7)
"""How old a statement may be: time enough to sign on a machine without a network."""


@dataclass(frozen=True)
class KeyStatement:
    """Says whose key it is, in which case: signed with the key itself, it shows that the person holds it."""

    case_id: UUID
    reviewer: UUID
    """The pseudonym of the person in the case."""
    keyid: str
    public_key: str

    def payload(self) -> bytes:
        predicate = {
            "case": str(self.case_id),
            "reviewer": str(self.reviewer),
            "keyid": self.keyid,
            "alg": ALGORITHM,
            "public_key": self.public_key,
        }
        return _statement("reviewer-key", self.keyid, KEY_PREDICATE, predicate)


@dataclass(frozen=True)
class VerdictStatement:
    """One version of a verdict, in all that it says and rests on."""

    case_id: UUID
    evidence_id: UUID
    evidence_sha256: Sha256Hex
    """Of the original's bytes."""
    outcome: str
    rationale: str
    incident_id: UUID | None
    round: int
    version: int
    supersedes: UUID | None
    findings_sha256: Sha256Hex
    reviewer: UUID
    key_bound: str
    """The commitment of the entry that bound the key."""
    time: datetime
    self_reviewed: bool = False
    """Stands in it only where it is so: other statements stay as they were."""

    def payload(self) -> bytes:
        predicate: dict[str, Any] = {
            "case": str(self.case_id),
            "evidence": str(self.evidence_id),
            "incident": None if self.incident_id is None else str(self.incident_id),
            "outcome": str(self.outcome),
            "rationale": self.rationale,
            "round": self.round,
            "version": self.version,
            "supersedes": None if self.supersedes is None else str(self.supersedes),
            "findings_sha256": self.findings_sha256,
            "reviewer": str(self.reviewer),
            "key_bound": self.key_bound,
            "time": format_time(self.time),
            **({"self_reviewed": True} if self.self_reviewed else {}),
        }
        return _statement(str(self.evidence_id), self.evidence_sha256, VERDICT_PREDICATE, predicate)


def findings_digest(commitments: Iterable[str]) -> Sha256Hex:
    """SHA-256 of the findings' entries: their commitments, sorted, one a line. As ``sort | sha256sum`` gives it."""
    lines = "".join(f"{commitment}\n" for commitment in sorted(commitments))
    return Sha256Hex(hashlib.sha256(lines.encode("ascii")).hexdigest())


def stated_time(payload: bytes) -> datetime:
    """The time that a signed verdict states. Raises StatementDiffers when there is none in the one spelling."""
    try:
        text = json.loads(payload)["predicate"]["time"]
        moment = datetime.fromisoformat(text)
        if format_time(moment) == text:
            return moment
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        pass
    raise StatementDiffers(
        "The payload is no statement with a time such as 2026-01-31T23:59:59.250Z.",
        extra={"differing_fields": ["predicate.time"]},
    )


def require_timely(signed: datetime, *, bound: datetime, now: datetime) -> None:
    """Raises StatementTimeImplausible: in the future, older than a week, or before the key was bound."""
    if signed > now + CLOCK_SKEW:
        raise StatementTimeImplausible("The statement is of a time to come. Is the clock right?")
    if signed < now - SIGNED_WITHIN or signed < bound - CLOCK_SKEW:
        raise StatementTimeImplausible(
            "The statement is older than a week, or than the key's binding. Prepare and sign it anew."
        )


def require_same(payload: bytes, expected: bytes) -> None:
    """Raises StatementDiffers, naming the fields, unless the bytes are equal."""
    if payload == expected:
        return
    try:
        differing = sorted(_differing(json.loads(payload), json.loads(expected), ""))
    except (ValueError, RecursionError):
        differing = []
    named = ", ".join(differing[:10]) or "its spelling, which must be the canonical one (RFC 8785)"
    raise StatementDiffers(
        f"The signed statement differs from what would be recorded in: {named}.",
        extra={"differing_fields": differing[:20]},
    )


def _statement(name: str, sha256: str, predicate_type: str, predicate: dict[str, Any]) -> bytes:
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": sha256}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def _differing(given: Any, expected: Any, path: str) -> Iterable[str]:
    """The places, with dots, at which two JSON values differ; unknown names are not repeated to the caller."""
    if isinstance(given, dict) and isinstance(expected, dict):
        if given.keys() - expected.keys():
            yield f"{path}(unknown members)"
        for name, member in expected.items():
            yield from _differing(given.get(name), member, f"{path}{name}.")
    elif type(given) is not type(expected) or given != expected:
        yield path.rstrip(".") or "(the whole)"
