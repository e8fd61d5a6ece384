"""Who sees which match. One between two cases is seen by members of both, and by nobody else in any way; so whatever
lists or counts matches asks here, or takes those of one case alone (:func:`of_item`)."""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import NOWHERE, Grant, authorise, visible_cases, within_reach
from app.fingerprints.models import Match
from app.kernel.errors import NotFound
from app.media.closing import closed_among, is_open
from app.media.errors import CONSENT_WITHDRAWN, ConsentWithdrawn
from app.media.models import Evidence


def of_item(evidence_id: UUID) -> ColumnElement[bool]:
    """The matches that an item is part of, on either side, with items of its own case."""
    return and_(_is_part(evidence_id), Match.other_case_id.is_(None))


def of_item_seen_by(actor: Actor, evidence_id: UUID) -> ColumnElement[bool]:
    """The matches of an item that the actor sees, who was permitted to read the item."""
    mine = visible_cases(actor)
    is_seen = or_(Match.other_case_id.is_(None), and_(Match.case_id.in_(mine), Match.other_case_id.in_(mine)))
    return and_(_is_part(evidence_id), is_seen, between_open())


def between_open() -> ColumnElement[bool]:
    """Of a match: no withdrawn consent closes one of its items."""
    return ~select(Evidence.id).where(Evidence.id.in_((Match.first_id, Match.second_id)), ~is_open()).exists()


def _is_part(evidence_id: UUID) -> ColumnElement[bool]:
    return or_(Match.first_id == evidence_id, Match.second_id == evidence_id)


def find_match(session: Session, actor: Actor, match_id: UUID, operation: Operation) -> tuple[Match, Grant]:
    """A match that the actor sees, for somebody who may do this in the case of its first item.

    Raises NotFound for an outsider to either case; and what ``authorise`` raises.
    """
    match = session.scalar(select(Match).where(Match.id == match_id, within_reach(actor, Match.case_id)))
    if match is not None and match.other_case_id is not None:
        # Seen before asked: a member of one case alone is an outsider, whatever role is lacking there.
        authorise(session, actor, match.case_id, Operation.READ_METADATA)
        authorise(session, actor, match.other_case_id, Operation.READ_METADATA)
    grant = authorise(session, actor, NOWHERE if match is None else match.case_id, operation)
    if match is None:
        raise NotFound()
    if closed_among(session, [match.first_id, match.second_id]):
        raise ConsentWithdrawn(CONSENT_WITHDRAWN)
    return match, grant
