"""What a person at another machine can do with the product, and nothing else: every step here goes over HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app.kernel.settings import Settings
from tests.support.api import Api, Person
from tests.support.product import Product

Answer = TypeVar("Answer")

METADATA: dict[str, Any] = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
}
NO_LABELS = {"graphic_level": "none"}
WAIT_S = 90.0


def api_of(product: Product) -> Api:
    """People and cases on a product in processes of its own; there is no app to reach into."""
    client = httpx.Client(
        base_url=product.base_url, headers={"Authorization": f"Bearer {product.admin_token}"}, timeout=60
    )
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


def checked_offline(directory: Path, verifier: bytes, custody: bytes, vkey: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an auditor does: in a directory with nothing else, isolated, with no environment."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "verify_custody.py").write_bytes(verifier)
    (directory / "custody.jsonl").write_bytes(custody)
    command = [sys.executable, "-I", "verify_custody.py", "custody.jsonl", "--key", vkey]
    return subprocess.run(command, cwd=directory, env={}, capture_output=True, text=True, timeout=120, check=False)
