"""A case's policy: what a submission needs, what is a match, who verifies blind, how much one person looks at."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, model_validator

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, PositionShape, position_at, position_shape, with_version_at
from app.api.http import Changed, IfMatch, Input, Requires, commit, reading, required_version, working
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.cases import service
from app.cases.policy import BITS_RANGES, DEFAULT_INLIERS, INLIERS_RANGES, Policy

router = APIRouter(route_class=LedgerRoute, prefix="/v1/cases", tags=["Cases"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Manager = Annotated[Actor, Depends(Requires(Operation.MANAGE_CASE))]

Dimension = Literal["provenance", "source", "date", "location", "content", "technical", "motivation"]


def _within(limits: tuple[int, int]) -> Any:
    return Field(default=None, ge=limits[0], le=limits[1])


def _kept(**facts: Any) -> Any:
    """A field that keeps what is in force when it is left out: so the document names no default of it."""
    return Field(default_factory=lambda: None, **facts)


class BitsInput(Input):
    pdq: int | None = _within(BITS_RANGES["pdq"])
    phash: int | None = _within(BITS_RANGES["phash"])
    dhash: int | None = _within(BITS_RANGES["dhash"])


class InliersInput(Input):
    same_picture: int | None = _within(INLIERS_RANGES["same_picture"])
    likely: int | None = _within(INLIERS_RANGES["likely"])


class PolicyInput(Input):
    """`required_dimensions` is always given. Any other field that is left out keeps the value in force."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "required_dimensions": ["source", "date", "location"],
                    "thresholds": {"pdq": 24},
                    "inliers": {"same_picture": 20},
                    "exposure_minutes_per_day": 60,
                }
            ]
        }
    )

    required_dimensions: list[Dimension] = Field(min_length=1, max_length=7)
    thresholds: BitsInput = _kept(
        description="Per algorithm, the largest distance in bits that is a match. Given, it is the whole of it: an "
        "algorithm that is absent in it has its own; left out, it stays as it is.",
    )
    inliers: InliersInput = _kept(
        description="Per tier, how many points of local features have to agree. Given, it is the whole of it: absent in"
        " it are 12 for `same_picture`, 11 for `likely`; left out, it stays as it is.",
    )
    matching_across_cases: bool = _kept(
        description="Whether items are compared with those of other cases that allow it too. What is found is seen by"
        " members of both cases; the coordinators of each are told that there is something. A new case: yes.",
    )
    blind_double_verification: bool = _kept(
        description="Whether two persons verify each item, neither seeing the other's work until both have submitted. "
        "It holds for items whose verification is opened from now on; a reopened item is verified in the open. A new "
        "case: no.",
    )
    exports_need_approval: bool = _kept(
        description="Whether another person approves each package before it is made. Custody files open nothing then. "
        "A new case: no.",
    )
    releases_need_sign_off: bool = _kept(
        description="Whether every item of a release has to be signed off. A new case: yes.",
    )

    leases_per_person: int | None = _kept(
        ge=1,
        le=1000,
        description="How many of the case's items one person holds at once; null: no limit. A new case: 20.",
    )
    exposure_items_per_day: int | None = _kept(
        ge=1, le=10_000, description="How many items one person looks at in a day; null: no cap, or none any more."
    )
    exposure_minutes_per_day: int | None = _kept(
        ge=1,
        le=1440,
        description="How many minutes: a recording counts its length once a day, a picture half a minute; null: no cap,"
        " or none any more. At a cap, content and new leases are refused until the day (UTC) is over.",
    )
    break_minutes: int | None = _kept(
        ge=1,
        le=1440,
        description="How long the break lasts at the least, from the viewing that reached the cap; null: as the day.",
    )

    smallest_figure: int | None = _kept(
        ge=2,
        le=1000,
        description="Figures do not give counts below it, nor what they could be computed from; null: those of sexual "
        "violence alone, below 5. A new case: null.",
    )

    @model_validator(mode="after")
    def _likely_asks_for_no_more(self) -> "PolicyInput":
        policy = self.policy(Policy())
        likely, same_picture = policy.inliers_of("likely"), policy.inliers_of("same_picture")
        if likely > same_picture:
            told = f"'inliers.likely' ({likely}) must not be above 'inliers.same_picture' ({same_picture})"
            own = f"{DEFAULT_INLIERS['likely']} and {DEFAULT_INLIERS['same_picture']}"
            raise ValueError(f"{told}; absent in 'inliers', they are {own}")
        return self

    def policy(self, in_force: Policy) -> Policy:
        """What is in force with what was given here."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        given["required_dimensions"] = tuple(dict.fromkeys(self.required_dimensions))
        for name in given.keys() & {"thresholds", "inliers"}:
            given[name] = given[name].model_dump(exclude_none=True)
        return replace(in_force, **given)


class PolicyShape(Changed):
    case_id: UUID
    version: int
    required_dimensions: list[str]
    thresholds: dict[str, int]
    inliers: dict[str, int]
    matching_across_cases: bool
    exposure_items_per_day: int | None
    exposure_minutes_per_day: int | None
    break_minutes: int | None
    blind_double_verification: bool
    exports_need_approval: bool
    releases_need_sign_off: bool
    leases_per_person: int | None
    smallest_figure: int | None
    as_of: PositionShape | None = Field(None, description="The position as of which it was in force; null: now.")


@router.get(
    "/{case_id}/policy",
    name="getPolicy",
    summary="Read the case's policy",
    response_model=PolicyShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_policy(case_id: UUID, request: Request, response: Response, actor: Reader, as_of: AsOf = None) -> PolicyShape:
    """Which dimensions a submission needs, how near is a match, whether items are verified twice, blind. With `as_of`,
    the version that was in force then."""
    with reading(request) as session:
        at = position_at(session, as_of)
        version, policy = service.get_policy(session, actor, case_id, at)
        with_version_at(response, version, at)
        return _policy(case_id, version, policy).model_copy(update={"as_of": position_shape(at)})


@router.put(
    "/{case_id}/policy",
    name="changePolicy",
    summary="Set the case's policy",
    response_model=PolicyShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def change_policy(
    case_id: UUID, body: PolicyInput, request: Request, actor: Manager, if_match: IfMatch = None
) -> JSONResponse:
    """A new version; the old ones stay. `required_dimensions` is always given. Any other field that is left out keeps
    the value in force, so a cap or the blind mode ends only when that is said: `null`, `false`. Where it changes what
    is a match, the case is compared anew."""
    with working(request) as uow:
        version, policy = service.change_policy(
            uow, actor, case_id, version=required_version(if_match), policy=body.policy
        )
        return commit(
            uow,
            lambda receipts: _policy(case_id, version, policy).model_copy(update={"receipts": receipts}),
            version=version,
        )


def _policy(case_id: UUID, version: int, policy: Policy) -> PolicyShape:
    return PolicyShape(
        case_id=case_id,
        version=version,
        required_dimensions=list(policy.required_dimensions),
        thresholds=policy.thresholds,
        inliers=policy.inliers,
        matching_across_cases=policy.matching_across_cases,
        exposure_items_per_day=policy.exposure_items_per_day,
        exposure_minutes_per_day=policy.exposure_minutes_per_day,
        break_minutes=policy.break_minutes,
        blind_double_verification=policy.blind_double_verification,
        exports_need_approval=policy.exports_need_approval,
        releases_need_sign_off=policy.releases_need_sign_off,
        leases_per_person=policy.leases_per_person,
        smallest_figure=policy.smallest_figure,
    )
