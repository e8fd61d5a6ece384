"""Facts of incidents and of cases: for each kind one operation that states and one that lists, made from a table.

The two read-only answers at the end follow from facts: ranges of casualties, and who held a place.
"""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, PositionShape, dated, position_at, position_shape
from app.api.fact_bodies import (
    AttributionCreate,
    AttributionFactShape,
    CasualtyCreate,
    CasualtyFactShape,
    CircumstanceCreate,
    CircumstanceFactShape,
    FactCreate,
    FactShape,
    ObjectCreate,
    ObjectFactShape,
    OrganisationCreate,
    OrganisationFactShape,
    RelatedCreate,
    RelatedFactShape,
    StatisticCreate,
    StatisticFactShape,
    TerritoryCreate,
    TerritoryFactShape,
    WeaponCreate,
    WeaponFactShape,
    fact_shape,
)
from app.api.http import Requires, Shape, commit, reading, working
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.cases.service import authorise
from app.facts import kinds, service
from app.facts.control import Unresolved
from app.facts.derived import casualty_ranges, control_at
from app.facts.kinds import Kind
from app.facts.models import Fact
from app.facts.words import CasualtyOutcome, Control, PersonGroup
from app.incidents.service import find_incident
from app.kernel.primitives import encode_cursor

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Facts"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Editor = Annotated[Actor, Depends(Requires(Operation.EDIT_INCIDENTS))]
WithSuperseded = Annotated[
    bool, Query(description="Also versions that no longer stand: superseded ones, and withdrawals.")
]
_SUPERSEDING = """

Nothing is edited: with `supersedes` and a reason it takes the place of a version that stands, and with `stated` null it
withdraws it. `another_stands` (409): somebody superseded it meanwhile, or the same source has stated this before: name
what it replaces. What was withdrawn is stated anew."""


@dataclass(frozen=True)
class Resource:
    """A kind as the API shows it: ``states`` and ``lists`` are operation names, with their summaries."""

    kind: Kind[Any]
    path: str
    body: type[FactCreate[Any]]
    shape: type[FactShape[Any]]
    states: tuple[str, str]
    lists: tuple[str, str]
    about: str


OF_INCIDENTS = (
    Resource(
        kinds.CASUALTIES,
        "casualties",
        CasualtyCreate,
        CasualtyFactShape,
        ("stateCasualties", "State how many people were killed, injured or missing"),
        ("listCasualties", "List an incident's casualty counts"),
        "One source's count of one group with one outcome. Counts of the same outcome and group by several sources are "
        "of the same victims: they stand beside each other, give a range, and are never added. Groups overlap, so "
        "counts of two groups are never added either. One organisation has one count of an outcome and group.",
    ),
    Resource(
        kinds.OBJECTS,
        "objects",
        ObjectCreate,
        ObjectFactShape,
        ("stateObject", "State what was hit"),
        ("listObjects", "List an incident's affected objects"),
        "An object or a part of it, its damage, and whether the law protects it specially and by what.",
    ),
    Resource(
        kinds.WEAPON_IDENTIFICATIONS,
        "weapons",
        WeaponCreate,
        WeaponFactShape,
        ("stateWeapon", "State which weapon somebody identified"),
        ("listWeapons", "List an incident's weapon identifications"),
        "The designation exactly as printed, and the name that is meant, with a note where they differ. It is found by "
        "either, in Latin and Cyrillic.",
    ),
    Resource(
        kinds.ATTRIBUTIONS,
        "attributions",
        AttributionCreate,
        AttributionFactShape,
        ("stateAttribution", "State to whom somebody attributes an incident"),
        ("listAttributions", "List an incident's attributions"),
        "The party is an organisation of the case; several attributions stand beside each other.",
    ),
    Resource(
        kinds.CIRCUMSTANCES,
        "circumstances",
        CircumstanceCreate,
        CircumstanceFactShape,
        ("stateCircumstance", "State a circumstance of an incident"),
        ("listCircumstances", "List an incident's circumstances"),
        "Whether there was a military objective, the pattern of the attack, or how far the front was. One organisation "
        "states each aspect once, of patterns each one once.",
    ),
    Resource(
        kinds.RELATED,
        "related",
        RelatedCreate,
        RelatedFactShape,
        ("relateIncident", "Relate an incident to another one"),
        ("listRelatedIncidents", "List what an incident is related to"),
        "To one of the same case. `part_of` names its parent: `circle_of_incidents`, `parent_stands` (409).",
    ),
)
OF_CASES = (
    Resource(
        kinds.ORGANISATIONS,
        "organisations",
        OrganisationCreate,
        OrganisationFactShape,
        ("registerOrganisation", "Register an organisation"),
        ("listOrganisations", "List a case's organisations"),
        "Sources, parties and holders of territory are organisations of the case, named by their `fact_id`. One has a "
        "name once, however it is written.",
    ),
    Resource(
        kinds.TERRITORY,
        "territory-control",
        TerritoryCreate,
        TerritoryFactShape,
        ("stateTerritoryControl", "State who held an area, and when"),
        ("listTerritoryControl", "List statements of territory control"),
        "As one source says. `GET /v1/incidents/{incident_id}/territory-control` resolves it for the time of an "
        "incident.",
    ),
    Resource(
        kinds.STATISTICS,
        "external-statistics",
        StatisticCreate,
        StatisticFactShape,
        ("recordStatistic", "Record another organisation's statistic"),
        ("listStatistics", "List other organisations' statistics"),
        "The figure as printed, what it counts and for which period. It is never merged with figures computed here.",
    ),
)


def _add_incident_routes(resource: Resource) -> None:
    def state(
        incident_id: UUID, body: FactCreate[Any], request: Request, actor: Editor, key: IdempotencyKey = None
    ) -> JSONResponse:
        with working(request) as uow:
            answer = replay(
                uow,
                actor,
                key,
                operation=resource.states[0],
                request_sha256=request_digest(str(incident_id), body),
                authorise=lambda: find_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS),
            )
            if answer is not None:
                return answer
            made = service.state_of_incident(uow, actor, resource.kind, incident_id, body.statement())
            return commit(uow, lambda receipts: _shown(resource, made, receipts), actor=actor, key=key, status=201)

    def list_all(
        incident_id: UUID,
        request: Request,
        response: Response,
        actor: Reader,
        with_superseded: WithSuperseded = False,
        as_of: AsOf = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """In order of statement: what stands now, or with `as_of` stood then; or every version of everything."""
        with reading(request) as session:
            at = position_at(session, as_of)
            rows = service.list_of_incident(
                session,
                actor,
                resource.kind,
                incident_id,
                with_superseded=with_superseded,
                after=_number_in(cursor),
                limit=limit + 1,
                at=at,
            )
            return dated(page(request, response, rows, limit, lambda row: _shown(resource, row, []), _cursor_of), at)

    _add(resource, f"/incidents/{{incident_id}}/{resource.path}", state, list_all)


def _add_case_routes(resource: Resource) -> None:
    def state(
        case_id: UUID, body: FactCreate[Any], request: Request, actor: Editor, key: IdempotencyKey = None
    ) -> JSONResponse:
        with working(request) as uow:
            answer = replay(
                uow,
                actor,
                key,
                operation=resource.states[0],
                request_sha256=request_digest(str(case_id), body),
                authorise=lambda: authorise(uow.session, actor, case_id, Operation.EDIT_INCIDENTS),
            )
            if answer is not None:
                return answer
            made = service.state_of_case(uow, actor, resource.kind, case_id, body.statement())
            return commit(uow, lambda receipts: _shown(resource, made, receipts), actor=actor, key=key, status=201)

    def list_all(
        case_id: UUID,
        request: Request,
        response: Response,
        actor: Reader,
        with_superseded: WithSuperseded = False,
        as_of: AsOf = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """In order of statement: what stands now, or with `as_of` stood then; or every version of everything."""
        with reading(request) as session:
            at = position_at(session, as_of)
            rows = service.list_of_case(
                session,
                actor,
                resource.kind,
                case_id,
                with_superseded=with_superseded,
                after=_number_in(cursor),
                limit=limit + 1,
                at=at,
            )
            return dated(page(request, response, rows, limit, lambda row: _shown(resource, row, []), _cursor_of), at)

    _add(resource, f"/cases/{{case_id}}/{resource.path}", state, list_all)


def _add(resource: Resource, path: str, state: Any, list_all: Any) -> None:
    state.__annotations__["body"] = resource.body
    router.post(
        path,
        name=resource.states[0],
        status_code=201,
        summary=resource.states[1],
        description=resource.about + _SUPERSEDING,
        response_model=resource.shape,
        responses=problem_responses(401, 403, 404, 409, 422),
    )(state)
    router.get(
        path,
        name=resource.lists[0],
        summary=resource.lists[1],
        response_model=DatedPage[resource.shape],  # type: ignore[name-defined]  # Known when the table is read.
        responses=problem_responses(401, 403, 404, 422),
    )(list_all)


def _shown(resource: Resource, row: Fact, receipts: list[Any]) -> FactShape[Any]:
    return fact_shape(resource.kind, resource.shape, row).model_copy(update={"receipts": receipts})


def _number_in(cursor: str | None) -> int | None:
    parts = read_cursor(cursor, int)
    return None if parts is None else int(parts[0])


def _cursor_of(row: Fact) -> str:
    return encode_cursor(row.number)


for _resource in OF_INCIDENTS:
    _add_incident_routes(_resource)
for _resource in OF_CASES:
    _add_case_routes(_resource)


class RangeShape(Shape):
    outcome: CasualtyOutcome
    person_group: PersonGroup
    minimum: int
    maximum: int | None = Field(description="Null: open.")
    sources: int = Field(description="Counts that it was folded from.")


class RangesShape(Shape):
    incident_id: UUID
    as_of: PositionShape | None = Field(description="The position as of which the counts stood; null: now.")
    ranges: list[RangeShape] = Field(
        description="One for each outcome and group of which anything is stated. None of them may be added to another: "
        "groups overlap."
    )


@router.get(
    "/incidents/{incident_id}/casualties/ranges",
    name="getCasualtyRanges",
    summary="Read the ranges that an incident's casualty counts give",
    response_model=RangesShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_casualty_ranges(incident_id: UUID, request: Request, actor: Reader, as_of: AsOf = None) -> RangesShape:
    """Of the counts that stand: the lowest minimum and the highest maximum of all sources, open if one is open."""
    with reading(request) as session:
        at = position_at(session, as_of)
        ranges = casualty_ranges(session, actor, incident_id, at)
        shown = [
            RangeShape(
                outcome=victims.outcome,
                person_group=victims.person_group,
                minimum=bounds.minimum,
                maximum=bounds.maximum,
                sources=bounds.sources,
            )
            for victims, bounds in ranges.items()
        ]
        return RangesShape(incident_id=incident_id, as_of=position_shape(at), ranges=shown)


class ControlShape(Shape):
    incident_id: UUID
    as_of: PositionShape | None = Field(description="The position as of which all was so stated; null: now.")
    is_known: bool
    unknown_because: Unresolved | None
    control: Control | None
    controller_id: UUID | None = Field(description="An organisation's `fact_id`; null: contested, or unknown.")
    based_on: list[UUID] = Field(description="The statements that were looked at, by `id`.")


@router.get(
    "/incidents/{incident_id}/territory-control",
    name="getTerritoryControl",
    summary="Read who held an incident's place at its time",
    response_model=ControlShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_territory_control(incident_id: UUID, request: Request, actor: Reader, as_of: AsOf = None) -> ControlShape:
    """By the smallest of its administrative units of which anything is stated for its time.

    Unknown when no time or place is stated of it, nothing covers all of its interval, it changed within it, or two
    sources name different holders.
    """
    with reading(request) as session:
        at = position_at(session, as_of)
        resolved = control_at(session, actor, incident_id, at)
        return ControlShape(
            incident_id=incident_id,
            as_of=position_shape(at),
            is_known=resolved.unknown is None,
            unknown_because=resolved.unknown,
            control=resolved.control,
            controller_id=resolved.controller_id,
            based_on=list(resolved.based_on),
        )
