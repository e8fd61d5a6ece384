"""What the checks of the whole log found, for those who watch over the installation."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from app.access.actors import Actor, require_audits_reader
from app.access.rules import Operation
from app.api.http import Page, Requires, Shape, reading
from app.api.paging import Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.audits import service
from app.audits.service import COUNTS, RecordedAudit
from app.kernel.primitives import encode_cursor

router = APIRouter(prefix="/v1/ledger/audits", tags=["Ledger"])

Overseer = Annotated[Actor, Depends(Requires(Operation.READ_AUDITS))]


class AuditResult(Shape):
    """What was checked, and what came of it."""

    tree_size: int = Field(description="Of the newest signed tree that was found sound; 0: none.", examples=[4711])
    root: str = Field(description="That tree's root; empty when there was none.")
    streams: int
    entries: int
    leaves: int
    checkpoints: int
    faults: int = Field(description="0: all is as it was logged.", examples=[0])
    duration_ms: int
    report_sha256: str = Field(description="Of the whole report, a file in `audits/` of the data directory.")
    report_size: int = Field(description="Bytes of that file.")


class AuditShape(Shape):
    """One check of the whole log, as its entry `system.audited` tells it."""

    recorded_at: datetime
    commitment: str = Field(
        description="The entry's, as in the installation's own log (`GET /v1/custody/system`) and in a leaf."
    )
    result: AuditResult | None = Field(description="Null when the entry's body is not readable: a fault in itself.")


@router.get(
    "",
    name="listAudits",
    summary="Checks of the whole log",
    response_model=Page[AuditShape],
    responses=problem_responses(401, 403, 422),
)
def list_audits(
    request: Request, response: Response, actor: Overseer, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """The newest first: the daily ones by a worker, and those by `exhibit ledger audit-now`. For the organisation's
    auditor and administrators.
    """
    require_audits_reader(actor)
    after = read_cursor(cursor, int)
    with reading(request) as session:
        rows = service.list_audits(session, before=None if after is None else after[0], limit=limit + 1)
    return page(request, response, rows, limit, _shape, lambda row: encode_cursor(row.id))


def _shape(row: RecordedAudit) -> AuditShape:
    result = None
    if row.entry is not None:
        data, kept = row.entry["data"], row.entry["object"]
        result = AuditResult(
            **{name: data[name] for name in COUNTS},
            root=data["root"],
            report_sha256=kept["sha256"],
            report_size=kept["size"],
        )
    return AuditShape(recorded_at=row.recorded_at, commitment=row.commitment, result=result)
