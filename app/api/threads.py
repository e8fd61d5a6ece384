"""An ordinary operation is worked on in one thread from its first dependency to its rendered answer.

The framework would change threads three times for it: for who calls, for the endpoint, and for checking the answer's
shape. Under load each change waits for the interpreter's lock behind everybody else's; and a database connection could
not be kept from one step to the next, for whoever held it might wait for a thread that waits for a connection.

So the endpoint, a plain function, is registered as a coroutine that never waits, and its whole handling is run by the
thread. An endpoint that streams is a coroutine itself, and stays on the event loop.
"""

import functools
from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from sqlalchemy.orm import Session

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def is_plain(endpoint: Callable[..., Any]) -> bool:
    """Whether it is a function to be worked on in one thread."""
    return not iscoroutinefunction(endpoint) or hasattr(endpoint, "works_in_one_thread")


def never_waiting(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A plain endpoint as a coroutine that is over at its first step."""

    @functools.wraps(endpoint)
    async def call(**values: Any) -> Any:
        return endpoint(**values)

    call.works_in_one_thread = True  # type: ignore[attr-defined]
    return call


def takes_long(endpoint: Endpoint) -> Endpoint:
    """Marks an operation that waits or hashes for long: it takes no thread from the ordinary ones."""
    endpoint.takes_long = True  # type: ignore[attr-defined]
    return endpoint


def in_one_thread(handle: Handler, endpoint: Callable[..., Any]) -> Handler:
    """The handler of a ``never_waiting`` endpoint, run in one thread with one database session.

    At most ``services.threads`` ordinary ones at a time, in the order in which they came: more would only take the
    interpreter's lock from each other, and the last to come would wait longest.
    """
    is_ordinary = not hasattr(endpoint, "takes_long")

    async def answer(request: Request) -> Response:
        await request.body()  # What comes from the network is awaited here; the thread finds it read.
        threads: CapacityLimiter = request.app.state.services.threads
        return await to_thread.run_sync(_work, handle, request, limiter=threads if is_ordinary else None)

    return answer


def _work(handle: Handler, request: Request) -> Response:
    with request.app.state.services.sessions() as session:
        request.state.session = session
        try:
            return _finish(handle(request))
        finally:
            request.state.session = None


def _finish(work: Coroutine[Any, Any, Response]) -> Response:
    """The result of a coroutine that does not wait. Raises RuntimeError for one that does: a bug in a dependency."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Response = done.value
        return answer
    work.close()
    raise RuntimeError("an operation that works in one thread waited: its dependencies must be coroutines that do not")


def session_of(request: Request) -> Session | None:
    """The session of the thread that works on this request; None on the event loop and in threads of its own."""
    found: Session | None = getattr(request.state, "session", None)
    return found
