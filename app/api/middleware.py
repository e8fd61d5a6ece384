"""Plain ASGI middleware: an id for every request, safe headers on every answer, and a log line of ids only.

And bounds for a body: the framework takes a JSON body into memory as long as it comes, before it asks who sends it.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.api.problems import problem
from app.kernel.errors import AppError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = structlog.get_logger("exhibit.http")

SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-site"),
)

BODY_LIMIT_BYTES = 256 * 1024
BODY_WITHIN_S = 20.0
UPLOAD_PATH = re.compile(r"/v1/(cases/[^/]+/(evidence|imports)|evidence/[^/]+/content|similar)")
"""Where a POST streams its body, under the limits of ``receiving``."""


class BodyTooLarge(AppError):
    code = "body_too_large"
    status = 413
    title = "The body is larger than any operation here takes"

    def __init__(self) -> None:
        super().__init__(
            f"A body may have {BODY_LIMIT_BYTES} bytes at the most.", extra={"limit_bytes": BODY_LIMIT_BYTES}
        )


class RequestTimedOut(AppError):
    code = "request_timeout"
    status = 408
    title = "The body took too long"


class BoundedBody:
    """Reads every body but an upload's in full before the app sees it: at most 256 KiB, within 20 s.

    Else it answers 413 or 408, and the connection closes. The server's own limit would answer in plain text, has no
    deadline and leaves the connection open.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope) or _is_upload(scope):
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                message = await _whole_body(scope, receive)
        except TimeoutError:
            await _refuse(RequestTimedOut(f"It was not here after {BODY_WITHIN_S:g} seconds."), scope, receive, send)
            return
        except BodyTooLarge as error:
            await _refuse(error, scope, receive, send)
            return
        pending = [message]

        async def receive_whole() -> Message:
            return pending.pop() if pending else await receive()

        await self.app(scope, receive_whole, send)


def _has_body(scope: Scope) -> bool:
    """Whether the head announces one (RFC 9112, 6.3); else the server gives an empty one at once."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _is_upload(scope: Scope) -> bool:
    return scope["method"] == "POST" and UPLOAD_PATH.fullmatch(scope["path"]) is not None


async def _whole_body(scope: Scope, receive: Receive) -> Message:
    """The body in one message, or the message that the sender left. Raises BodyTooLarge."""
    declared = dict(scope["headers"]).get(b"content-length", b"")
    if declared.isdigit() and int(declared) > BODY_LIMIT_BYTES:
        raise BodyTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT_BYTES:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


async def _refuse(error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(
        Request(scope),
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        headers={"Connection": "close"},
        **error.extra,
    )
    await answer(scope, receive, send)


class RequestFrame:
    """Stamps ``request.state.request_id`` and ``X-Request-Id``; logs method, route template, status and duration.

    What nobody else handled becomes ``answer_unexpected``'s problem here, and is not raised on to the server, whose log
    would show the exception's text.
    """

    def __init__(self, app: App, answer_unexpected: Callable[[Request, Exception], Response]) -> None:
        self.app = app
        self.answer_unexpected = answer_unexpected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 500
        has_started = False

        async def send_framed(message: Message) -> None:
            nonlocal status, has_started
            if message["type"] == "http.response.start":
                has_started = True
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode("ascii")),
                    *(header for header in SAFE_HEADERS if header[0] not in given),
                ]
            await send(message)

        try:
            await self.app(scope, receive, send_framed)
        except Exception as error:  # noqa: BLE001 - the last handler: it logs the place and answers a problem
            answer = self.answer_unexpected(Request(scope), error)
            if not has_started:
                await answer(scope, receive, send_framed)
        finally:
            route = scope.get("route")
            logger.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                route=getattr(route, "path", None),
                status=status,
                duration_ms=round((time.perf_counter() - started) * 1000),
            )
