"""uvicorn's HTTP/1.1 protocol with a deadline and a size limit for a request's head, which it lacks.

Without them, half a header keeps a connection (and its file descriptor) for as long as the sender likes. A body has its
own deadline, where it is read; the rest of one that was answered unread has its deadline here.
"""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S = 20.0
HEAD_LIMIT_BYTES = 64 * 1024
REST_WITHIN_S = 120.0
"""How long the rest of a refused body is read and dropped, for a sender who reads the answer only in the end."""


class DeadlineProtocol(HttpToolsProtocol):
    """Closes a connection that has not sent a whole request head 20 s after it began, or sends more than 64 KiB.

    Also one whose request was answered before its body was there, 120 s after the answer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: TimerHandle | None = None
        self._rest_deadline: TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn's own class
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        self._body_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        is_head = self._deadline is not None
        if is_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if is_head and self._deadline is not None and self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:  # A further request on a kept connection.
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_is_here()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._rest_deadline = self.loop.call_later(REST_WITHIN_S, self.transport.close)

    def _body_is_here(self) -> None:
        if self._rest_deadline is not None:
            self._rest_deadline.cancel()
            self._rest_deadline = None

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._refuse, b"408 Request Timeout")

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._head_is_here()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()
