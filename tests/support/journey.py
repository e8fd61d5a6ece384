"""What a person at another machine can do with the product, and nothing else: every step here goes over HTTP."""

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from app.kernel.settings import Settings
from tests.support.api import Api, Person, open_client
from tests.support.product import Product

Answer = TypeVar("Answer")

METADATA: dict[str, Any] = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
    "labels": {"graphic_level": "none"},
}
"""Of a labelled item, as content is closed until somebody has labelled it; ``labels=None`` for another."""
NO_LABELS = {"graphic_level": "none"}
WAIT_S = 90.0


def api_of(product: Product) -> Api:
    """People and cases on a product in processes of its own; there is no app to reach into."""
    client = open_client(product.base_url, product.admin_token, timeout_s=60)
    account_id = client.get("/v1/me").json()["account"]["id"]
    admin = Person(account_id, "Administrator", product.admin_token, client)
    api = Api(product.base_url, Settings(data=product.data_dir), None, admin)
    api._clients.append(client)
    return api


def close(api: Api) -> None:
    for client in api._clients:
        client.close()


def wait_until(ask: Callable[[], Answer | None], what: str) -> Answer:
    """The first answer that is not None or False. Fails after ``WAIT_S``."""
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"not within {WAIT_S:g} s: {what}"
        time.sleep(0.1)


def ok(answer: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer that must have this status."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer that must be this refusal, told as RFC 9457 has it."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    return problem


def form(content: bytes, name: str, **metadata: Any) -> dict[str, Any]:
    """The two parts of an upload, for ``files=`` of httpx."""
    return {
        "metadata": (None, json.dumps({**METADATA, **metadata}), "application/json"),
        "file": (name, content, "application/octet-stream"),
    }


def upload(
    person: Person, case_id: str, content: bytes, name: str, *, key: str | None = None, **metadata: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return person.post(f"/v1/cases/{case_id}/evidence", files=form(content, name, **metadata), headers=headers)


def send_and_hang_up(person: Person, case_id: str, content: bytes, name: str, *, key: str, share: float) -> None:
    """Send this share of an upload's body, then reset the connection, as a phone that loses its network does."""
    request = person.http.build_request(
        "POST", f"/v1/cases/{case_id}/evidence", files=form(content, name), headers={"Idempotency-Key": key}
    )
    body = request.read()
    head = [f"POST {request.url.path} HTTP/1.1", *(f"{field}: {value}" for field, value in request.headers.items())]
    address = urlsplit(str(person.http.base_url))
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=20) as line:
        line.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body[: int(len(body) * share)])
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", int(share < 1), 0))


def received(person: Person, case_id: str, content: bytes, name: str, **metadata: Any) -> str:
    """The id of a new item on these bytes."""
    item_id: str = ok(upload(person, case_id, content, name, **metadata), 201)["id"]
    return item_id


def settled(person: Person, *item_ids: str) -> list[dict[str, Any]]:
    """The items, as soon as the background work on all of them is over."""
    return [wait_until(partial(_settled, person, item_id), f"{item_id} is settled") for item_id in item_ids]


def _settled(person: Person, item_id: str) -> dict[str, Any] | None:
    item: dict[str, Any] = ok(person.get(f"/v1/evidence/{item_id}"))
    is_settled = item["state"] not in ("lead", "collected") and item["fingerprint_status"] != "pending"
    return item if is_settled else None


def all_pages(person: Person, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page until ``next_cursor`` is null."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = ok(person.get(path, params=query if cursor is None else {**query, "cursor": cursor}))
        assert len(page["items"]) <= page["limit"]
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


@dataclass(frozen=True)
class AuditorsDesk:
    """The auditor's own machine: the verifier and the pinned key, fetched once; nothing else."""

    directory: Path
    verifier: bytes
    vkey: str

    def check(self, custody: bytes) -> subprocess.CompletedProcess[str]:
        """Run the verifier in a directory with nothing else, isolated (``-I``), with no environment."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "verify_custody.py").write_bytes(self.verifier)
        (self.directory / "custody.jsonl").write_bytes(custody)
        command = [sys.executable, "-I", "verify_custody.py", "custody.jsonl", "--key", self.vkey]
        return subprocess.run(
            command, cwd=self.directory, env={}, capture_output=True, text=True, timeout=120, check=False
        )


def auditors_desk(directory: Path, api: Api) -> AuditorsDesk:
    """A desk that fetched its verifier and its key from this server, as anybody may."""
    anyone = api.client()
    key = ok(anyone.get("/v1/ledger/key"))["vkey"]
    return AuditorsDesk(directory, anyone.get("/v1/custody-verifier").content, key)
