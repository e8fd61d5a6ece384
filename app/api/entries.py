"""For auditors: the ledger's entries by who, what, when and where, as pages and as a file that proves itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.access.actors import Actor
from app.access.rules import Operation
from app.anchors.publication import await_quorum
from app.api.custody import FILE_RESPONSES, CustodyEntryShape, Format, Purpose, Reason, attachment, blocks, entry_shape
from app.api.headers import sends
from app.api.http import Moment, Page, Public, Requires, reading, services, working
from app.api.ledger import SIZE_LIMIT, published_key
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.threads import takes_long
from app.api.waiting import LedgerRoute
from app.auditing import entry_log
from app.auditing.entry_log import EntryLog, Range, StagedLog
from app.auditing.log_formats import log_format
from app.auditing.selection import Filters
from app.auditing.verifier import verify_entries
from app.kernel.primitives import encode_cursor, format_time
from app.unit_of_work import UnitOfWork

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Ledger"])

Auditor = Annotated[Actor, Depends(Requires(Operation.READ_CUSTODY))]
TYPE = r"^[a-z]+\.[a-z_]+(,[a-z]+\.[a-z_]+){0,49}$"

OfCase = Annotated[
    UUID | None,
    Query(
        alias="case",
        description="Of this case: its own stream, its items' and its incidents'. Without `case` and `stream`: of "
        "everything, for the organisation's auditor alone.",
    ),
]
OfStream = Annotated[UUID | None, Query(description="Of this stream alone: the id of an item, an incident or a case.")]
OfActor = Annotated[
    UUID | None,
    Query(
        description="Acts of this actor, as entries name them: in a case by a pseudonym, which is another one in every "
        "case; in the installation's own stream by the account's id. No filter joins the two."
    ),
]
OfObject = Annotated[UUID | None, Query(description="Acts on this object: an item, an incident, an export, a key …")]
OfTypes = Annotated[
    str | None,
    Query(
        alias="type",
        pattern=TYPE,
        max_length=2000,
        description="Entries of these types, with commas between them.",
        examples=["evidence.viewed,evidence.downloaded"],
    ),
]
OfView = Annotated[
    Literal["all", "access"],
    Query(
        description="`access`: the access and export log. Who was shown content, or took or was given a log or a "
        "package, what of, when, and for which purpose."
    ),
]
RecordedFrom = Annotated[Moment | None, Query(description="Recorded at this time or later.")]
RecordedBefore = Annotated[Moment | None, Query(description="Recorded before this time.")]
IndexFrom = Annotated[
    int | None, Query(ge=0, le=SIZE_LIMIT, description="At this leaf of the tree (`log_index`) or a later one.")
]
IndexBefore = Annotated[
    int | None,
    Query(ge=0, le=SIZE_LIMIT, description="Before this leaf; without it, up to the newest signed tree's last."),
]
OfLog = Annotated[
    int | None,
    Query(alias="log", ge=1, le=32767, description="The number of an earlier log, of before a restore."),
]


@dataclass(frozen=True)
class EntriesAsked:
    """What pages and files are asked for with, as query parameters."""

    case_id: UUID | None
    stream: UUID | None
    filters: Filters
    range: Range


async def asked_for(
    case_id: OfCase = None,
    stream: OfStream = None,
    actor: OfActor = None,
    object: OfObject = None,  # noqa: A002 - the parameter's name
    types: OfTypes = None,
    view: OfView = "all",
    recorded_from: RecordedFrom = None,
    recorded_before: RecordedBefore = None,
    index_from: IndexFrom = None,
    index_before: IndexBefore = None,
    log_id: OfLog = None,
) -> EntriesAsked:
    """A coroutine, as every dependency of a plain endpoint."""
    wanted = () if types is None else tuple(types.split(","))
    return EntriesAsked(
        case_id,
        stream,
        Filters(actor, object, wanted, view, recorded_from, recorded_before),
        Range(index_from, index_before, log_id),
    )


Asked = Annotated[EntriesAsked, Depends(asked_for)]


@router.get(
    "/ledger/entries",
    name="listLedgerEntries",
    summary="Find entries of the ledger",
    response_model=Page[CustodyEntryShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_ledger_entries(
    request: Request, response: Response, actor: Auditor, asked: Asked, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """In the order of the public tree, all filters combined; only what a signed tree holds. Sealed fields stay closed.
    Reading pages is no entry. A verifier sees their own acts.
    """
    after = read_cursor(cursor, int)
    with reading(request) as session:
        found = entry_log.list_entries(
            session,
            actor,
            asked.case_id,
            asked.stream,
            asked.filters,
            asked.range,
            after=0 if after is None else after[0],
            limit=limit + 1,
        )
    return page(
        request,
        response,
        found,
        limit,
        lambda entry: entry_shape(entry, None),
        lambda entry: encode_cursor((entry.log_index or 0) + 1),
    )


@router.get(
    "/ledger/entries/file",
    name="takeLedgerEntriesFile",
    summary="Take entries of the ledger as a file that proves that none is left out",
    response_class=StreamingResponse,
    responses=FILE_RESPONSES,
)
@takes_long
def take_ledger_entries_file(
    request: Request,
    actor: Auditor,
    asked: Asked,
    purpose: Purpose,
    format: Format = "jsonl",  # noqa: A002 - the name in the address
    reason: Reason = None,
) -> StreamingResponse:
    """As JSON Lines with every leaf of the range and its proof (`verify_entries.py` checks it offline), or as a table.
    Taking it is an entry (`export.log_taken`). Times choose the range of leaves that holds what was recorded then.
    """

    def stage(uow: UnitOfWork) -> StagedLog:
        return entry_log.stage_log(
            uow,
            actor,
            asked.case_id,
            asked.stream,
            asked.filters,
            asked.range,
            file_format=format,
            purpose=purpose,
            reason=reason,
        )

    taken = _take(request, stage)
    written_as = log_format(format)
    moment = format_time(taken.time)[:19].replace(":", "").replace("-", "")
    name = f"{taken.scope.kind}-{moment}Z-{taken.places.first}-{taken.places.before}{written_as.SUFFIX}"
    return StreamingResponse(
        blocks(written_as.write(taken, services(request).sessions)),
        media_type=written_as.MEDIA_TYPE,
        headers=attachment(name),
    )


def _take(request: Request, stage: Callable[[UnitOfWork], StagedLog]) -> EntryLog:
    """Log it, wait until that is signed: no lock and no connection is held while it is written."""
    known = services(request)
    published_key(known.settings)
    with working(request) as uow:
        staged = stage(uow)
        receipts = uow.commit()
    taken = entry_log.await_signed(
        known.sessions,
        staged,
        receipts,
        timeout_s=known.settings.checkpoint_wait_s,
        inline_leaves_up_to=known.settings.inline_leaves_up_to,
    )
    if staged.ended is not None:
        return taken
    cosigned = await_quorum(known.sessions, taken.checkpoint, known.witness_policy, known.settings.witness_wait_s)
    return replace(taken, checkpoint=cosigned)


@router.get(
    "/entries-verifier",
    name="getEntriesVerifier",
    summary="The program that checks files of entries offline",
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
def get_entries_verifier() -> Response:
    """One file of Python 3.11 or newer that needs nothing else. Read it before you trust it."""
    return Response(
        Path(verify_entries.__file__).read_bytes(),
        media_type="text/x-python; charset=utf-8",
        headers=attachment("verify_entries.py"),
    )
