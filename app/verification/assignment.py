"""What a coordinator says of the queue: whose an item's present work is, and how soon it is wanted."""

from uuid import UUID

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import pseudonym_of
from app.kernel.errors import WrongState
from app.kernel.primitives import utc_now
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import Evidence
from app.media.rules import Priority, State
from app.unit_of_work import UnitOfWork
from app.verification.errors import CannotBeAssigned, LeaseTaken, NotAssigned
from app.verification.events import Assigned, Prioritised
from app.verification.leases import end_assignment_of, end_lease_of
from app.verification.rules import is_free
from app.verification.work import may_do, work_on

ENDED = (State.DECLINED, State.SIGNED_OFF)
"""Nobody waits for these; a priority would say nothing."""


def assign(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, person_id: UUID) -> Evidence:
    """Give the item's present work to one member, in place of whom it was given to before.

    Preferences are not asked: a refusal would tell them. Raises WrongState, CannotBeAssigned, LeaseTaken.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.MANAGE_CASE, version=version)
    work = work_on(evidence)
    if not may_do(uow.session, evidence, person_id, work):
        raise CannotBeAssigned(f"Name a member who may {work.replace('_', ' ')} this item: 'person_id'.")
    if evidence.assigned_to == person_id:
        return evidence
    if evidence.lease_holder not in (None, person_id):
        if not is_free(evidence.lease_holder, evidence.lease_expires_at, utc_now()):
            raise LeaseTaken("Another person works on this item. End that lease first: DELETE /v1/evidence/{id}/lease.")
        end_lease_of(uow, evidence, grant, reason_code="expired")
    if evidence.assigned_to is not None:
        end_assignment_of(uow, evidence, grant, reason_code="reassigned")
    evidence.version += 1
    evidence.assigned_to = person_id
    uow.record(
        Assigned(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            person=pseudonym_of(uow.session, evidence.case_id, person_id),
        )
    )
    return evidence


def unassign(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int) -> Evidence:
    """Give an assignment back, without a reason, or end it as a coordinator. A lease stays. Raises NotAssigned."""
    seen, _ = find_evidence(uow.session, actor, evidence_id, Operation.READ_WITHDRAWN)
    is_own = seen.assigned_to == actor.account_id
    operation = Operation.VERIFY if is_own else Operation.MANAGE_CASE
    # The version says that the assignment which was read is still the one that is ended.
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, operation, version=version)
    if evidence.assigned_to is None or (evidence.assigned_to == actor.account_id) is not is_own:
        raise NotAssigned("Nobody is to do this item's work before others.")
    evidence.version += 1
    end_assignment_of(uow, evidence, grant, reason_code="given_back" if is_own else "ended_by_coordinator")
    return evidence


def set_priority(uow: UnitOfWork, actor: Actor, evidence_id: UUID, *, version: int, priority: Priority) -> Evidence:
    """How soon the item is wanted; saying it again changes nothing. Raises WrongState when nobody waits for it."""
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.MANAGE_CASE, version=version)
    if evidence.state in ENDED:
        raise WrongState("Nobody waits for this item any more.", extra={"state": evidence.state})
    if evidence.priority == priority.rank:
        return evidence
    evidence.version += 1
    evidence.priority = priority.rank
    uow.record(
        Prioritised(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            priority=priority,
        )
    )
    return evidence
