"""What the coordinators of a case are told of matches with other cases: that there is one, how sure, and since when.

Of the other side nothing is told: no id, no case, no picture. Coordinators who want to know more ask their
administrators for a way to each other; who is a member of both cases sees the match itself. No entry in the item's
stream tells of a notice, since more people read those than are told of it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, tuple_
from sqlalchemy.orm import Session

from app.access.actors import Actor, system_stream
from app.access.rules import Operation
from app.cases.service import authorise
from app.fingerprints.events import NoticeAcknowledged
from app.fingerprints.models import Match, MatchNotice
from app.fingerprints.tiers import is_lost
from app.kernel.errors import NotFound
from app.kernel.primitives import utc_now
from app.ledger.event import EntryObject
from app.media.closing import is_open
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
) -> list[tuple[MatchNotice, bool]]:
    """As they were given, and whether each still rests on something that is found."""
    authorise(session, actor, case_id, Operation.READ_NOTICES)
    query = select(MatchNotice, _has_grounds()).join(Evidence, Evidence.id == MatchNotice.evidence_id)
    query = query.where(MatchNotice.case_id == case_id, is_open())
    if open_only:
        query = query.where(MatchNotice.acknowledged_at.is_(None))
    if after is not None:
        query = query.where(tuple_(MatchNotice.found_at, MatchNotice.id) > after)
    rows = session.execute(query.order_by(MatchNotice.found_at, MatchNotice.id).limit(limit))
    return [(notice, has_grounds) for notice, has_grounds in rows]


def _has_grounds() -> ColumnElement[bool]:
    """Of a notice: a match of its item with one of the other case is still found."""
    is_of_both = or_(
        and_(Match.first_id == MatchNotice.evidence_id, Match.other_case_id == MatchNotice.other_case_id),
        and_(Match.second_id == MatchNotice.evidence_id, Match.case_id == MatchNotice.other_case_id),
    )
    return select(Match.id).where(is_of_both, ~is_lost()).exists()


def acknowledge_notice(uow: UnitOfWork, actor: Actor, case_id: UUID, notice_id: UUID) -> tuple[MatchNotice, bool]:
    """A coordinator has seen it; doing so again changes nothing."""
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE)
    found = uow.session.execute(
        select(MatchNotice, _has_grounds())
        .where(MatchNotice.id == notice_id, MatchNotice.case_id == case_id)
        .with_for_update(of=MatchNotice)
    ).one_or_none()
    if found is None:
        raise NotFound()
    notice, has_grounds = found
    if notice.acknowledged_at is not None:
        return notice, has_grounds
    notice.acknowledged_by, notice.acknowledged_at = grant.account_id, utc_now()
    uow.session.flush()
    uow.record(
        NoticeAcknowledged(
            stream=system_stream(uow.session),
            actor=actor.system_entry_actor(grant.entry_actor.role),
            object=EntryObject("notice", notice.id),
            tier=notice.tier,
            found_at=notice.found_at,
        )
    )
    return notice, has_grounds
