"""A verdict signed by its author: the statement to sign, the check of what came back, and the kept envelope."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import Grant
from app.kernel.primitives import Sha256Hex, utc_now
from app.media.blindness import pending_blind
from app.media.items import find_evidence
from app.media.models import Evidence
from app.media.rules import State, Transition, next_state
from app.verification.drafts import drafts_of
from app.verification.dsse import ALGORITHM, Envelope, read_envelope, require_signed
from app.verification.errors import DraftsOpen, EnvelopeNotKept, NotShownYet
from app.verification.findings import standing_findings
from app.verification.key_models import ReviewerKey, VerdictEnvelope, VerdictSignature
from app.verification.models import Verdict
from app.verification.reviewer_keys import signing_key
from app.verification.rules import Outcome, require_lease
from app.verification.statements import (
    VerdictStatement,
    findings_digest,
    require_same,
    require_timely,
    stated_time,
)


@dataclass(frozen=True)
class Signed:
    """A verdict's checked signature: to be kept with it and named in its entry."""

    envelope: Envelope
    key: ReviewerKey
    key_bound: str

    def rows(self, verdict: Verdict) -> tuple[VerdictSignature, VerdictEnvelope]:
        """To be flushed in this order, after the verdict's own row."""
        signature = VerdictSignature(
            verdict_id=verdict.id,
            evidence_id=verdict.evidence_id,
            key_id=self.key.id,
            key_bound=self.key_bound,
            dsse_sha256=self.envelope.sha256,
        )
        return signature, VerdictEnvelope(verdict_id=verdict.id, envelope=self.envelope.content)

    def facts(self) -> dict[str, Any]:
        """What the verdict's entry says of it."""
        return {
            "dsse_sha256": self.envelope.sha256,
            "keyid": self.key.keyid,
            "alg": ALGORITHM,
            "public_key": self.key.public_key,
            "key_bound": self.key_bound,
        }


@dataclass(frozen=True)
class StatedSignature:
    """By which key a verdict was signed, as the API shows it."""

    verdict_id: UUID
    keyid: str
    public_key: str
    key_bound: str
    dsse_sha256: str


# The n-th finding of an item is the n-th entry of that type in its stream: both are written under the item's lock. So
# the digest is found without any entry's body, which may have been erased.
_FINDING_ENTRIES = text("""
    SELECT f.id, e.commitment FROM findings f JOIN (
        SELECT commitment, row_number() OVER (ORDER BY id) AS number FROM ledger_entries
        WHERE stream_id = :evidence AND type = 'evidence.finding_recorded'
    ) e USING (number) WHERE f.evidence_id = :evidence
""")
_ENVELOPES = text("""
    SELECT s.dsse_sha256, e.envelope FROM verdict_signatures s JOIN verdict_envelopes e USING (verdict_id)
    WHERE s.dsse_sha256 = ANY(CAST(:digests AS bytea[]))
    UNION ALL
    SELECT k.dsse_sha256, k.envelope FROM reviewer_keys k WHERE k.dsse_sha256 = ANY(CAST(:digests AS bytea[]))
""")


def prepare_verdict(
    session: Session,
    actor: Actor,
    evidence_id: UUID,
    *,
    keyid: str,
    outcome: Outcome,
    rationale: str,
    incident_id: UUID | None,
    self_review: bool = False,
) -> VerdictStatement:
    """The statement to sign for submitting this verdict as things stand now. Nothing is recorded.

    Raises WrongState, LeaseNotHeld, DraftsOpen, ReviewerKeyNotBound, NotTheKeysHolder, ReviewerKeyRevoked.
    """
    evidence, grant = find_evidence(session, actor, evidence_id, Operation.VERIFY)
    next_state(State(evidence.state), Transition.SUBMIT)
    require_lease(evidence.lease_holder, evidence.lease_expires_at, grant.account_id, utc_now())
    require_no_drafts(session, evidence.id, grant.account_id)
    _, _, key_bound = signing_key(session, grant, keyid)
    before = session.execute(
        select(Verdict.id, Verdict.version)
        .where(Verdict.evidence_id == evidence.id)
        .order_by(Verdict.version.desc())
        .limit(1)
    ).one_or_none()
    findings = standing_findings(session, evidence.id, grant.account_id).values()
    return VerdictStatement(
        case_id=evidence.case_id,
        evidence_id=evidence.id,
        evidence_sha256=Sha256Hex(evidence.blob_sha256 or ""),
        outcome=outcome,
        rationale=rationale,
        incident_id=incident_id,
        round=evidence.round,
        version=1 if before is None else before.version + 1,
        supersedes=None if before is None else before.id,
        findings_sha256=_findings_sha256(session, evidence.id, findings),
        reviewer=grant.entry_actor.id,
        key_bound=key_bound,
        time=utc_now(),
        self_reviewed=self_review,
    )


def require_no_drafts(session: Session, evidence_id: UUID, author_id: UUID) -> None:
    """Raises DraftsOpen: what is signed names the entries of findings, which drafts have none of."""
    drafts = drafts_of(session, evidence_id, author_id)
    if drafts:
        named = [str(draft.dimension) for draft in drafts]
        raise DraftsOpen(f"You have drafts on: {', '.join(named)}.", extra={"drafts": named})


def check_signed(
    session: Session, grant: Grant, evidence: Evidence, verdict: Verdict, document: Mapping[str, Any]
) -> Signed:
    """The signature of a verdict that is about to be recorded: by its author's bound key, over exactly that verdict.

    Raises EnvelopeMalformed, ReviewerKeyNotBound, NotTheKeysHolder, ReviewerKeyRevoked, SignatureInvalid,
    StatementDiffers, StatementTimeImplausible.
    """
    envelope = read_envelope(document)
    key, binding, key_bound = signing_key(session, grant, envelope.keyid)
    require_signed(envelope, bytes.fromhex(key.public_key))
    signed_at = stated_time(envelope.payload)
    expected = VerdictStatement(
        case_id=evidence.case_id,
        evidence_id=evidence.id,
        evidence_sha256=Sha256Hex(evidence.blob_sha256 or ""),
        outcome=verdict.outcome,
        rationale=verdict.rationale,
        incident_id=verdict.incident_id,
        round=verdict.round,
        version=verdict.version,
        supersedes=verdict.supersedes,
        findings_sha256=_findings_sha256(session, evidence.id, verdict.finding_ids),
        reviewer=grant.entry_actor.id,
        key_bound=key_bound,
        time=signed_at,
        self_reviewed=verdict.self_reviewed,
    )
    require_same(envelope.payload, expected.payload())
    require_timely(signed_at, bound=binding.bound_at, now=utc_now())
    return Signed(envelope, key, key_bound)


def get_envelope(session: Session, actor: Actor, evidence_id: UUID, verdict_id: UUID) -> bytes:
    """The kept envelope, to the byte. Raises EnvelopeNotKept: not signed, erased, or no verdict of this item; and
    NotShownYet, of another's in a pending blind round."""
    evidence, grant = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    kept = session.execute(
        select(VerdictEnvelope.envelope, Verdict.author_id, Verdict.round)
        .join(VerdictSignature, VerdictSignature.verdict_id == VerdictEnvelope.verdict_id)
        .join(Verdict, Verdict.id == VerdictSignature.verdict_id)
        .where(VerdictSignature.verdict_id == verdict_id, VerdictSignature.evidence_id == evidence_id)
    ).one_or_none()
    if kept is None:
        raise EnvelopeNotKept("The item has no such verdict, its author did not sign it, or its words were erased.")
    blind = pending_blind(evidence)
    if blind is not None and blind.hides(grant.account_id, kept.author_id, in_round=kept.round):
        raise NotShownYet("The second verifier has not submitted yet.")
    return bytes(kept.envelope)


def signatures_of(session: Session, verdict_ids: Collection[UUID]) -> dict[UUID, StatedSignature]:
    """By verdict, for those that are signed (no permission check: for services that made theirs)."""
    rows = session.execute(
        select(VerdictSignature, ReviewerKey)
        .join(ReviewerKey, ReviewerKey.id == VerdictSignature.key_id)
        .where(VerdictSignature.verdict_id.in_(verdict_ids))
    )
    return {
        signature.verdict_id: StatedSignature(
            signature.verdict_id, key.keyid, key.public_key, signature.key_bound, signature.dsse_sha256
        )
        for signature, key in rows
    }


def envelopes_by_digest(session: Session, digests: Iterable[str]) -> dict[str, bytes]:
    """Kept envelopes by the digest that their entries name; an erased one is absent (no permission check)."""
    rows = session.execute(_ENVELOPES, {"digests": [bytes.fromhex(digest) for digest in digests]})
    return {bytes(row.dsse_sha256).hex(): bytes(row.envelope) for row in rows}


def _findings_sha256(session: Session, evidence_id: UUID, finding_ids: Iterable[UUID]) -> Sha256Hex:
    rows = session.execute(_FINDING_ENTRIES, {"evidence": evidence_id})
    commitments = {row.id: bytes(row.commitment).hex() for row in rows}
    return findings_digest(commitments[finding] for finding in finding_ids)
