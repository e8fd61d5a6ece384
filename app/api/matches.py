"""Fingerprints, found similarities and people's decisions about them."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import Prose
from app.api.headers import sends
from app.api.http import (
    Changed,
    Cursor,
    Erased,
    IdempotencyKey,
    Input,
    Limit,
    Page,
    Requires,
    Shape,
    commit,
    cursor_at,
    page,
    read_cursor,
    read_cursor_at,
    reading,
    replay,
    request_digest,
    working,
)
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.cases.service import NOWHERE, authorise
from app.fingerprints import reading as queries
from app.fingerprints import service
from app.fingerprints.finding import EXACT_GROUND
from app.fingerprints.models import Match, Relation
from app.kernel.primitives import encode_cursor
from app.media.items import find_evidence
from app.media.reading import has_own_results

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Matches"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Decider = Annotated[Actor, Depends(Requires(Operation.VERIFY))]

RelationWord = Literal[
    "exact_copy",
    "same_capture",
    "excerpt_of",
    "contains",
    "edited_from",
    "same_event_other_camera",
    "unrelated",
    "potential",
]


Tier = Literal["exact", "same_picture", "likely"]


Area = Literal["whole", "trimmed", "framed"]


class GroundShape(Shape):
    """One reason for a match: a distance of hashes, or points of local features that agree.

    Places are in thousandths of the displayed picture's width and height.
    """

    algorithm: str = Field(examples=["pdq", "orb"])
    version: str = Field(examples=["pdq/1", "orb/1"])
    transformation: str = Field(description="What makes the reference of the query.", examples=["identity", "mirror"])
    query_view: Area = Field(
        default="whole",
        description="What of the query's picture was looked at: all of it, what uniform borders leave, or the picture"
        " found inside a screenshot.",
    )
    reference_view: Area = Field(default="whole", description="The same of the reference's.")
    distance_bits: int | None = Field(default=None, description="Of hashes.")
    threshold_bits: int | None = Field(
        default=None, description="Distances up to this one match, by the case's policy at that time."
    )
    inliers: int | None = Field(
        default=None, description="Of local features: points that agree under one transformation."
    )
    threshold_inliers: int | None = Field(default=None, description="So many say what the tier says.")
    query_ms: int | None = Field(default=None, description="Of a video or a file of several pictures: the frame.")
    reference_ms: int | None = None
    outline: list[tuple[int, int]] | None = Field(
        default=None,
        description="The four corners of the query's picture in the reference's, clockwise from the upper left; they"
        " may lie outside.",
    )
    points: list[tuple[int, int, int, int]] | None = Field(
        default=None, description="Some of the points that agree: x and y in the query, x and y in the reference."
    )


class AlignedSpan(Shape):
    """A span of the query that shows what a span of the reference shows."""

    query_start_ms: int
    query_end_ms: int
    reference_start_ms: int
    reference_end_ms: int
    frames: int = Field(description="Distinct frames that match, on the side that has fewer.")
    distance_bits: int | None = Field(description="The median over these frames; null by local features.")
    speed: int = Field(
        1000,
        description="Reference time per query time, in thousandths: 1000 the same, or unknown since nothing moves; "
        "negative: played backwards.",
    )
    transformation: str = Field("identity", description="What makes the reference's picture of the query's.")
    query_view: str = Field("whole", description="Which area of the query's picture was compared.")
    reference_view: str = Field("whole", description="Which area of the reference's picture was compared.")
    by: Literal["pdq", "orb"] = Field("pdq", description="Hashes of whole pictures, or local features.")


class RelationShape(Shape):
    """A decision: `evidence_id` is `relation` the other. The highest number is in force."""

    match_id: UUID
    number: int
    evidence_id: UUID
    other_id: UUID
    relation: RelationWord
    reason: str
    decided_by: UUID
    decided_at: datetime
    erased: list[str] = Erased


class MatchShape(Changed):
    id: UUID
    case_id: UUID
    query_id: UUID = Field(description="The item that transformation and segments call the query.")
    reference_id: UUID
    tier: Tier = Field(description="The same bytes; surely the same picture; alike enough for a person to look at.")
    grounds: list[GroundShape]
    segments: list[AlignedSpan] = Field(description="Of videos: where each shows what the other shows.")
    rule: str | None = Field(description="The rule by which the pair was compared; null for the same bytes.")
    found_at: datetime
    decision: RelationShape | None = Field(description="The decision in force; null while nobody decided.")


class FingerprintShape(Shape):
    algorithm: str = Field(examples=["pdq", "orb"])
    version: str = Field(examples=["pdq/1", "orb/1"])
    time_ms: int = Field(description="Of a video's frame, since the first one; 0 for a picture.")
    view: str = Field(description="`identity`, or the symmetry under which the picture is searched with.")
    value: str | None = Field(description="The hash, hexadecimal; null for local features.")
    quality: int | None
    points: int | None = Field(description="Of local features: how many points were found; null for a hash.")
    points_sha256: str | None = Field(
        description="Of local features: the SHA-256 of the stored points, which the entry's digest covers."
    )


class ShotShape(Shape):
    """What lies between two cuts of a video. Times are in milliseconds since the first frame."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": "shots/1", "number": 1, "from_ms": 8208, "to_ms": 15625, "shown_ms": 11500}]
        }
    )

    version: str = Field(description="The rule by which shots are told apart.")
    number: int = Field(description="From 0 in order of time.")
    from_ms: int
    to_ms: int = Field(description="Where the next begins; of the last: 1 ms after its last frame's time.")
    shown_ms: int = Field(description="The frame that stands for the shot: the one that stood longest unchanged.")


class DecisionCreate(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [{"relation": "same_capture", "reason": "The same frame, encoded anew by a messenger."}]
        },
    )

    relation: RelationWord = Field(
        description="`potential` defers the decision; `unrelated` ends it. Where the bytes are the same: `exact_copy`"
        " or `potential`."
    )
    reason: Prose
    evidence_id: UUID | None = Field(
        default=None, description="The item that is `excerpt_of`, `contains` or `edited_from` the other."
    )


@router.get(
    "/evidence/{evidence_id}/matches",
    name="listMatches",
    summary="What the item resembles, and why",
    response_model=Page[MatchShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_matches(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    undecided: Annotated[bool, Query(description="Only those about which nobody decided.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order in which they were found."""
    with reading(request) as session:
        find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
        rows = queries.list_matches(
            session, evidence_id, undecided_only=undecided, after=read_cursor_at(cursor), limit=limit + 1
        )
        return page(request, response, rows, limit, _match, lambda row: cursor_at(row.match.found_at, row.match.id))


@router.get(
    "/matches/{match_id}",
    name="getMatch",
    summary="Read a match",
    response_model=MatchShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_match(match_id: UUID, request: Request, actor: Reader) -> MatchShape:
    """With its explanation and the decision in force."""
    with reading(request) as session:
        return _match(queries.get_match(session, actor, match_id))


@router.post(
    "/matches/{match_id}/decision",
    name="decideMatch",
    status_code=201,
    summary="Decide what a match means",
    response_model=MatchShape,
    responses={201: sends("Location"), **problem_responses(401, 403, 404, 409, 422)},
)
def decide_match(
    match_id: UUID, body: DecisionCreate, request: Request, actor: Decider, key: IdempotencyKey = None
) -> JSONResponse:
    """With a reason, in the streams of both items. A later decision supersedes it; none is edited."""
    with working(request) as uow:
        digest = request_digest(str(match_id), body)
        answer = replay(
            uow,
            actor,
            key,
            operation="decideMatch",
            request_sha256=digest,
            authorise=lambda: _require_deciding(uow.session, actor, match_id),
        )
        if answer is not None:
            return answer
        decided = service.decide_match(
            uow, actor, match_id, relation=body.relation, reason=body.reason, subject_id=body.evidence_id
        )
        shape = _match(decided)
        return commit(
            uow,
            lambda receipts: shape.model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
            location=f"/v1/matches/{match_id}",
        )


def _require_deciding(session: Session, actor: Actor, match_id: UUID) -> None:
    match = session.get(Match, match_id)
    authorise(session, actor, NOWHERE if match is None else match.case_id, Operation.VERIFY)


@router.get(
    "/evidence/{evidence_id}/relations",
    name="listRelations",
    summary="Decisions in force about the item",
    response_model=Page[RelationShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_relations(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order in which they were made. A relation is said of `evidence_id` toward `other_id`."""
    with reading(request) as session:
        find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
        rows = queries.list_relations(session, evidence_id, after=read_cursor_at(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _relation, lambda row: cursor_at(row.decided_at, row.id))


@router.get(
    "/evidence/{evidence_id}/fingerprints",
    name="listFingerprints",
    summary="The item's perceptual hashes and local features",
    response_model=Page[FingerprintShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_fingerprints(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Those in force, by algorithm version, time and view. Empty until the item is fingerprinted."""
    with reading(request) as session:
        evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
        after = read_cursor(cursor, str, int, str)
        rows = (
            []
            if evidence.blob_sha256 is None or not has_own_results(evidence)
            else queries.list_fingerprints(session, evidence.blob_sha256, after=after, limit=limit + 1)
        )
        return page(
            request,
            response,
            rows,
            limit,
            _fingerprint,
            lambda row: encode_cursor(row.version, row.time_ms, row.view),
        )


@router.get(
    "/evidence/{evidence_id}/shots",
    name="listShots",
    summary="The shots of a video",
    response_model=Page[ShotShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_shots(
    evidence_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time, without gaps: each from a cut, or from where the camera has turned to other things, to the
    next. Empty for images, and until the item is fingerprinted."""
    with reading(request) as session:
        evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
        after = read_cursor(cursor, str, int)
        rows = (
            []
            if evidence.blob_sha256 is None or not has_own_results(evidence)
            else queries.list_shots(session, evidence.blob_sha256, after=after, limit=limit + 1)
        )
        return page(
            request, response, rows, limit, ShotShape.model_validate, lambda row: encode_cursor(row.version, row.number)
        )


def _match(found: queries.ExplainedMatch) -> MatchShape:
    match, blob_match = found.match, found.blob_match
    return MatchShape(
        id=match.id,
        case_id=match.case_id,
        query_id=match.query_id,
        reference_id=match.second_id if match.query_id == match.first_id else match.first_id,
        tier=cast(Tier, match.tier),
        grounds=[GroundShape(**ground) for ground in ([EXACT_GROUND] if blob_match is None else blob_match.grounds)],
        segments=[] if blob_match is None else [AlignedSpan(**segment) for segment in blob_match.segments],
        rule=None if blob_match is None else blob_match.rule,
        found_at=match.found_at,
        decision=None if found.decision is None else _relation(found.decision),
    )


def _relation(row: Relation) -> RelationShape:
    return RelationShape.model_validate(row)


def _fingerprint(row: queries.ListedFingerprint) -> FingerprintShape:
    return FingerprintShape(
        algorithm=row.version.partition("/")[0],
        version=row.version,
        time_ms=row.time_ms,
        view=row.view,
        value=None if row.value is None else row.value.hex(),
        quality=row.quality,
        points=row.points,
        points_sha256=row.points_sha256,
    )
