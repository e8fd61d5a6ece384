"""The tier that a match has now, whether it is still found, and what changed of it since it was said before.

A match is found once, and stays; how sure it is may change, and whether it is found at all: another rule, thresholds of
the case that changed, working pictures that were made since, another decoding, frames that were stopped. What people
read of it, groups, and the questions about recycled footage all follow the row in force here, which has its entries.
Decisions 0050 and 0064.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from app.fingerprints.finding import Compared, pair_key, settled_where
from app.fingerprints.grounds import WITHOUT_PICTURES
from app.fingerprints.models import FIRM_TIERS, TIERS, BlobMatch, BlobStops, Match, MatchComparison, MatchTier, Relation
from app.fingerprints.pair_rules import lost_by, newest, pair_rule
from app.fingerprints.seeing import of_item
from app.kernel.database import is_one_of
from app.kernel.primitives import utc_now
from app.ledger.positions import Position, standing_at
from app.media.models import Evidence

FIRST = 1
"""The number of the tier with which a match was found."""


class Changed(NamedTuple):
    """A match of which the tier changed, or that was lost or found again; the new row, its explanation (of what is
    lost: by which it was found last), and the other item."""

    match: Match
    tier: MatchTier
    blob_match: BlobMatch
    other: Evidence


def last_tiers_and_losses(
    session: Session, match_ids: Collection[UUID], at: Position | None = None
) -> tuple[dict[UUID, MatchTier], dict[UUID, MatchTier]]:
    """Now or then, in one question: of those matches whose tier changed since they were found, or that were found
    again, the last such row, which says the tier of what is lost, too; and of those that are no longer found the row
    that says so."""
    rows = _rows(session, match_ids, at)
    tiers = {match_id: row for match_id, row in rows if row.lost_by is None}
    return tiers, {match_id: row for match_id, row in dict(rows).items() if row.lost_by is not None}


def _rows(session: Session, match_ids: Collection[UUID], at: Position | None = None) -> list[tuple[UUID, MatchTier]]:
    """In their order."""
    if not match_ids:
        return []
    query = select(MatchTier).where(MatchTier.match_id.in_(match_ids), standing_at(at, MatchTier.act))
    query = query.order_by(MatchTier.number)
    return [(row.match_id, row) for row in session.scalars(query)]


def is_lost(at: Position | None = None) -> ColumnElement[bool]:
    """Of a match: it is no longer found, now or then."""
    last = select(MatchTier.lost_by).where(MatchTier.match_id == Match.id, standing_at(at, MatchTier.act))
    return last.order_by(MatchTier.number.desc()).limit(1).scalar_subquery().is_not(None)


def is_to_decide(at: Position | None = None) -> ColumnElement[bool]:
    """Of a match: it is found, and nobody decided or deferred anything about it, now or then."""
    decided = select(Relation.id).where(Relation.match_id == Match.id, standing_at(at, Relation.act))
    return and_(~decided.exists(), ~is_lost(at))


def keep_changed_tiers(
    session: Session, evidence: Evidence, explained: Mapping[str, BlobMatch], *, across: bool = False
) -> list[Changed]:
    """The item's matches within its case, or ``across`` cases, that are explained by another tier now than was said of
    them, or of which it was said that they are lost.

    ``explained``: per similar blob. Within a case the caller holds ``finding.lock_matching``; it records each.
    """
    rows = _matches_with(session, evidence, across, is_one_of(Evidence.blob_sha256, explained)) if explained else []
    newest_rows = dict(_rows(session, [match.id for match, _ in rows]))
    changed = []
    for match, other in rows:
        now, before = explained[other.blob_sha256 or ""], newest_rows.get(match.id)
        is_same = now.tier == (match.tier if before is None else before.tier)
        if not is_same or (before is not None and before.lost_by is not None):
            changed.append(Changed(match, _next(match, before, now), now, other))
    return _kept(session, changed)


def keep_losses(
    session: Session, evidence: Evidence, compared: Compared, *others: ColumnElement[bool], across: bool = False
) -> list[Changed]:
    """The item's matches that neither of the two items finds any more: both were compared by the rule in force, as they
    are now. ``others``: with which items it was compared. As of :func:`keep_changed_tiers`; the item's own comparison
    was noted. Across cases what is found, but not surely, is not found."""
    is_compared = (
        MatchComparison.rule == compared.rule,
        MatchComparison.decoding >= Evidence.settled_decoding,
        MatchComparison.stops >= func.coalesce(BlobStops.change, 0),
    )
    rows = _matches_with(session, evidence, across, *others, *is_compared)
    newest_rows = dict(_rows(session, [match.id for match, _ in rows]))
    found = {} if across else compared.explained
    asked = [
        (match, other)
        for match, other in rows
        if other.blob_sha256 not in found and not (match.id in newest_rows and newest_rows[match.id].lost_by)
    ]
    blobs = {other.blob_sha256 or "" for _, other in asked}
    theirs = newest(settled_where(session, is_one_of(Evidence.blob_sha256, blobs), *others)) if blobs else {}
    rules = {blob: pair_rule(compared.rule, compared.own, settled) for blob, settled in theirs.items()}
    known = _found_by(session, compared.sha256, rules, FIRM_TIERS if across else TIERS)
    lost = [(match, other) for match, other in asked if other.blob_sha256 not in known]
    return _kept(session, _lost(session, lost, newest_rows, rules))


def _found_by(session: Session, sha256: str, rules: Mapping[str, str], tiers: Collection[str]) -> set[str]:
    """The other blobs, of these, that are found as sure as this."""
    keys = {
        pair_key(sha256, blob, rule + name): blob for blob, rule in rules.items() for name in ("", WITHOUT_PICTURES)
    }
    query = select(BlobMatch.key).where(is_one_of(BlobMatch.key, keys), BlobMatch.tier.in_(tiers))
    return {keys[key] for key in session.scalars(query)} if keys else set()


def _lost(
    session: Session,
    found: Sequence[tuple[Match, Evidence]],
    newest_rows: Mapping[UUID, MatchTier],
    rules: Mapping[str, str],
) -> list[Changed]:
    keys = {match.blob_match or "" for match, _ in found} | {row.blob_match for row in newest_rows.values()}
    formers = {row.key: row for row in session.scalars(select(BlobMatch).where(is_one_of(BlobMatch.key, keys)))}
    lost = []
    for match, other in found:
        before = newest_rows.get(match.id)
        former = formers[(match.blob_match or "") if before is None else before.blob_match]
        row = _next(match, before, former)
        row.lost_by = lost_by(former.rule, rules[other.blob_sha256 or ""])
        lost.append(Changed(match, row, former, other))
    return lost


def _matches_with(
    session: Session, evidence: Evidence, across: bool, *conditions: ColumnElement[bool]
) -> list[tuple[Match, Evidence]]:
    """The item's matches that are no exact copies, with the other item, of which this holds."""
    is_part = or_(Match.first_id == evidence.id, Match.second_id == evidence.id)
    among = and_(is_part, Match.other_case_id.is_not(None)) if across else of_item(evidence.id)
    is_made = and_(MatchComparison.evidence_id == Evidence.id, MatchComparison.across.is_(across))
    rows = session.execute(
        select(Match, Evidence)
        .join(Evidence, Evidence.id == _other_id(evidence.id))
        .outerjoin(MatchComparison, is_made)
        .outerjoin(BlobStops, BlobStops.blob_sha256 == Evidence.blob_sha256)
        .where(among, Match.tier != "exact", *conditions)
        .order_by(Match.found_at, Match.id)
    )
    return [(match, other) for match, other in rows]


def _next(match: Match, before: MatchTier | None, explanation: BlobMatch) -> MatchTier:
    return MatchTier(
        match_id=match.id,
        number=(FIRST if before is None else before.number) + 1,
        first_id=match.first_id,
        second_id=match.second_id,
        tier=explanation.tier,
        blob_match=explanation.key,
        found_at=utc_now(),
    )


def _kept(session: Session, changed: list[Changed]) -> list[Changed]:
    session.add_all(one.tier for one in changed)
    session.flush()
    return changed


def _other_id(evidence_id: UUID) -> Any:
    return case((Match.first_id == evidence_id, Match.second_id), else_=Match.first_id)
