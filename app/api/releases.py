"""Releases: packages that a case stands by, what they pin, and whether that still stands."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.figure_shapes import FigureAnswerInput
from app.api.figures import kept_of
from app.api.headers import sends
from app.api.http import Changed, Input, Page, ReceiptShape, Requires, Shape, WrittenText, commit, reading, working
from app.api.paging import BadCursor, Cursor, Limit, cursor_at, page, read_cursor, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.exports import releases
from app.exports.release_models import ReleaseItem
from app.exports.releases import ReadRelease
from app.figures.standing import hold_snapshot
from app.kernel.primitives import encode_cursor

router = APIRouter(route_class=LedgerRoute, prefix="/v1/releases", tags=["Exports"])

Reader = Annotated[Actor, Depends(Requires(Operation.EXPORT))]
Releaser = Annotated[Actor, Depends(Requires(Operation.RELEASE))]
MOST_FIGURES = 50

StaleReason = Literal[
    "reopened",
    "verdict_superseded",
    "quarantined",
    "destroyed",
    "corrected",
    "erased",
    "grading_superseded",
    "fact_superseded",
    "consent_closed",
]


class ReleaseCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"export_id": "5f0c1c39-7c1f-4f0e-9d0a-0c5b4d3b7a11", "reason": "For the hearing of 3 March."}]
        },
    )

    export_id: UUID = Field(description="A package that is `ready`. It is released once.")
    figures: list[FigureAnswerInput] = Field(
        default_factory=list,
        max_length=MOST_FIGURES,
        description="Answers of `/v1/statistics` as given, of this case alone: each is recomputed, and pinned.",
    )
    reason: WrittenText | None = Field(None, max_length=2000, description="Sealed in the ledger.")


class StaleShape(Shape):
    reason: StaleReason
    since: datetime = Field(description="When it happened first.")
    count: int = Field(description="Acts of that kind since; of `consent_closed` items and testimonies.")


class ReleaseShape(Changed):
    """It never changes. `is_stale` says whether what it rests on has changed since, and `stale` why."""

    id: UUID
    case_id: UUID
    export_id: UUID
    policy_version: int = Field(description="Of the case's policy by which it was looked through.")
    log_origin: str
    tree_size: int = Field(description="Of the signed tree that the package shows: the ledger's head that is pinned.")
    root: str
    manifest_sha256: str = Field(description="Of the package's manifest, as its seal has it.")
    pins_sha256: str = Field(description="SHA-256 of what `/pins` gives; it stands in the custody entry.")
    items_count: int
    figures_count: int
    released_by: UUID
    released_at: datetime
    is_stale: bool
    stale: list[StaleShape] = Field(description="Why, the earliest first. Empty: it stands as it was released.")


class ReleaseItemShape(Shape):
    """An item as it stood when it was released."""

    evidence_id: UUID
    version: int
    state: str
    entries: int = Field(description="Of its custody stream, as long as the package has it.")
    head: str = Field(description="The commitment of the last of these.")
    verdict_id: UUID | None
    verdict_version: int | None
    outcome: str | None


@router.post(
    "",
    name="createRelease",
    status_code=201,
    summary="Release a package",
    response_model=ReleaseShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def create_release(body: ReleaseCreate, request: Request, actor: Releaser, key: IdempotencyKey = None) -> Response:
    """It pins the versions of the package's items, their verdicts, the figures that are sent, and the ledger's head.

    `not_releasable` (409) names all that stands in the way in `obstacles`: broken custody, unanswered questions about
    recycled footage, closed consent, missing labels, pending blind rounds, items that are not signed off (unless the
    policy allows it), and what changed since the package was asked for. `figure_does_not_verify` (409) names figures.
    """
    with reading(request) as session:
        hold_snapshot(session)
        figures = releases.check_figures(session, actor, body.export_id, [kept_of(each) for each in body.figures])
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createRelease",
            request_sha256=request_digest(body),
            authorise=lambda: releases.require_releasing(uow.session, actor, body.export_id),
        )
        if answer is not None:
            return answer
        release = releases.release_export(uow, actor, body.export_id, figures=figures, reason=body.reason)

        def build(receipts: list[ReceiptShape]) -> ReleaseShape:
            return _shape(ReadRelease(release, []), receipts)

        return commit(uow, build, actor=actor, key=key, status=201, location=f"/v1/releases/{release.id}")


@router.get(
    "",
    name="listReleases",
    summary="List a case's releases",
    response_model=Page[ReleaseShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_releases(
    request: Request,
    response: Response,
    actor: Reader,
    case_id: Annotated[UUID, Query(description="The case whose releases are listed.")],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The newest first, each with why it is stale, if it is."""
    before = read_cursor_at(cursor)
    with reading(request) as session:
        found = releases.list_releases(session, actor, case_id, before=before, limit=limit + 1)
        rows = releases.with_staleness(session, found)
        return page(
            request,
            response,
            rows,
            limit,
            _shape,
            lambda row: cursor_at(row.release.released_at, row.release.id),
        )


@router.get(
    "/{release_id}",
    name="getRelease",
    summary="Read a release, and whether it still stands",
    response_model=ReleaseShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_release(release_id: UUID, request: Request, actor: Reader) -> ReleaseShape:
    """What was released, and what happened since to what it rests on: nothing of it makes the release another one."""
    with reading(request) as session:
        release = releases.get_release(session, actor, release_id)
        return _shape(releases.with_staleness(session, [release])[0])


@router.get(
    "/{release_id}/items",
    name="listReleaseItems",
    summary="The items of a release, as they stood",
    response_model=Page[ReleaseItemShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_release_items(
    release_id: UUID, request: Request, response: Response, actor: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """By id: version, state and verdict of each, and how far its custody stream went."""
    after = _item_after(cursor)
    with reading(request) as session:
        rows = releases.list_release_items(session, actor, release_id, after=after, limit=limit + 1)
        return page(request, response, rows, limit, _item, lambda row: encode_cursor(str(row.evidence_id)))


def _item_after(cursor: str | None) -> UUID | None:
    parts = read_cursor(cursor, str)
    try:
        return None if parts is None else UUID(parts[0])
    except ValueError as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error


@router.get(
    "/{release_id}/pins",
    name="getReleasePins",
    summary="All that a release pins, as it is hashed",
    response_class=Response,
    responses={
        200: sends(
            "Cache-Control", description="Canonical JSON", content={"application/json": {"schema": {"type": "object"}}}
        ),
        **problem_responses(401, 403, 404, 422),
    },
)
def get_release_pins(release_id: UUID, request: Request, actor: Reader) -> Response:
    """Canonical JSON (RFC 8785): items, verdicts, figures and the ledger's head. `sha256sum` of it is `pins_sha256`,
    which stands in the custody entry `export.released`."""
    with reading(request) as session:
        content = releases.pins_of(session, actor, release_id)
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


def _item(item: ReleaseItem) -> ReleaseItemShape:
    return ReleaseItemShape.model_validate(item)


def _shape(read: ReadRelease, receipts: list[ReceiptShape] | None = None) -> ReleaseShape:
    facts = {name: getattr(read.release, name) for name in ReleaseShape.model_fields if hasattr(read.release, name)}
    stale = [StaleShape.model_validate(each) for each in read.stale]
    return ReleaseShape.model_validate(
        {**facts, "receipts": receipts or [], "is_stale": bool(read.stale), "stale": stale}
    )
