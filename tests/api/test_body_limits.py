"""What a sender without a token can make the server hold: a small body, for a short time."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.api import middleware, receiving
from tests.support.api import Api

HEAD = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def converse(api: Api, sent: bytes) -> tuple[bytes, dict[str, Any]]:
    """The answer's head and its problem, once the server has closed the connection."""
    address = urlsplit(api.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(sent)
        received = b""
        while block := client.recv(65536):
            received += block
    head, _, body = received.partition(b"\r\n\r\n")
    return head, json.loads(body)


def test_body_when_declared_too_large_then_413_at_once_and_closed(api: Api) -> None:
    head, problem = converse(api, HEAD + b"Content-Length: 262145\r\n\r\n")
    assert (problem["status"], problem["code"]) == (413, "body_too_large")
    assert b"application/problem+json" in head
    assert problem["request_id"].encode() in head


def test_body_when_chunks_have_no_end_then_413_and_the_rest_is_not_read(api: Api) -> None:
    sent_bytes = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent_bytes
        while sent_bytes < 64 * 1024 * 1024:
            sent_bytes += 16 * 1024
            yield b" " * 16 * 1024

    answer = api.client().post("/v1/sessions", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["Connection"] == "close"
    assert sent_bytes < 64 * 1024 * 1024


def test_body_when_of_the_largest_size_then_is_read(api: Api) -> None:
    body = b'{"email": "a@b.example", "password": 1}'.ljust(middleware.BODY_LIMIT_BYTES)
    answer = api.client().post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_body_when_it_does_not_come_then_408_and_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_WITHIN_S", 0.5)
    started = time.monotonic()
    head, problem = converse(api, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert (problem["status"], problem["code"]) == (408, "request_timeout")
    assert b"connection: close" in head.lower()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "content",
    [{"files": [("metadata", (None, "{}")), ("file", ("a.jpg", b"x"))]}, {"json": {"lead_claim": "A crater"}}],
)
def test_upload_when_packed_for_transport_then_415(api: Api, content: dict[str, Any]) -> None:
    collector = api.person("Olena Collector")
    case_id = api.case(api.person("Coordinator"), collector=(collector,))
    answer = collector.post(f"/v1/cases/{case_id}/evidence", headers={"Content-Encoding": "gzip"}, **content)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_content_encoding")


def test_upload_when_the_token_has_its_fill_open_then_429_until_one_ends(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "OPEN_UPLOADS_PER_TOKEN", 1)
    collector = api.person("Olena Collector")
    path = f"/v1/cases/{api.case(api.person('Coordinator'), collector=(collector,))}/evidence"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {collector.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    )
    address = urlsplit(api.base_url)
    lead = {"lead_claim": "A crater"}
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(head.encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")  # The server waits for the form.
        refused = collector.post(path, json=lead)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
    deadline = time.monotonic() + 5
    while (answer := collector.post(path, json=lead)).status_code == 429 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.status_code == 201
