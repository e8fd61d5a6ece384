"""Frames that matching leaves out, because they occur in many unrelated sources."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.access.actors import Actor, require_stop_list_editor
from app.access.rules import Operation
from app.api.evidence_shapes import Prose
from app.api.headers import sends
from app.api.http import (
    Changed,
    IfMatch,
    Input,
    Page,
    Requires,
    Shape,
    commit,
    reading,
    required_version,
    with_version,
    working,
)
from app.api.paging import Cursor, Limit, cursor_at, page, read_cursor_at
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.fingerprints import stop_list
from app.fingerprints.models import StoppedFrame

router = APIRouter(route_class=LedgerRoute, prefix="/v1/stop-list", tags=["Stop list"])

Reader = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]
Overseer = Annotated[Actor, Depends(Requires(Operation.READ_STOP_LIST))]
Editor = Annotated[Actor, Depends(Requires(Operation.EDIT_STOP_LIST))]

StopKind = Literal["leader", "colour_bars", "test_card", "end_card", "logo", "interface", "even", "other"]
Standing = Literal["proposed", "stopped", "dismissed", "released"]
_HASH = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"


class StoppedShape(Shape):
    """A frame that matching leaves out, in every case, wherever a hash is within 8 bits of its own."""

    id: UUID
    version: str = Field(description="Of the hash.", examples=["pdq/1"])
    value: str = Field(
        description="The hash, hexadecimal. There is no picture of it: one would be of some case's file."
    )
    kind: StopKind = Field(description="What it shows. `even`: all of one colour, or nearly.")
    since: datetime


class StopListFrame(Changed):
    id: UUID
    version: str = Field(examples=["pdq/1"])
    value: str
    standing: Standing = Field(description="Only what a person stopped is left out by matching.")
    kind: StopKind | None
    sources: int | None = Field(
        description="In so many unrelated sources, of all cases together, it was found when it was proposed."
    )
    since: datetime


class FrameCreate(Input):
    """A frame by its hash, or by an item of yours and a time."""

    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {"hash_version": "pdq/1", "value": _HASH, "kind": "test_card", "reason": "The broadcaster's test card."}
            ]
        },
    )

    hash_version: Annotated[str, StringConstraints(max_length=40)] | None = None
    value: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){1,128}$")] | None = None
    evidence_id: UUID | None = None
    time_ms: int | None = Field(default=None, ge=0, le=2**53 - 1, description="Of a fingerprint of the item.")
    kind: StopKind
    reason: Prose

    @model_validator(mode="after")
    def _names_one_frame(self) -> "FrameCreate":
        by_hash = (self.hash_version is not None, self.value is not None)
        by_item = (self.evidence_id is not None, self.time_ms is not None)
        if {by_hash, by_item} != {(True, True), (False, False)}:
            raise ValueError("send 'hash_version' and 'value', or 'evidence_id' and 'time_ms'")
        return self


class FrameDecision(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={"examples": [{"decision": "stop", "kind": "end_card", "reason": "The channel's end card."}]},
    )

    decision: Literal["stop", "dismiss", "release"]
    kind: StopKind | None = Field(default=None, description="With `stop`: what the frame shows.")
    reason: Prose

    @model_validator(mode="after")
    def _says_what_is_stopped(self) -> "FrameDecision":
        if (self.kind is not None) != (self.decision == "stop"):
            raise ValueError("'kind' goes with 'stop', and with nothing else")
        return self


@router.get(
    "",
    name="listStoppedFrames",
    summary="List the frames that matching leaves out",
    response_model=Page[StoppedShape],
    responses=problem_responses(401, 403, 422),
)
def list_stopped_frames(
    request: Request, response: Response, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """To everybody who is signed in, the longest stopped first. Where a frame occurs, and how often, is not told here:
    that would speak of others' cases.
    """
    with reading(request) as session:
        rows = stop_list.list_stopped(session, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _stopped, lambda row: cursor_at(row.since, row.id))


@router.get(
    "/frames",
    name="listStopListFrames",
    summary="List proposed, stopped, dismissed or released frames, with their numbers of sources",
    response_model=Page[StopListFrame],
    responses=problem_responses(401, 403, 422),
)
def list_frames(
    request: Request,
    response: Response,
    actor: Overseer,
    standing: Annotated[Standing, Query(description="Only those.")] = "proposed",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """For administrators and the organisation's auditor, the longest in this standing first."""
    with reading(request) as session:
        rows = stop_list.list_by_standing(
            session, actor, standing=standing, after=read_cursor_at(cursor), limit=limit + 1
        )
        return page(request, response, rows, limit, _frame, lambda row: cursor_at(row.since, row.id))


@router.get(
    "/frames/{frame_id}",
    name="getStopListFrame",
    summary="Read one frame of the stop list",
    response_model=StopListFrame,
    responses={200: sends("ETag"), **problem_responses(401, 403, 404, 422)},
)
def get_frame(frame_id: UUID, request: Request, response: Response, actor: Overseer) -> StopListFrame:
    """Its `ETag` goes with a decision about it."""
    with reading(request) as session:
        frame = stop_list.get_frame(session, actor, frame_id)
        with_version(response, frame.change)
        return _frame(frame)


@router.post(
    "",
    name="stopFrame",
    status_code=201,
    summary="Let matching leave a frame out",
    response_model=StopListFrame,
    responses={201: sends("Location"), **problem_responses(401, 403, 404, 409, 422)},
)
def stop_frame(body: FrameCreate, request: Request, actor: Editor, key: IdempotencyKey = None) -> JSONResponse:
    """In every case, so it is an administrator's act; by an item only where they are a member of its case. The reason
    is in the installation's own log.
    """
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="stopFrame",
            request_sha256=request_digest(body),
            authorise=lambda: require_stop_list_editor(actor),
        )
        if answer is not None:
            return answer
        if body.evidence_id is not None and body.time_ms is not None:
            frame = stop_list.stop_frame_of(
                uow, actor, evidence_id=body.evidence_id, time_ms=body.time_ms, kind=body.kind, reason=body.reason
            )
        else:
            assert body.hash_version is not None
            assert body.value is not None
            value = bytes.fromhex(body.value)
            frame = stop_list.stop_hash(
                uow, actor, version=body.hash_version, value=value, kind=body.kind, reason=body.reason
            )
        shape = _frame(frame)
        return commit(
            uow,
            lambda receipts: shape.model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
            version=frame.change,
            location=f"/v1/stop-list/frames/{frame.id}",
        )


@router.post(
    "/frames/{frame_id}/decision",
    name="decideStopListFrame",
    summary="Stop, dismiss or release a frame",
    response_model=StopListFrame,
    responses={200: sends("ETag"), **problem_responses(401, 403, 404, 409, 412, 422, 428)},
)
def decide_frame(
    frame_id: UUID, body: FrameDecision, request: Request, actor: Editor, if_match: IfMatch = None
) -> JSONResponse:
    """From then on, matches are found without a stopped frame, and with a released one. What the files that show it
    resemble is compared anew in the background, after a stop and after a release alike. A match that rested on stopped
    frames alone stays, with what people decided about it, and says `not_found_because: stop_list`.
    """
    with working(request) as uow:
        frame = stop_list.decide_frame(
            uow,
            actor,
            frame_id,
            change=required_version(if_match),
            decision=body.decision,
            kind=body.kind,
            reason=body.reason,
        )
        shape = _frame(frame)
        return commit(uow, lambda receipts: shape.model_copy(update={"receipts": receipts}), version=frame.change)


def _stopped(row: StoppedFrame) -> StoppedShape:
    return StoppedShape(id=row.id, version=row.version, value=row.value.hex(), kind=row.kind, since=row.since)


def _frame(row: StoppedFrame) -> StopListFrame:
    return StopListFrame(
        id=row.id,
        version=row.version,
        value=row.value.hex(),
        standing=row.standing,
        kind=row.kind,
        sources=row.sources,
        since=row.since,
    )
