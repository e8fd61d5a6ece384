"""The job ``recompute``: what a blob lacks since a rule changed, by one more decoding; and what is still lacking.

A rule is a fingerprint version (``pdq/1``). When the catalog has one of which a blob has no results, or a rendering
was made by an earlier rule, the blob is due: it is decoded once for all such rules, their rows are added, those of
older rules stay, and every item on it is settled anew, with its entry, and searched for. How far that is stands in the
tables alone (``rules_in_force``), so that it goes on after any stop, and nothing is done twice. What broke the rules of
the jail the last time is left alone: it is decoded again by name only, see ``again``.

Meanwhile blobs that have the new rule are compared by it, and any pair of which one has not yet, by the newest rule
that both have: see ``matching``.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select, text
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.decodings import Decoded, store_decoding
from app.fingerprints.jobs import NOT_NOW, decode, enqueue_others, others_settled
from app.fingerprints.models import RuleInForce
from app.jobs import IN_BULK, Job, enqueue
from app.kernel.primitives import Sha256Hex
from app.media.derivatives import outdated_renderings
from app.media.jail.result import DecodeOutcome
from app.media.jobs import MediaResources
from app.media.models import Blob, Decoding, Evidence
from app.media.reading import best_decoding, latest_decoding
from app.media.rules import OUTCOME_RANKS
from app.unit_of_work import UnitOfWork

RECOMPUTE = "recompute"
KINDS = ("image", "video")
_FULL_RANK = max(OUTCOME_RANKS.values())


@dataclass(frozen=True)
class Plan:
    sha256: Sha256Hex
    number: int
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    sha256: Sha256Hex
    number: int
    decoded: Decoded


def recompute_jobs(catalog: Catalog = CATALOG) -> tuple[Job, ...]:
    """The job by the rules of this catalog."""

    def plan(session: Session, *, sha256: str) -> Plan | None:
        return _plan(session, catalog, Sha256Hex(sha256))

    def work(plan: Plan, resources: MediaResources) -> Result:
        """Raises what ``jobs.work`` raises."""
        return Result(plan.sha256, plan.number, decode(plan.sha256, resources, catalog).by_rules(plan.rules))

    return (Job(RECOMPUTE, plan, work, store, None, NOT_NOW),)


def _plan(session: Session, catalog: Catalog, sha256: Sha256Hex) -> Plan | None:
    blob = session.get(Blob, sha256)
    latest = latest_decoding(session, sha256)
    if blob is None or blob.kind is None or latest is None or latest.outcome == DecodeOutcome.POLICY_VIOLATION:
        return None
    has = set(session.scalars(select(RuleInForce.rule).where(RuleInForce.blob_sha256 == sha256)))
    rules = catalog.rules_for(blob.kind)
    missing = tuple(rule for rule in rules if rule not in has)
    is_outdated = session.scalar(select(outdated_renderings()).where(Blob.sha256 == sha256).select_from(Blob))
    if not missing and not is_outdated:
        return None
    best = best_decoding(session, sha256)
    assert best is not None
    # What was not decoded to the end before may be now: then all of it is taken anew.
    is_whole = OUTCOME_RANKS.get(best.outcome, 0) == _FULL_RANK
    return Plan(sha256, latest.number + 1, catalog.renews(missing, blob.kind) if is_whole else rules)


def store(uow: UnitOfWork, result: Result) -> None:
    """Idempotent by the decoding's number."""
    if store_decoding(uow.session, result.sha256, result.number, result.decoded):
        enqueue_others(uow, others_settled(uow.session, result.sha256), result.decoded)


@dataclass(frozen=True)
class Lacking:
    """How far recomputing is."""

    blobs: int
    """That were decoded and are of a known kind."""
    by_rule: Mapping[str, int]
    """Rule → how many blobs lack it."""
    due: int
    """Blobs that lack at least one rule, whatever became of their jobs."""
    queued: int
    """Of those: a job waits or is at work."""
    given_up: int
    """Of those: the job failed; `exhibit jobs list` shows it, `exhibit jobs retry` tries again."""
    unsettled: int
    """Items that were not yet searched for by what their blob has now, and will be."""
    unsearched: int
    """Items of which that search was given up."""


_JOB_OF_BLOB = """EXISTS (SELECT FROM procrastinate_jobs job WHERE job.task_name = 'recompute'
    AND job.status::text = ANY(:{name}) AND job.args->>'sha256' = encode(blobs.sha256, 'hex'))"""
_SEARCH_FAILED = """EXISTS (SELECT FROM procrastinate_jobs job WHERE job.task_name = 'match'
    AND job.status = 'failed' AND job.args->>'evidence_id' = evidence.id::text)"""


def lacking(session: Session, catalog: Catalog = CATALOG) -> Lacking:
    """Counts over all blobs that may be decoded; a sequential read of them. Give it one snapshot: a job that ends
    between two counts would be in neither."""
    by_rule: dict[str, int] = {}
    for kind in KINDS:
        for rule in catalog.rules_for(kind):
            by_rule[rule] = by_rule.get(rule, 0) + _count(session, Blob.kind == kind, ~_has(rule))
    due = _is_due(catalog)
    newer = select(Decoding).where(
        Decoding.blob_sha256 == Evidence.blob_sha256, Decoding.number > Evidence.settled_decoding
    )
    unsettled = select(func.count()).select_from(Evidence).where(Evidence.settled_decoding > 0, newer.exists())
    has_failed: ColumnElement[bool] = and_(literal(True), text(_SEARCH_FAILED))
    return Lacking(
        blobs=_count(session, Blob.kind.in_(KINDS)),
        by_rule=by_rule,
        due=_count(session, due),
        queued=_count(session, due, _has_job("todo", "doing")),
        given_up=_count(session, due, _has_job("failed")),
        unsettled=session.scalar(unsettled.where(~has_failed)) or 0,
        unsearched=session.scalar(unsettled.where(has_failed)) or 0,
    )


def enqueue_due(
    session: Session, catalog: Catalog = CATALOG, *, limit: int, at_once: int = 1, after: str | None = None
) -> list[str]:
    """Enqueue up to so many blobs that are due and have no job, in the order of their SHA-256, from ``after`` on;
    their SHA-256. Serialised by an advisory lock, so that two commands enqueue none twice. ``at_once``: how many of the
    jobs may run at the same time, in all workers."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(RECOMPUTE.encode("ascii"))})
    query = select(Blob.sha256).where(_is_due(catalog), ~_has_job("todo", "doing", "failed"))
    if after is not None:
        query = query.where(Blob.sha256 > after)
    found: Sequence[str] = session.scalars(query.order_by(Blob.sha256).limit(limit)).all()
    for sha256 in found:
        lane = int(sha256[:8], 16) % at_once
        enqueue(session, RECOMPUTE, {"sha256": sha256}, priority=IN_BULK, lock=f"{RECOMPUTE}/{lane}")
    return list(found)


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Blob).where(_may_be_decoded(), *conditions)) or 0


def _may_be_decoded() -> ColumnElement[bool]:
    """It was before, and the last time it broke no rule of the jail."""
    latest = select(Decoding.outcome).where(Decoding.blob_sha256 == Blob.sha256)
    outcome = latest.order_by(Decoding.number.desc()).limit(1).scalar_subquery()
    return outcome != DecodeOutcome.POLICY_VIOLATION


def _has(rule: str) -> ColumnElement[bool]:
    return exists().where(RuleInForce.blob_sha256 == Blob.sha256, RuleInForce.rule == rule)


def _is_due(catalog: Catalog) -> ColumnElement[bool]:
    of_kinds = [and_(Blob.kind == kind, or_(*(~_has(rule) for rule in catalog.rules_for(kind)))) for kind in KINDS]
    return and_(_may_be_decoded(), or_(*of_kinds, outdated_renderings()))


def _has_job(*statuses: str) -> ColumnElement[bool]:
    name = "statuses_" + "_".join(statuses)
    clause = text(_JOB_OF_BLOB.format(name=name)).bindparams(**{name: list(statuses)})
    return and_(literal(True), clause)
