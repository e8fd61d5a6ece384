"""Opening a verification, and the lease: at any time at most one person works on an item, and not for ever.

The lease stands in the item's row, so the row's lock decides between two who reach for it at once. Every change of it
is a new version of the item and an entry; a submission ends it, and what comes back to verification is free to take.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.models import Account
from app.access.rules import Operation, Role, permission
from app.cases.models import CaseMember
from app.cases.service import Grant, authorise, pseudonym_of
from app.kernel.errors import WrongState
from app.kernel.primitives import utc_now
from app.media.items import entry_object, find_evidence, lock_evidence, move
from app.media.models import Evidence
from app.media.rules import State, Transition, next_state
from app.unit_of_work import UnitOfWork
from app.verification.errors import CannotHoldLease, LabelsMissing, LeaseNotHeld, LeaseTaken
from app.verification.events import Leased, LeaseEnded, VerificationOpened
from app.verification.rules import is_free


def open_verification(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    version: int,
    ttl_s: int,
    holder_id: UUID | None = None,
) -> Evidence:
    """Begin the first round, with a lease for the opener or, by a coordinator, for a member who may verify.

    Raises WrongState, LabelsMissing, CannotHoldLease.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.OPEN_VERIFICATION, version=version)
    next_state(State(evidence.state), Transition.OPEN_VERIFICATION)
    holder = grant.account_id if holder_id is None else holder_id
    if holder != grant.account_id:
        grant = authorise(uow.session, actor, evidence.case_id, Operation.MANAGE_CASE)
    if evidence.labels is None:
        raise LabelsMissing("Labels come before viewing: PUT /v1/evidence/{id}/labels, then open the verification.")
    _require_may_verify(uow.session, evidence.case_id, holder)
    move(evidence, Transition.OPEN_VERIFICATION)
    evidence.round = 1
    uow.record(
        VerificationOpened(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            round=evidence.round,
        )
    )
    _lease(uow, evidence, grant, holder, ttl_s)
    return evidence


def take_lease(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, ttl_s: int) -> Evidence:
    """Take the lease when it is free or has run out, or make one's own longer. Raises WrongState, LeaseTaken."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=None)
    if evidence.state != State.IN_VERIFICATION:
        raise WrongState(
            f"A lease is of an item in verification. The item is '{evidence.state}'.", extra={"state": evidence.state}
        )
    holder = evidence.lease_holder
    if holder is not None and holder != grant.account_id:
        if not is_free(holder, evidence.lease_expires_at, utc_now()):
            raise LeaseTaken("Another person works on this item. Wait for the end of the lease, or ask a coordinator.")
        end_lease_of(uow, evidence, grant, reason_code="expired")
    evidence.version += 1
    _lease(uow, evidence, grant, grant.account_id, ttl_s)
    return evidence


def end_lease(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int) -> Evidence:
    """Give one's own lease back or, as a coordinator, end another's. Raises LeaseNotHeld when there is none."""
    seen, _ = find_evidence(uow.session, actor, evidence_id, Operation.READ_METADATA)
    is_own = seen.lease_holder == actor.account_id
    operation = Operation.VERIFY if is_own else Operation.MANAGE_CASE
    # The version says that the lease which was read is still the one that is ended.
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, operation, version=version)
    if evidence.lease_holder is None or (evidence.lease_holder == actor.account_id) is not is_own:
        raise LeaseNotHeld("Nobody holds this lease.")
    evidence.version += 1
    end_lease_of(uow, evidence, grant, reason_code="given_back" if is_own else "ended_by_coordinator")
    return evidence


def end_lease_of(uow: UnitOfWork, evidence: Evidence, grant: Grant, *, reason_code: str) -> None:
    """End the lease of a locked item that has one (no permission check: for services that made theirs)."""
    assert evidence.lease_holder is not None  # Callers have looked, under the row's lock.
    uow.record(
        LeaseEnded(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            person=pseudonym_of(uow.session, evidence.case_id, evidence.lease_holder),
            reason_code=reason_code,
        )
    )
    evidence.lease_holder = None
    evidence.lease_expires_at = None


def _lease(uow: UnitOfWork, evidence: Evidence, grant: Grant, holder: UUID, ttl_s: int) -> None:
    evidence.lease_holder = holder
    evidence.lease_expires_at = utc_now() + timedelta(seconds=ttl_s)
    uow.record(
        Leased(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            person=pseudonym_of(uow.session, evidence.case_id, holder),
            expires_at=evidence.lease_expires_at,
        )
    )


def _require_may_verify(session: Session, case_id: UUID, account_id: UUID) -> None:
    held = session.scalars(
        select(CaseMember.role)
        .join(Account, Account.id == CaseMember.account_id)
        .where(CaseMember.case_id == case_id, CaseMember.account_id == account_id, Account.is_active)
    ).all()
    if permission(Operation.VERIFY, frozenset(Role(role) for role in held), frozenset()) is None:
        raise CannotHoldLease("Name a member who may verify in this case: 'lease_holder_id'.")
