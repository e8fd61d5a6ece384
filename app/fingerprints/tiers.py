"""The tier that a match has now, and the entries in both items' streams when it is another one than was said before.

A match is found once, and stays; how sure it is may change: another rule, thresholds of the case that changed, working
pictures that were made since, frames that were stopped. What people read of it, groups, and the questions about
recycled footage all follow the row in force here, which has its entries. Decision 0050.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, case, select
from sqlalchemy.orm import Session

from app.fingerprints.models import BlobMatch, Match, MatchTier
from app.fingerprints.seeing import of_item
from app.kernel.database import is_one_of
from app.kernel.primitives import utc_now
from app.ledger.positions import Position, standing_at
from app.media.models import Evidence

FIRST = 1
"""The number of the tier with which a match was found."""


class Changed(NamedTuple):
    """A match of which the tier changed, the new tier, its explanation, and the other item."""

    match: Match
    tier: MatchTier
    blob_match: BlobMatch
    other: Evidence


def last_tiers(session: Session, match_ids: Collection[UUID], at: Position | None = None) -> dict[UUID, MatchTier]:
    """Of those matches whose tier changed since they were found the one in force, now or then."""
    if not match_ids:
        return {}
    query = select(MatchTier).where(MatchTier.match_id.in_(match_ids), standing_at(at, MatchTier.act))
    query = query.order_by(MatchTier.number)
    return {row.match_id: row for row in session.scalars(query)}


def keep_changed_tiers(session: Session, evidence: Evidence, explained: Mapping[str, BlobMatch]) -> list[Changed]:
    """The item's matches within its case that are explained by another tier now than was said of them.

    ``explained``: per similar blob. The caller holds ``finding.lock_matching``, and records each in both streams.
    """
    if not explained:
        return []
    other_id = _other_id(evidence.id)
    rows = session.execute(
        select(Match, Evidence)
        .join(Evidence, Evidence.id == other_id)
        .where(of_item(evidence.id), Match.tier != "exact", is_one_of(Evidence.blob_sha256, explained))
        .order_by(Match.found_at, Match.id)
    ).all()
    last = last_tiers(session, [match.id for match, _ in rows])
    changed = []
    for match, other in rows:
        now, before = explained[other.blob_sha256 or ""], last.get(match.id)
        if now.tier == (match.tier if before is None else before.tier):
            continue
        tier = MatchTier(
            match_id=match.id,
            number=(FIRST if before is None else before.number) + 1,
            first_id=match.first_id,
            second_id=match.second_id,
            tier=now.tier,
            blob_match=now.key,
            found_at=utc_now(),
        )
        session.add(tier)
        changed.append(Changed(match, tier, now, other))
    session.flush()
    return changed


def _other_id(evidence_id: UUID) -> ColumnElement[UUID]:
    return case((Match.first_id == evidence_id, Match.second_id), else_=Match.first_id)
