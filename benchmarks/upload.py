"""One large file through HTTP beside a plain loop that hashes and writes durably, in the same run.

``python -m benchmarks.upload [--size-mib 2048] [--rounds 2] [--directory DIR]``

The API is the real process with the real database, files and durability; the sender is another process. The yardstick
is SHA-256 and write of the same chunks with one fsync at the end. The API's memory is VmHWM of its process. Target: at
least 60 % of the plain loop, and less than 200 MiB.
"""

import argparse
import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.upload_store import plain_speed
from benchmarks.verifiers import Client
from tests.support.product import AS_SHIPPED, Product, start_product

MIB = 1024 * 1024
BOUNDARY = "exhibit-benchmark"
METADATA = {"collector": "Benchmark", "method": "made", "acquired_at": "2026-01-01T00:00:00Z", "source": "Benchmark"}


def form_head() -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{json.dumps(METADATA)}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    ).encode()


def make_case(product: Product) -> tuple[str, str]:
    """A case's id and the token of somebody who may upload into it."""
    admin = Client(product.base_url, product.admin_token)
    account, _ = admin.send("POST", "/v1/users", {"name": "Sender", "email": "sender@hub.example"})
    token, _ = admin.send(
        "POST", "/v1/tokens", {"name": "t", "scopes": ["read", "write", "content"], "account_id": account["id"]}
    )
    case, _ = admin.send("POST", "/v1/cases", {"title": "Benchmark", "coordinator_id": account["id"]})
    return str(case["id"]), str(token["token"])


def peak_rss_mib(pid: int) -> float:
    """The process's largest resident memory so far."""
    for line in Path("/proc", str(pid), "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not tell VmHWM")


def upload_speed(base_url: str, token: str, case_id: str, chunk: bytes, chunks: int) -> float:
    """MiB/s of one upload, from the first byte sent to the answer."""
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(address.hostname), int(address.port or 0), timeout=600)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(form_head()) + len(chunk) * chunks + len(tail)),
    }

    def body() -> Iterator[bytes]:
        yield form_head()
        for _ in range(chunks):
            yield chunk
        yield tail

    started = time.perf_counter()
    connection.request("POST", f"/v1/cases/{case_id}/evidence", body(), headers)
    answer = connection.getresponse()
    content = answer.read()
    elapsed_s = time.perf_counter() - started
    connection.close()
    if answer.status != 201:
        raise RuntimeError(f"{answer.status}: {content[:300]!r}")
    return len(chunk) * chunks / MIB / elapsed_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--directory", type=Path, default=None)
    options = parser.parse_args()
    plain: list[float] = []
    ours: list[float] = []
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        directory.chmod(0o711)
        product = start_product(directory / "data", **AS_SHIPPED)
        try:
            case_id, token = make_case(product)
            pids = [pid for name, pid in product.children().items() if name.startswith("api")]
            before_mib = max(map(peak_rss_mib, pids))
            for _ in range(options.rounds):
                chunk = os.urandom(MIB)
                plain.append(plain_speed(directory, memoryview(chunk), options.size_mib))
                ours.append(upload_speed(product.base_url, token, case_id, chunk, options.size_mib))
            peak_mib = max(map(peak_rss_mib, pids))
        finally:
            product.stop()
    print(f"plain loop   MiB/s: {[round(speed) for speed in plain]}  median {statistics.median(plain):.0f}")
    print(f"through HTTP MiB/s: {[round(speed) for speed in ours]}  median {statistics.median(ours):.0f}")
    print(f"ratio of medians: {statistics.median(ours) / statistics.median(plain):.2f}")
    print(f"largest API process, peak RSS: {before_mib:.0f} MiB before, {peak_mib:.0f} MiB after")


if __name__ == "__main__":
    main()
