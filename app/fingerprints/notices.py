"""What the coordinators of a case are told of matches with other cases: that there is one, how sure, and since when.

Of the other side nothing is told: no id, no case, no picture. Coordinators who want to know more ask their
administrators for a way to each other; who is a member of both cases sees the match itself.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.fingerprints.events import NoticeAcknowledged
from app.fingerprints.models import MatchNotice
from app.kernel.errors import NotFound
from app.kernel.primitives import utc_now
from app.media.closing import is_open
from app.media.items import entry_object
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork


def list_notices(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    open_only: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[MatchNotice]:
    """As they were given."""
    authorise(session, actor, case_id, Operation.READ_NOTICES)
    query = select(MatchNotice).join(Evidence, Evidence.id == MatchNotice.evidence_id)
    query = query.where(MatchNotice.case_id == case_id, is_open())
    if open_only:
        query = query.where(MatchNotice.acknowledged_at.is_(None))
    if after is not None:
        query = query.where(tuple_(MatchNotice.found_at, MatchNotice.id) > after)
    return session.scalars(query.order_by(MatchNotice.found_at, MatchNotice.id).limit(limit)).all()


def acknowledge_notice(uow: UnitOfWork, actor: Actor, case_id: UUID, notice_id: UUID) -> MatchNotice:
    """A coordinator has seen it; doing so again changes nothing."""
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE)
    notice = uow.session.scalar(
        select(MatchNotice).where(MatchNotice.id == notice_id, MatchNotice.case_id == case_id).with_for_update()
    )
    if notice is None:
        raise NotFound()
    if notice.acknowledged_at is not None:
        return notice
    notice.acknowledged_by, notice.acknowledged_at = grant.account_id, utc_now()
    evidence = uow.session.get_one(Evidence, notice.evidence_id)
    uow.session.flush()
    uow.record(
        NoticeAcknowledged(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            notice=notice.id,
        )
    )
    return notice
