"""Decoding: what one file may cost, by format; and having an item's bytes decoded again."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import EvidenceShape, Prose, item
from app.api.http import IfMatch, Input, Requires, Shape, commit, required_version, services, working
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.fingerprints import again
from app.media.items import find_evidence
from app.media.limits import FormatLimits, decode_limits, limits_by_format
from app.media.reading import item_details
from app.media.sniff import MediaKind

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Evidence"])

OPERATION_ID = "requestDecoding"

Requester = Annotated[Actor, Depends(Requires(Operation.REQUEST_DECODING))]

MEANINGS = {
    "decoded": "All of it was decoded.",
    "partial": "Some of it was decoded: it is damaged or cut off. What was found is fingerprinted.",
    "undecodable": "None of it could be decoded: it is no picture or video of a known format, or too damaged.",
    "limit_time": "Decoding took as long as a file may take, and was ended. What a video gave until then is kept.",
    "limit_memory": "Decoding needed more memory than a file may have. What a video gave until then is kept.",
    "limit_pixels": "The picture or frame is larger than the format's limit, or the video has too many frames.",
    "policy_violation": "The decoder tried what no decoder needs, and was ended: the file may be an attack. It is "
    "decoded again only when that is asked for.",
}


class FormatLimitsShape(Shape):
    media_type: str = Field(examples=["image/jpeg"])
    kind: MediaKind
    pixels: int = Field(
        description="Of the picture, or of one frame of a video. JPEG has more: it is decoded at a fraction of its "
        "size.",
        examples=[268_000_000],
    )
    frames: int | None = Field(
        description="That are kept of one video; of one picture's file, frames or pages after the first. Null: it "
        "holds one picture.",
        examples=[256],
    )
    sequence_pixels: int | None = Field(
        description="Decoded in all for the further frames or pages of a picture's file; null for others.",
        examples=[600_000_000],
    )
    cpu_s: int = Field(description="Seconds of processor time.", examples=[20])
    wall_s: float = Field(description="Seconds from begin to end.", examples=[60.0])
    memory_bytes: int = Field(description="Address space of the decoding process.", examples=[2_147_483_648])


class OutcomeShape(Shape):
    outcome: str = Field(examples=["limit_time"])
    meaning: str = Field(examples=[MEANINGS["limit_time"]])


class LimitsShape(Shape):
    """What a file may cost its decoder. A limit that is hit never loses a file: it is kept, and the item says why."""

    upload_max_bytes: int = Field(description="The largest file that is taken.", examples=[21_474_836_480])
    decoder_jail: Literal["strict", "degraded"] = Field(examples=["strict"])
    formats: list[FormatLimitsShape] = Field(description="Every format that is decoded.")
    outcomes: list[OutcomeShape] = Field(description="How decoding can end: the words of an item's `decoding`.")


class DecodingRequest(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The limit for pictures is 60 s now."}]})

    reason: Prose = Field(description="Why; sealed in the ledger.")


@router.get(
    "/limits",
    name="getLimits",
    summary="What decoding a file may cost, by format",
    response_model=LimitsShape,
    responses=problem_responses(401, 403),
    dependencies=[Depends(Requires(Operation.SIGNED_IN))],
)
def get_limits(request: Request) -> LimitsShape:
    """For every signed-in account. The operator sets them; an item that hits one names it with its number."""
    settings = services(request).settings
    return LimitsShape(
        upload_max_bytes=settings.upload_max_bytes,
        decoder_jail=settings.decoder_jail,
        formats=[_format(one) for one in limits_by_format(decode_limits(settings))],
        outcomes=[OutcomeShape(outcome=outcome, meaning=meaning) for outcome, meaning in MEANINGS.items()],
    )


def _format(limits: FormatLimits) -> FormatLimitsShape:
    return FormatLimitsShape(
        media_type=limits.media_type,
        kind=limits.kind,
        pixels=limits.pixels,
        frames=limits.frames,
        sequence_pixels=limits.sequence_pixels,
        cpu_s=limits.cpu_s,
        wall_s=limits.wall_ms / 1000,
        memory_bytes=limits.memory_bytes,
    )


@router.post(
    "/evidence/{evidence_id}/decodings",
    name=OPERATION_ID,
    status_code=202,
    summary="Have the item's bytes decoded again",
    response_model=EvidenceShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def request_decoding(
    evidence_id: UUID,
    body: DecodingRequest,
    request: Request,
    actor: Requester,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """After an update of the decoder or a change of limits; by a coordinator or custodian, in any state from
    `preserved` on.

    `fingerprint_status` is `pending` until it is done; the state does not change, but nothing is submitted meanwhile.
    What was found before stays in force until something better is. New matches may appear, undecided, also of an item
    that is signed off.
    """
    version = required_version(if_match)
    digest = request_digest(str(evidence_id), version, body)
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation=OPERATION_ID,
            request_sha256=digest,
            authorise=lambda: find_evidence(uow.session, actor, evidence_id, Operation.REQUEST_DECODING),
        )
        if answer is not None:
            return answer
        evidence = again.request_decoding(uow, actor, evidence_id, version=version, reason=body.reason)
        details = item_details(uow.session, actor, evidence)
        return commit(
            uow,
            lambda receipts: item(details, receipts),
            status=202,
            actor=actor,
            key=key,
            version=evidence.version,
        )
