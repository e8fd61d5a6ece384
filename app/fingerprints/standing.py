"""Whether a stored match stands by the rule in force. Matches are kept for ever, with what people decided about them;
a rule that changed, or a frame that was stopped, says so beside them. The tier is always one that has its entries."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.cases.models import CasePolicy
from app.cases.policy import Policy
from app.fingerprints.finding import case_thresholds, pair_key
from app.fingerprints.grounds import WITHOUT_PICTURES
from app.fingerprints.matching import rule_of, thresholds_of
from app.fingerprints.models import BlobMatch, Match, MatchComparison, MatchTier
from app.fingerprints.pair_rules import Settled, lost_by, pair_rule, stops_of_item
from app.media.models import Evidence


@dataclass(frozen=True)
class Standing:
    tier: str
    """As the newest entry says."""
    blob_match: BlobMatch | None
    """By the rule in force, where that finds the pair; else by the rule that found it. None: the same bytes."""
    query_id: UUID
    """The item that this explanation calls the query."""
    still_found: bool | None
    """Whether the rule in force finds it too; None: it was not compared by it yet."""
    lost_by: str | None = None
    """Where it does not: thresholds or the rule changed, one of the two was decoded again, or frames were stopped that
    it rested on."""


class _Wanted(NamedTuple):
    """What the rule in force says of a pair, if it was asked."""

    pair_rule: str
    key: str
    is_compared: bool
    """Whether it was asked."""


def rules_of_cases(session: Session, case_ids: Iterable[UUID]) -> dict[UUID, str]:
    """By which rule the items of each of these cases are compared with each other now."""
    newest = aliased(CasePolicy)
    last = select(func.max(newest.version)).where(newest.case_id == CasePolicy.case_id).correlate(CasePolicy)
    rows = session.execute(
        select(CasePolicy.case_id, CasePolicy.document).where(
            CasePolicy.case_id.in_(list(case_ids)), CasePolicy.version == last.scalar_subquery()
        )
    )
    return {row.case_id: rule_of(case_thresholds(Policy.of(row.document))) for row in rows}


def by_rules_in_force(
    session: Session,
    matches: Sequence[Match],
    found_by: Mapping[str, BlobMatch],
    later: Mapping[UUID, MatchTier],
    lost: Mapping[UUID, MatchTier],
) -> dict[UUID, Standing]:
    """Of each match the tier and the explanation to show, in five queries at most.

    ``found_by``: the explanations with which they were stored, by key. ``later``: tiers that changed since; ``lost``:
    of those that are said to be found no longer.
    """
    similar = [match for match in matches if match.blob_match is not None]
    recorded = {match.id: found_by[_recorded(match, later)] for match in similar}
    wanted = _wanted(session, similar, recorded, lost)
    keys = {one.key for one in wanted.values()}
    newer = {row.key: row for row in session.scalars(select(BlobMatch).where(BlobMatch.key.in_(keys)))} if keys else {}
    found = {match.id: Standing(match.tier, None, match.query_id, True) for match in matches}
    for match in similar:
        shown, still_found, cause = _shown(match, recorded[match.id], wanted.get(match.id), newer)
        if match.id in lost:  # Until its entries say that it is found again.
            still_found = False if wanted[match.id].is_compared else None
            shown, cause = recorded[match.id], lost[match.id].lost_by if still_found is False else None
        is_as_found = shown.query_sha256 == found_by[match.blob_match or ""].query_sha256
        query_id = match.query_id if is_as_found else _reference_id(match)
        tier = later[match.id].tier if match.id in later else match.tier
        found[match.id] = Standing(tier, shown, query_id, still_found, cause)
    return found


def as_told(
    match: Match, found_by: Mapping[str, BlobMatch], later: MatchTier | None, lost: MatchTier | None
) -> Standing:
    """As its newest entry says, ``later`` if its tier had changed, ``lost`` if it was not found any more: what a rule
    of now says of it was not known then."""
    if match.blob_match is None:
        return Standing(match.tier, None, match.query_id, None)
    first, told = found_by[match.blob_match], found_by[match.blob_match if later is None else later.blob_match]
    query_id = match.query_id if told.query_sha256 == first.query_sha256 else _reference_id(match)
    still_found, cause = (None, None) if lost is None else (False, lost.lost_by)
    return Standing(match.tier if later is None else later.tier, told, query_id, still_found, cause)


def _recorded(match: Match, later: Mapping[UUID, MatchTier]) -> str:
    """The key of the explanation that the newest entry is about."""
    return later[match.id].blob_match if match.id in later else match.blob_match or ""


def _reference_id(match: Match) -> UUID:
    return match.second_id if match.query_id == match.first_id else match.first_id


def _wanted(
    session: Session, similar: Sequence[Match], recorded: Mapping[UUID, BlobMatch], lost: Collection[UUID]
) -> dict[UUID, _Wanted]:
    """Of the matches that are lost, or were explained by another rule than the one that is in force for their pair."""
    cases = rules_of_cases(session, {match.case_id for match in similar})
    across = rule_of(thresholds_of())
    rules = {match.id: cases[match.case_id] if match.other_case_id is None else across for match in similar}
    settled = _settled_items(session, {item for match in similar for item in _items(match)})
    pairs = {match.id: (settled[match.first_id], settled[match.second_id]) for match in similar}
    names = {match.id: pair_rule(rules[match.id], *pairs[match.id]) for match in similar}
    outdated = [match for match in similar if match.id in lost or recorded[match.id].rule != names[match.id]]
    compared = _comparisons(session, {item for match in outdated for item in _items(match)})
    wanted = {}
    for match in outdated:
        one, other = pairs[match.id]
        made = [(compared.get((item, match.other_case_id is not None)), settled[item]) for item in _items(match)]
        is_compared = _is_compared(rules[match.id], made)
        wanted[match.id] = _Wanted(names[match.id], pair_key(one.blob, other.blob, names[match.id]), is_compared)
    return wanted


def _items(match: Match) -> tuple[UUID, UUID]:
    return match.first_id, match.second_id


def _settled_items(session: Session, items: Collection[UUID]) -> dict[UUID, Settled]:
    query = (
        select(Evidence.id, Evidence.blob_sha256, Evidence.settled_decoding, stops_of_item())
        .where(Evidence.id.in_(items))
        .select_from(Evidence)
    )
    return {row[0]: Settled(row[1] or "", row[2], row[3]) for row in session.execute(query)}


def _comparisons(session: Session, items: Collection[UUID]) -> dict[tuple[UUID, bool], MatchComparison]:
    """By which each item was compared last: with its case, and across cases."""
    if not items:
        return {}
    rows = session.scalars(select(MatchComparison).where(MatchComparison.evidence_id.in_(items)))
    return {(row.evidence_id, row.across): row for row in rows}


def _is_compared(rule: str, sides: Iterable[tuple[MatchComparison | None, Settled]]) -> bool:
    """Whether the pair was looked at as it is now from either side: both were compared by this rule, and neither was
    decoded again, or concerned by the stop list, since it was compared."""
    return all(
        row is not None and row.rule == rule and row.decoding >= settled.decoding and row.stops >= settled.stops
        for row, settled in sides
    )


def _shown(
    match: Match, former: BlobMatch, wanted: _Wanted | None, newer: Mapping[str, BlobMatch]
) -> tuple[BlobMatch, bool | None, str | None]:
    """The explanation, whether it is still found, and why it is not."""
    if wanted is None:
        return former, True, None
    found = newer.get(wanted.key)
    if found is not None and found.tier == former.tier:
        return found, True, None
    if found is not None and match.other_case_id is None:
        return former, None, None  # Of another tier, as another case has found: here it has no entries yet.
    if former.rule == wanted.pair_rule + WITHOUT_PICTURES:
        return former, True, None
    return (former, False, lost_by(former.rule, wanted.pair_rule)) if wanted.is_compared else (former, None, None)
