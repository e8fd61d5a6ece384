"""``?wait=checkpoint`` on every change: the answer comes when a signed tree holds its entries, and says where.

The act is committed before anybody waits: what follows can only add the positions to its answer, never fail it. Whoever
waits holds neither a database connection nor a thread; one task of the process looks for a newer tree for all of them.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from copy import copy
from inspect import iscoroutinefunction
from typing import Annotated, Any, Literal

import structlog
from fastapi import Depends, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.api.narrowing import asks_without_filters, has_many_filters, without_filters
from app.api.threads import Handler, in_one_thread, is_plain, never_waiting
from app.kernel.database import read_session
from app.ledger import published, reading
from app.ledger.published import Position

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
POLL_S = 0.05

logger = structlog.get_logger("exhibit.http")


class CheckpointWatch:
    """Finds where entries stand, once a signed tree holds them. One for a process; used on its event loop only."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._waiting = 0
        self._news = asyncio.Event()
        """Set, and replaced by a fresh one, when a tree was signed."""
        self._looking: asyncio.Task[None] | None = None

    async def positions(self, commitments: Sequence[str], timeout_s: float) -> dict[str, Position]:
        """By commitment; after ``timeout_s`` (seconds) without the entries that are in no signed tree yet."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        self._waiting += 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = loop.create_task(self._look())
            while True:
                news = self._news  # Taken before the question, so that a tree signed right after it is not missed.
                found = await run_in_threadpool(self._read, commitments)
                remaining_s = deadline - loop.time()
                if len(found) == len(set(commitments)) or remaining_s <= 0:
                    return found
                try:
                    await asyncio.wait_for(news.wait(), remaining_s)
                except TimeoutError:
                    pass  # One last question, then the answer goes as it is.
        finally:
            self._waiting -= 1

    async def end(self) -> None:
        """Returns when the task is over that looked for those who waited: it may have a connection until then."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    def _read(self, commitments: Sequence[str]) -> dict[str, Position]:
        with read_session(self._sessions) as session:
            return published.positions(session, commitments)

    async def _look(self) -> None:
        """While somebody waits: one short question every 50 ms, however many they are."""
        newest = None
        while self._waiting:
            try:
                note = await run_in_threadpool(self._newest)
            except SQLAlchemyError:
                note = newest  # Those who wait ask themselves when their time is up.
            if note != newest:
                newest = note
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(POLL_S)

    def _newest(self) -> str | None:
        with read_session(self._sessions) as session:
            checkpoint = reading.latest_checkpoint(session)
        return None if checkpoint is None else checkpoint.note


async def declare_wait(
    wait: Annotated[
        Literal["checkpoint"] | None,
        Query(
            description="`checkpoint`: answer when a signed tree holds the entries of this act; its receipts then have "
            "`log_index` and `tree_size`. If it is not signed in time they are null: the act stands all the same."
        ),
    ] = None,
) -> None:
    """The parameter of every changing operation; what it asks for is done by the route, after the act."""


class LedgerRoute(APIRoute):
    """A route whose changes are acts: they take ``wait``. A plain function is worked on in one thread."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.is_changing = not CHANGING.isdisjoint(options.get("methods") or ())
        if self.is_changing:
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(declare_wait)]
        self.is_plain = is_plain(endpoint)
        super().__init__(path, never_waiting(endpoint) if self.is_plain else endpoint, **options)
        if self.is_plain:
            _require_coroutines(self.dependant.dependencies, path)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        if has_many_filters(self.dependant):
            handle = _the_shorter(self._handler_without_filters(), handle)
        if self.is_plain:
            handle = in_one_thread(handle, self.endpoint)
        return _waiting(handle) if self.is_changing else handle

    def _handler_without_filters(self) -> Handler:
        unfiltered = copy(self)
        unfiltered.dependant = without_filters(self.dependant)
        return APIRoute.get_route_handler(unfiltered)


def _require_coroutines(dependencies: Sequence[Dependant], path: str) -> None:
    """Raises TypeError: the framework would give a plain dependency a thread, which a thread cannot await."""
    for dependency in dependencies:
        call = dependency.call
        if not (iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)):
            raise TypeError(f"{path}: its dependency {call!r} must be a coroutine function")
        _require_coroutines(dependency.dependencies, path)


def _the_shorter(unfiltered: Handler, whole: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        return await (unfiltered if asks_without_filters(request) else whole)(request)

    return answer


def _waiting(handle: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        response = await handle(request)
        if request.query_params.get("wait") == "checkpoint" and isinstance(response, JSONResponse):
            await _add_positions(request, response)
        return response

    return answer


async def _add_positions(request: Request, response: JSONResponse) -> None:
    """Into the receipts of an answer, a stored one that is given again too."""
    body = json.loads(bytes(response.body))
    receipts = body.get("receipts") if isinstance(body, dict) else None
    if not receipts:
        return
    services = request.app.state.services
    try:
        found = await services.checkpoints.positions(
            [receipt["commitment"] for receipt in receipts], services.settings.checkpoint_wait_s
        )
    except SQLAlchemyError as error:
        # The act is committed, and an error would say that it is not.
        logger.warning("wait_failed", request_id=request.state.request_id, kind=type(error).__name__)
        return
    for receipt in receipts:
        position = found.get(receipt["commitment"])
        if position is not None:
            receipt.update(log_index=position.log_index, tree_size=position.tree_size)
    response.body = response.render(body)
    response.headers["Content-Length"] = str(len(response.body))
