"""A transport for httpx that spares a quarter of what a request takes its client: tests make tens of thousands.

A connection for each request under way, kept for the next. A request whose body streams, a form's too, goes the usual
way; an answer is read whole.
"""

import http.client
import select
import time
from collections.abc import Callable

import httpx

KEPT_S = 2.0
"""A server closes what is idle for 5 s; one that is slow may do so while the next request is on its way."""


class PlainTransport(httpx.BaseTransport):
    """HTTP/1.1 without TLS to one server; its requests may come from several threads."""

    def __init__(self, make_usual: Callable[[], httpx.BaseTransport]) -> None:
        self._make_usual = make_usual
        self._usual: httpx.BaseTransport | None = None
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(request.stream, httpx.ByteStream):
            if self._usual is None:
                self._usual = self._make_usual()
            return self._usual.handle_request(request)
        connection = self._connection(request)
        try:
            answer = _exchange(connection, request)
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._idle.append((connection, time.monotonic()))
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()
        if self._usual is not None:
            self._usual.close()

    def _connection(self, request: httpx.Request) -> http.client.HTTPConnection:
        """One that was idle for a short while and is open, or a new one."""
        timeout_s = request.extensions["timeout"]["read"]
        while self._idle:
            connection, since = self._idle.pop()
            is_closed = select.select([connection.sock], [], [], 0)[0]  # What is readable now is the server's end.
            if not is_closed and time.monotonic() - since < KEPT_S:
                connection.sock.settimeout(timeout_s)
                return connection
            connection.close()
        return http.client.HTTPConnection(request.url.host, request.url.port or 80, timeout=timeout_s)


def _exchange(connection: http.client.HTTPConnection, request: httpx.Request) -> httpx.Response:
    """Raises as httpx's own transport does, as far as tests ask: ConnectError, ReadTimeout, RemoteProtocolError."""
    try:
        if connection.sock is None:
            connection.connect()
    except OSError as error:
        raise httpx.ConnectError(str(error), request=request) from error
    try:
        target = request.url.raw_path.decode("ascii")
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.raw:
            connection.putheader(name, value)
        connection.endheaders(request.content or None)
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except http.client.HTTPException as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    except OSError as error:
        raise httpx.ReadError(str(error), request=request) from error
    return httpx.Response(answer.status, headers=answer.getheaders(), stream=httpx.ByteStream(body))
