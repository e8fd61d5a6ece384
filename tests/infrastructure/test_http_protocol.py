"""The deadline and the size limit of a request's head, on a real server."""

import asyncio
import socket
import time
from collections.abc import Iterator, MutableMapping
from threading import Thread
from typing import Any

import pytest
import uvicorn

from app import http_protocol
from app.http_protocol import DeadlineProtocol


async def answer(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    while scope["path"] != "/unread" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 0.5)
    monkeypatch.setattr(http_protocol, "REST_WITHIN_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(answer, http=DeadlineProtocol, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = Thread(target=asyncio.run, args=[server.serve([listening])])
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def converse(address: tuple[str, int], *parts: bytes, pause_s: float = 0.0) -> bytes:
    with socket.create_connection(address, timeout=10) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(pause_s)
        received = b""
        while block := client.recv(65536):
            received += block
    return received


def test_head_when_half_of_it_comes_then_is_cut_off(address: tuple[str, int]) -> None:
    assert converse(address, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").startswith(b"HTTP/1.1 408 ")


def test_head_when_nothing_comes_then_is_cut_off(address: tuple[str, int]) -> None:
    assert converse(address).startswith(b"HTTP/1.1 408 ")


def test_head_when_too_large_then_is_refused(address: tuple[str, int]) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"X-Part: %s\r\n" % (b"a" * 1000) * 70
    assert b"HTTP/1.1 431 " in converse(address, head)


def test_head_when_second_request_of_a_connection_stops_halfway_then_first_is_answered(
    address: tuple[str, int],
) -> None:
    received = converse(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HT")
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in received


def test_body_when_slower_than_the_heads_deadline_then_is_taken(address: tuple[str, int]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    assert converse(address, head, b"ab", b"cd", pause_s=0.4).startswith(b"HTTP/1.1 200 ")


def test_body_when_it_trickles_on_after_the_answer_then_connection_closes(address: tuple[str, int]) -> None:
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    with pytest.raises(ConnectionError):
        converse(address, head, *[b"a"] * 30, pause_s=0.1)


def test_connection_when_body_came_after_the_answer_then_takes_a_further_request(address: tuple[str, int]) -> None:
    head = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
    further = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    received = converse(address, head, b"abcd", b"", further, pause_s=0.6)
    assert received.count(b"HTTP/1.1 200 ") == 2
