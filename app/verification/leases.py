"""Opening a verification, and the lease: at any time at most one person works on an item, and not for ever.

The lease stands in the item's row, so the row's lock decides between two who reach for it at once, and a trigger
refuses to overwrite one that has not run out. Every change of it is a new version of the item and an entry. It is of
the work that the item's state awaits: its verification, its review (in a blind round the second verification with
it), its adjudication, its sign-off; the act that ends that work ends it, and an assignment with it. docs/decisions/0039
says why reviews are leased, too.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation, permission
from app.cases.service import Grant, authorise, current_policy, pseudonym_of
from app.kernel.errors import WrongState
from app.kernel.primitives import format_time, utc_now
from app.media.errors import LabelsMissing
from app.media.exposure import require_headroom
from app.media.items import entry_object, find_evidence, lock_evidence, move
from app.media.models import Evidence
from app.media.rules import State, Transition, next_state
from app.unit_of_work import UnitOfWork
from app.verification.blind import begin_round
from app.verification.errors import (
    AssignedToAnother,
    CannotHoldLease,
    LeaseAtLongest,
    LeaseNotHeld,
    LeasesAtLimit,
    LeaseTaken,
)
from app.verification.events import Leased, LeaseEnded, Unassigned, VerificationOpened
from app.verification.rules import is_free
from app.verification.work import may_do, require_person_may, roles_of, work_on

HOLDER_LOCK = 0x45584C38
"""The first of two numbers of an advisory lock; the second is the person's."""


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

    Raises WrongState, LabelsMissing, CannotHoldLease, AssignedToAnother, ExposureCapReached, LeasesAtLimit.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.OPEN_VERIFICATION, version=version)
    next_state(State(evidence.state), Transition.OPEN_VERIFICATION)
    holder = grant.account_id if holder_id is None else holder_id
    if holder != grant.account_id:
        grant = authorise(uow.session, actor, evidence.case_id, Operation.MANAGE_CASE)
    if evidence.labels is None:
        raise LabelsMissing("Labels come before viewing: PUT /v1/evidence/{id}/labels, then open the verification.")
    if permission(Operation.VERIFY, roles_of(uow.session, evidence.case_id, holder), frozenset()) is None:
        raise CannotHoldLease("Name a member who may verify in this case: 'lease_holder_id'.")
    _require_not_anothers(uow, evidence, grant, holder)
    require_headroom(uow.session, evidence.case_id, holder)
    _require_room(uow.session, evidence.case_id, holder)
    begin_round(uow.session, evidence)
    move(evidence, Transition.OPEN_VERIFICATION)
    uow.record(
        VerificationOpened(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            round=evidence.round,
            blind=True if evidence.blind else None,
        )
    )
    _lease(uow, evidence, grant, holder, ttl_s)
    return evidence


def take_lease(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, ttl_s: int, longest_s: int) -> Evidence:
    """Take the lease when it is free or has run out, or make one's own longer: to at most ``longest_s`` in all.

    Raises WrongState, SelfReview, SecondNotBlind, NotTheSecond, ThirdPersonRequired, LeaseTaken, AssignedToAnother,
    LeaseAtLongest, ExposureCapReached, LeasesAtLimit (one's own lease is made longer all the same).
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=None)
    if evidence.state == State.PRESERVED:
        raise WrongState(
            "The verification is not opened yet: POST /v1/evidence/{id}/transitions gives the lease with it.",
            extra={"state": evidence.state},
        )
    work = work_on(evidence)
    if work.operation is not Operation.VERIFY:
        grant = authorise(uow.session, actor, evidence.case_id, work.operation)
    require_person_may(uow.session, evidence, grant.account_id, work)
    if evidence.lease_holder == grant.account_id and not _has_run_out(evidence):
        _extend(uow, evidence, grant, ttl_s, longest_s)
        return evidence
    require_free(uow, evidence, grant)
    require_headroom(uow.session, evidence.case_id, grant.account_id)
    _require_room(uow.session, evidence.case_id, grant.account_id)
    evidence.version += 1
    _lease(uow, evidence, grant, grant.account_id, ttl_s)
    return evidence


def end_lease(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int) -> Evidence:
    """Give one's own lease back or, as a coordinator, end another's. Raises LeaseNotHeld when there is none."""
    seen, _ = find_evidence(uow.session, actor, evidence_id, Operation.READ_WITHDRAWN)
    is_own = seen.lease_holder == actor.account_id
    operation = Operation.VERIFY if is_own else Operation.MANAGE_CASE
    # The version says that the lease which was read is still the one that is ended.
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, operation, version=version)
    if evidence.lease_holder is None or (evidence.lease_holder == actor.account_id) is not is_own:
        raise LeaseNotHeld("Nobody holds this lease.")
    evidence.version += 1
    end_lease_of(uow, evidence, grant, reason_code="given_back" if is_own else "ended_by_coordinator")
    return evidence


def require_free(uow: UnitOfWork, evidence: Evidence, grant: Grant) -> None:
    """That nobody else works, or is to work, on a locked item; what was left behind by others, or is held by one who
    may not do the work any more, is ended and recorded.

    For whoever takes the lease and for whoever judges without one. Raises LeaseTaken, AssignedToAnother.
    """
    if evidence.lease_holder not in (None, grant.account_id) and not _has_run_out(evidence):
        if may_do(uow.session, evidence, evidence.lease_holder, work_on(evidence)):
            raise LeaseTaken("Another person works on this item. Wait for the end of the lease, or ask a coordinator.")
        end_lease_of(uow, evidence, grant, reason_code="may_not_any_more")
        uow.session.flush()  # The database lets nobody take what another holds: it is given up first.
    if evidence.lease_holder is not None and _has_run_out(evidence):
        end_lease_of(uow, evidence, grant, reason_code="expired")
    _require_not_anothers(uow, evidence, grant, grant.account_id)


def conclude(uow: UnitOfWork, evidence: Evidence, grant: Grant, *, reason_code: str) -> None:
    """The work that the item's state awaited is done: its lease and its assignment end, if there are any."""
    if evidence.lease_holder is not None:
        end_lease_of(uow, evidence, grant, reason_code=reason_code)
    if evidence.assigned_to is not None:
        end_assignment_of(uow, evidence, grant, reason_code=reason_code)


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
    evidence.lease_taken_at = None


def end_assignment_of(uow: UnitOfWork, evidence: Evidence, grant: Grant, *, reason_code: str) -> None:
    """End the assignment of a locked item that has one (no permission check: for services that made theirs)."""
    assert evidence.assigned_to is not None  # Callers have looked, under the row's lock.
    uow.record(
        Unassigned(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            person=pseudonym_of(uow.session, evidence.case_id, evidence.assigned_to),
            reason_code=reason_code,
        )
    )
    evidence.assigned_to = None


def _require_not_anothers(uow: UnitOfWork, evidence: Evidence, grant: Grant, person: UUID) -> None:
    """Raises AssignedToAnother; an assignment to one who may not do the work any more binds nobody, and ends."""
    if evidence.assigned_to in (None, person):
        return
    if may_do(uow.session, evidence, evidence.assigned_to, work_on(evidence)):
        raise AssignedToAnother(
            "A coordinator gave this item to another person. Take another from GET /v1/queue, or ask them to end that."
        )
    end_assignment_of(uow, evidence, grant, reason_code="may_not_any_more")


def _require_room(session: Session, case_id: UUID, person: UUID) -> None:
    """That the person may hold one more item of the case, by its policy. Raises LeasesAtLimit.

    Of two that they take at once, the second is counted after the first: the person is locked until the end.
    """
    _, policy = current_policy(session, case_id)
    if policy.leases_per_person is None:
        return
    session.execute(select(func.pg_advisory_xact_lock(HOLDER_LOCK, func.hashtext(str(person)))))
    held = session.scalar(
        select(func.count()).where(
            Evidence.case_id == case_id, Evidence.lease_holder == person, Evidence.lease_expires_at > utc_now()
        )
    )
    if (held or 0) >= policy.leases_per_person:
        raise LeasesAtLimit(
            f"At most {policy.leases_per_person} items of this case are held by one person at once.",
            extra={"leases_per_person": policy.leases_per_person},
        )


def _has_run_out(evidence: Evidence) -> bool:
    return is_free(evidence.lease_holder, evidence.lease_expires_at, utc_now())


def _extend(uow: UnitOfWork, evidence: Evidence, grant: Grant, ttl_s: int, longest_s: int) -> None:
    """Make the actor's lease longer, never shorter. Raises LeaseAtLongest."""
    assert evidence.lease_expires_at is not None
    now = utc_now()
    last = (evidence.lease_taken_at or now) + timedelta(seconds=longest_s)
    if last <= evidence.lease_expires_at:
        raise LeaseAtLongest(
            f"One person holds an item for {longest_s // 60} minutes at the most: this lease ends at "
            f"{format_time(evidence.lease_expires_at)}.",
            extra={"expires_at": format_time(evidence.lease_expires_at)},
        )
    evidence.version += 1
    expires_at = max(evidence.lease_expires_at, min(now + timedelta(seconds=ttl_s), last))
    _record_lease(uow, evidence, grant, expires_at)


def _lease(uow: UnitOfWork, evidence: Evidence, grant: Grant, holder: UUID, ttl_s: int) -> None:
    """Give the free lease of a locked item."""
    now = utc_now()
    evidence.lease_holder, evidence.lease_taken_at = holder, now
    _record_lease(uow, evidence, grant, now + timedelta(seconds=ttl_s))


def _record_lease(uow: UnitOfWork, evidence: Evidence, grant: Grant, expires_at: datetime) -> None:
    assert evidence.lease_holder is not None
    evidence.lease_expires_at = expires_at
    uow.record(
        Leased(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            person=pseudonym_of(uow.session, evidence.case_id, evidence.lease_holder),
            expires_at=expires_at,
        )
    )
