"""Sixteen verifiers at once over HTTP, on a whole ``exhibit serve`` with its own PostgreSQL (fsync on).

``python -m benchmarks.verifiers [--verifiers 16] [--seconds 20]``

Two loads without any pause between a verifier's requests, which saturate the machine, and one that is paced. *Changes*:
every request records a finding, which is one row and one custody entry, committed durably. *Mixed*: three ordinary
reads (the item, its findings, the case's items), then one finding. *Paced*: the same four requests, then a second's
pause, which is more than people do. Every verifier works on an item of their own, as the lease demands. Clients run on
the same machine as the server; the time of a request is what the client waits.
"""

import argparse
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.product import AS_SHIPPED, start_product

LABELS = {"graphic_level": "none", "child": False, "sexual_violence": False, "distressing_audio": False}
ACQUISITION = {
    "collector": "Benchmark",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "a channel",
    "labels": LABELS,
}
IDLE_S = 2.0
FINDING = {
    "dimension": "date",
    "result": "established",
    "confidence": "high",
    "methods": ["shadow_analysis"],
    "rationale": "The shadow of the mast says ten in the morning, as the upload time does.",
}


class Client:
    """One keep-alive connection that sends one person's token."""

    def __init__(self, base_url: str, token: str) -> None:
        address = urlsplit(base_url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._token = token
        self._last_used = time.monotonic()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, http.client.HTTPResponse]:
        """The answer's JSON and response. Raises RuntimeError for a refusal."""
        sent = {"Authorization": f"Bearer {self._token}"}
        if isinstance(body, bytes):
            sent["Content-Type"] = headers.pop("content_type")
        elif body is not None:
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if time.monotonic() - self._last_used > IDLE_S:
            self._connection.close()  # The server ends idle connections; the next request opens a new one.
        self._last_used = time.monotonic()
        self._connection.request(method, path, body, sent)
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return json.loads(content), response


@dataclass
class Verifier:
    """One person with an item in verification, and how long each of their requests took, in seconds."""

    client: Client
    case_id: str
    item: str
    reads_s: list[float] = field(default_factory=list)
    changes_s: list[float] = field(default_factory=list)

    def change(self) -> None:
        self._timed(self.changes_s, "POST", f"/v1/evidence/{self.item}/findings", FINDING)

    def read(self) -> None:
        for path in (
            f"/v1/evidence/{self.item}",
            f"/v1/evidence/{self.item}/findings?limit=20",
            f"/v1/cases/{self.case_id}/evidence?limit=20",
        ):
            self._timed(self.reads_s, "GET", path)

    def read_and_change(self) -> None:
        self.read()
        self.change()

    def _timed(self, kept: list[float], method: str, path: str, body: Any = None) -> None:
        started = time.perf_counter()
        self.client.send(method, path, body)
        kept.append(time.perf_counter() - started)


def make_verifiers(base_url: str, admin_token: str, count: int) -> list[Verifier]:
    """A case with so many verifiers, each with a labelled item in verification."""
    admin = Client(base_url, admin_token)
    people = [_make_person(admin, f"verifier-{number}") for number in range(count + 1)]
    coordinator_id, coordinator_token = people.pop()
    case, _ = admin.send("POST", "/v1/cases", {"title": "Benchmark", "coordinator_id": coordinator_id})
    coordinator = Client(base_url, coordinator_token)
    made = []
    for account_id, token in people:
        coordinator.send("PUT", f"/v1/cases/{case['id']}/members/{account_id}/verifier")
        client = Client(base_url, token)
        made.append(Verifier(client, case["id"], _upload(client, case["id"])))
    for verifier in made:
        etag = _await_preserved(verifier)
        path = f"/v1/evidence/{verifier.item}/transitions"
        verifier.client.send("POST", path, {"event": "open_verification"}, If_Match=etag)
    return made


def _make_person(admin: Client, name: str) -> tuple[str, str]:
    account, _ = admin.send("POST", "/v1/users", {"name": name, "email": f"{name}@hub.example"})
    body = {"name": "benchmark", "scopes": ["read", "write"], "account_id": account["id"]}
    token, _ = admin.send("POST", "/v1/tokens", body)
    return account["id"], token["token"]


def _upload(client: Client, case_id: str) -> str:
    """An item of random bytes: nothing to match, and soon found undecodable."""
    mark = "benchmark-boundary"
    parts = (
        ('name="metadata"', "application/json", json.dumps(ACQUISITION).encode()),
        ('name="file"; filename="a.jpg"', "image/jpeg", os.urandom(20_000)),
    )
    body = b"".join(
        f"--{mark}\r\nContent-Disposition: form-data; {where}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for where, kind, content in parts
    )
    content_type = f"multipart/form-data; boundary={mark}"
    body += f"--{mark}--\r\n".encode()
    item, _ = client.send("POST", f"/v1/cases/{case_id}/evidence", body, content_type=content_type)
    return str(item["id"])


def _await_preserved(verifier: Verifier) -> str:
    """The item's ETag once the worker has read its bytes back and looked at them."""
    while True:
        item, response = verifier.client.send("GET", f"/v1/evidence/{verifier.item}")
        if item["state"] == "preserved" and item["fingerprint_status"] != "pending":
            return str(response.headers["ETag"])
        time.sleep(0.1)


def run_load(
    verifiers: list[Verifier], seconds: float, act: Callable[[Verifier], None], *, pause_s: float = 0.0
) -> float:
    """Let every verifier act again and again for so long; the seconds until the last one ended."""
    failures: list[BaseException] = []
    started = time.perf_counter()

    def work(verifier: Verifier) -> None:
        try:
            while time.perf_counter() - started < seconds:
                act(verifier)
                time.sleep(pause_s)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(verifier,)) for verifier in verifiers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - started


def print_row(load: str, kind: str, times_s: list[float], elapsed_s: float) -> None:
    if not times_s:
        return
    hundredths = statistics.quantiles(times_s, n=100)
    print(
        f"{load:10} {kind:8} {len(times_s):8} {len(times_s) / elapsed_s:10.1f} {hundredths[49] * 1000:9.1f} "
        f"{hundredths[94] * 1000:9.1f} {hundredths[98] * 1000:9.1f} {max(times_s) * 1000:9.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verifiers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="exhibit-bench-") as directory:
        Path(directory).chmod(0o711)
        product = start_product(Path(directory) / "data", **AS_SHIPPED)
        try:
            verifiers = make_verifiers(product.base_url, product.admin_token, options.verifiers)
            run_load(verifiers, 2, Verifier.read_and_change)
            print(f"{options.verifiers} verifiers, {options.seconds:.0f} s a load, {os.cpu_count()} cores")
            print(
                f"{'load':10} {'request':8} {'count':>8} {'per s':>10} {'p50 ms':>9} {'p95 ms':>9} {'p99 ms':>9} "
                f"{'max ms':>9}"
            )
            for load, act, pause_s in (
                ("changes", Verifier.change, 0.0),
                ("mixed", Verifier.read_and_change, 0.0),
                ("paced", Verifier.read_and_change, 1.0),
            ):
                for verifier in verifiers:
                    verifier.reads_s.clear()
                    verifier.changes_s.clear()
                elapsed_s = run_load(verifiers, options.seconds, act, pause_s=pause_s)
                print_row(load, "change", [s for verifier in verifiers for s in verifier.changes_s], elapsed_s)
                print_row(load, "read", [s for verifier in verifiers for s in verifier.reads_s], elapsed_s)
        finally:
            product.stop()


if __name__ == "__main__":
    main()
