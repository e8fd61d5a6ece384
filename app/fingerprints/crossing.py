"""The job ``match_across``: compare a settled item with the items of other cases, for those who may see both.

It runs after the item has settled, so that neither how long that takes nor what the item shows says whether another
case has the same; and when nothing else waits, so that what is sent meanwhile does not wait for it. No lock is needed:
of two items that settle at once, the one whose job plans later sees the other.

The product's own thresholds hold, whatever the cases say, so that no case can widen what it learns of another; and only
firm matches count, since nobody outside both cases could look at a likely one.

Whatever is found, the item that was compared has one entry, which does not say what, and the others have none: whoever
reads a case's custody log learns nothing of what other cases hold (decision 0082).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Uuid, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.cases.models import CasePolicy
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.events import EvidenceCompared
from app.fingerprints.finding import (
    Compared,
    Comparison,
    HasBlobs,
    compare,
    plan_pairs,
    query_prints,
    settled_where,
)
from app.fingerprints.keeping import earliest, is_settled, keep_blob_matches, keep_match, note_comparison
from app.fingerprints.matching import rule_of, thresholds_of
from app.fingerprints.models import FIRM_TIERS, BlobMatch, Match, MatchComparison, MatchNotice
from app.fingerprints.pair_rules import Settled, stops_of, stops_of_item
from app.fingerprints.proposing import Proposed, proposed_anywhere
from app.fingerprints.tiers import keep_changed_tiers, keep_losses
from app.jobs import IN_BULK, Job
from app.kernel.database import is_one_of
from app.kernel.primitives import new_id, utc_now
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork

MATCH_ACROSS = "match_across"
DUE_AT_ONCE = 500
"""So many forgotten items get a job at a time."""


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    decoding: int
    comparison: Comparison


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    decoding: int
    compared: Compared


def takes_part(case_id: Any) -> ColumnElement[bool]:
    """Whether the case, a value or a column, allows that its items are compared with those of other cases."""
    policy = aliased(CasePolicy)
    allows = func.coalesce(policy.document["matching_across_cases"].astext.cast(Boolean), True)
    newest = select(allows).where(policy.case_id == case_id).order_by(policy.version.desc()).limit(1)
    return func.coalesce(newest.correlate_except(policy).scalar_subquery(), False)


def _last_away(case_id: Any) -> Any:
    """When the case, a value or a column, last chose not to take part: what was compared before has to be compared
    with what came to the other cases meanwhile, which was not compared with it."""
    policy = aliased(CasePolicy)
    is_away = ~func.coalesce(policy.document["matching_across_cases"].astext.cast(Boolean), True)
    last = select(func.max(policy.created_at)).where(policy.case_id == case_id, is_away)
    return last.correlate_except(policy).scalar_subquery()  # By itself it would take the column as one of all cases.


def _elsewhere(evidence: Evidence) -> tuple[ColumnElement[bool], ...]:
    """Items of the other cases that take part."""
    return _are_elsewhere(evidence.case_id)


def _are_elsewhere(case_id: Any) -> tuple[ColumnElement[bool], ...]:
    return (Evidence.case_id != case_id, is_settled(), takes_part(Evidence.case_id))


# Asked of every item, mostly with nothing more to do: made anew they would take longer than their answers.
_CASE = bindparam("case_id", type_=Uuid)
_TAKING_PART = select(Evidence).where(
    Evidence.id == bindparam("evidence_id"), is_settled(), takes_part(Evidence.case_id)
)
_IS_ANYTHING_ELSEWHERE = select(exists().where(*_are_elsewhere(_CASE)))
_TAKES_PART = select(takes_part(_CASE))
_LAST_AWAY = select(_last_away(_CASE))


def _here_alone(session: Session, evidence: Evidence) -> list[str]:
    """Blobs of the item's case that no other case has: a hundred near copies of one's own would hide others."""
    other = aliased(Evidence)
    elsewhere = exists().where(other.blob_sha256 == Evidence.blob_sha256, other.case_id != Evidence.case_id)
    query = select(Evidence.blob_sha256).distinct().where(Evidence.case_id == evidence.case_id, ~elsewhere)
    return [blob for blob in session.scalars(query) if blob is not None]


def _plan(session: Session, catalog: Catalog, evidence_id: str, earlier: Result | None) -> Plan | None:
    evidence = session.scalar(_TAKING_PART, {"evidence_id": UUID(evidence_id)})
    if evidence is None or evidence.blob_sha256 is None:
        return None
    thresholds = thresholds_of(catalog=catalog)
    sha256 = evidence.blob_sha256
    own = Settled(sha256, evidence.settled_decoding, stops_of(session, sha256))
    if _is_compared(session, evidence, rule_of(thresholds, catalog), own):
        return None
    if earlier is not None and earlier.compared.own != own:
        earlier = None
    prints, near = None, Proposed()
    # Most installations have a case that nothing is beside: then there is nothing to be asked of the indexes.
    if session.scalar(_IS_ANYTHING_ELSEWHERE, {"case_id": evidence.case_id}):
        prints = query_prints(session, sha256, catalog)
    if prints is not None:
        near = proposed_anywhere(session, prints, thresholds, catalog, excluding=_here_alone(session, evidence))
    near.pop(sha256, None)
    settled = settled_where(session, is_one_of(Evidence.blob_sha256, near), *_elsewhere(evidence))
    compared = None if earlier is None else earlier.compared
    seen = frozenset() if compared is None else compared.seen
    candidates = near.only({one.blob for one in settled - seen})
    comparison = plan_pairs(session, own, prints, candidates, settled, thresholds, compared, catalog)
    return Plan(evidence.id, evidence.settled_decoding, comparison)


def _is_compared(session: Session, evidence: Evidence, rule: str, own: Settled) -> bool:
    made = session.get(MatchComparison, (evidence.id, True))
    if made is None or (made.rule, made.decoding, made.stops) != (rule, own.decoding, own.stops):
        return False
    away = session.scalar(_LAST_AWAY, {"case_id": evidence.case_id})
    return away is None or away < made.compared_at


def work(plan: Plan, resources: HasBlobs) -> Result:
    return Result(plan.evidence_id, plan.decoding, compare(plan.comparison, resources.blobs))


def _store(uow: UnitOfWork, result: Result) -> Result | None:
    """Idempotent, by the rule and the decoding that the item was compared by last."""
    query = select(Evidence).where(Evidence.id == result.evidence_id).with_for_update(read=True, key_share=True)
    evidence = uow.session.scalars(query).one()
    planned = result.compared.own
    is_as_planned = planned.stops == stops_of(uow.session, planned.blob)
    if evidence.settled_decoding != planned.decoding or result.compared.is_part or not is_as_planned:
        return result
    if not uow.session.scalar(_TAKES_PART, {"case_id": evidence.case_id}):
        return None  # Any more: nothing is to be told.
    away = uow.session.scalar(_LAST_AWAY, {"case_id": evidence.case_id})
    if not note_comparison(uow.session, evidence, result.compared, across=True, left_out=0, since=away):
        return None
    if not uow.session.scalar(_IS_ANYTHING_ELSEWHERE, {"case_id": evidence.case_id}):
        return None  # There is nothing to be compared with.
    found_at = utc_now()
    _give_notice(uow.session, evidence, _keep_matches(uow.session, evidence, result.compared, found_at), found_at)
    keep_losses(uow.session, evidence, result.compared, *_elsewhere(evidence), across=True)
    uow.record(
        EvidenceCompared(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, evidence),
            rule=result.compared.rule,
        )
    )
    return None


def _keep_matches(
    session: Session, evidence: Evidence, compared: Compared, found_at: datetime
) -> list[tuple[Match, Evidence]]:
    """The new matches, each with the other item: of every case and blob one, the earliest; and those found again."""
    assert evidence.blob_sha256 is not None
    kept, _ = keep_blob_matches(session, compared)
    firm: dict[str, BlobMatch] = {blob: row for blob, row in kept.items() if row.tier in FIRM_TIERS}
    chosen = earliest([evidence.blob_sha256, *firm], 1, *_elsewhere(evidence))
    others = session.scalars(select(Evidence).where(Evidence.id.in_(chosen)).order_by(Evidence.id)).all()
    made = []
    for other in others:
        match = keep_match(session, evidence, other, firm.get(other.blob_sha256 or ""), found_at)
        if match is not None:
            made.append((match, other))
    found_again = keep_changed_tiers(session, evidence, firm, across=True)
    return [*made, *((one.match, one.other) for one in found_again)]


def _give_notice(
    session: Session, evidence: Evidence, made: Sequence[tuple[Match, Evidence]], found_at: datetime
) -> None:
    """One for each pair of an item and a case that is not its own."""
    strongest: dict[tuple[UUID, UUID, UUID], str] = {}
    for match, other in sorted(made, key=lambda one: FIRM_TIERS.index(one[0].tier)):
        strongest.setdefault((evidence.id, evidence.case_id, other.case_id), match.tier)
        strongest.setdefault((other.id, other.case_id, evidence.case_id), match.tier)
    for (item, case_id, other_case_id), tier in strongest.items():
        session.execute(
            insert(MatchNotice)
            .values(
                id=new_id(),
                case_id=case_id,
                evidence_id=item,
                other_case_id=other_case_id,
                tier=tier,
                found_at=found_at,
            )
            .on_conflict_do_nothing(constraint="uq_match_notices_evidence_id")
        )


def enqueue_across(uow: UnitOfWork, evidence_id: UUID) -> None:
    """Have a settled item compared, after whatever else waits: what is sent next must not be done later for it."""
    uow.enqueue_at(IN_BULK, MATCH_ACROSS, evidence_id=str(evidence_id))


def waiting(session: Session, catalog: Catalog = CATALOG) -> list[Mapping[str, str]]:
    """Some of the items that were not compared by the rule in force: since it changed, or their case takes part now."""
    rule = rule_of(thresholds_of(catalog=catalog), catalog)
    is_compared = exists().where(
        MatchComparison.evidence_id == Evidence.id,
        MatchComparison.across,
        MatchComparison.rule == rule,
        MatchComparison.decoding == Evidence.settled_decoding,
        MatchComparison.stops >= stops_of_item(),
        func.coalesce(MatchComparison.compared_at > _last_away(Evidence.case_id), True),
    )
    query = select(Evidence.id).where(
        is_settled(), Evidence.blob_sha256.is_not(None), ~is_compared, takes_part(Evidence.case_id)
    )
    found = session.scalars(query.order_by(Evidence.registered_at, Evidence.id).limit(DUE_AT_ONCE))
    return [{"evidence_id": str(evidence_id)} for evidence_id in found]


def crossing_jobs(catalog: Catalog = CATALOG) -> tuple[Job, ...]:
    """The job by the rules of this catalog."""

    def plan(session: Session, *, evidence_id: str, earlier: Result | None = None) -> Plan | None:
        return _plan(session, catalog, evidence_id, earlier)

    return (Job(MATCH_ACROSS, plan, work, _store, waiting_in_bulk=lambda session: waiting(session, catalog)),)


JOBS = crossing_jobs()
