"""What an item's state awaits of a person, and whether a person may do it: for leases, assignments and the queue.

The guards themselves stand in :mod:`app.verification.rules`, and who counts as an author beside the findings; here is
which of them holds for which work, of one item as a function and of many as a condition of a query.
"""

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlalchemy.orm import Session

from app.access.models import Account
from app.access.rules import Operation, Role, permission
from app.cases.models import CaseMember
from app.kernel.errors import Forbidden, WrongState
from app.media.models import Evidence
from app.media.rules import State
from app.verification.blind import is_anothers_to_conclude, is_second, require_may_review, seconds_of
from app.verification.findings import authors_of, is_author
from app.verification.models import Review
from app.verification.rules import REVIEWER_KINDS, require_not_author, require_third_person
from app.verification.self_review import may_review_own


class Work(StrEnum):
    """What is to be done with an item."""

    VERIFY = "verify"
    REVIEW = "review"
    ADJUDICATE = "adjudicate"
    SIGN_OFF = "sign_off"

    @property
    def operation(self) -> Operation:
        """What a role must permit to whoever does it."""
        return Operation.SIGN_OFF if self in (Work.ADJUDICATE, Work.SIGN_OFF) else Operation.VERIFY


AWAITED: dict[State, Work] = {
    State.PRESERVED: Work.VERIFY,
    State.IN_VERIFICATION: Work.VERIFY,
    State.AWAITING_PEER_REVIEW: Work.REVIEW,
    State.DISPUTED: Work.ADJUDICATE,
    State.AWAITING_SIGN_OFF: Work.SIGN_OFF,
}


def work_on(evidence: Evidence) -> Work:
    """What the item's state awaits. Raises WrongState: of no person anything."""
    work = AWAITED.get(State(evidence.state))
    if work is None:
        raise WrongState(
            f"Nobody works on an item that is '{evidence.state}'. These are worked on: {', '.join(AWAITED)}.",
            extra={"state": evidence.state},
        )
    return work


def require_person_may(session: Session, evidence: Evidence, person: UUID, work: Work) -> None:
    """No review of one's own work, no third act by one of the first two persons, but for a self-reviewed verdict; roles
    are not looked at.

    Raises SelfReview, ThirdPersonRequired; of a blind round SecondNotBlind, NotTheSecond.
    """
    if work in (Work.REVIEW, Work.SIGN_OFF) and may_review_own(session, evidence, person):
        return
    if work is Work.REVIEW:
        require_not_author(person, authors_of(session, evidence.id))
        require_may_review(session, evidence, person)
    elif work is not Work.VERIFY:
        require_third_person(person, authors_of(session, evidence.id), reviewers_of(session, evidence))


def may_do(session: Session, evidence: Evidence, person: UUID, work: Work) -> bool:
    """Whether this person, by role and by what they did before, may do the work on the item now."""
    if permission(work.operation, roles_of(session, evidence.case_id, person), frozenset()) is None:
        return False
    try:
        require_person_may(session, evidence, person, work)
    except Forbidden:
        return False
    return True


def roles_of(session: Session, case_id: UUID, account_id: UUID) -> frozenset[Role]:
    """The roles of a person in a case; none of a deactivated account (no permission check)."""
    held = session.scalars(
        select(CaseMember.role)
        .join(Account, Account.id == CaseMember.account_id)
        .where(CaseMember.case_id == case_id, CaseMember.account_id == account_id, Account.is_active)
    )
    return frozenset(Role(role) for role in held)


def reviewers_of(session: Session, evidence: Evidence) -> frozenset[UUID]:
    """Who concurred, dissented or adjudicated in the item's round, or verified it second (no permission check)."""
    return seconds_of(session, evidence) | frozenset(
        session.scalars(
            select(Review.reviewer_id).where(
                Review.evidence_id == evidence.id, Review.round == evidence.round, Review.kind.in_(REVIEWER_KINDS)
            )
        )
    )


def is_reviewer(person: UUID) -> ColumnElement[bool]:
    """The same as a condition on :class:`Evidence`."""
    judged = (
        select(Review.id)
        .where(
            Review.evidence_id == Evidence.id,
            Review.round == Evidence.round,
            Review.kind.in_(REVIEWER_KINDS),
            Review.reviewer_id == person,
        )
        .exists()
    )
    return or_(judged, is_second(person))


def person_may(person: UUID, work: Work) -> ColumnElement[bool] | None:
    """What :func:`require_person_may` asks, as a condition on :class:`Evidence`; None: nothing."""
    if work is Work.VERIFY:
        return None
    if work is Work.REVIEW:
        return and_(not_(is_author(person)), not_(is_anothers_to_conclude(person)))
    return and_(not_(is_author(person)), not_(is_reviewer(person)))


def states_awaiting(work: Collection[Work]) -> list[State]:
    return [state for state, awaited in AWAITED.items() if awaited in work]
