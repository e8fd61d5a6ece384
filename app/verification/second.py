"""The second verdict of a blind round: given before anything of the first was shown, and shown together with it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import current_policy, pseudonym_of
from app.kernel.errors import WrongState
from app.kernel.primitives import new_id, utc_now
from app.ledger.positions import Position, standing_at
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import Evidence
from app.media.rules import BlindState
from app.unit_of_work import UnitOfWork
from app.verification.blind import is_awaiting_second, require_still_blind
from app.verification.events import SecondSubmitted
from app.verification.findings import authors_of, own_findings, record_drafts
from app.verification.models import SecondVerdict
from app.verification.recycled import require_answered
from app.verification.rules import Outcome, require_complete, require_lease, require_not_author
from app.verification.service import present_verdict


def submit_second_verdict(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, outcome: Outcome, rationale: str
) -> tuple[Evidence, SecondVerdict]:
    """One's own verdict on an item whose first one waits, on findings of one's own; then both are shown to everybody.

    The item stays where it is, and the lease with the second: they concur or dissent next.
    One's drafts become findings. Raises WrongState, LeaseNotHeld, SelfReview, SecondNotBlind, DraftsIncomplete,
    FindingsMissing, RecycledUnanswered.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=None)
    if not is_awaiting_second(evidence):
        raise WrongState(
            "A second verdict is given while a blind round awaits its peer review, once a round. "
            f"The item is '{evidence.state}'.",
            extra={"state": evidence.state, "blind": evidence.blind},
        )
    require_lease(evidence.lease_holder, evidence.lease_expires_at, grant.account_id, utc_now())
    require_not_author(grant.account_id, authors_of(uow.session, evidence.id))
    require_still_blind(uow.session, evidence, grant.account_id)
    record_drafts(uow, evidence, grant)
    policy_version, policy = current_policy(uow.session, evidence.case_id)
    findings = own_findings(uow.session, evidence, grant.account_id)
    require_complete(policy.required_dimensions, findings)
    require_answered(uow.session, evidence, grant.account_id)
    first = present_verdict(uow.session, evidence)
    second = SecondVerdict(
        id=new_id(),
        evidence_id=evidence.id,
        verdict_id=first.id,
        round=evidence.round,
        outcome=outcome,
        rationale=rationale,
        finding_ids=sorted(findings.values()),
        policy_version=policy_version,
        author_id=grant.account_id,
        submitted_at=utc_now(),
    )
    uow.session.add(second)
    uow.session.flush()
    evidence.blind = BlindState.COMPLETE
    evidence.version += 1
    uow.record(
        SecondSubmitted(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            round=second.round,
            second_verdict_id=second.id,
            verdict_id=first.id,
            outcome=second.outcome,
            judged=pseudonym_of(uow.session, evidence.case_id, first.author_id),
            rationale=rationale,
        )
    )
    return evidence, second


def list_second_verdicts(
    session: Session,
    actor: Actor,
    evidence_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[SecondVerdict]:
    """One a blind round, in order of submission. With it a round is complete, so nothing of them is ever hidden."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = select(SecondVerdict).where(SecondVerdict.evidence_id == evidence_id, standing_at(at, SecondVerdict.act))
    if after is not None:
        query = query.where(tuple_(SecondVerdict.submitted_at, SecondVerdict.id) > after)
    return session.scalars(query.order_by(SecondVerdict.submitted_at, SecondVerdict.id).limit(limit)).all()
