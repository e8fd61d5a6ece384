"""Custody logs: as pages to read, as a file to keep and to check offline."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.anchors.publication import await_quorum
from app.api.headers import sends
from app.api.http import Page, Public, Requires, Services, Shape, reading, services, working
from app.api.ledger import published_key
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.threads import takes_long
from app.api.waiting import LedgerRoute
from app.exports import custody_service
from app.exports.custody_formats import custody_format
from app.exports.custody_service import CustodyPage, TakenFile
from app.exports.custody_streams import CustodyEntry, Scope
from app.exports.verifier import verify_custody
from app.kernel.primitives import encode_cursor, format_time
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Custody"])

Auditor = Annotated[Actor, Depends(Requires(Operation.READ_CUSTODY))]

BLOCK_BYTES = 64 * 1024

Format = Annotated[
    Literal["jsonl", "csv"],
    Query(description="`jsonl` carries its proof; `csv` is a reading copy without one."),
]
PURPOSE = r"^[a-z][a-z0-9_]{1,39}$"


def _purpose(given: str) -> str:
    """Says in words what the pattern asks for."""
    if not re.fullmatch(PURPOSE, given):
        raise PydanticCustomError(
            "purpose",
            "Write the purpose as one word of 2 to 40 characters: small letters a-z, digits and '_', a letter first; "
            "for example 'court', 'audit' or 'legal_proceedings'. Details belong in 'reason', which is sealed",
        )
    return given


Purpose = Annotated[
    str,
    AfterValidator(_purpose),
    Query(
        description="Why, as one word: it stays readable in every copy of the log. Details belong in `reason`.",
        examples=["audit", "legal_proceedings"],
        json_schema_extra={"pattern": PURPOSE},
    ),
]
Reason = Annotated[
    str | None,
    Query(min_length=1, max_length=2000, pattern=r"^[^\x00]*$", description="More about why; sealed in the ledger."),
]
Disclose = Annotated[
    Literal["none", "all"],
    Query(description="`all`: with the lines that open the sealed fields (names, texts, places). JSON Lines only."),
]


OfLog = Annotated[
    int | None,
    Query(
        alias="log",
        ge=1,
        le=32767,
        description="The number of an earlier log, of before a restore: what stands in that. Left out: the current.",
    ),
]


@dataclass(frozen=True)
class FileAsked:
    """What every custody file is asked for with, as query parameters."""

    purpose: str
    format: Literal["jsonl", "csv"]
    disclose: Literal["none", "all"]
    reason: str | None
    log_id: int | None


async def asked_for(
    purpose: Purpose,
    format: Format = "jsonl",  # noqa: A002 - the parameter's name
    disclose: Disclose = "none",
    reason: Reason = None,
    log_id: OfLog = None,
) -> FileAsked:
    """A coroutine, as every dependency of a plain endpoint: a class would be called in another thread."""
    return FileAsked(purpose, format, disclose, reason, log_id)


Asked = Annotated[FileAsked, Depends(asked_for)]


class CustodyActor(Shape):
    id: UUID = Field(description="A pseudonym: the same person has another one in another case.")
    kind: Literal["user", "token", "system"]
    role: str | None = Field(description="The role that permitted the act.")


class CustodyObject(Shape):
    kind: str = Field(examples=["evidence"])
    id: UUID
    version: int | None = None
    sha256: str | None = Field(default=None, description="Of the bytes at the time of the act.")
    size: int | None = Field(default=None, description="Bytes.")


class SealedField(Shape):
    """A personal field: the log holds a salted digest; its value is shown to those who may see it."""

    sha256: str
    is_disclosed: bool
    is_erased: bool = Field(
        description="Its value is gone for ever; the digest stays. Known to whoever may see values; what is only "
        "closed to the reader is neither disclosed nor erased."
    )
    value: Any | None = None


class CustodyEntryShape(Shape):
    """One act. `log_index` and `checkpoint_size` are null for the moment until the ledger has signed it."""

    stream: UUID
    stream_kind: Literal["case", "evidence", "incident", "system"]
    log: int = Field(description="Which of this installation's logs; its tiles are below `/logs/<log>`.", examples=[1])
    seq: int = Field(description="Number in its stream, from 1, anew in each log.")
    log_index: int | None = Field(description="Its leaf in the public tree, from 0.")
    checkpoint_size: int | None = Field(description="Size of the smallest signed tree that holds it.")
    withheld: Literal["erased", "blind"] | None = Field(
        description="`erased`: the entry's body is gone for ever, and with it all that is null here; its place stays. "
        "`blind`: it tells of another's work on an item that two verify blind; it is shown when both have submitted."
    )
    time: datetime | None = Field(description="When it was recorded.")
    occurred: datetime | None = Field(description="When it happened.")
    type: str | None = Field(examples=["evidence.collected"])
    actor: CustodyActor | None
    object: CustodyObject | None
    data: dict[str, Any] | None
    sealed: dict[str, SealedField] | None
    commitment: str = Field(description="SHA-256 of the entry's line.")
    label: str


@router.get(
    "/evidence/{evidence_id}/custody",
    name="listEvidenceCustody",
    summary="Read an item's custody log",
    response_model=Page[CustodyEntryShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_evidence_custody(
    evidence_id: UUID, request: Request, response: Response, actor: Auditor, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Every act on the item, oldest first. Reading pages is no entry. A verifier sees their own acts."""
    return _pages(request, response, actor, "evidence", evidence_id, limit, cursor)


@router.get(
    "/incidents/{incident_id}/custody",
    name="listIncidentCustody",
    summary="Read an incident's custody log",
    response_model=Page[CustodyEntryShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_incident_custody(
    incident_id: UUID, request: Request, response: Response, actor: Auditor, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Every act on the incident and on every item that was ever linked to it, oldest first."""
    return _pages(request, response, actor, "incident", incident_id, limit, cursor)


@router.get(
    "/cases/{case_id}/custody",
    name="listCaseCustody",
    summary="Read a case's custody log",
    response_model=Page[CustodyEntryShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_case_custody(
    case_id: UUID, request: Request, response: Response, actor: Auditor, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Every act in the case, on its items and on its incidents, oldest first."""
    return _pages(request, response, actor, "case", case_id, limit, cursor)


FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: sends(
        "Content-Disposition",
        "Cache-Control",
        description="The file, as an attachment.",
        content={
            "application/jsonl": {"schema": {"type": "string", "format": "binary"}},
            "text/csv": {"schema": {"type": "string", "format": "binary"}},
        },
    ),
    **problem_responses(401, 403, 404, 409, 422, 503),
}


@router.get(
    "/evidence/{evidence_id}/custody/file",
    name="takeEvidenceCustodyFile",
    summary="Take an item's custody log as a file",
    response_class=StreamingResponse,
    responses=FILE_RESPONSES,
)
@takes_long
def take_evidence_custody_file(
    evidence_id: UUID,
    request: Request,
    actor: Auditor,
    asked: Asked,
) -> StreamingResponse:
    """Taking a file is an entry (`export.created`) in the item's stream and in the case's."""
    return _file(request, actor, "evidence", evidence_id, asked)


@router.get(
    "/incidents/{incident_id}/custody/file",
    name="takeIncidentCustodyFile",
    summary="Take an incident's custody log as a file",
    response_class=StreamingResponse,
    responses=FILE_RESPONSES,
)
@takes_long
def take_incident_custody_file(
    incident_id: UUID,
    request: Request,
    actor: Auditor,
    asked: Asked,
) -> StreamingResponse:
    """The incident and every item that was ever linked to it; an entry in the stream of each, and in the case's."""
    return _file(request, actor, "incident", incident_id, asked)


@router.get(
    "/cases/{case_id}/custody/file",
    name="takeCaseCustodyFile",
    summary="Take a case's custody log as a file",
    response_class=StreamingResponse,
    responses=FILE_RESPONSES,
)
@takes_long
def take_case_custody_file(
    case_id: UUID,
    request: Request,
    actor: Auditor,
    asked: Asked,
) -> StreamingResponse:
    """Everything that was ever registered in the case, provably: an entry in each of its streams."""
    return _file(request, actor, "case", case_id, asked)


@router.get(
    "/custody-verifier",
    name="getCustodyVerifier",
    summary="The program that checks custody files offline",
    response_class=Response,
    responses={
        200: sends(
            *("Content-Disposition", "Cache-Control"),
            description="Python source",
            content={"text/x-python": {"schema": {"type": "string"}}},
        )
    },
    dependencies=[Depends(Public())],
)
def get_custody_verifier() -> Response:
    """One file of Python 3.11 or newer that needs nothing else. Read it before you trust it."""
    return Response(
        Path(verify_custody.__file__).read_bytes(),
        media_type="text/x-python; charset=utf-8",
        headers=attachment("verify_custody.py"),
    )


def _pages(
    request: Request, response: Response, actor: Actor, scope: Scope, object_id: UUID, limit: int, cursor: str | None
) -> dict[str, Any]:
    def read(session: Session, after: int) -> CustodyPage:
        return custody_service.list_custody(session, actor, scope, object_id, after=after, limit=limit + 1)

    return custody_page(request, response, limit, cursor, read)


def custody_page(
    request: Request,
    response: Response,
    limit: int,
    cursor: str | None,
    read: Callable[[Session, int], CustodyPage],
) -> dict[str, Any]:
    """A page of entries after the cursor; ``read`` gives one more than ``limit``, after an entry's number."""
    after = read_cursor(cursor, int)
    with reading(request) as session:
        found = read(session, 0 if after is None else after[0])
    return page(
        request,
        response,
        found.entries,
        limit,
        lambda entry: entry_shape(entry, None if found.disclosures is None else found.disclosures[entry.commitment]),
        lambda entry: encode_cursor(entry.id),
    )


_OF_BODY = ("time", "occurred", "type", "actor", "object", "data")


def entry_shape(entry: CustodyEntry, opened: Mapping[str, bytes | None] | None) -> CustodyEntryShape:
    value = dict.fromkeys(_OF_BODY) if entry.body is None else json.loads(entry.body)
    sealed: dict[str, SealedField] | None = None if entry.body is None else {}
    for name, digest in (value.get("sealed") or {}).items():
        line = None if opened is None else opened.get(name)
        assert sealed is not None
        sealed[name] = SealedField(
            sha256=digest,
            is_disclosed=line is not None,
            is_erased=opened is not None and name not in opened,
            value=None if line is None else json.loads(line)["value"],
        )
    return CustodyEntryShape(
        stream=entry.stream,
        stream_kind=entry.stream_kind,
        seq=entry.seq,
        log=entry.log_id,
        log_index=entry.log_index,
        checkpoint_size=entry.checkpoint_size,
        commitment=entry.commitment,
        label=entry.label,
        sealed=sealed,
        withheld=None if entry.body is not None else "blind" if entry.is_kept_back else "erased",
        **{name: value[name] for name in _OF_BODY},
    )


def _file(request: Request, actor: Actor, scope: Scope, object_id: UUID, asked: FileAsked) -> StreamingResponse:
    def take(uow: UnitOfWork) -> TakenFile:
        return custody_service.take_custody_file(
            uow,
            actor,
            scope,
            object_id,
            file_format=asked.format,
            is_disclosed=asked.disclose == "all",
            purpose=asked.purpose,
            reason=asked.reason,
            log_id=asked.log_id,
        )

    return custody_file(request, asked.format, take)


def custody_file(request: Request, file_format: str, take: Callable[[UnitOfWork], TakenFile]) -> StreamingResponse:
    """Log the export, wait until that is signed, then stream: no lock and no connection is held meanwhile."""
    known: Services = services(request)
    written_as = custody_format(file_format)
    published_key(known.settings)  # Nothing is written in vain while no integrator ever ran.
    with working(request) as uow:
        taken = take(uow)
        receipts = uow.commit()
    export = custody_service.await_checkpoint(
        known.sessions,
        taken,
        receipts,
        timeout_s=known.settings.checkpoint_wait_s,
        inline_leaves_up_to=known.settings.inline_leaves_up_to,
    )
    if taken.ended is None:
        cosigned = await_quorum(known.sessions, export.checkpoint, known.witness_policy, known.settings.witness_wait_s)
        export = replace(export, checkpoint=cosigned)
    moment = format_time(export.time)[:19].replace(":", "").replace("-", "")
    subject = taken.subject
    return StreamingResponse(
        blocks(written_as.write(export, known.sessions)),
        media_type=written_as.MEDIA_TYPE,
        headers=attachment(f"{subject.scope}-{str(subject.id)[:8]}-{moment}Z{written_as.SUFFIX}"),
    )


def attachment(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about 64 KiB, so that a line does not cost a turn of the event loop."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)
