"""Verdicts: submitted, withdrawn, reviewed, adjudicated, signed off, returned, reopened.

Every command locks the item's row first and takes the version that the caller read, so that of two who decide at once
one wins and the other is told (412). The verdict's or review's row is flushed before the item moves: the triggers ask,
at each row, whether the state of that moment awaits it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.blobs.store import ReadBack, ReadBackOutcome
from app.cases.service import Grant, current_policy, pseudonym_of
from app.fingerprints.service import undecided_matches
from app.incidents.service import is_linked
from app.kernel.errors import AppError, VersionMismatch, WrongState
from app.kernel.primitives import Sha256Hex, new_id, utc_now
from app.ledger.positions import Position, standing_at
from app.media.blindness import seen_by
from app.media.items import entry_object, find_evidence, lock_evidence, move
from app.media.models import Evidence
from app.media.rules import BlindState, State, Transition, next_state
from app.unit_of_work import UnitOfWork
from app.verification import signing
from app.verification.blind import begin_round, is_awaiting_second, require_reviewable
from app.verification.errors import (
    IncidentNotLinked,
    IntegrityMismatch,
    IntegrityNotVerifiable,
    IntegrityUnchecked,
    VerifiedTwice,
)
from app.verification.events import (
    Adjudicated,
    BlindEnded,
    ChangesRequested,
    Concurred,
    Dissented,
    IntegrityChecked,
    Reopened,
    Returned,
    Reviewed,
    SignedOff,
    Submitted,
    Withdrawn,
)
from app.verification.findings import authors_of, record_drafts, standing_findings
from app.verification.leases import conclude, require_free
from app.verification.models import Review, SecondVerdict, Verdict, VerdictWithdrawal
from app.verification.recycled import require_answered
from app.verification.rules import (
    Adjudication,
    Outcome,
    ReviewKind,
    SignatureMode,
    require_author,
    require_compared,
    require_complete,
    require_decided,
    require_lease,
    require_not_author,
    require_third_person,
)
from app.verification.self_review import may_review_own, require_allowed
from app.verification.work import reviewers_of

_EVENTS: dict[ReviewKind, type[Reviewed]] = {
    ReviewKind.REQUEST_CHANGES: ChangesRequested,
    ReviewKind.CONCUR: Concurred,
    ReviewKind.DISSENT: Dissented,
    ReviewKind.ADJUDICATE: Adjudicated,
    ReviewKind.SIGN_OFF: SignedOff,
    ReviewKind.RETURN: Returned,
    ReviewKind.REOPEN: Reopened,
    ReviewKind.END_BLIND: BlindEnded,
}


@dataclass(frozen=True)
class IntegrityCheck:
    """One reading anew of a blob for an act: which digest it must have, and what was found."""

    sha256: Sha256Hex
    found: ReadBack

    @property
    def refusal(self) -> AppError | None:
        """Why the act cannot rest on this check; None when the bytes match."""
        if self.found.outcome is ReadBackOutcome.MATCH:
            return None
        if self.found.outcome is ReadBackOutcome.MISMATCH:
            return IntegrityMismatch("The stored file's SHA-256 differs from the one received. Tell the custodian.")
        return IntegrityNotVerifiable("The storage did not give the file's bytes. That says nothing of the bytes.")


def submit(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    version: int,
    outcome: Outcome,
    rationale: str,
    incident_id: UUID | None = None,
    envelope: Mapping[str, Any] | None = None,
    self_reviewed: bool = False,
) -> tuple[Evidence, Verdict]:
    """Submit the next version of the verdict for peer review, and give the lease up. The author's drafts become
    findings with it.

    ``self_reviewed``: that its author will review it, as nobody else can; see ``app.verification.self_review``.
    ``envelope``: the same verdict as its author signed it; see ``signing.check_signed`` for what it raises.
    Raises DraftsIncomplete, DraftsOpen (for a signed one the findings have to be on record), WrongState, LeaseNotHeld,
    FindingsMissing, FingerprintsPending, MatchesUndecided, RecycledUnanswered, IncidentNotLinked, SelfReviewNotAllowed.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=version)
    next_state(State(evidence.state), Transition.SUBMIT)
    require_lease(evidence.lease_holder, evidence.lease_expires_at, grant.account_id, utc_now())
    if self_reviewed:
        require_allowed(uow.session, evidence, grant.account_id)
    if envelope is None:
        record_drafts(uow, evidence, grant)
    else:
        signing.require_no_drafts(uow.session, evidence.id, grant.account_id)
    policy_version, policy = current_policy(uow.session, evidence.case_id)
    findings = standing_findings(uow.session, evidence.id, grant.account_id)
    require_complete(policy.required_dimensions, findings)
    require_compared(evidence.fingerprint_status)
    require_decided(undecided_matches(uow.session, evidence.id))
    require_answered(uow.session, evidence, grant.account_id)
    if incident_id is not None and not is_linked(uow.session, incident_id=incident_id, evidence_id=evidence.id):
        raise IncidentNotLinked("Link the item to the incident first: POST /v1/incidents/{id}/evidence.")
    before = newest_verdict(uow.session, evidence.id)
    verdict = Verdict(
        id=new_id(),
        evidence_id=evidence.id,
        round=evidence.round,
        version=1 if before is None else before.version + 1,
        outcome=outcome,
        rationale=rationale,
        incident_id=incident_id,
        finding_ids=sorted(findings.values()),
        policy_version=policy_version,
        signature_mode=SignatureMode.NONE if envelope is None else SignatureMode.OWN_KEY,
        self_reviewed=self_reviewed,
        supersedes=None if before is None else before.id,
        author_id=grant.account_id,
        submitted_at=utc_now(),
    )
    signed = None if envelope is None else signing.check_signed(uow.session, grant, evidence, verdict, envelope)
    for row in (verdict, *(() if signed is None else signed.rows(verdict))):
        uow.session.add(row)
        uow.session.flush()
    move(evidence, Transition.SUBMIT)
    _record_submission(uow, evidence, grant, verdict, {} if signed is None else signed.facts())
    conclude(uow, evidence, grant, reason_code="submitted")
    return evidence, verdict


def _record_submission(
    uow: UnitOfWork, evidence: Evidence, grant: Grant, verdict: Verdict, signature: dict[str, Any]
) -> None:
    uow.record(
        Submitted(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            round=verdict.round,
            verdict_id=verdict.id,
            outcome=verdict.outcome,
            verdict_version=verdict.version,
            supersedes=verdict.supersedes,
            incident=verdict.incident_id,
            signature_mode=verdict.signature_mode,
            self_reviewed=verdict.self_reviewed,
            rationale=verdict.rationale,
            **signature,
        )
    )


def withdraw(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int) -> tuple[Evidence, Verdict]:
    """Take one's verdict back before anybody reviewed it or gave a second one; it stays on record.

    Raises WrongState, NotTheAuthor, VerifiedTwice.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=version)
    next_state(State(evidence.state), Transition.WITHDRAW)
    verdict = present_verdict(uow.session, evidence)
    require_author(grant.account_id, verdict.author_id)
    if uow.session.scalar(select(SecondVerdict.id).where(SecondVerdict.verdict_id == verdict.id)) is not None:
        raise VerifiedTwice(
            "Both verdicts are shown by now: wait for the second verifier, who concurs, dissents or requests changes."
        )
    uow.session.add(
        VerdictWithdrawal(
            verdict_id=verdict.id, evidence_id=evidence.id, withdrawn_by=grant.account_id, withdrawn_at=utc_now()
        )
    )
    uow.session.flush()
    move(evidence, Transition.WITHDRAW)
    uow.record(
        Withdrawn(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            round=verdict.round,
            verdict_id=verdict.id,
        )
    )
    conclude(uow, evidence, grant, reason_code="withdrawn")
    return evidence, verdict


def review(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, kind: ReviewKind, comment: str | None
) -> tuple[Evidence, Review]:
    """The peer review: ``request_changes``, ``concur`` or ``dissent``, by no author (but of a self-reviewed verdict).

    Raises WrongState, SelfReview; in a blind round SecondComesFirst, NotTheSecond, OutcomesDiffer.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=version)
    next_state(State(evidence.state), kind.transition)
    if kind is ReviewKind.DISSENT or not may_review_own(uow.session, evidence, grant.account_id):
        require_not_author(grant.account_id, authors_of(uow.session, evidence.id))
    require_reviewable(uow.session, evidence, present_verdict(uow.session, evidence), kind, grant.account_id)
    return evidence, _decide(uow, evidence, grant, kind, comment=comment)


def adjudicate(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, outcome: Adjudication, comment: str
) -> tuple[Evidence, Review]:
    """Settle a dispute as a third person; both views stay on record.

    Raises WrongState, SelfReview, ThirdPersonRequired.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.SIGN_OFF, version=version)
    next_state(State(evidence.state), Transition.ADJUDICATE)
    _require_third_person(uow.session, evidence, grant)
    verdict = present_verdict(uow.session, evidence)
    dissenter = uow.session.scalars(
        select(Review.reviewer_id).where(Review.verdict_id == verdict.id, Review.kind == ReviewKind.DISSENT)
    ).one()
    decided = _decide(
        uow,
        evidence,
        grant,
        ReviewKind.ADJUDICATE,
        comment=comment,
        chosen=outcome.state,
        leads_to=outcome.state,
        dissenter=pseudonym_of(uow.session, evidence.case_id, dissenter),
    )
    return evidence, decided


def bytes_to_check(session: Session, actor: Actor, evidence_id: UUID, *, version: int) -> Sha256Hex:
    """Whose bytes a sign-off must have read anew: asked before the transaction, by one who may sign off at all.

    Raises as :func:`sign_off` does, so that no file is read for an act that will be refused.
    """
    evidence, grant = find_evidence(session, actor, evidence_id, Operation.SIGN_OFF)
    if evidence.version != version:
        raise VersionMismatch(f"The item is at version {evidence.version}. Read it again, then repeat the change.")
    next_state(State(evidence.state), Transition.SIGN_OFF)
    _require_may_sign_off(session, evidence, grant)
    require_answered(session, evidence, grant.account_id)
    if evidence.blob_sha256 is None:
        raise IntegrityUnchecked("The item has no bytes.")
    return Sha256Hex(evidence.blob_sha256)


def record_failed_check(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, check: IntegrityCheck) -> None:
    """Keep that the bytes could not be confirmed for a sign-off; the item stays where it is."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.SIGN_OFF, version=None)
    _record_check(uow, evidence, grant, check)


def sign_off(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, check: IntegrityCheck, comment: str | None = None
) -> tuple[Evidence, Review]:
    """Sign the item off as a third person, on bytes that were read anew for it.

    What came or was changed after the submission may have asked about recycled footage anew: `return` the item then.
    Raises WrongState, SelfReview, ThirdPersonRequired, RecycledUnanswered, IntegrityMismatch, IntegrityNotVerifiable,
    IntegrityUnchecked.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.SIGN_OFF, version=version)
    next_state(State(evidence.state), Transition.SIGN_OFF)
    _require_may_sign_off(uow.session, evidence, grant)
    require_answered(uow.session, evidence, grant.account_id)
    if check.sha256 != evidence.blob_sha256:
        raise IntegrityUnchecked("The check was of other bytes than the item's.")
    if check.refusal is not None:
        raise check.refusal
    _record_check(uow, evidence, grant, check)
    decided = _decide(uow, evidence, grant, ReviewKind.SIGN_OFF, comment=comment, checked_sha256=check.sha256)
    return evidence, decided


def return_item(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, reason: str
) -> tuple[Evidence, Review]:
    """Send an item back to verification instead of signing it off, in the same round."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.SIGN_OFF, version=version)
    next_state(State(evidence.state), Transition.RETURN)
    return evidence, _decide(uow, evidence, grant, ReviewKind.RETURN, comment=reason)


def reopen(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, reason: str) -> tuple[Evidence, Review]:
    """Begin the next round on a signed-off item; the old verdict stays until a new one supersedes it."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.REOPEN, version=version)
    next_state(State(evidence.state), Transition.REOPEN)
    return evidence, _decide(uow, evidence, grant, ReviewKind.REOPEN, comment=reason)


def end_blind(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, reason: str
) -> tuple[Evidence, Review]:
    """End the blindness of a round for which there is no second: it goes on as an ordinary peer review, and says so
    for ever. Not by an author of it, whose work it is that a second would look at without knowing it.

    Raises WrongState, SelfReview, LeaseTaken (somebody is verifying it second), AssignedToAnother.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.REOPEN, version=version)
    if not is_awaiting_second(evidence):
        raise WrongState(
            "Blindness is ended while a blind round awaits its second verdict. "
            f"The item is '{evidence.state}'{'' if evidence.blind is None else f', its round {evidence.blind}'}.",
            extra={"state": evidence.state, "blind": evidence.blind},
        )
    if not may_review_own(uow.session, evidence, grant.account_id):
        require_not_author(grant.account_id, authors_of(uow.session, evidence.id))
    return evidence, _decide(uow, evidence, grant, ReviewKind.END_BLIND, comment=reason)


def _decide(
    uow: UnitOfWork,
    evidence: Evidence,
    grant: Grant,
    kind: ReviewKind,
    *,
    comment: str | None,
    chosen: State | None = None,
    checked_sha256: Sha256Hex | None = None,
    **facts: Any,
) -> Review:
    """Keep one act on the present verdict as a row and an entry, and move the item.

    Raises LeaseTaken, AssignedToAnother: two persons do not judge at once.
    """
    if kind is not ReviewKind.REOPEN:
        require_free(uow, evidence, grant)
    verdict = present_verdict(uow.session, evidence)
    row = Review(
        id=new_id(),
        evidence_id=evidence.id,
        verdict_id=verdict.id,
        round=evidence.round,
        kind=kind,
        leads_to=next_state(State(evidence.state), kind.transition, chosen=chosen),
        comment=comment,
        checked_sha256=checked_sha256,
        reviewer_id=grant.account_id,
        reviewed_at=utc_now(),
    )
    uow.session.add(row)
    uow.session.flush()
    if kind is ReviewKind.REOPEN:
        begin_round(uow.session, evidence)
    if kind is ReviewKind.END_BLIND:
        evidence.blind = BlindState.ENDED
    move(evidence, kind.transition, chosen=chosen)
    uow.record(
        _EVENTS[kind](
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            round=evidence.round,
            verdict_id=verdict.id,
            review_id=row.id,
            judged=pseudonym_of(uow.session, evidence.case_id, verdict.author_id),
            comment=comment,
            **facts,
        )
    )
    conclude(uow, evidence, grant, reason_code="reviewed")
    return row


def _require_third_person(session: Session, evidence: Evidence, grant: Grant) -> None:
    require_third_person(grant.account_id, authors_of(session, evidence.id), reviewers_of(session, evidence))


def _require_may_sign_off(session: Session, evidence: Evidence, grant: Grant) -> None:
    if not may_review_own(session, evidence, grant.account_id):
        _require_third_person(session, evidence, grant)


def _record_check(uow: UnitOfWork, evidence: Evidence, grant: Grant, check: IntegrityCheck) -> None:
    uow.record(
        IntegrityChecked(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            purpose="sign_off",
            outcome=check.found.outcome,
            found_sha256=None if check.found.outcome is ReadBackOutcome.MATCH else check.found.sha256,
        )
    )


def newest_verdict(session: Session, evidence_id: UUID) -> Verdict | None:
    """The item's newest verdict, in whatever standing (no permission check: for services that made theirs)."""
    return session.scalar(
        select(Verdict).where(Verdict.evidence_id == evidence_id).order_by(Verdict.version.desc()).limit(1)
    )


def present_verdict(session: Session, evidence: Evidence) -> Verdict:
    """The version that waits, or was decided last (no permission check)."""
    return session.scalars(
        select(Verdict).where(Verdict.evidence_id == evidence.id).order_by(Verdict.version.desc()).limit(1)
    ).one()


@dataclass(frozen=True)
class StatedVerdict:
    """A verdict and what became of it so far; ``signature`` None: its author did not sign it."""

    verdict: Verdict
    is_withdrawn: bool
    is_signed_off: bool
    signature: signing.StatedSignature | None


def list_verdicts(
    session: Session,
    actor: Actor,
    evidence_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[StatedVerdict]:
    """All versions of the item's verdict, in order of submission; of a pending blind round the reader's own."""
    _, grant = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    withdrawals = select(VerdictWithdrawal.verdict_id).where(VerdictWithdrawal.verdict_id == Verdict.id)
    is_withdrawn = withdrawals.where(standing_at(at, VerdictWithdrawal.act)).exists()
    sign_offs = select(Review.id).where(Review.verdict_id == Verdict.id, Review.kind == ReviewKind.SIGN_OFF)
    is_signed_off = sign_offs.where(standing_at(at, Review.act)).exists()
    query = select(Verdict, is_withdrawn, is_signed_off).join(Evidence, Evidence.id == Verdict.evidence_id)
    query = query.where(Verdict.evidence_id == evidence_id, standing_at(at, Verdict.act))
    query = query.where(seen_by(grant.account_id, author=Verdict.author_id, in_round=Verdict.round))
    if after is not None:
        query = query.where(tuple_(Verdict.submitted_at, Verdict.id) > after)
    rows = session.execute(query.order_by(Verdict.submitted_at, Verdict.id).limit(limit)).all()
    signatures = signing.signatures_of(session, [row[0].id for row in rows])
    return [StatedVerdict(*row, signatures.get(row[0].id)) for row in rows]


def list_reviews(
    session: Session,
    actor: Actor,
    evidence_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Review]:
    """Every act on the item's verdicts by those who judged them or sent them on, in order of time."""
    _, grant = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = select(Review).join(Evidence, Evidence.id == Review.evidence_id).where(Review.evidence_id == evidence_id)
    query = query.where(seen_by(grant.account_id, author=Review.reviewer_id, in_round=Review.round))
    query = query.where(standing_at(at, Review.act))
    if after is not None:
        query = query.where(tuple_(Review.reviewed_at, Review.id) > after)
    return session.scalars(query.order_by(Review.reviewed_at, Review.id).limit(limit)).all()
