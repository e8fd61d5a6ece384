"""How far an incident is established, to which standard of proof, and which provisions of law apply to it."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at
from app.api.grading_shapes import (
    ClassificationCreate,
    ClassificationShape,
    GradingCreate,
    GradingShape,
    StandardCreate,
    StandardShape,
    classification_shape,
    grading_shape,
    standard_shape,
)
from app.api.http import Changed, Input, Page, Requires, Shape, commit, reading, working
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.waiting import LedgerRoute
from app.facts.weapons import WEAPONS, WeaponNames
from app.gradings import service
from app.gradings.bases import verdicts_by_id
from app.gradings.models import Classification, Grading, StandardOfProof
from app.gradings.vocabularies import VOCABULARIES, Vocabulary
from app.incidents.service import find_incident
from app.kernel.primitives import encode_cursor
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Incidents"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Grader = Annotated[Actor, Depends(Requires(Operation.GRADE_INCIDENTS))]
Classifier = Annotated[Actor, Depends(Requires(Operation.CLASSIFY_INCIDENTS))]
SignedIn = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]


class VocabularyName(StrEnum):
    STANDARDS_OF_PROOF = "standards_of_proof"
    PROVISIONS = "provisions"
    WEAPONS = "weapons"


_VOCABULARIES: Mapping[str, Vocabulary | WeaponNames] = {**VOCABULARIES, "weapons": WEAPONS}


class TermShape(Shape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "rome_statute:8(2)(b)(i)",
                    "title": "International armed conflict: attacking civilians",
                    "source": "Rome Statute of the International Criminal Court, Rome, 17 July 1998",
                    "vocabulary": "provisions/1",
                }
            ]
        }
    )

    code: str
    title: str = Field(description="A short name; the text is the source's.")
    source: str
    vocabulary: str = Field(description="The vocabulary and its version, as records name it.")


@router.get(
    "/vocabularies/{vocabulary}",
    name="listTerms",
    summary="List the codes of a vocabulary",
    response_model=Page[TermShape],
    responses=problem_responses(401, 403, 422),
)
def list_terms(
    vocabulary: VocabularyName,
    request: Request,
    response: Response,
    _: SignedIn,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Standards of proof, provisions of law, or names of weapons (their title is the category), with their sources.

    In no order of rank.
    """
    known = _VOCABULARIES[vocabulary]
    parts = read_cursor(cursor, int)
    first = 0 if parts is None else max(0, parts[0])
    rows = [(number, term) for number, term in enumerate(known.terms, 1) if number > first][: limit + 1]
    return page(
        request,
        response,
        rows,
        limit,
        lambda row: TermShape(**row[1]._asdict(), vocabulary=known.version),
        lambda row: encode_cursor(row[0]),
    )


@router.post(
    "/incidents/{incident_id}/gradings",
    name="gradeIncident",
    status_code=201,
    summary="Grade an incident",
    response_model=GradingShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def grade_incident(
    incident_id: UUID, body: GradingCreate, request: Request, actor: Grader, key: IdempotencyKey = None
) -> JSONResponse:
    """A new record that takes the place of the last one; nothing is edited. It rests on signed-off items.

    `sources_missing` (409): `confirmed` and `corroborated` need two independent sources, `single_source` one: origins
    of footage, of which copies are one, and `other_sources`. `another_stands` (409): somebody graded meanwhile.
    """
    with working(request) as uow:
        answer = _replayed(uow, actor, key, "gradeIncident", incident_id, body, Operation.GRADE_INCIDENTS)
        if answer is not None:
            return answer
        grading = service.grade_incident(uow, actor, incident_id, body.stated())
        verdicts = verdicts_by_id(uow.session, grading.verdict_ids)
        return _created(uow, actor, key, lambda: grading_shape(grading, verdicts))


@router.get(
    "/incidents/{incident_id}/gradings",
    name="listGradings",
    summary="List an incident's gradings",
    response_model=DatedPage[GradingShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_gradings(
    incident_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time; the last one stands."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_records(
            session, actor, Grading, incident_id, after=_number_in(cursor), limit=limit + 1, at=at
        )
        verdicts = verdicts_by_id(session, [verdict_id for row in rows for verdict_id in row.verdict_ids])
        return dated(page(request, response, rows, limit, lambda row: grading_shape(row, verdicts), _cursor_of), at)


@router.post(
    "/incidents/{incident_id}/standards",
    name="stateStandard",
    status_code=201,
    summary="State which standard of proof is reached",
    response_model=StandardShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def state_standard(
    incident_id: UUID, body: StandardCreate, request: Request, actor: Grader, key: IdempotencyKey = None
) -> JSONResponse:
    """Of the facts of the incident, not of anybody's guilt. A new record that takes the place of the last one."""
    with working(request) as uow:
        answer = _replayed(uow, actor, key, "stateStandard", incident_id, body, Operation.GRADE_INCIDENTS)
        if answer is not None:
            return answer
        standard = service.state_standard(uow, actor, incident_id, body.stated())
        return _created(uow, actor, key, lambda: standard_shape(standard))


@router.get(
    "/incidents/{incident_id}/standards",
    name="listStandards",
    summary="List which standards of proof were stated of an incident",
    response_model=DatedPage[StandardShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_standards(
    incident_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time; the last one stands."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_records(
            session, actor, StandardOfProof, incident_id, after=_number_in(cursor), limit=limit + 1, at=at
        )
        return dated(page(request, response, rows, limit, standard_shape, _cursor_of), at)


@router.post(
    "/incidents/{incident_id}/classifications",
    name="classifyIncident",
    status_code=201,
    summary="Classify an incident in law",
    response_model=ClassificationShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def classify_incident(
    incident_id: UUID, body: ClassificationCreate, request: Request, actor: Classifier, key: IdempotencyKey = None
) -> JSONResponse:
    """By a legal analyst: beside the others, or in the place of one. `adjudicated` names the decision."""
    with working(request) as uow:
        answer = _replayed(uow, actor, key, "classifyIncident", incident_id, body, Operation.CLASSIFY_INCIDENTS)
        if answer is not None:
            return answer
        made = service.classify_incident(uow, actor, incident_id, body.stated())
        return _created(uow, actor, key, lambda: classification_shape(made))


@router.get(
    "/incidents/{incident_id}/classifications",
    name="listClassifications",
    summary="List an incident's classifications",
    response_model=DatedPage[ClassificationShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_classifications(
    incident_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of time. Those stand that no other supersedes and that state something."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_records(
            session, actor, Classification, incident_id, after=_number_in(cursor), limit=limit + 1, at=at
        )
        return dated(page(request, response, rows, limit, classification_shape, _cursor_of), at)


def _replayed(
    uow: UnitOfWork,
    actor: Actor,
    key: str | None,
    operation: str,
    incident_id: UUID,
    body: Input,
    needed: Operation,
) -> JSONResponse | None:
    return replay(
        uow,
        actor,
        key,
        operation=operation,
        request_sha256=request_digest(str(incident_id), body),
        authorise=lambda: find_incident(uow.session, actor, incident_id, needed),
    )


def _created(uow: UnitOfWork, actor: Actor, key: str | None, shape: Callable[[], Changed]) -> JSONResponse:
    return commit(
        uow,
        lambda receipts: shape().model_copy(update={"receipts": receipts}),
        actor=actor,
        key=key,
        status=201,
    )


def _number_in(cursor: str | None) -> int | None:
    parts = read_cursor(cursor, int)
    return None if parts is None else int(parts[0])


def _cursor_of(row: Grading | StandardOfProof | Classification) -> str:
    return encode_cursor(row.number)
