"""Incidents, and the items linked to them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at, with_version_at
from app.api.headers import sends
from app.api.http import IfMatch, Requires, commit, reading, required_version, working
from app.api.incident_shapes import (
    IncidentCreate,
    IncidentShape,
    IncidentUpdate,
    LinkCreate,
    LinkEnd,
    LinkShape,
    incident_shape,
    link_shape,
    occurrence_of,
    place_of,
)
from app.api.paging import (
    Cursor,
    Limit,
    cursor_at,
    filtered_cursor_at,
    filters_mark,
    page,
    read_cursor_at,
    read_filtered_cursor_at,
)
from app.api.problems import problem_responses
from app.api.replaying import IdempotencyKey, replay, request_digest
from app.api.search_parameters import Text, incident_list, of_incidents, of_items
from app.api.waiting import LedgerRoute
from app.cases.service import authorise
from app.gradings.present import Present, present_of
from app.gradings.service import graded_as
from app.incidents import service
from app.incidents.models import Incident
from app.incidents.rules import Segment
from app.search.filters import IncidentFilters, ItemFilters
from app.search.service import require_dated, search_incidents

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Incidents"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Editor = Annotated[Actor, Depends(Requires(Operation.EDIT_INCIDENTS))]


@router.post(
    "/cases/{case_id}/incidents",
    name="createIncident",
    status_code=201,
    summary="Open an incident",
    response_model=IncidentShape,
    responses={201: sends("Location"), **problem_responses(401, 403, 404, 409, 422)},
)
def create_incident(
    case_id: UUID, body: IncidentCreate, request: Request, actor: Editor, key: IdempotencyKey = None
) -> JSONResponse:
    """With a custody stream of its own; the case's stream registers it."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="createIncident",
            request_sha256=request_digest(str(case_id), body),
            authorise=lambda: authorise(uow.session, actor, case_id, Operation.EDIT_INCIDENTS),
        )
        if answer is not None:
            return answer
        incident = service.create_incident(
            uow,
            actor,
            case_id,
            code=body.code,
            title=body.title,
            kind=body.kind,
            occurrence=occurrence_of(body.occurred),
            place=place_of(body.place),
            external_reference=body.external_reference,
        )
        present = Present()
        return commit(
            uow,
            lambda receipts: incident_shape(incident, present).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
            version=incident.version,
            location=f"/v1/incidents/{incident.id}",
        )


@router.get(
    "/cases/{case_id}/incidents",
    name="listIncidents",
    summary="List a case's incidents",
    response_model=DatedPage[IncidentShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_incidents(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    listed: Annotated[IncidentFilters, Depends(incident_list)],
    found: Annotated[IncidentFilters, Depends(of_incidents)],
    item: Annotated[ItemFilters, Depends(of_items)],
    q: Text = None,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of their creation here. Several filters: incidents that pass them all; `state`, `label`, `verdict` and
    what resembles something: to which one item is linked that passes these. With `as_of`: those that there were, and
    that passed the filters, then; by `kind`, `code`, `grading` and time."""
    filters = replace(
        found,
        kind=listed.kind,
        code=listed.code,
        occurred=listed.occurred,
        grading=(*found.grading, *listed.grading),
    )
    with reading(request) as session:
        at = position_at(session, as_of)
        mark = filters_mark(request, str(at))
        after = read_filtered_cursor_at(cursor, mark)
        rows: Sequence[Incident]
        if at is None:
            places = search_incidents(
                session, actor, case_id, text=q, filters=filters, item=item, after=after, limit=limit + 1
            )
            rows = service.incidents_of(session, [place.id for place in places])
        else:
            require_dated(text=q, incident=filters, item=item)
            rows = service.list_incidents(
                session,
                actor,
                case_id,
                kinds=filters.kind,
                code=filters.code,
                occurred_after=filters.occurred.from_,
                occurred_before=filters.occurred.before,
                only=graded_as(filters.grading, at) if filters.grading else None,
                after=after,
                limit=limit + 1,
                at=at,
            )
        present = present_of(session, [row.id for row in rows], at)
        answer = page(
            request,
            response,
            rows,
            limit,
            lambda row: incident_shape(row, present[row.id], at),
            lambda row: filtered_cursor_at(row.created_at, row.id, mark),
        )
        return dated(answer, at)


@router.get(
    "/incidents/{incident_id}",
    name="getIncident",
    summary="Read an incident",
    response_model=IncidentShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_incident(
    incident_id: UUID, request: Request, response: Response, actor: Reader, as_of: AsOf = None
) -> IncidentShape:
    """To the members of its case. With `as_of`, as it stood then, without what is erased since."""
    with reading(request) as session:
        at = position_at(session, as_of)
        incident = service.get_incident(session, actor, incident_id, at=at)
        with_version_at(response, incident.version, at)
        return incident_shape(incident, present_of(session, [incident_id], at)[incident_id], at)


@router.patch(
    "/incidents/{incident_id}",
    name="updateIncident",
    summary="State some of an incident anew",
    response_model=IncidentShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def update_incident(
    incident_id: UUID, body: IncidentUpdate, request: Request, actor: Editor, if_match: IfMatch = None
) -> JSONResponse:
    """Place and time are each stated as a whole. What was stated before stays in the custody log."""
    changes = service.Changes(body.code, body.title, body.kind, occurrence_of(body.occurred), place_of(body.place))
    with working(request) as uow:
        incident = service.update_incident(uow, actor, incident_id, version=required_version(if_match), changes=changes)
        present = present_of(uow.session, [incident_id])[incident_id]
        return commit(
            uow,
            lambda receipts: incident_shape(incident, present).model_copy(update={"receipts": receipts}),
            version=incident.version,
        )


@router.post(
    "/incidents/{incident_id}/evidence",
    name="linkEvidence",
    status_code=201,
    summary="Link an item to an incident",
    response_model=LinkShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def link_evidence(
    incident_id: UUID, body: LinkCreate, request: Request, actor: Editor, key: IdempotencyKey = None
) -> JSONResponse:
    """From `preserved` on; item and incident are of one case. One custody entry in each one's stream."""
    with working(request) as uow:
        answer = replay(
            uow,
            actor,
            key,
            operation="linkEvidence",
            request_sha256=request_digest(str(incident_id), body),
            authorise=lambda: service.find_incident(uow.session, actor, incident_id, Operation.EDIT_INCIDENTS),
        )
        if answer is not None:
            return answer
        link = service.link_evidence(
            uow,
            actor,
            incident_id,
            evidence_id=body.evidence_id,
            depicts=body.depicts,
            counted=body.counted,
            segment=None if body.segment is None else Segment(body.segment.from_ms, body.segment.to_ms),
            note=body.note,
        )
        return commit(
            uow,
            lambda receipts: link_shape(link).model_copy(update={"receipts": receipts}),
            actor=actor,
            key=key,
            status=201,
        )


@router.get(
    "/incidents/{incident_id}/evidence",
    name="listIncidentEvidence",
    summary="List the items linked to an incident",
    response_model=DatedPage[LinkShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_incident_evidence(
    incident_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    with_ended: Annotated[bool, Query(description="Also links that were ended.")] = False,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In order of linking."""
    with reading(request) as session:
        at = position_at(session, as_of)
        rows = service.list_links(
            session, actor, incident_id, with_ended=with_ended, after=read_cursor_at(cursor), limit=limit + 1, at=at
        )
        answer = page(request, response, rows, limit, link_shape, lambda row: cursor_at(row.linked_at, row.id))
        return dated(answer, at)


@router.post(
    "/incidents/{incident_id}/evidence/{link_id}/end",
    name="unlinkEvidence",
    summary="End a link, with a reason",
    response_model=LinkShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def unlink_evidence(incident_id: UUID, link_id: UUID, body: LinkEnd, request: Request, actor: Editor) -> JSONResponse:
    """The link's row stays. A link is ended once, so no If-Match is needed; linking again makes a new one."""
    with working(request) as uow:
        link = service.unlink_evidence(uow, actor, incident_id, link_id, reason=body.reason)
        return commit(uow, lambda receipts: link_shape(link).model_copy(update={"receipts": receipts}))
