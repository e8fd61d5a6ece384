"""The queue: the items of all one's cases that one may take now, in the order in which they are wanted.

A bounded number of questions, however many cases and items: the actor's roles, the breaks that are on, preferences, the
items, and for a page of them lengths and undecided matches. Nothing is locked: between this answer and the taking
another may come first, and is told of there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.access.actors import Actor
from app.access.models import Account
from app.access.rules import RULES, Operation, Role, permission
from app.cases.models import Case, CaseMember
from app.cases.service import authorise, roles_by_case
from app.fingerprints.service import undecided_counts
from app.kernel.primitives import utc_now
from app.media.closing import is_open
from app.media.exposure import breaks_of
from app.media.models import Blob, Evidence
from app.media.reading import claimed_lengths_ms, has_own_results
from app.media.rules import State
from app.verification.preferences import Wanted, get_preferences, is_wanted
from app.verification.work import AWAITED, Work, person_may

LABEL = "label"
"""What a coordinator does with an item before anybody looks at it; it takes no lease."""
Place = tuple[int, datetime, UUID]
"""Where an item stands: the rank of its priority, since when it waits, its id."""
Cases = dict[UUID, frozenset[Role]]


@dataclass(frozen=True)
class QueuedItem:
    """One item that the actor may take, without anything that needs the right to its content."""

    evidence: Evidence
    act: str
    kind: str | None
    duration_ms: int | None
    matches_undecided: int
    is_assigned: bool
    """Whether a coordinator gave it to the actor."""

    @property
    def place(self) -> Place:
        return self.evidence.priority, self.evidence.state_since, self.evidence.id


def list_queue(
    session: Session, actor: Actor, *, case_id: UUID | None, act: str | None, after: Place | None, limit: int
) -> Sequence[QueuedItem]:
    """What the actor may take now, of all its cases or of one. Raises NotFound for a case that it is no member of."""
    if case_id is not None:
        authorise(session, actor, case_id, Operation.READ_METADATA)
    cases = {
        case: frozenset(roles) for case, roles in roles_by_case(session, actor) if case_id is None or case == case_id
    }
    resting = breaks_of(session, actor.account_id, cases)
    cases = {case: roles for case, roles in cases.items() if case not in resting}
    if not cases:
        return []
    offered = _offered(actor.account_id, cases, get_preferences(session, actor), act)
    query = select(Evidence, Blob.kind).join(Case).join(Blob, Blob.sha256 == Evidence.blob_sha256)
    query = query.where(Case.status == "open", is_open(), offered)
    place = (Evidence.priority, Evidence.state_since, Evidence.id)
    if after is not None:
        query = query.where(tuple_(*place) > after)
    rows = session.execute(query.order_by(*place).limit(limit)).all()
    return _described(session, actor, [(evidence, kind) for evidence, kind in rows])


def _offered(person: UUID, cases: Cases, wanted: Wanted, act: str | None) -> ColumnElement[bool]:
    """The condition on an item: that its state awaits something that this person may do and wants to be offered."""
    found: list[ColumnElement[bool]] = []
    for state, work in AWAITED.items():
        needed = {work.operation} | ({Operation.OPEN_VERIFICATION} if state is State.PRESERVED else set())
        among = _where_permitted(cases, needed)
        if among and act in (None, work):
            found.append(and_(Evidence.state == state, Evidence.case_id.in_(among), _may_take(person, work, wanted)))
    among = _where_permitted(cases, {Operation.MANAGE_CASE})
    if among and act in (None, LABEL) and not wanted.is_wary:
        unlabelled = (Evidence.state == State.PRESERVED, Evidence.labels.is_(None))
        found.append(and_(Evidence.case_id.in_(among), *unlabelled))
    return or_(*found) if found else false()


def _where_permitted(cases: Cases, operations: Collection[Operation]) -> list[UUID]:
    return [
        case
        for case, roles in cases.items()
        if all(permission(operation, roles, frozenset()) is not None for operation in operations)
    ]


def _may_take(person: UUID, work: Work, wanted: Wanted) -> ColumnElement[bool]:
    """What is labelled, not worked on, not another's to do, no work of one's own, and wanted or assigned."""
    is_over = or_(Evidence.lease_holder.is_(None), Evidence.lease_expires_at <= utc_now())
    is_free = or_(is_over, ~_may_still(work, Evidence.lease_holder))
    is_own = Evidence.assigned_to == person
    conditions = [
        Evidence.labels.is_not(None),
        is_free,
        or_(Evidence.assigned_to.is_(None), is_own, ~_may_still(work, Evidence.assigned_to)),
        or_(is_own, is_wanted(wanted)),
    ]
    of_persons = person_may(person, work)
    return and_(*conditions) if of_persons is None else and_(*conditions, of_persons)


def _may_still(work: Work, person: InstrumentedAttribute[UUID | None]) -> ColumnElement[bool]:
    """Whether who holds an item, or whom it is assigned to, may still do the work by role."""
    roles = [str(role) for role in RULES[work.operation].roles]
    return (
        select(CaseMember.case_id)
        .join(Account, Account.id == CaseMember.account_id)
        .where(
            CaseMember.case_id == Evidence.case_id,
            CaseMember.account_id == person,
            CaseMember.role.in_(roles),
            Account.is_active,
        )
        .exists()
    )


def _described(session: Session, actor: Actor, rows: Sequence[tuple[Evidence, str | None]]) -> list[QueuedItem]:
    items = [evidence for evidence, _ in rows]
    lengths = claimed_lengths_ms(session, {item.blob_sha256 or "" for item in items if has_own_results(item)})
    undecided = undecided_counts(session, [item.id for item in items])
    return [
        QueuedItem(
            evidence=evidence,
            act=LABEL if evidence.labels is None else AWAITED[State(evidence.state)],
            kind=kind,
            duration_ms=lengths.get(evidence.blob_sha256 or "") if has_own_results(evidence) else None,
            matches_undecided=undecided.get(evidence.id, 0),
            is_assigned=evidence.assigned_to == actor.account_id,
        )
        for evidence, kind in rows
    ]
