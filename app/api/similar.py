"""Searching for something that is not kept: by hashes."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, StrictInt, StringConstraints
from starlette.concurrency import run_in_threadpool

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Input, Requires, Shape, reading, services
from app.api.problems import problem_responses
from app.fingerprints.similar import HashAnswer, algorithm_of, search_hashes, searched_cases

router = APIRouter(prefix="/v1/similar", tags=["Similar"])

Searcher = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]

MOST_HASHES = 32
MOST_CASES = 100
ANSWERED_EVERY_S = 0.02
"""A look-up by hashes is answered when so many seconds, or a multiple, have gone by. What is near in cases that the
asker may not see costs microseconds more: this takes them out of the answer's time."""

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
