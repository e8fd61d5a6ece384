"""How much of what hurts somebody has seen: for that person, and for the coordinators of the case."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Page, Requires, Shape, reading
from app.api.paging import BadCursor, Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.kernel.primitives import encode_cursor
from app.media import exposure
from app.media.exposure import DayOfExposure

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Safety"])

SignedIn = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]
Coordinator = Annotated[Actor, Depends(Requires(Operation.READ_EXPOSURE))]

_FIGURES: dict[str, Any] = {
    "day": "2026-07-14",
    "seen_items": 12,
    "minutes": 31.5,
    "by_label": {
        "graphic_none": {"seen_items": 9, "minutes": 24.0},
        "graphic_severe": {"seen_items": 3, "minutes": 7.5},
        "child": {"seen_items": 1, "minutes": 0.5},
    },
}


class Amount(Shape):
    seen_items: int
    minutes: float


class ExposureShape(Shape):
    day: date = Field(description="Of UTC.")
    seen_items: int = Field(description="Items looked at as content, each once a day.")
    minutes: float = Field(
        description="A recording counts its length once a day, at most two hours; a picture, a frame or another "
        "rendering half a minute."
    )
    by_label: dict[str, Amount] = Field(description="An item counts under each of its labels.")


class OwnExposure(ExposureShape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_FIGURES,
                    "case_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
                    "break_ends_at": "2026-07-15T00:00:00Z",
                    "items_per_day": 12,
                    "items_left": 0,
                    "minutes_per_day": 60,
                    "minutes_left": 28.5,
                }
            ]
        }
    )

    case_id: UUID
    break_ends_at: datetime | None = Field(
        description="Of today's and yesterday's: until when the case's content is closed to you, but for items "
        "that you hold; null: it is not."
    )
    items_per_day: int | None = Field(description="Today's cap by the case's policy; null: none, or another day.")
    items_left: int | None = Field(description="How many more today; null: as many as there are, or another day.")
    minutes_per_day: int | None = Field(description="As `items_per_day`.")
    minutes_left: float | None = Field(description="As `items_left`. What begins before they are over is not cut off.")


class MemberExposure(ExposureShape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_FIGURES,
                    "pseudonym": "0c5b1e43-52a4-4c6f-9a53-90bb0b1c7c11",
                    "account_id": "9414abb4-15b2-41bb-b83d-5df4cca27ec5",
                }
            ]
        }
    )

    pseudonym: UUID = Field(description="The person's name in the case's entries.")
    account_id: UUID


@router.get(
    "/me/exposure",
    name="listOwnExposure",
    summary="What you have seen",
    response_model=Page[OwnExposure],
    responses=problem_responses(401, 403, 422),
)
def list_own_exposure(
    request: Request, response: Response, actor: SignedIn, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """By day and case, the latest day first. Besides you, coordinators see this of their own case."""
    after = _read_cursor(cursor)
    with reading(request) as session:
        rows = exposure.list_own_exposure(
            session, actor, after=None if after is None else (after[1], after[0]), limit=limit + 1
        )
        return page(
            request, response, rows, limit, _own, lambda row: encode_cursor(str(row.case_id), row.day.isoformat())
        )


@router.get(
    "/cases/{case_id}/exposure",
    name="listExposure",
    summary="What the members have seen",
    response_model=Page[MemberExposure],
    responses=problem_responses(401, 403, 404, 422),
)
def list_exposure(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Coordinator,
    from_day: Annotated[date | None, Query(description="The first day of UTC.")] = None,
    to_day: Annotated[date | None, Query(description="The last one.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """For coordinators, to look after people: a day of a person each, in order of pseudonym, the latest day first. It
    takes no other order: this is no measure of anybody's work."""
    with reading(request) as session:
        rows = exposure.list_case_exposure(
            session, actor, case_id, from_day=from_day, to_day=to_day, after=_read_cursor(cursor), limit=limit + 1
        )
        return page(
            request,
            response,
            rows,
            limit,
            _of_member,
            lambda row: encode_cursor(str(row.pseudonym), row.day.isoformat()),
        )


def _read_cursor(cursor: str | None) -> tuple[UUID, date] | None:
    parts = read_cursor(cursor, str, str)
    if parts is None:
        return None
    try:
        return UUID(parts[0]), date.fromisoformat(parts[1])
    except ValueError as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error


def _figures(row: DayOfExposure) -> dict[str, Any]:
    return {
        "day": row.day,
        "seen_items": row.items,
        "minutes": _minutes(row.seconds),
        "by_label": {
            label: Amount(seen_items=items, minutes=_minutes(seconds))
            for label, (items, seconds) in sorted(row.by_label.items())
        },
    }


def _own(row: DayOfExposure) -> OwnExposure:
    items = None if row.caps is None else row.caps.exposure_items_per_day
    minutes = None if row.caps is None else row.caps.exposure_minutes_per_day
    return OwnExposure(
        **_figures(row),
        case_id=row.case_id,
        break_ends_at=row.break_ends_at,
        items_per_day=items,
        items_left=None if items is None else max(0, items - row.items),
        minutes_per_day=minutes,
        minutes_left=None if minutes is None else _minutes(max(0, minutes * 60 - row.seconds)),
    )


def _of_member(row: DayOfExposure) -> MemberExposure:
    return MemberExposure(**_figures(row), pseudonym=row.pseudonym, account_id=row.account_id)


def _minutes(seconds: int) -> float:
    return round(seconds / 60, 1)
