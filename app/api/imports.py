"""Taking in many incidents and facts at once, from CSV or JSON Lines: all of them, or none."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, ValidationError
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.fact_bodies import FactCreate
from app.api.facts import OF_CASES, OF_INCIDENTS
from app.api.http import Changed, Requires, Shape, commit, reading, services, working
from app.api.incident_shapes import IncidentCreate, occurrence_of, place_of
from app.api.problems import field_problems, problem_responses
from app.api.receiving import open_upload, read_json
from app.api.upload_form import UnsupportedMediaType
from app.api.waiting import LedgerRoute
from app.cases.service import authorise
from app.facts.errors import FactDoesNotFit, ImportRefused
from app.facts.import_lines import LIMIT_BYTES, LIMIT_RECORDS, LineProblem, Lines, Record, read_csv, read_json_lines
from app.facts.importing import Importer
from app.facts.kinds import Kind
from app.facts.stated import ORGANISATION_COLUMNS
from app.incidents.service import Changes
from app.kernel.errors import AppError, constraint_errors

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Facts"])

Editor = Annotated[Actor, Depends(Requires(Operation.EDIT_INCIDENTS))]
READERS = {"text/csv": read_csv, "application/jsonl": read_json_lines, "application/x-ndjson": read_json_lines}
INCIDENT = "incident"
BODIES: Mapping[str, tuple[Kind[Any], type[FactCreate[Any]]]] = {
    resource.kind.name: (resource.kind, resource.body) for resource in (*OF_INCIDENTS, *OF_CASES)
}
PROBLEMS_SHOWN = 200

_JSON_LINES = (
    '{"record":"organisation","external_reference":"org-1","stated":{"name":"Watch","organisation_kind":"ngo"}}\n'
    '{"record":"incident","external_reference":"row-1","code":"I-1","title":"Strike","kind":"missile_strike"}\n'
    '{"record":"casualty_count","external_reference":"row-1-killed","incident":"row-1","stated":{"outcome":"killed",'
    '"person_group":"civilian","comparator":"exact","minimum":2,"maximum":2,"as_reported":"Two died"},'
    '"source":{"organisation_id":"Watch","document":"Report"}}\n'
)
_CSV = (
    "record,external_reference,incident,stated.outcome,stated.person_group,stated.comparator,stated.minimum,"
    "stated.as_reported,source.organisation_id\r\n"
    "casualty_count,row-1-injured,row-1,injured,civilian,more_than,100,More than 100 injured,Watch\r\n"
)


class LineProblemShape(Shape):
    line: int = Field(description="Where the record begins in the file, from 1.")
    field: str = Field(description="Empty: the line as a whole.")
    reason: str


class ImportShape(Changed):
    """``receipts``: of what was added."""

    is_dry_run: bool
    is_good: bool = Field(description="Whether every line is good: else nothing is taken in.")
    records: int
    added: int = Field(description="With a dry run: that would be added.")
    already_there: int = Field(description="Known by their external references, and saying the same.")
    problems: list[LineProblemShape]
    problems_left_out: int = Field(description=f"Beyond the first {PROBLEMS_SHOWN}.")


@dataclass
class Report:
    records: int = 0
    added: int = 0
    problems: list[LineProblem] = field(default_factory=list)
    bad_records: int = 0
    last_bad_line: int = 0

    def refuse(self, *problems: LineProblem) -> None:
        """Of one line; several of one line are one bad record."""
        self.problems += problems
        self.bad_records += problems[0].line != self.last_bad_line
        self.last_bad_line = problems[0].line

    def shape(self, *, is_dry_run: bool) -> ImportShape:
        return ImportShape(
            is_dry_run=is_dry_run,
            is_good=not self.problems,
            records=self.records,
            added=self.added,
            already_there=self.records - self.bad_records - self.added,
            problems=[
                LineProblemShape(line=each.line, field=each.field, reason=each.reason)
                for each in self.problems[:PROBLEMS_SHOWN]
            ],
            problems_left_out=max(0, len(self.problems) - PROBLEMS_SHOWN),
        )


class _OnlyTried(Exception):
    """Ends a dry run's unit of work without a commit."""


@router.post(
    "/cases/{case_id}/imports",
    name="importRecords",
    summary="Take in incidents and facts from CSV or JSON Lines",
    response_model=ImportShape,
    responses=problem_responses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": _CSV},
                "application/jsonl": {"schema": {"type": "string"}, "example": _JSON_LINES},
                "application/x-ndjson": {"schema": {"type": "string"}, "example": _JSON_LINES},
            },
        }
    },
)
async def import_records(
    case_id: UUID,
    request: Request,
    actor: Editor,
    dry_run: Annotated[bool, Query(description="Report what would happen, and change nothing.")] = False,
) -> Response:
    """All lines, or none: a file with a bad line is `import_refused` (422), and `problems` names each with its reason.

    Each record has `record` (`incident`, or a kind of fact) and an `external_reference`: sent again, it is not added
    again. A fact names its incident by reference, code or id, and organisations by reference, name or id; both may
    stand earlier in the file. At most 500 records and 4 MiB; the case takes no other change meanwhile.
    """
    await run_in_threadpool(_require_editing, request, actor, case_id)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in READERS:
        raise UnsupportedMediaType(f"This operation takes {', '.join(READERS)}.")
    with open_upload(actor.token_id):
        data = await read_json(request, services(request).settings, LIMIT_BYTES)
    return await run_in_threadpool(_import, request, actor, case_id, READERS[media_type](data), dry_run)


def _require_editing(request: Request, actor: Actor, case_id: UUID) -> None:
    with reading(request) as session:
        authorise(session, actor, case_id, Operation.EDIT_INCIDENTS)


def _import(request: Request, actor: Actor, case_id: UUID, lines: Lines, dry_run: bool) -> Response:
    report = Report()
    try:
        with working(request) as uow:
            importer = Importer(uow, actor, case_id)
            for line in islice(lines, LIMIT_RECORDS + 1):
                _take(importer, uow.session.begin_nested, line, report)
            if report.records > LIMIT_RECORDS:
                report.problems.append(LineProblem(0, "", f"More than {LIMIT_RECORDS} records: send them in parts."))
            if dry_run:
                raise _OnlyTried
            if report.problems:
                shown = report.shape(is_dry_run=False).model_dump(mode="json")
                told = {name: shown[name] for name in ("records", "problems", "problems_left_out")}
                raise ImportRefused("Correct the lines in 'problems'; nothing was changed.", extra=told)
            shape = report.shape(is_dry_run=False)
            return commit(uow, lambda receipts: shape.model_copy(update={"receipts": receipts}))
    except _OnlyTried:
        return JSONResponse(report.shape(is_dry_run=True).model_dump(mode="json"))


def _take(importer: Importer, savepoint: Any, line: Record | LineProblem, report: Report) -> None:
    """One record; what is wrong with it goes into the report, and leaves nothing in the database."""
    report.records += line.line != report.last_bad_line
    if isinstance(line, LineProblem):
        report.refuse(line)
        return
    try:
        with savepoint():
            report.added += _add(importer, line.values)
    except ValidationError as error:
        wrong = field_problems(error.errors())
        report.refuse(*(LineProblem(line.line, each["field"], each["reason"]) for each in wrong))
    except AppError as error:
        report.refuse(LineProblem(line.line, str(error.extra.get("field", "")), error.detail))
    except IntegrityError as error:
        known = constraint_errors.get(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if known is None:
            raise
        report.refuse(LineProblem(line.line, "", known.detail))


def _add(importer: Importer, values: dict[str, Any]) -> bool:
    """Whether the record is new. Raises ValidationError and what stating it raises."""
    record = values.get("record")
    if not isinstance(values.get("external_reference"), str):
        raise _unfit("external_reference", "Each record has one: by it the file can be sent again.")
    body = {name: value for name, value in values.items() if name != "record"}
    if record == INCIDENT:
        return _add_incident(importer, body)
    if not isinstance(record, str) or record not in BODIES:
        raise _unfit("record", f"One of {', '.join([INCIDENT, *BODIES])}.")
    kind, shape = BODIES[record]
    incident_id = _incident_of(importer, kind, body.pop("incident", None))
    if "supersedes" in body or "reason" in body:
        raise _unfit("supersedes", "An import states and does not supersede.")
    _name_ids(importer, body)
    return importer.take_fact(kind, incident_id, shape.model_validate(body).statement())


def _add_incident(importer: Importer, body: dict[str, Any]) -> bool:
    stated = IncidentCreate.model_validate(body)
    changes = Changes(stated.code, stated.title, stated.kind, occurrence_of(stated.occurred), place_of(stated.place))
    return importer.take_incident(stated.external_reference or "", changes)


def _incident_of(importer: Importer, kind: Kind[Any], named: Any) -> UUID | None:
    if kind.is_of_case:
        if named is not None:
            raise _unfit("incident", f"A record of '{kind.name}' is the case's.")
        return None
    if not isinstance(named, str):
        raise _unfit("incident", "The incident's external reference, code or id.")
    with _in_field("incident"):
        return importer.incident(named)


def _name_ids(importer: Importer, body: dict[str, Any]) -> None:
    """Put ids where names of organisations and of another incident stand."""
    for member in ("stated", "source"):
        part = body.get(member)
        if not isinstance(part, dict):
            continue
        body[member] = made = dict(part)
        for name in ("organisation_id", *ORGANISATION_COLUMNS, "other_incident_id"):
            named = made.get(name)
            if isinstance(named, str):
                find = importer.incident if name == "other_incident_id" else importer.organisation
                with _in_field(f"{member}.{name}"):
                    made[name] = find(named)


@contextmanager
def _in_field(name: str) -> Iterator[None]:
    """Says of a refusal within which field it is about."""
    try:
        yield
    except AppError as error:
        raise _unfit(name, error.detail) from error


def _unfit(name: str, reason: str) -> FactDoesNotFit:
    return FactDoesNotFit(reason, extra={"field": name})
