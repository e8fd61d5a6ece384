"""Plain ASGI middleware: an id for every request, safe headers on every answer, and a log line of ids only."""

import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

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
