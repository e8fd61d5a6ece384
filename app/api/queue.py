"""The queue: what you may take now."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import Labels
from app.api.http import Page, Requires, Shape, reading
from app.api.paging import BadCursor, Cursor, Limit, page, read_cursor
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.kernel.primitives import encode_cursor
from app.media.rules import Priority, State
from app.verification import queue
from app.verification.queue import Place, QueuedItem

router = APIRouter(route_class=LedgerRoute, prefix="/v1", tags=["Queue"])

SignedIn = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]
Act = Literal["label", "verify", "review", "adjudicate", "sign_off"]


class QueuedShape(Shape):
    """An item that you may take, as far as one may know before one looks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "evidence_id": "9414abb4-15b2-41bb-b83d-5df4cca27ec5",
                    "case_id": "6f1f6c0e-5b0a-4f0e-9f43-0d5a5a5c2b11",
                    "act": "review",
                    "state": "awaiting_peer_review",
                    "version": 12,
                    "round": 1,
                    "kind": "video",
                    "duration_ms": 183000,
                    "labels": {"graphic_level": "mild", "child": False, "languages": ["uk"]},
                    "priority": "high",
                    "waiting_since": "2026-07-14T09:31:00Z",
                    "matches_undecided": 0,
                    "is_assigned": False,
                }
            ]
        }
    )

    evidence_id: UUID
    case_id: UUID
    act: Act = Field(
        description="What is open to you: `label` it (a coordinator), `verify` (open its verification, or take its "
        "lease), `review`, `adjudicate`, `sign_off` (take its lease, so that nobody does the same meanwhile)."
    )
    state: State
    version: int = Field(description='The item\'s version, for the `If-Match` of what you do next: `"12"`.')
    round: int
    kind: Literal["image", "video"] | None
    duration_ms: int | None = Field(
        description="As the file claims; null until it is decoded, and where it claims none."
    )
    labels: Labels | None = Field(description="Null only where the act is `label`.")
    priority: Priority
    waiting_since: datetime = Field(description="Since when it is in this state.")
    matches_undecided: int
    is_assigned: bool = Field(description="Whether a coordinator gave it to you.")


@router.get(
    "/queue",
    name="listQueue",
    summary="What you may take now",
    response_model=Page[QueuedShape],
    responses=problem_responses(401, 403, 404, 422),
)
def list_queue(
    request: Request,
    response: Response,
    actor: SignedIn,
    case: Annotated[UUID | None, Query(description="Of this case alone.")] = None,
    act: Annotated[Act | None, Query(description="Of this kind alone.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Over all your cases: what your roles permit, nobody works on, is assigned to nobody else, is no work of your own
    that you would judge, and fits your languages and opt-outs (`/v1/me/preferences`). By priority, and of one priority
    what has waited longest. Nothing of a case in which your break is on (`/v1/me/exposure`), nor of a closed one.

    An item without labels is offered to coordinators only, to be labelled. What you hold the lease of is not offered:
    you have it.
    """
    with reading(request) as session:
        rows = queue.list_queue(session, actor, case_id=case, act=act, after=_read_place(cursor), limit=limit + 1)
        return page(request, response, rows, limit, _queued, lambda row: _cursor(row.place))


def _cursor(place: Place) -> str:
    rank, since, identity = place
    return encode_cursor(rank, since.isoformat(), str(identity))


def _read_place(cursor: str | None) -> Place | None:
    parts = read_cursor(cursor, int, str, str)
    if parts is None:
        return None
    try:
        place = Priority.of_rank(parts[0]).rank, datetime.fromisoformat(parts[1]).astimezone(UTC), UUID(parts[2])
    except (ValueError, IndexError, OverflowError) as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error
    return place


def _queued(row: QueuedItem) -> QueuedShape:
    evidence = row.evidence
    return QueuedShape(
        evidence_id=evidence.id,
        case_id=evidence.case_id,
        act=row.act,
        state=State(evidence.state),
        version=evidence.version,
        round=evidence.round,
        kind=row.kind,
        duration_ms=row.duration_ms,
        labels=None if evidence.labels is None else Labels(**evidence.labels),
        priority=Priority.of_rank(evidence.priority),
        waiting_since=evidence.state_since,
        matches_undecided=row.matches_undecided,
        is_assigned=row.is_assigned,
    )
