"""How far two verifiers of the same items agree who did not see each other's work: figures over whole cases.

A pair is a second verdict and the first beside which it stands, as both were when the round became complete; what came
of them later changes nothing. First rounds alone count: an earlier release took seconds in reopened ones, whose earlier
work was shown to all. No figure is of a person: a ranking would teach verifiers to agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import any_, select
from sqlalchemy.orm import Session, aliased

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.kernel.primitives import format_time, utc_now
from app.ledger.reading import latest_checkpoint
from app.media.models import Evidence
from app.verification.errors import AsOfInFuture
from app.verification.kappa import Agreement, agreement
from app.verification.models import Finding, SecondVerdict, Verdict
from app.verification.rules import Dimension


@dataclass(frozen=True)
class AgreementFigures:
    """``dimensions``: of findings' results, for each dimension on which both stated one. ``tree_size``: the signed
    log's when it was computed, None before its first checkpoint."""

    rounds: int
    outcome: Agreement
    dimensions: dict[Dimension, Agreement]
    tree_size: int | None


def measure_agreement(session: Session, actor: Actor, case_ids: Sequence[UUID], *, as_of: datetime) -> AgreementFigures:
    """Of the blind rounds of these cases that were complete by then, for who coordinates each of them.

    Raises NotFound, Forbidden; AsOfInFuture, as what is asked then would not come again.
    """
    for case_id in case_ids:
        authorise(session, actor, case_id, Operation.READ_AGREEMENT)
    if as_of > utc_now():
        raise AsOfInFuture(f"'as_of' is later than now, {format_time(utc_now())}.")
    checkpoint = latest_checkpoint(session)
    outcomes = _outcomes(session, case_ids, as_of)
    results = _results(session, case_ids, as_of)
    return AgreementFigures(
        len(outcomes),
        agreement(outcomes),
        {dimension: agreement(results.get(dimension, ())) for dimension in Dimension},
        None if checkpoint is None else checkpoint.size,
    )


def _outcomes(session: Session, case_ids: Sequence[UUID], as_of: datetime) -> list[tuple[str, str]]:
    query = (
        select(Verdict.outcome, SecondVerdict.outcome)
        .join(SecondVerdict, SecondVerdict.verdict_id == Verdict.id)
        .join(Evidence, Evidence.id == Verdict.evidence_id)
        .where(Evidence.case_id.in_(case_ids), SecondVerdict.submitted_at <= as_of, SecondVerdict.round == 1)
    )
    return [(first, second) for first, second in session.execute(query)]


def _results(session: Session, case_ids: Sequence[UUID], as_of: datetime) -> dict[Dimension, list[tuple[str, str]]]:
    first, second = aliased(Finding), aliased(Finding)
    query = (
        select(first.dimension, first.result, second.result)
        .select_from(SecondVerdict)
        .join(Verdict, Verdict.id == SecondVerdict.verdict_id)
        .join(Evidence, Evidence.id == Verdict.evidence_id)
        .join(first, first.id == any_(Verdict.finding_ids))
        .join(second, (second.id == any_(SecondVerdict.finding_ids)) & (second.dimension == first.dimension))
        .where(Evidence.case_id.in_(case_ids), SecondVerdict.submitted_at <= as_of, SecondVerdict.round == 1)
    )
    found: dict[Dimension, list[tuple[str, str]]] = {}
    for dimension, one, other in session.execute(query):
        found.setdefault(Dimension(dimension), []).append((one, other))
    return found
