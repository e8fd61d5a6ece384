"""Drafts of findings: saved by the lease's holder as often as they like, seen by nobody else, no act till submitted.

A lease that ends leaves them to their author, who may go on when they hold it again.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, delete, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.kernel.errors import VersionMismatch
from app.kernel.primitives import new_id, utc_now
from app.media.items import find_evidence, lock_evidence
from app.unit_of_work import UnitOfWork
from app.verification.blind import place_of_work
from app.verification.errors import NoDraft
from app.verification.models import FindingDraft
from app.verification.rules import Dimension, require_lease
from app.verification.stated import Stated

SHORTEST_ERASED = 3
"""Characters: what is shorter stands in every text."""


def save_draft(
    uow: UnitOfWork, actor: Actor, evidence_id: UUID, stated: Stated, *, version: int | None
) -> FindingDraft:
    """Keep this as the actor's draft on its dimension. ``version`` None: whatever stands there, the last one counts.

    Raises WrongState, LeaseNotHeld, VersionMismatch.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=None)
    place_of_work(evidence)
    require_lease(evidence.lease_holder, evidence.lease_expires_at, grant.account_id, utc_now())
    known = _own(uow.session, evidence_id, grant.account_id, stated.dimension)
    if version is not None and version != (0 if known is None else known.version):
        raise VersionMismatch("The draft was saved elsewhere since you read it. Read it again, then repeat the change.")
    row = insert(FindingDraft).values(
        id=new_id(),
        evidence_id=evidence_id,
        author_id=grant.account_id,
        dimension=stated.dimension,
        content=stated.document(),
        version=1,
        saved_at=utc_now(),
    )
    saved = row.on_conflict_do_update(
        constraint="uq_finding_drafts_one",
        set_={"content": row.excluded.content, "version": FindingDraft.version + 1, "saved_at": row.excluded.saved_at},
    )
    found = select(FindingDraft).from_statement(saved.returning(FindingDraft))
    kept: FindingDraft = uow.session.scalars(found.execution_options(populate_existing=True)).one()
    return kept


def get_draft(session: Session, actor: Actor, evidence_id: UUID, dimension: Dimension) -> FindingDraft:
    """One's own. Raises NoDraft."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    found = _own(session, evidence_id, actor.account_id, dimension)
    if found is None:
        raise NoDraft("You have no draft on this dimension of this item.")
    return found


def list_drafts(
    session: Session, actor: Actor, evidence_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[FindingDraft]:
    """One's own, those first that were saved first."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = select(FindingDraft).where(
        FindingDraft.evidence_id == evidence_id, FindingDraft.author_id == actor.account_id
    )
    if after is not None:
        query = query.where(tuple_(FindingDraft.saved_at, FindingDraft.id) > after)
    return session.scalars(query.order_by(FindingDraft.saved_at, FindingDraft.id).limit(limit)).all()


def discard_draft(uow: UnitOfWork, actor: Actor, evidence_id: UUID, dimension: Dimension) -> None:
    """One's own, also without the lease. Raises NoDraft."""
    _, grant = find_evidence(uow.session, actor, evidence_id, Operation.VERIFY)
    found = _own(uow.session, evidence_id, grant.account_id, dimension)
    if found is None:
        raise NoDraft("You have no draft on this dimension of this item.")
    uow.session.delete(found)


def drafts_of(session: Session, evidence_id: UUID, author_id: UUID) -> list[Stated]:
    """What one person has written of the item, in the dimensions' order (no permission check)."""
    rows = session.scalars(
        select(FindingDraft).where(FindingDraft.evidence_id == evidence_id, FindingDraft.author_id == author_id)
    )
    stated = [Stated.of(row.dimension, row.content) for row in rows]
    return sorted(stated, key=lambda one: list(Dimension).index(one.dimension))


def end_drafts(session: Session, evidence_id: UUID, author_id: UUID, dimensions: Collection[str]) -> None:
    """What became findings. Drafts that the session holds stay in it; nobody looks at them again."""
    session.execute(_END, {"evidence_id": evidence_id, "author_id": author_id, "dimensions": list(dimensions)})


# With every finding: made once, and no object is looked for that it would be true of.
_END = (
    delete(FindingDraft)
    .where(FindingDraft.evidence_id == bindparam("evidence_id"), FindingDraft.author_id == bindparam("author_id"))
    .where(FindingDraft.dimension.in_(bindparam("dimensions", expanding=True)))
    .execution_options(synchronize_session=False)
)


def forget_drafts(session: Session, evidence_ids: Collection[UUID], values: Collection[Any]) -> None:
    """Drafts on these items that hold one of the values, which are being erased, go as a whole."""
    words = sorted({text for value in values for text in _texts(value) if len(text) >= SHORTEST_ERASED})
    if not words:
        return
    content = cast(FindingDraft.content, Text)
    holds = [func.strpos(content, json.dumps(word, ensure_ascii=False)[1:-1]) > 0 for word in words]
    session.execute(delete(FindingDraft).where(FindingDraft.evidence_id.in_(evidence_ids), or_(*holds)))


def forget_drafts_by(session: Session, account_id: UUID) -> None:
    """Of an account that is erased: nobody else could ever read them (no permission check)."""
    session.execute(delete(FindingDraft).where(FindingDraft.author_id == account_id))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            if name != "kind":
                yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _own(session: Session, evidence_id: UUID, author_id: UUID, dimension: Dimension) -> FindingDraft | None:
    return session.scalar(
        select(FindingDraft).where(
            FindingDraft.evidence_id == evidence_id,
            FindingDraft.author_id == author_id,
            FindingDraft.dimension == dimension,
        )
    )
