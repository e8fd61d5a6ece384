"""What items are compared by: the hashes and local features of pictures, the shots of videos."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Page, Requires, Shape, reading
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.fingerprints import reading as queries
from app.kernel.primitives import encode_cursor
from app.media.items import find_evidence
from app.media.reading import has_own_results

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Matches"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]


class FingerprintShape(Shape):
    algorithm: str = Field(examples=["pdq", "orb"])
    version: str = Field(examples=["pdq/1", "orb/1"])
    time_ms: int = Field(description="Of a video's frame, since the first one; 0 for a picture.")
    view: str = Field(
        description="`identity`, or the symmetry (`mirror`, `rotate_90` …) under which the picture is searched with. "
        "`trimmed.` before it: without borders, bars or blurred bands around it; `framed.`: the picture found inside a "
        "screenshot; `folded.`: with every tone counting as its negative does; `part.`, followed by where it lies "
        "(left, upper edge, width, height, in pixels of the picture at most 640 long, and how long the part was): "
        "an inset, a cell of a collage, a picture on a page.",
        examples=["identity", "mirror", "trimmed.identity"],
    )
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
