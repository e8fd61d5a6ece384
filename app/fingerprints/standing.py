"""Whether a stored match stands by the rule in force. Matches are kept for ever, with what people decided about them;
a rule that changed says so beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.cases.models import CasePolicy
from app.cases.policy import Policy
from app.fingerprints.finding import case_thresholds, pair_key
from app.fingerprints.grounds import WITHOUT_PICTURES
from app.fingerprints.matching import rule_of, thresholds_of
from app.fingerprints.models import BlobMatch, Match, MatchComparison


@dataclass(frozen=True)
class Standing:
    blob_match: BlobMatch | None
    """By the rule in force, where that finds the pair; else by the rule that found it. None: the same bytes."""
    query_id: UUID
    """The item that this explanation calls the query."""
    still_found: bool | None
    """Whether the rule in force finds it too; None: it was not compared by it yet."""


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
    session: Session, matches: Sequence[Match], found_by: Mapping[str, BlobMatch]
) -> dict[UUID, Standing]:
    """Of each match the explanation to show, in four queries at most.

    ``found_by``: the explanations with which they were stored, by key.
    """
    similar = [match for match in matches if match.blob_match is not None]
    rules = rules_of_cases(session, {match.case_id for match in similar})
    across = rule_of(thresholds_of())
    wanted: dict[UUID, tuple[str, str]] = {}
    for match in similar:
        former = found_by[match.blob_match or ""]
        rule = rules[match.case_id] if match.other_case_id is None else across
        if former.rule != rule:
            wanted[match.id] = rule, pair_key(former.query_sha256, former.reference_sha256, rule)
    newer: dict[str, BlobMatch] = {}
    compared: set[tuple[UUID, bool, str]] = set()
    if wanted:
        keys = {key for _, key in wanted.values()}
        newer = {row.key: row for row in session.scalars(select(BlobMatch).where(BlobMatch.key.in_(keys)))}
        items = {item for match in similar if match.id in wanted for item in (match.first_id, match.second_id)}
        rows = session.execute(
            select(MatchComparison.evidence_id, MatchComparison.across, MatchComparison.rule).where(
                MatchComparison.evidence_id.in_(items)
            )
        )
        compared = {(row.evidence_id, row.across, row.rule) for row in rows}
    return {match.id: _standing(match, found_by, wanted.get(match.id), newer, compared) for match in matches}


def _standing(
    match: Match,
    found_by: Mapping[str, BlobMatch],
    wanted: tuple[str, str] | None,
    newer: Mapping[str, BlobMatch],
    compared: set[tuple[UUID, bool, str]],
) -> Standing:
    former = found_by.get(match.blob_match or "")
    if wanted is None:
        return Standing(former, match.query_id, True)
    rule, key = wanted
    if key in newer:
        found = newer[key]
        is_as_before = former is not None and found.query_sha256 == former.query_sha256
        other_id = match.second_id if match.query_id == match.first_id else match.first_id
        return Standing(found, match.query_id if is_as_before else other_id, True)
    if former is not None and former.rule == rule + WITHOUT_PICTURES:
        return Standing(former, match.query_id, True)
    sides = ((item, match.other_case_id is not None, rule) for item in (match.first_id, match.second_id))
    return Standing(former, match.query_id, False if any(side in compared for side in sides) else None)
