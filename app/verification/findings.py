"""Findings: one dimension's result each, written by the lease's holder while the item is in verification.

In a blind round the second verifier writes theirs while the first verdict waits for its review.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, tuple_, union
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import Grant
from app.kernel.errors import Invalid
from app.kernel.primitives import new_id, utc_now
from app.ledger.positions import Position, standing_at
from app.media.blindness import pending_blind, seen_by
from app.media.closing import is_open
from app.media.items import entry_object, find_evidence, lock_evidence
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from app.verification.blind import place_of_work
from app.verification.drafts import drafts_of, end_drafts
from app.verification.errors import DraftsIncomplete, NoSuchQuestion, ReferenceNotFound
from app.verification.events import FindingRecorded
from app.verification.models import Finding, FindingCitation, RecycledAnswerRow, Verdict
from app.verification.recycled import questions_of
from app.verification.references import Reference
from app.verification.rules import Dimension, Place, Point, require_lease, require_not_author
from app.verification.stated import Stated


def record_finding(uow: UnitOfWork, actor: Actor, evidence_id: UUID, stated: Stated) -> Finding:
    """A finding in the present round; an earlier one of the same dimension and round is superseded and stays. The
    author's draft on the dimension is done with.

    Raises WrongState, LeaseNotHeld, PrecisionDoesNotFit, MethodsMissing, ReferenceNotFound, AnswerDoesNotFit,
    NoSuchQuestion; SelfReview for a second who is an author.
    """
    evidence, grant = lock_evidence(uow.session, actor, evidence_id, Operation.VERIFY, version=None)
    place_of_work(evidence)
    require_lease(evidence.lease_holder, evidence.lease_expires_at, grant.account_id, utc_now())
    finding = _record(uow, evidence, grant, stated)
    end_drafts(uow.session, evidence.id, grant.account_id, [stated.dimension])
    return finding


def record_drafts(uow: UnitOfWork, evidence: Evidence, grant: Grant) -> None:
    """The lease holder's drafts become findings, each with its entry, for a submission that locked the item.

    Raises DraftsIncomplete, and what :func:`record_finding` does, with the draft's dimension.
    """
    drafts = drafts_of(uow.session, evidence.id, grant.account_id)
    incomplete = [{"dimension": str(draft.dimension), "missing": draft.missing} for draft in drafts if draft.missing]
    if incomplete:
        named = "; ".join(f"{each['dimension']}: {', '.join(each['missing'])}" for each in incomplete)
        raise DraftsIncomplete(f"Your drafts lack something. {named}.", extra={"incomplete_drafts": incomplete})
    for draft in drafts:
        try:
            _record(uow, evidence, grant, draft)
        except Invalid as refusal:
            refusal.detail = f"Your draft on '{draft.dimension}': {refusal.detail}"
            refusal.extra["dimension"] = str(draft.dimension)
            raise
        uow.session.flush()
    if drafts:
        end_drafts(uow.session, evidence.id, grant.account_id, [draft.dimension for draft in drafts])


def _record(uow: UnitOfWork, evidence: Evidence, grant: Grant, stated: Stated) -> Finding:
    assert stated.result is not None
    assert stated.confidence is not None
    assert stated.rationale is not None
    stated.require_fit()
    cited = _require_citable(uow.session, evidence, stated.references)
    place = place_of_work(evidence)
    if place is Place.SECOND:
        require_not_author(grant.account_id, authors_of(uow.session, evidence.id))
    number, supersedes = _place_in_order(uow.session, evidence, place, stated.dimension, grant.account_id)
    time, point = stated.time_precision, stated.point
    finding = Finding(
        id=new_id(),
        evidence_id=evidence.id,
        round=evidence.round,
        number=number,
        dimension=stated.dimension,
        result=stated.result,
        confidence=stated.confidence,
        place_precision=stated.place_precision,
        latitude_microdegrees=None if point is None else point.latitude_microdegrees,
        longitude_microdegrees=None if point is None else point.longitude_microdegrees,
        time_from=None if time is None else time.from_,
        time_to=None if time is None else time.to,
        time_zone=None if time is None else time.zone,
        time_basis=None if time is None else time.basis,
        methods=[str(method) for method in stated.methods],
        rationale=stated.rationale,
        references=[],
        sources=[reference.document() for reference in stated.references],
        supersedes=supersedes,
        author_id=grant.account_id,
        recorded_at=utc_now(),
        place=place,
    )
    uow.session.add(finding)
    if cited:
        uow.session.flush()
        uow.session.add_all(FindingCitation(finding_id=finding.id, cited_id=each) for each in cited)
    answers = _keep_answers(uow.session, evidence, finding, stated)
    reasons = {str(each.match_id): each.reason for each in stated.recycled if each.reason is not None}
    _record_entry(uow, evidence, grant, finding, point, cited, answers, reasons)
    return finding


def _keep_answers(session: Session, evidence: Evidence, finding: Finding, stated: Stated) -> list[dict[str, Any]]:
    """What the finding says of earlier appearances, as its entry tells it. Raises NoSuchQuestion."""
    if not stated.recycled:
        return []
    asked = {question.match_id: question for question in questions_of(session, evidence, finding.author_id)}
    unknown = [str(each.match_id) for each in stated.recycled if each.match_id not in asked]
    if unknown:
        raise NoSuchQuestion("Of these matches nothing is asked.", extra={"unknown_matches": unknown})
    rows = {
        each.match_id: RecycledAnswerRow(
            finding_id=finding.id,
            match_id=each.match_id,
            evidence_id=evidence.id,
            answer=each.answer,
            reason=each.reason,
            earliest_at=asked[each.match_id].earliest.certainly_by,
        )
        for each in stated.recycled
    }
    session.flush()
    session.add_all(rows.values())
    told = []
    for row in rows.values():
        question = asked[row.match_id]
        stating = {"match": row.match_id, "answer": row.answer, "basis": question.earliest.basis}
        told.append(stating if question.told_at is None else {**stating, "earliest_at": question.told_at})
    return told


def _record_entry(
    uow: UnitOfWork,
    evidence: Evidence,
    grant: Grant,
    finding: Finding,
    point: Point | None,
    cited: Sequence[UUID],
    answers: Sequence[Mapping[str, Any]],
    reasons: Mapping[str, str],
) -> None:
    sources = finding.sources or []
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
            reference_kinds=tuple(source["kind"] for source in sources) or None,
            cited=tuple(cited) or None,
            recycled=tuple(answers) or None,
            recycled_reasons=reasons or None,
            point=None if point is None else point._asdict(),
            place=finding.place if finding.place == Place.SECOND else None,
            rationale=finding.rationale,
            references=tuple(sources) or None,
        )
    )


def _require_citable(session: Session, evidence: Evidence, references: Sequence[Reference]) -> list[UUID]:
    """The other items that are referred to, all of this case. Of one that is not, nothing is said but that."""
    cited = sorted({each.evidence_id for each in references if each.evidence_id is not None})
    if evidence.id in cited:
        raise ReferenceNotFound("An item is no reference for what is found about itself.")
    if not cited:
        return []
    query = select(Evidence.id).where(Evidence.id.in_(cited), Evidence.case_id == evidence.case_id, is_open())
    known = set(session.scalars(query))
    missing = [str(each) for each in cited if each not in known]
    if missing:
        raise ReferenceNotFound(
            f"There is no such item in this case: {', '.join(missing)}.", extra={"unknown_references": missing}
        )
    return cited


def list_findings(
    session: Session,
    actor: Actor,
    evidence_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Finding]:
    """All findings of the item, superseded ones too, in order of time; of a pending blind round the reader's own,
    whatever ``at`` is: who may not see it now may not see it as of then."""
    _, grant = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    query = _SEEN if at is None else _SEEN.where(standing_at(at, Finding.act))
    if after is not None:
        query = query.where(tuple_(Finding.recorded_at, Finding.id) > after)
    asked = {"evidence_id": evidence_id, "reader": grant.account_id, "most": limit}
    return session.scalars(query, asked).all()


def cited_by(session: Session, finding_ids: Collection[UUID]) -> set[UUID]:
    """The items that these findings refer to (no permission check)."""
    return set(session.scalars(_CITED_BY, {"ids": list(finding_ids)})) if finding_ids else set()


# Asked by every reading of an item's findings: made anew they would take longer than their answers.
_SEEN = (
    select(Finding)
    .join(Evidence, Evidence.id == Finding.evidence_id)
    .where(Finding.evidence_id == bindparam("evidence_id"))
    .where(seen_by(bindparam("reader"), author=Finding.author_id, in_round=Finding.round))
    .order_by(Finding.recorded_at, Finding.id)
    .limit(bindparam("most"))
)
_CITED_BY = select(FindingCitation.cited_id).where(FindingCitation.finding_id.in_(bindparam("ids", expanding=True)))


def standing_findings(session: Session, evidence_id: UUID, person: UUID) -> dict[str, UUID]:
    """Dimension → the newest finding on it, of whichever round (no permission check: for services that made theirs).

    A finding of an earlier round stands until somebody states the dimension anew. Nobody submits on what they may not
    see: of a pending blind round only the person's own count.
    """
    rows = session.execute(
        select(Finding.dimension, Finding.id)
        .join(Evidence, Evidence.id == Finding.evidence_id)
        .where(Finding.evidence_id == evidence_id, Finding.place == Place.FIRST)
        .where(seen_by(person, author=Finding.author_id, in_round=Finding.round))
        .ext(distinct_on(Finding.dimension))
        .order_by(Finding.dimension, Finding.number.desc())
    )
    return dict(rows.all())


def authors_of(session: Session, evidence_id: UUID) -> frozenset[UUID]:
    """Everybody who wrote a finding or verdict of the item, in any round; not who verified it as the second of a blind
    round (no permission check)."""
    wrote_finding = select(Finding.author_id).where(Finding.evidence_id == evidence_id, Finding.place == Place.FIRST)
    wrote_verdict = select(Verdict.author_id).where(Verdict.evidence_id == evidence_id)
    return frozenset(session.scalars(union(wrote_finding, wrote_verdict)))


def is_author(person: UUID) -> ColumnElement[bool]:
    """The same as a condition on :class:`Evidence`: of many items at once, whether this person is an author."""
    wrote_finding = select(Finding.id).where(
        Finding.evidence_id == Evidence.id, Finding.author_id == person, Finding.place == Place.FIRST
    )
    wrote_verdict = select(Verdict.id).where(Verdict.evidence_id == Evidence.id, Verdict.author_id == person)
    return or_(wrote_finding.exists(), wrote_verdict.exists())


def own_findings(session: Session, evidence: Evidence, person: UUID) -> dict[str, UUID]:
    """Dimension → the newest finding that the person wrote as the second of the present round (no permission check)."""
    rows = session.execute(
        select(Finding.dimension, Finding.id)
        .where(Finding.evidence_id == evidence.id, Finding.round == evidence.round)
        .where(Finding.place == Place.SECOND, Finding.author_id == person)
        .ext(distinct_on(Finding.dimension))
        .order_by(Finding.dimension, Finding.number.desc())
    )
    return dict(rows.all())


def _place_in_order(
    session: Session, evidence: Evidence, place: Place, dimension: Dimension, person: UUID
) -> tuple[int, UUID | None]:
    """The next finding's number, and the one of its dimension and round that it supersedes; in one round trip.

    In a pending blind round nobody supersedes what they may not see.
    """
    asked = {"evidence_id": evidence.id, "round": evidence.round, "place": place, "dimension": dimension}
    if pending_blind(evidence) is None:
        newest, supersedes = session.execute(_IN_ORDER, asked).one()
    else:
        newest, supersedes = session.execute(_IN_ORDER_OF_OWN, {**asked, "author": person}).one()
    return (newest or 0) + 1, supersedes


def _in_order(*more: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The newest number, and the newest finding of one dimension, place and round; ``more``: of that one."""
    of_item = Finding.evidence_id == bindparam("evidence_id")
    superseded = (
        select(Finding.id)
        .where(of_item, Finding.round == bindparam("round"), Finding.place == bindparam("place"))
        .where(Finding.dimension == bindparam("dimension"), *more)
        .order_by(Finding.number.desc())
        .limit(1)
    )
    return select(func.max(Finding.number), superseded.scalar_subquery()).where(of_item)


# Made once: with every finding they would take longer than their answers.
_IN_ORDER = _in_order()
_IN_ORDER_OF_OWN = _in_order(Finding.author_id == bindparam("author"))
