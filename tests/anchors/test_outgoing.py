"""Calls to others: what a slow, an endless, a redirecting or a broken answer comes to."""

import socket
import time

import pytest

from app.anchors.authorities import is_web_address
from app.anchors.outgoing import NotReached, Outgoing
from tests.support.web_server import ENDLESS_HEADERS, Reply, dribbling, web_server


def post(client: Outgoing, url: str) -> int:
    return client.post(url, b"x", content_type="text/plain", limit_bytes=1000).status


def test_post_when_the_answer_is_small_and_in_time_then_gives_it(outgoing: Outgoing) -> None:
    with web_server(lambda path, body: Reply(409, b"12\n", "Text/X.Tlog.Size; charset=utf-8")) as server:
        answer = outgoing.post(f"{server.base_url}/add", b"body", content_type="text/plain", limit_bytes=1000)

    assert (answer.status, answer.media_type, answer.body) == (409, "text/x.tlog.size", b"12\n")
    assert server.requests == [("/add", b"body")]


FAULTS = {
    "redirect": (Reply(307, headers={"Location": "http://127.0.0.1:1/"}), "redirect"),
    "too large": (Reply(200, b"x" * 1001), "answer_too_large"),
    "cut off": (Reply(200, b"x" * 900, cut=True), "connection"),
    "slow, each byte in time": (Reply(200, b"x" * 900, trickle_s=0.05), "timeout"),
    "silent": (Reply(200, b"x" * 9, trickle_s=30.0), "timeout"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_post_when_the_answer_is_at_fault_then_ends_in_time_and_says_why(name: str) -> None:
    reply, code = FAULTS[name]
    client = Outgoing(0.5)
    began_s = time.monotonic()
    with web_server(lambda path, body: reply) as server:
        with pytest.raises(NotReached) as raised:
            post(client, server.base_url)
        took_s = time.monotonic() - began_s

    assert raised.value.code == code
    assert took_s < 5
    assert len(server.requests) == 1, "it is not asked again by itself, and no redirect is followed"


@pytest.mark.parametrize("name", ENDLESS_HEADERS)
def test_post_when_the_answer_never_gets_past_its_header_then_ends_in_time(name: str) -> None:
    began_s = time.monotonic()
    with dribbling(*ENDLESS_HEADERS[name]) as url, pytest.raises(NotReached, match="timeout"):
        post(Outgoing(0.5), url)
    assert time.monotonic() - began_s < 5


def test_post_when_nobody_listens_then_says_so(outgoing: Outgoing) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(NotReached, match="connection"):
            post(outgoing, f"http://127.0.0.1:{held.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://tsa.example.org/tsr", True),
        ("http://127.0.0.1:8080", True),
        ("ftp://tsa.example.org/", False),
        ("https://", False),
        ("https://user:secret@tsa.example.org/", False),
        ("https://tsa.example.org/?a=b", False),
        ("https://tsa.example.org/#a", False),
        ("https://tsa.example.org:port/", False),
        ("tsa.example.org", False),
        ("", False),
    ],
)
def test_address_when_not_plain_is_refused(url: str, is_one: bool) -> None:
    assert is_web_address(url) is is_one
