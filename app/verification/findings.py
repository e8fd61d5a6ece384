"""Findings: one dimension's result each, written by the lease's holder while the item is in verification."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, tuple_, union
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.incidents.rules import PlacePrecision
from app.kernel.errors import WrongState
from app.kernel.primitives import new_id, utc_now
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import Evidence
from app.media.rules import State
from app.unit_of_work import UnitOfWork
from app.verification.events import FindingRecorded
from app.verification.models import Finding, Verdict
from app.verification.rules import (
    Confidence,
    Dimension,
    FindingResult,
    Method,
    TimePrecision,
    require_fitting_precision,
    require_lease,
)


def record_finding(
    uow: UnitOfWork,
    actor: Actor,
    evidence_id: UUID,
    *,
    dimension: Dimension,
    result: FindingResult,
    confidence: Confidence,
    methods: Sequence[Method],
    rationale: str,
    references: Sequence[str] = (),
    place_precision: PlacePrecision | None = None,
    time_precision: TimePrecision | None = None,
) -> Finding:
    """A finding in the present round; an earlier one of the same dimension and round is superseded and stays.

    Raises WrongState, LeaseNotHeld, PrecisionDoesNotFit.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=None)
    if evidence.state != State.IN_VERIFICATION:
        raise WrongState(
            f"Findings are written in verification. The item is '{evidence.state}'.", extra={"state": evidence.state}
        )
    require_lease(evidence.lease_holder, evidence.lease_expires_at, grant.account_id, utc_now())
    require_fitting_precision(dimension, place_precision, time_precision)
    number, supersedes = _place_in_order(uow.session, evidence.id, evidence.round, dimension)
    finding = Finding(
        id=new_id(),
        evidence_id=evidence.id,
        round=evidence.round,
        number=number,
        dimension=dimension,
        result=result,
        confidence=confidence,
        place_precision=place_precision,
        time_from=None if time_precision is None else time_precision.from_,
        time_to=None if time_precision is None else time_precision.to,
        time_zone=None if time_precision is None else time_precision.zone,
        time_basis=None if time_precision is None else time_precision.basis,
        methods=list(methods),
        rationale=rationale,
        references=list(references),
        supersedes=supersedes,
        author_id=grant.account_id,
        recorded_at=utc_now(),
    )
    uow.session.add(finding)
    uow.record(
        FindingRecorded(
            stream=evidence.id,
            actor=grant.entry_actor,
            object=entry_object(uow.session, evidence),
            finding_id=finding.id,
            round=finding.round,
            dimension=finding.dimension,
            result=finding.result,
            confidence=finding.confidence,
            methods=tuple(finding.methods),
            precision=finding.place_precision,
            time_from=finding.time_from,
            time_to=finding.time_to,
            time_zone=finding.time_zone,
            time_basis=finding.time_basis,
            supersedes=finding.supersedes,
            rationale=finding.rationale,
            references=tuple(references) or None,
        )
    )
    return finding


def list_findings(
    session: Session, actor: Actor, evidence_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Finding]:
    """All findings of the item, superseded ones too, in order of time."""
    find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = select(Finding).where(Finding.evidence_id == evidence_id)
    if after is not None:
        query = query.where(tuple_(Finding.recorded_at, Finding.id) > after)
    return session.scalars(query.order_by(Finding.recorded_at, Finding.id).limit(limit)).all()


def standing_findings(session: Session, evidence_id: UUID) -> dict[str, UUID]:
    """Dimension → the newest finding on it, of whichever round (no permission check: for services that made theirs).

    A finding of an earlier round stands until somebody states the dimension anew.
    """
    rows = session.execute(
        select(Finding.dimension, Finding.id)
        .where(Finding.evidence_id == evidence_id)
        .ext(distinct_on(Finding.dimension))
        .order_by(Finding.dimension, Finding.number.desc())
    )
    return dict(rows.all())


def authors_of(session: Session, evidence_id: UUID) -> frozenset[UUID]:
    """Everybody who wrote a finding or verdict of the item, in any round (no permission check)."""
    wrote_finding = select(Finding.author_id).where(Finding.evidence_id == evidence_id)
    wrote_verdict = select(Verdict.author_id).where(Verdict.evidence_id == evidence_id)
    return frozenset(session.scalars(union(wrote_finding, wrote_verdict)))


def is_author(person: UUID) -> ColumnElement[bool]:
    """The same as a condition on :class:`Evidence`: of many items at once, whether this person is an author."""
    wrote_finding = select(Finding.id).where(Finding.evidence_id == Evidence.id, Finding.author_id == person)
    wrote_verdict = select(Verdict.id).where(Verdict.evidence_id == Evidence.id, Verdict.author_id == person)
    return or_(wrote_finding.exists(), wrote_verdict.exists())


def _place_in_order(session: Session, evidence_id: UUID, round_: int, dimension: Dimension) -> tuple[int, UUID | None]:
    """The next finding's number, and the one of its dimension and round that it supersedes; in one round trip."""
    superseded = (
        select(Finding.id)
        .where(Finding.evidence_id == evidence_id, Finding.round == round_, Finding.dimension == dimension)
        .order_by(Finding.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    newest, supersedes = session.execute(
        select(func.max(Finding.number), superseded).where(Finding.evidence_id == evidence_id)
    ).one()
    return (newest or 0) + 1, supersedes
