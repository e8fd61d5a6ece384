"""Groups of items that are, or may be, of one origin; and the independent origins of what shows an incident."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Page, Requires, Shape, reading
from app.api.match_shapes import RelationWord, Tier
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.fingerprints import groups
from app.fingerprints.appearances import Appearance, Earliest
from app.fingerprints.origins import Bounds
from app.incidents import corroboration

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Groups"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
CONTRADICTIONS_SHOWN = 50


class OriginsShape(Shape):
    """How many independent origins: a range that holds whatever is decided about what is open. Not decided: `at_least`
    takes every open match for the same footage, `at_most` for other footage."""

    at_least: int
    at_most: int


class UndecidedShape(Shape):
    """Matches that nobody decided, or that were deferred as `potential`: what the range of origins depends on."""

    same_picture: int
    likely: int


class ContradictionShape(Shape):
    """Decisions that cannot all be right. They are not resolved: for `at_least` those count that join, for `at_most`
    those that keep apart."""

    kind: Literal["same_and_apart", "derived_and_apart", "same_and_derived", "circle"] = Field(
        description="Decided to be apart, and copies of each other by way of others; decided to be apart, and one "
        "comes from the other or both from a third; a copy, and made from what it is a copy of; each comes from the "
        "next, and the last from the first."
    )
    match_ids: list[UUID] = Field(
        description="The match whose decision contradicts the others; of a circle all of its matches, at most 50."
    )


class AppearanceShape(Shape):
    """By when the pictures existed, if its basis is true."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "evidence_id": "9414abb4-15b2-41bb-b83d-5df4cca27ec5",
                    "at": "2014-07-21T19:03:11Z",
                    "basis": "file",
                    "claim": "exif taken_at",
                    "stated": "2014-07-21T07:03:11",
                }
            ]
        }
    )

    evidence_id: UUID
    at: datetime = Field(description="Of a time without a zone: the latest that it may mean, twelve hours on in UTC.")
    basis: Literal["registered", "acquired", "claimed", "file"] = Field(
        description="When it was received here, which is measured; when the collector states to have acquired it; the "
        "beginning of the claimed time of recording; a time that the file says of itself, from 1990 until it was "
        "received."
    )
    claim: str | None = Field(description="Of a file's: where it stands in the file, and its name.")
    stated: str | None = Field(description="Of a file's: as it is stated, in ISO 8601.")


class GroupMemberShape(Shape):
    """An item of the group, as it stands to the item asked for."""

    evidence_id: UUID
    registered_at: datetime
    standing: Literal["itself", "exact_copy", "same_capture", "source", "derived", "related", "possible"] = Field(
        description="`source`: the item comes from it or contains it; `derived`: it comes from the item or contains it;"
        " `related`: both come from a third, or a third from both; `possible`: only by way of matches that nobody "
        "decided."
    )
    exact_group: UUID = Field(description="The first item with the same bytes.")
    capture: UUID = Field(description="The first item that is the same capture.")
    nearer_id: UUID | None = Field(description="The item by way of which it belongs here; null for the item itself.")
    match_id: UUID | None = Field(description="The match with that one; null where the same bytes have no match yet.")
    tier: Tier | None
    relation: RelationWord | None = Field(description="What was decided about that match; null: nothing.")
    decided_at: datetime | None


class GroupShape(Shape):
    """The items that are, or may be, of one origin with the item asked for."""

    evidence_id: UUID
    size: int = Field(description="Members, with the item itself.")
    captures: int = Field(description="Of them, copies counted as one.")
    origins: OriginsShape
    undecided: UndecidedShape
    contradictions: list[ContradictionShape] = Field(description="At most 50.")
    earliest: list[AppearanceShape] = Field(
        description="The earliest known appearance by each basis, the earliest first: of the item, its copies, what it "
        "comes from, and what comes from any of these."
    )
    possible_earlier: AppearanceShape | None = Field(
        description="An earlier one among members that are only possible or related."
    )
    is_before_claimed: bool | None = Field(
        description="Whether the pictures existed before the time at which this item is claimed to show them: recycled "
        "footage. Null where no time is claimed."
    )


class ListedGroup(Shape):
    """Two or more items that are, or may be, of one origin."""

    evidence_id: UUID = Field(description="The first of them: its group is read under it.")
    registered_at: datetime
    size: int
    exact_groups: int = Field(description="Copies of the same bytes counted as one.")
    captures: int = Field(description="Copies of the same capture counted as one.")
    origins: OriginsShape
    undecided: UndecidedShape
    contradictions: int


class CountedShape(Shape):
    items: int
    origins: OriginsShape


class OriginItemShape(Shape):
    evidence_id: UUID
    linked_at: datetime
    depicts: bool
    capture: UUID = Field(description="The first item of the case that is the same capture: equal for copies.")
    origins: list[UUID] = Field(
        description="What it comes from as far as it is decided, by the first item of each; itself where it comes from "
        "nothing. At most 20."
    )


class IncidentOriginsShape(Shape):
    """How many independent origins the items have that are linked to the incident."""

    incident_id: UUID
    depicting: CountedShape = Field(description="Of the items that show the incident itself: what corroborates it.")
    linked: CountedShape = Field(description="Of all that are linked.")
    undecided: UndecidedShape
    contradictions: list[ContradictionShape] = Field(description="At most 50.")
    earliest: list[AppearanceShape] = Field(
        description="The earliest known appearance, by each basis, of what shows the incident itself."
    )
    is_before_incident: bool | None = Field(
        description="Whether some of it existed before the incident: recycled footage. Null where the incident has no "
        "time."
    )


@router.get(
    "/evidence/{evidence_id}/group",
    name="getGroup",
    summary="How many origins there are of what an item shows, and since when it is known",
    response_model=GroupShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def get_group(evidence_id: UUID, request: Request, actor: Reader) -> GroupShape:
    """By the decisions in force at this moment, within the item's case. What is undecided leaves a range.
    `group_too_large` (409) beyond 100,000 items.
    """
    with reading(request) as session:
        found = groups.get_group(session, actor, evidence_id)
        return GroupShape(
            evidence_id=evidence_id,
            size=found.size,
            captures=found.captures,
            origins=_origins(found.origins),
            undecided=_undecided(found.questions),
            contradictions=_contradictions(found.questions),
            earliest=_earliest(found.earliest),
            possible_earlier=None if found.possible is None else _appearance(found.possible),
            is_before_claimed=_is_before(found.earliest, found.claimed_from),
        )


@router.get(
    "/evidence/{evidence_id}/group/members",
    name="listGroupMembers",
    summary="What an item is a copy of, comes from, or may be",
    response_model=Page[GroupMemberShape],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_group_members(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """In the order of their registration, with the item itself; each with the match and the decision by which it
    belongs here, by way of as few others as there are, and of decisions before what is undecided.
    """
    with reading(request) as session:
        rows = groups.list_members(session, actor, evidence_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _member, lambda row: cursor_at(row.registered_at, row.evidence_id))


@router.get(
    "/cases/{case_id}/groups",
    name="listGroups",
    summary="List the groups of a case",
    response_model=Page[ListedGroup],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_groups(
    case_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Of two items or more, in the order in which their first ones were registered. `group_too_large` (409) for a case
    of more than a million matches.
    """
    with reading(request) as session:
        rows = groups.list_groups(session, actor, case_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _family, lambda row: cursor_at(row.registered_at, row.first))


@router.get(
    "/incidents/{incident_id}/origins",
    name="getIncidentOrigins",
    summary="How many independent origins show an incident",
    response_model=IncidentOriginsShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def get_incident_origins(incident_id: UUID, request: Request, actor: Reader) -> IncidentOriginsShape:
    """For corroboration: copies, excerpts and edits of one recording count once, whether or not that recording is
    linked itself. What is undecided leaves a range.
    """
    with reading(request) as session:
        found = corroboration.get_origins(session, actor, incident_id)
        return IncidentOriginsShape(
            incident_id=incident_id,
            depicting=CountedShape.model_validate(found.depicting),
            linked=CountedShape.model_validate(found.linked),
            undecided=_undecided(found.questions),
            contradictions=_contradictions(found.questions),
            earliest=_earliest(found.earliest),
            is_before_incident=_is_before(found.earliest, found.incident.occurred_from),
        )


@router.get(
    "/incidents/{incident_id}/origins/evidence",
    name="listIncidentOrigins",
    summary="List the items linked to an incident by what they come from",
    response_model=Page[OriginItemShape],
    responses=problem_responses(401, 403, 404, 409, 422),
)
def list_incident_origins(
    incident_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """In the order of linking."""
    with reading(request) as session:
        rows = corroboration.list_items(session, actor, incident_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(
            request, response, rows, limit, OriginItemShape.model_validate,
            lambda row: cursor_at(row.linked_at, row.link_id),
        )  # fmt: skip


def _member(row: groups.Member) -> GroupMemberShape:
    decision = None if row.match is None else row.match.decision
    return GroupMemberShape(
        evidence_id=row.evidence_id,
        registered_at=row.registered_at,
        standing=row.standing.value,
        exact_group=row.exact_group,
        capture=row.capture,
        nearer_id=row.nearer,
        match_id=None if row.match is None else row.match.match.id,
        tier=None if row.match is None else row.match.tier,
        relation=None if decision is None else decision.relation,
        decided_at=None if decision is None else decision.decided_at,
    )


def _family(row: groups.Family) -> ListedGroup:
    return ListedGroup(
        evidence_id=row.first,
        registered_at=row.registered_at,
        size=row.items,
        exact_groups=row.exact_groups,
        captures=row.captures,
        origins=_origins(row.origins),
        undecided=_undecided(row.questions),
        contradictions=len(row.questions.contradictions),
    )


def _origins(bounds: Bounds) -> OriginsShape:
    return OriginsShape.model_validate(bounds)


def _undecided(questions: groups.OpenQuestions) -> UndecidedShape:
    undecided = questions.undecided
    return UndecidedShape(same_picture=undecided.get("same_picture", 0), likely=undecided.get("likely", 0))


def _contradictions(questions: groups.OpenQuestions) -> list[ContradictionShape]:
    return [
        ContradictionShape(kind=one.kind.value, match_ids=list(one.matches[:CONTRADICTIONS_SHOWN]))
        for one in questions.contradictions[:CONTRADICTIONS_SHOWN]
    ]


def _appearance(one: Appearance) -> AppearanceShape:
    return AppearanceShape.model_validate(one)


def _earliest(earliest: Earliest) -> list[AppearanceShape]:
    return [_appearance(one) for one in earliest.by_basis]


def _is_before(earliest: Earliest, moment: datetime | None) -> bool | None:
    if moment is None:
        return None
    return earliest.first is not None and earliest.first.at < moment
