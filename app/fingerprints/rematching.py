"""The job ``match_again``: compare a case anew, item by item, after its thresholds or the product's rule changed, and
those of its items of which a frame was stopped or freed (``stop_list_effects``).

How far it is stands in ``match_comparisons`` alone, so that it goes on after any stop. Each run compares one item and
enqueues the next; it ends when no item is left, or when the policy changed again and another one has begun. What the
new rule finds is added; what it no longer finds stays, with people's decisions, and says so when it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from app.cases.models import Case, CasePolicy
from app.cases.policy import Policy
from app.cases.service import MATCH_AGAIN
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.finding import (
    Compared,
    Comparison,
    HasBlobs,
    case_thresholds,
    compare,
    is_complete,
    lock_matching,
    plan_comparison,
)
from app.fingerprints.keeping import is_settled, store_matches
from app.fingerprints.matching import rule_of
from app.fingerprints.models import MatchComparison
from app.fingerprints.pair_rules import stops_of_item
from app.jobs import IN_BULK, Job
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Plan:
    evidence_id: UUID
    policy_version: int
    comparison: Comparison


@dataclass(frozen=True)
class Result:
    evidence_id: UUID
    policy_version: int
    compared: Compared


def _current_rules(session: Session, catalog: Catalog) -> dict[UUID, tuple[int, str]]:
    """Of every open case the version of its policy, and the rule in force."""
    newest = aliased(CasePolicy)
    is_newest = (
        CasePolicy.version
        == select(func.max(newest.version))
        .where(newest.case_id == CasePolicy.case_id)
        .correlate(CasePolicy)
        .scalar_subquery()
    )
    rows = session.execute(
        select(CasePolicy.case_id, CasePolicy.version, CasePolicy.document)
        .join(Case, Case.id == CasePolicy.case_id)
        .where(is_newest, Case.status == "open")
    )
    return {
        row.case_id: (row.version, rule_of(case_thresholds(Policy.of(row.document), catalog), catalog)) for row in rows
    }


def _is_due(rule: str) -> Any:
    compared = exists().where(
        MatchComparison.evidence_id == Evidence.id,
        ~MatchComparison.across,
        MatchComparison.rule == rule,
        MatchComparison.stops >= stops_of_item(),
    )
    return is_settled() & Evidence.blob_sha256.is_not(None) & ~compared


def _plan(session: Session, catalog: Catalog, case_id: str, policy_version: int, earlier: Result | None) -> Plan | None:
    version, rule = _current_rules(session, catalog).get(UUID(case_id), (None, ""))
    if version != policy_version:
        return None
    query = select(Evidence).where(Evidence.case_id == UUID(case_id), _is_due(rule))
    if earlier is not None:
        query = query.where(Evidence.id == earlier.evidence_id)
    evidence = session.scalars(query.order_by(Evidence.registered_at, Evidence.id).limit(1)).first()
    if evidence is None:
        return None
    comparison = plan_comparison(session, evidence, None if earlier is None else earlier.compared, catalog)
    return Plan(evidence.id, policy_version, comparison)


def work(plan: Plan, resources: HasBlobs) -> Result:
    return Result(plan.evidence_id, plan.policy_version, compare(plan.comparison, resources.blobs))


def _store(uow: UnitOfWork, catalog: Catalog, result: Result) -> Result | None:
    """Idempotent: pairs that are known are left alone. Gives the result back when there is more to compare with."""
    case_id = uow.session.scalar(select(Evidence.case_id).where(Evidence.id == result.evidence_id))
    assert case_id is not None
    lock_matching(uow.session, case_id)
    query = select(Evidence).where(Evidence.id == result.evidence_id).with_for_update(read=True, key_share=True)
    evidence = uow.session.scalars(query.execution_options(populate_existing=True)).one()
    is_as_planned = evidence.settled_decoding == result.compared.own.decoding
    if not is_as_planned or not is_complete(uow.session, evidence, result.compared, catalog):
        return result
    store_matches(uow, evidence, result.compared)
    uow.enqueue_at(IN_BULK, MATCH_AGAIN, case_id=str(case_id), policy_version=result.policy_version)
    return None


def waiting(session: Session, catalog: Catalog = CATALOG) -> list[Mapping[str, Any]]:
    """The cases of which an item was not compared by the rule in force."""
    found: list[Mapping[str, Any]] = []
    for case_id, (version, rule) in sorted(_current_rules(session, catalog).items()):
        if session.scalar(select(exists().where(Evidence.case_id == case_id, _is_due(rule)))):
            found.append({"case_id": str(case_id), "policy_version": version})
    return found


def rematching_jobs(catalog: Catalog = CATALOG) -> tuple[Job, ...]:
    """The job by the rules of this catalog."""

    def plan(session: Session, *, case_id: str, policy_version: int, earlier: Result | None = None) -> Plan | None:
        return _plan(session, catalog, case_id, policy_version, earlier)

    def store(uow: UnitOfWork, result: Result) -> Result | None:
        return _store(uow, catalog, result)

    return (Job(MATCH_AGAIN, plan, work, store, waiting_in_bulk=lambda session: waiting(session, catalog)),)


JOBS = rematching_jobs()
