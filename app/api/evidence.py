"""Evidence items: lists, one item, and the changes that are no verification."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.as_of import AsOf, DatedPage, dated, position_at, with_version_at
from app.api.evidence_shapes import (
    EvidenceMetadata,
    EvidenceShape,
    EvidenceSummary,
    Labels,
    Prose,
    item,
    summary,
)
from app.api.http import IfMatch, Input, Requires, commit, reading, required_version, working
from app.api.paging import Cursor, Limit, filtered_cursor_at, filters_mark, page, read_filtered_cursor_at
from app.api.problems import problem_responses
from app.api.search_parameters import OF_BOTH, Text, item_list, of_incidents, of_items
from app.api.waiting import LedgerRoute
from app.media import service
from app.media.errors import UncorrectableField
from app.media.models import Blob, Evidence
from app.media.reading import EvidenceFilter, corrected_fields, get_evidence, item_details, items_of, list_evidence
from app.search.filters import IncidentFilters, ItemFilters
from app.search.service import require_listed, search_items
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Evidence"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Corrector = Annotated[Actor, Depends(Requires(Operation.RECEIVE_EVIDENCE))]
Labeller = Annotated[Actor, Depends(Requires(Operation.MANAGE_CASE))]

CorrectableField = Literal[
    "collector",
    "method",
    "tool",
    "acquired_at",
    "source",
    "source_address",
    "claimed_from",
    "claimed_to",
    "claimed_place",
    "notes",
]


class CorrectionCreate(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"field": "claimed_place", "value": "Kharkiv, Saltivka", "reason": "The poster said so later."}
            ]
        }
    )

    field: CorrectableField
    value: str | None = Field(description="As in the upload's metadata; null empties an optional field.")
    reason: Prose


@router.get(
    "/cases/{case_id}/evidence",
    name="listEvidence",
    summary="List the items of a case",
    response_model=DatedPage[EvidenceSummary],
    responses=problem_responses(401, 403, 404, 422),
)
def list_items(
    case_id: UUID,
    request: Request,
    response: Response,
    actor: Reader,
    listed: Annotated[tuple[ItemFilters, tuple[str, ...]], Depends(item_list)],
    found: Annotated[ItemFilters, Depends(of_items)],
    incident: Annotated[IncidentFilters, Depends(of_incidents)],
    q: Text = None,
    withdrawn: Annotated[
        bool, Query(description="Only what a withdrawn consent closes: to coordinators and custodians.")
    ] = False,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """In the order of their registration. Several filters: items that pass them all; what is asked of incidents: that
    are linked to one which passes all of these. With `as_of`: that passed them then; by `state`, `kind`,
    `fingerprint_status`, `label`, `sha256` and registration. What a withdrawn consent closes is not among them, as of
    any time."""
    of_list, incident_kinds = listed
    filters = replace(of_list, **{name: getattr(found, name) for name in OF_BOTH})
    of_incident = replace(incident, kind=incident_kinds)
    with reading(request) as session:
        at = position_at(session, as_of)
        mark = filters_mark(request, str(at))
        after = read_filtered_cursor_at(cursor, mark)
        if at is None and not withdrawn:
            places = search_items(
                session, actor, case_id, text=q, filters=filters, incident=of_incident, after=after, limit=limit + 1
            )
            rows: Sequence[tuple[Evidence, Blob | None]] = items_of(session, [place.id for place in places])
        else:
            require_listed(text=q, item=filters, incident=of_incident)
            narrowed = _narrowed(filters, withdrawn=withdrawn)
            rows = list_evidence(session, actor, case_id, narrowed=narrowed, after=after, limit=limit + 1, at=at)
        corrected = corrected_fields(session, [evidence.id for evidence, _ in rows], at)
        answer = page(
            request,
            response,
            rows,
            limit,
            lambda row: summary(*row, corrected.get(row[0].id, [])),
            lambda row: filtered_cursor_at(row[0].registered_at, row[0].id, mark),
        )
        return dated(answer, at)


def _narrowed(filters: ItemFilters, *, withdrawn: bool) -> EvidenceFilter:
    return EvidenceFilter(
        states=filters.state,
        kinds=filters.kind,
        fingerprint_statuses=filters.fingerprint_status,
        labels=filters.label,
        sha256=filters.sha256,
        registered_after=filters.registered_after,
        registered_before=filters.registered_before,
        withdrawn=withdrawn,
    )


@router.get(
    "/evidence/{evidence_id}",
    name="getEvidence",
    summary="Read an item",
    response_model=EvidenceShape,
    responses=problem_responses(401, 403, 404, 422),
)
def get_item(
    evidence_id: UUID, request: Request, response: Response, actor: Reader, as_of: AsOf = None
) -> EvidenceShape:
    """With corrections applied and what was first stated beside them. With `as_of`, as it stood then: to those to whom
    it is open now, without what is erased since; `possible_events` is empty and `fingerprint_progress` null."""
    with reading(request) as session:
        details = get_evidence(session, actor, evidence_id, at=position_at(session, as_of))
        with_version_at(response, details.evidence.version, details.at)
        return item(details)


@router.put(
    "/evidence/{evidence_id}/labels",
    name="setLabels",
    summary="Set the sensitivity labels",
    response_model=EvidenceShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def set_labels(
    evidence_id: UUID, body: Labels, request: Request, actor: Labeller, if_match: IfMatch = None
) -> JSONResponse:
    """By a coordinator. Verification cannot be opened before."""
    with working(request) as uow:
        evidence = service.set_labels(
            uow, actor, evidence_id, version=required_version(if_match), labels=body.model_dump()
        )
        return _answer(uow, actor, evidence)


@router.post(
    "/evidence/{evidence_id}/corrections",
    name="correctEvidence",
    status_code=201,
    summary="Correct a frozen field by a new record",
    response_model=EvidenceShape,
    responses=problem_responses(401, 403, 404, 409, 412, 422, 428),
)
def correct_evidence(
    evidence_id: UUID, body: CorrectionCreate, request: Request, actor: Corrector, if_match: IfMatch = None
) -> JSONResponse:
    """What was first stated stays, and is shown beside the correction."""
    version = required_version(if_match)
    value = _checked_value(body.field, body.value)
    with working(request) as uow:
        evidence, _ = service.correct_field(
            uow, actor, evidence_id, version=version, field=body.field, value=value, reason=body.reason
        )
        uow.session.flush()
        return _answer(uow, actor, evidence, status=201)


def _checked_value(field: str, value: str | None) -> str | datetime | None:
    """The value as the field's own type in the upload's metadata takes it. Raises UncorrectableField."""
    declared = EvidenceMetadata.model_fields[field]
    kind: Any = declared.annotation
    for constraint in declared.metadata:
        kind = Annotated[kind, constraint]
    try:
        checked: str | datetime | None = TypeAdapter(kind).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise UncorrectableField(f"'{field}' does not take this value: {error.errors()[0]['msg']}") from error
    return checked


def _answer(uow: UnitOfWork, actor: Actor, evidence: Evidence, *, status: int = 200) -> JSONResponse:
    details = item_details(uow.session, actor, evidence)
    return commit(uow, lambda receipts: item(details, receipts), status=status, version=evidence.version)
