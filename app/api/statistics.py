"""Figures over whole cases. None is of a person."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Moment, Requires, Shape, reading
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.kernel.primitives import utc_now
from app.verification.agreement import AgreementFigures, measure_agreement
from app.verification.kappa import ROUGH_BELOW, Agreement, Undefined
from app.verification.rules import Dimension

router = APIRouter(route_class=LedgerRoute, prefix="/v1/statistics", tags=["Statistics"])

Coordinator = Annotated[Actor, Depends(Requires(Operation.READ_AGREEMENT))]
CASES_AT_ONCE = 50


def _case_ids(given: str) -> str:
    try:
        named = [UUID(part) for part in given.split(",")]
    except ValueError as error:
        raise PydanticCustomError("cases", "Give the ids of cases, with a comma between two") from error
    if len(named) > CASES_AT_ONCE:
        raise PydanticCustomError("cases", "Name at most 50 cases")
    return given


Cases = Annotated[
    str,
    AfterValidator(_case_ids),
    Query(
        alias="case",
        max_length=40 * CASES_AT_ONCE,
        description="The ids of the cases, with a comma between two; at most 50. You coordinate each of them.",
        examples=["9414abb4-15b2-41bb-b83d-5df4cca27ec5"],
    ),
]


class IntervalShape(Shape):
    """Of 95 % confidence, by the asymptotic standard error of Fleiss, Cohen and Everitt (1969); within -1 and 1."""

    lower: float
    upper: float


class AgreementShape(Shape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pairs": 50,
                    "agreeing": 35,
                    "observed": 0.7,
                    "kappa": 0.4,
                    "interval": {"lower": 0.1499, "upper": 0.6501},
                    "undefined": None,
                    "is_rough": False,
                }
            ]
        }
    )

    pairs: int = Field(description="Items of which both stated this.")
    agreeing: int
    observed: float | None = Field(description="The share of pairs that agree; null without any.")
    kappa: float | None = Field(description="Cohen's: 1 is full agreement, 0 what chance would give.")
    interval: IntervalShape | None = Field(
        description="Null without a kappa, and where it would have no width: agreement everywhere is no certainty."
    )
    undefined: Undefined | None = Field(
        description="Why there is no kappa: `no_pairs`; `no_variation`, both gave the same one answer every time."
    )
    is_rough: bool = Field(
        description=f"Fewer than {ROUGH_BELOW} pairs: take the interval as a hint, and do not compare with another."
    )


class AgreementFiguresShape(Shape):
    measure: Literal["agreement"] = "agreement"
    case_ids: list[UUID] = Field(description="The cases that it is of, in order: the query.")
    as_of: datetime = Field(description="Counted is what was complete by then; asking for it again gives the same.")
    tree_size: int | None = Field(description="Of the signed log when this was computed.")
    rounds: int = Field(description="Blind rounds in which both have submitted.")
    outcome: AgreementShape = Field(description="Of the two verdicts' outcomes.")
    dimensions: dict[Dimension, AgreementShape] = Field(description="Of the findings' results, by dimension.")


@router.get(
    "/agreement",
    name="measureAgreement",
    summary="How far blind verifiers agree",
    response_model=AgreementFiguresShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_agreement(
    request: Request,
    actor: Coordinator,
    case: Cases,
    as_of: Annotated[
        Moment | None, Query(description="Only what was complete by then; not in the future; left out: now.")
    ] = None,
) -> AgreementFiguresShape:
    """Of each item that two verified blind: the second's view and the first's beside which it stands, before either was
    changed. Over whole cases and never per person: it says how clear the material and the method are, not who is good.

    `as_of_in_future` (422): the figures of then are not made yet.
    """
    case_ids = sorted({UUID(part) for part in case.split(",")})
    moment = as_of or utc_now()
    with reading(request) as session:
        return _figures(case_ids, moment, measure_agreement(session, actor, case_ids, as_of=moment))


def _figures(case_ids: list[UUID], as_of: datetime, figures: AgreementFigures) -> AgreementFiguresShape:
    return AgreementFiguresShape(
        case_ids=case_ids,
        as_of=as_of,
        tree_size=figures.tree_size,
        rounds=figures.rounds,
        outcome=_agreement(figures.outcome),
        dimensions={dimension: _agreement(found) for dimension, found in figures.dimensions.items()},
    )


def _agreement(found: Agreement) -> AgreementShape:
    return AgreementShape(
        pairs=found.pairs,
        agreeing=found.agreeing,
        observed=_rounded(found.observed),
        kappa=_rounded(found.kappa),
        interval=None
        if found.interval is None
        else IntervalShape(lower=round(found.interval[0], 4), upper=round(found.interval[1], 4)),
        undefined=found.undefined,
        is_rough=found.is_rough,
    )


def _rounded(value: float | None) -> float | None:
    """To four places: more would be noise."""
    return None if value is None else round(value, 4)
