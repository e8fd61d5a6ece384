"""Whose an item's present work is, and how soon it is wanted."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Changed, IfMatch, Input, Requires, commit, required_version, working
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.media.models import Evidence
from app.media.rules import Priority
from app.unit_of_work import UnitOfWork
from app.verification import assignment

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence/{evidence_id}", tags=["Queue"])

Manager = Annotated[Actor, Depends(Requires(Operation.MANAGE_CASE))]
Worker = Annotated[Actor, Depends(Requires(Operation.VERIFY))]


class AssignmentInput(Input):
    model_config = ConfigDict(
        strict=False, json_schema_extra={"examples": [{"person_id": "0c5b1e43-52a4-4c6f-9a53-90bb0b1c7c11"}]}
    )

    person_id: UUID = Field(description="The account of a member who may do the item's present work.")


class PriorityInput(Input):
    model_config = ConfigDict(strict=False, json_schema_extra={"examples": [{"priority": "urgent"}]})

    priority: Priority


class AssignmentShape(Changed):
    """What coordinators have said of the item's work."""

    evidence_id: UUID
    assigned_to: UUID | None
    priority: Priority
    version: int = Field(description="The item's version: every change of these is one.")


@router.put(
    "/assignment",
    name="assignEvidence",
    summary="Assign an item's present work",
    response_model=AssignmentShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def assign_evidence(
    evidence_id: UUID, body: AssignmentInput, request: Request, actor: Manager, if_match: IfMatch = None
) -> JSONResponse:
    """By a coordinator, to a member who may do it: verify or review, or as a researcher adjudicate or sign off. Then
    nobody else is offered the item or takes it, until that work is done or the assignment ends.

    `cannot_be_assigned` (422): this person may not. `lease_taken` (409): another person works on it just now.
    """
    with working(request) as uow:
        evidence = assignment.assign(
            uow, actor, evidence_id, version=required_version(if_match), person_id=body.person_id
        )
        return _answer(uow, evidence)


@router.delete(
    "/assignment",
    name="unassignEvidence",
    summary="End an assignment",
    response_model=AssignmentShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def unassign_evidence(evidence_id: UUID, request: Request, actor: Worker, if_match: IfMatch = None) -> JSONResponse:
    """One's own, without giving a reason; a coordinator ends anybody's. A lease on the item stays."""
    with working(request) as uow:
        return _answer(uow, assignment.unassign(uow, actor, evidence_id, version=required_version(if_match)))


@router.put(
    "/priority",
    name="setPriority",
    summary="Say how soon an item is wanted",
    response_model=AssignmentShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def set_priority(
    evidence_id: UUID, body: PriorityInput, request: Request, actor: Manager, if_match: IfMatch = None
) -> JSONResponse:
    """By a coordinator. The queue is in this order; of one priority, what has waited longest comes first."""
    with working(request) as uow:
        evidence = assignment.set_priority(
            uow, actor, evidence_id, version=required_version(if_match), priority=body.priority
        )
        return _answer(uow, evidence)


def _answer(uow: UnitOfWork, evidence: Evidence) -> JSONResponse:
    return commit(
        uow,
        lambda receipts: AssignmentShape(
            evidence_id=evidence.id,
            assigned_to=evidence.assigned_to,
            priority=Priority.of_rank(evidence.priority),
            version=evidence.version,
            receipts=receipts,
        ),
        version=evidence.version,
    )
