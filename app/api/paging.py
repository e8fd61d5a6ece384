"""Pages of lists, and the cursors that lead from one to the next."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Query, Request, Response

from app.kernel.errors import Invalid
from app.kernel.primitives import canonical_json, decode_cursor, encode_cursor

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=200, description="Items on a page at the most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


class BadCursor(Invalid):
    code = "bad_cursor"
    title = "The cursor is not one of this list"
    advice = "Begin the list anew without 'cursor', then send its 'next_cursor' as it is given, with the same filters."


def read_cursor(cursor: str | None, *kinds: type[str] | type[int]) -> Any:
    """The parts of a cursor as given to ``encode_cursor``; None without one. Raises BadCursor."""
    if cursor is None:
        return None
    try:
        return decode_cursor(cursor.partition(".")[2], *kinds)
    except ValueError as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error


def cursor_at(moment: datetime, identity: UUID) -> str:
    """The cursor of a list in order of time, then id."""
    return encode_cursor(moment.isoformat(), str(identity))


def read_cursor_at(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The time and id of a cursor made by :func:`cursor_at`. Raises BadCursor."""
    parts = read_cursor(cursor, str, str)
    return None if parts is None else _moment_and_id(*parts)


def _moment_and_id(moment_text: str, identity_text: str) -> tuple[datetime, UUID]:
    try:
        moment, identity = datetime.fromisoformat(moment_text), UUID(identity_text)
    except ValueError as error:
        raise BadCursor("Use next_cursor exactly as the page before gave it.") from error
    if moment.tzinfo is None:
        raise BadCursor("Use next_cursor exactly as the page before gave it.")
    return moment, identity


class OtherFilters(Invalid):
    code = "other_filters"
    title = "The cursor was given for other filters"
    advice = "Send 'next_cursor' with the filters of the page that gave it, or begin the list anew without 'cursor'."


NO_FILTERS = frozenset({"cursor", "limit", "as_of"})


def filters_mark(request: Request, besides: str = "") -> str:
    """Eight digits that tell these filters from others, whatever order they are in; ``besides``: what else the list
    depends on, such as the position that a time stands for."""
    given = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in NO_FILTERS)
    return hashlib.sha256(canonical_json([[*pair] for pair in given] + [besides])).hexdigest()[:8]


def filtered_cursor_at(moment: datetime, identity: UUID, mark: str) -> str:
    """The cursor of a list in order of time, then id, that goes on with the same filters alone."""
    return encode_cursor(moment.isoformat(), str(identity), mark)


def read_filtered_cursor_at(cursor: str | None, mark: str) -> tuple[datetime, UUID] | None:
    """Raises BadCursor, OtherFilters."""
    parts = read_cursor(cursor, str, str, str)
    if parts is None:
        return None
    if parts[2] != mark:
        raise OtherFilters("Of this list, but with other filters, or as of another time.")
    return _moment_and_id(parts[0], parts[1])


def page(
    request: Request,
    response: Response,
    rows: Sequence[Row],
    limit: int,
    shape: Callable[[Row], Item],
    cursor_of: Callable[[Row], str],
) -> dict[str, Any]:
    """A page of at most ``limit`` items from ``limit + 1`` rows, and a ``Link`` header to the next."""
    kept = rows[:limit]
    next_cursor = f"{list_mark(request)}.{cursor_of(kept[-1])}" if len(rows) > limit else None
    if next_cursor is not None:
        following = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return {"items": [shape(row) for row in kept], "next_cursor": next_cursor, "limit": limit}


def list_mark(request: Request) -> str:
    """Eight digits that tell one list's cursors from another's: a guard against mistakes, not a secret."""
    return hashlib.sha256(request.url.path.encode("utf-8")).hexdigest()[:8]
