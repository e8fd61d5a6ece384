"""Searching for something that is not kept: by a file, by hashes."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import ConfigDict, Field, StrictInt, StringConstraints
from starlette.concurrency import run_in_threadpool

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.headers import sends
from app.api.http import Input, Requires, Shape, reading, services, working
from app.api.match_shapes import AlignedSpan, GroundShape, Tier
from app.api.policies import BitsInput
from app.api.problems import problem_responses
from app.api.receiving import open_upload, receive_upload
from app.api.uploads import parse_metadata, schema_of
from app.fingerprints import similar_searches as searches
from app.fingerprints.similar import HashAnswer, algorithm_of, search_hashes, searched_cases
from app.fingerprints.similar_searches import Answer, Question
from app.fingerprints.wording import explain_in_words
from app.kernel.primitives import Sha256Hex, new_id

router = APIRouter(prefix="/v1/similar", tags=["Similar"])

Searcher = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]

MOST_HASHES = 32
MOST_CASES = 100
ANSWERED_EVERY_S = 0.02
"""A look-up by hashes is answered when so many seconds, or a multiple, have gone by. What is near in cases that the
asker may not see costs microseconds more: this takes them out of the answer's time."""

LONGEST_WAIT_S = 30.0
LOOKED_EVERY_S = 0.1
_PREFERENCE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*\"?([^\";,]*?)\"?\s*)?(?:;[^,]*)?")
"""One of ``Prefer`` (RFC 7240, 2): its name and its value."""

HashText = Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{2})+$", max_length=256)]
Cases = Annotated[
    list[UUID] | None,
    Field(
        min_length=1,
        max_length=MOST_CASES,
        description="Search in these cases, each of which you must be a member of; null: in all of yours.",
    ),
]


class HashSearch(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={
            "examples": [
                {
                    "algorithm": "pdq/1",
                    "hashes": ["f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"],
                    "radius_bits": 31,
                }
            ]
        },
    )

    algorithm: Annotated[str, StringConstraints(max_length=64)] = Field(description="With its version, as `pdq/1`.")
    hashes: Annotated[list[HashText], Field(min_length=1, max_length=MOST_HASHES)] = Field(
        description="Hexadecimal, most significant bit first."
    )
    radius_bits: StrictInt | None = Field(
        None, ge=0, le=64, description="At most a quarter of the hash's bits; null: the distance that matches."
    )
    case_ids: Cases = None
    limit: StrictInt = Field(50, ge=1, le=200, description="Items of each hash at the most.")


class NearHashShape(Shape):
    """An item, and the hash of it that is nearest."""

    evidence_id: UUID
    case_id: UUID
    distance_bits: int = Field(examples=[12])
    view: str = Field(description="`identity`, or the view under which the stored picture was hashed.")
    time_ms: int = Field(description="Of a video's frame, since the first one; 0 for a picture.")
    quality: int | None


class HashAnswerShape(Shape):
    hash: str
    found: list[NearHashShape] = Field(description="The nearest first, each item once.")
    has_more: bool = Field(description="Whether further items are as near: ask with a smaller radius or in one case.")


class HashSearchShape(Shape):
    algorithm: str
    radius_bits: int
    answers: list[HashAnswerShape] = Field(description="One for each hash, in the order of the question.")


class SimilarSearchCreate(Input):
    """The part `metadata` of a search by a file."""

    model_config = ConfigDict(
        strict=False, json_schema_extra={"examples": [{"tier": "same_picture", "thresholds": {"pdq": 31}, "limit": 20}]}
    )

    case_ids: Cases = None
    thresholds: BitsInput = Field(
        default_factory=BitsInput,
        description="Per algorithm, the largest distance in bits that is a match, as in a case's policy.",
    )
    tier: Tier = Field("likely", description="The weakest that is wanted.")
    limit: StrictInt = Field(50, ge=1, le=200, description="Items at the most.")


class SimilarItemShape(Shape):
    """An item that resembles the file. `grounds` and `segments` call the file the query."""

    evidence_id: UUID
    case_id: UUID
    tier: Tier
    grounds: list[GroundShape]
    segments: list[AlignedSpan]
    explanation: str = Field(description="The same in words.")


class SimilarSearchShape(Shape):
    """A search by a file, for the quarter of an hour that its answer is kept."""

    id: UUID
    status: Literal["pending", "done", "failed"]
    outcome: str | None = Field(
        description="How far decoding came; null while it waits. Of a file that is not decoded, copies of the same"
        " bytes are found all the same.",
        examples=["decoded", "partial", "undecodable", "limit_time"],
    )
    reason: str | None = Field(description="Why not all of it was decoded, or why the search failed.")
    found: list[SimilarItemShape] = Field(description="The strongest first.")
    has_more: bool = Field(description="Whether there are more than `limit`.")
    created_at: datetime
    expires_at: datetime = Field(description="When it is forgotten.")


FORM = {
    "schema": {
        "type": "object",
        "required": ["metadata", "file"],
        "properties": {"metadata": schema_of(SimilarSearchCreate), "file": {"type": "string", "format": "binary"}},
    },
    "encoding": {"metadata": {"contentType": "application/json"}},
}
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        max_length=200,
        description="`wait=10`: answer within so many seconds, at most 30 (RFC 7240); `respond-async`: at once.",
        examples=["wait=10"],
    ),
]


@router.post(
    "",
    name="searchSimilar",
    summary="Find items by a file that is not kept",
    response_model=SimilarSearchShape,
    responses={
        200: sends("Location", "Preference-Applied", description="The search is over"),
        202: sends(
            "Location",
            "Preference-Applied",
            "Retry-After",
            description="It is not over yet: ask at Location",
            model=SimilarSearchShape,
        ),
        **problem_responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 503, 507),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": FORM}}},
)
async def search_similar(request: Request, actor: Searcher, prefer: Prefer = None) -> Response:
    """Part `metadata` (JSON, may be `{}`) first, part `file` second: a picture or a video. It is decoded where evidence
    is, fingerprinted and compared as evidence, in the cases that you name or in all of yours, and removed; so are its
    fingerprints. Nothing is recorded. The answer is yours alone and is kept for a quarter of an hour.
    """
    wait_s = _wait_of(prefer, services(request).settings.search_wait_s)
    await run_in_threadpool(_require_place, request, actor)
    search_id = new_id()
    incoming = services(request).query_files.incoming(search_id)
    try:
        with open_upload(actor.token_id):
            upload = await receive_upload(request, services(request).settings, incoming, _understanding(request, actor))
        digest = upload.file.blob.sha256
        await run_in_threadpool(_begin, request, actor, search_id, digest, upload.metadata)
    except BaseException:
        incoming.discard()
        raise
    finally:
        incoming.close()
    await _wait_for(request, search_id, wait_s)
    return await run_in_threadpool(_answer_to, request, actor, search_id, wait_s)


@router.get(
    "/{search_id}",
    name="getSimilarSearch",
    summary="Read the answer to a search by a file",
    response_model=SimilarSearchShape,
    responses=problem_responses(401, 403, 404, 422),
)
async def get_search(search_id: UUID, request: Request, actor: Searcher) -> Response:
    """By whoever searched, until it expires; of items that you may read now."""
    return await run_in_threadpool(_read, request, actor, search_id)


@router.delete(
    "/{search_id}",
    name="endSimilarSearch",
    status_code=204,
    summary="Forget a search by a file",
    responses=problem_responses(401, 403, 404, 422),
)
async def end_search(search_id: UUID, request: Request, actor: Searcher) -> Response:
    """At once: its answer, or the file while it waits."""
    await run_in_threadpool(_end, request, actor, search_id)
    return Response(status_code=204)


@router.post(
    "/hashes",
    name="searchHashes",
    summary="Find items by hashes",
    response_model=HashSearchShape,
    responses=problem_responses(401, 403, 404, 422, 503),
)
async def search_by_hashes(body: HashSearch, request: Request, actor: Searcher) -> Response:
    """Exact: every item of your cases with a stored hash within the radius, in any view of it. For hash lists of other
    organisations, and for pictures that may not be sent. Nothing of the question is kept, and nothing is recorded.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    answer = await run_in_threadpool(_search, body, request, actor)
    await asyncio.sleep(ANSWERED_EVERY_S - (clock() - began) % ANSWERED_EVERY_S)
    return answer


def _search(body: HashSearch, request: Request, actor: Actor) -> Response:
    hashes = [bytes.fromhex(value) for value in body.hashes]
    algorithm, radius_bits = algorithm_of(body.algorithm, hashes, body.radius_bits)
    with reading(request) as session:
        answers = search_hashes(
            session,
            services(request).index,
            algorithm.version,
            hashes,
            radius_bits=radius_bits,
            case_ids=searched_cases(session, actor, body.case_ids),
            limit=body.limit,
        )
    shape = HashSearchShape(
        algorithm=algorithm.version,
        radius_bits=radius_bits,
        answers=[_answer(*one) for one in zip(body.hashes, answers, strict=True)],
    )
    return Response(shape.model_dump_json(), media_type="application/json")


def _answer(asked: str, answer: HashAnswer) -> Any:
    found = [NearHashShape.model_validate(one) for one in answer.items]
    return HashAnswerShape(hash=asked.lower(), found=found, has_more=answer.has_more)


def _wait_of(prefer: str | None, default_s: float) -> float:
    """The seconds to wait, by the preferences that are understood; the first of several of one name counts."""
    given: dict[str, str] = {}
    for found in (_PREFERENCE.fullmatch(part) for part in (prefer or "").split(",")):
        if found is not None:
            given.setdefault(found[1].lower(), found[2] or "")
    wait = given.get("wait", "")
    if wait.isascii() and wait.isdecimal():
        return min(float(wait[:4]), LONGEST_WAIT_S)
    return 0.0 if "respond-async" in given else default_s


def _require_place(request: Request, actor: Actor) -> None:
    with reading(request) as session:
        searches.require_place(session, actor)


def _understanding(request: Request, actor: Actor) -> Callable[[bytes], Awaitable[tuple[Question, str | None]]]:
    """Before a byte of the file is written: the metadata, and the cases as the asker may read them."""

    async def understand(raw: bytes) -> tuple[Question, str | None]:
        asked: SimilarSearchCreate = parse_metadata(SimilarSearchCreate, raw)
        return await run_in_threadpool(question_of, asked), None

    def question_of(asked: SimilarSearchCreate) -> Question:
        with reading(request) as session:
            case_ids = searched_cases(session, actor, asked.case_ids)
        return Question(case_ids, asked.thresholds.model_dump(exclude_none=True), asked.tier, asked.limit)

    return understand


def _begin(request: Request, actor: Actor, search_id: UUID, sha256: Sha256Hex, question: Question) -> None:
    with working(request) as uow:
        searches.begin_search(uow, actor, search_id, sha256=sha256, question=question)
        uow.commit()


async def _wait_for(request: Request, search_id: UUID, wait_s: float) -> None:
    """Until it is over, or for so long. Holds no thread and no connection between two looks."""
    clock = asyncio.get_running_loop().time
    until = clock() + wait_s
    while clock() < until and await run_in_threadpool(_is_pending, request, search_id):
        await asyncio.sleep(min(LOOKED_EVERY_S, max(until - clock(), 0.0)))


def _is_pending(request: Request, search_id: UUID) -> bool:
    with services(request).sessions() as session:
        return searches.is_pending(session, search_id)


def _answer_to(request: Request, actor: Actor, search_id: UUID, wait_s: float) -> Response:
    with reading(request) as session:
        shape = _shape(searches.get_search(session, actor, search_id))
    headers = {"Location": f"/v1/similar/{search_id}", "Preference-Applied": f"wait={wait_s:g}"}
    if shape.status == "pending":
        return Response(shape.model_dump_json(), 202, {**headers, "Retry-After": "1"}, "application/json")
    return Response(shape.model_dump_json(), 200, headers, "application/json")


def _read(request: Request, actor: Actor, search_id: UUID) -> Response:
    with reading(request) as session:
        shape = _shape(searches.get_search(session, actor, search_id))
    return Response(shape.model_dump_json(), media_type="application/json")


def _end(request: Request, actor: Actor, search_id: UUID) -> None:
    with working(request) as uow:
        searches.end_search(uow.session, actor, search_id)
        uow.commit()
    services(request).query_files.remove(search_id)


def _shape(answer: Answer) -> SimilarSearchShape:
    search = answer.search
    return SimilarSearchShape(
        id=search.id,
        status=search.status,
        outcome=search.outcome,
        reason=search.reason,
        found=[
            SimilarItemShape(
                evidence_id=one.evidence_id,
                case_id=one.case_id,
                tier=one.tier,
                grounds=[GroundShape.model_validate(ground) for ground in one.grounds],
                segments=[AlignedSpan.model_validate(segment) for segment in one.segments],
                explanation=explain_in_words(one.tier, one.grounds, one.segments),
            )
            for one in answer.items
        ],
        has_more=answer.has_more,
        created_at=search.created_at,
        expires_at=search.expires_at,
    )
