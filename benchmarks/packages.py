"""A package with media, from the asking to the zip, on a whole ``exhibit serve``: time, processor time and memory.

``python -m benchmarks.packages [--items 10] [--size-mib 30]``

Items of random bytes, which no decoder takes. The worker's largest resident memory before
the package and after it: their difference is what building it took, whatever the media's size. Then ``verify.py`` on
the zip, in a process of its own, with the same two figures; and what SHA-256 and SHA-512 of as many bytes cost here.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.exports.verifier import verify
from benchmarks.upload import MIB, make_case, peak_rss_mib, upload_speed
from benchmarks.verifiers import LABELS, Client
from tests.support.product import Product, start_product


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def label_all(client: Client, case_id: str) -> None:
    """Every item, once its bytes are preserved and found undecodable."""
    while True:
        items, _ = client.send("GET", f"/v1/cases/{case_id}/evidence?limit=200")
        if all(each["state"] != "collected" and each["fingerprint_status"] != "pending" for each in items["items"]):
            break
        time.sleep(0.5)
    for each in items["items"]:
        _, read = client.send("GET", f"/v1/evidence/{each['id']}")
        client.send("PUT", f"/v1/evidence/{each['id']}/labels", LABELS, If_Match=read.headers["ETag"])


def make_package(product: Product, client: Client, case_id: str) -> tuple[str, float, float]:
    """The export's id, and the seconds and the worker's processor seconds until it was ready."""
    worker = product.children()["worker"]
    started, before_s = time.perf_counter(), cpu_s(worker)
    asked = {"scope": "case", "ids": [case_id], "media": True, "disclosures": "all", "purpose": "audit"}
    export, _ = client.send("POST", "/v1/exports", asked)
    while export["state"] != "ready":
        if export["state"] == "failed":
            raise RuntimeError(export["error"])
        time.sleep(0.1)
        export, _ = client.send("GET", f"/v1/exports/{export['id']}")
    return export["sha256"], time.perf_counter() - started, cpu_s(worker) - before_s


def hashing_s(size_mib: int) -> float:
    chunk, sha256, sha512 = os.urandom(MIB), hashlib.sha256(), hashlib.sha512()
    started = time.process_time()
    for _ in range(size_mib):
        sha256.update(chunk)
        sha512.update(chunk)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10)
    parser.add_argument("--size-mib", type=int, default=30)
    options = parser.parse_args()
    total_mib = options.items * options.size_mib
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        product = start_product(directory / "data")
        try:
            case_id, token = make_case(product)
            for _ in range(options.items):
                upload_speed(product.base_url, token, case_id, os.urandom(MIB), options.size_mib)
            client = Client(product.base_url, token)
            label_all(client, case_id)
            worker = product.children()["worker"]
            before_mib = peak_rss_mib(worker)
            digest, took_s, used_s = make_package(product, client, case_id)
            after_mib = peak_rss_mib(worker)
            key = (product.data_dir / "published" / "log.vkey").read_text().strip()
        finally:
            product.stop()
        package = directory / "data" / "packages" / digest[:2] / digest[2:4] / digest
        command = [sys.executable, "-I", verify.__file__, str(package), "--key", key]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        checked = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{options.items} items of {options.size_mib} MiB: {total_mib} MiB of media")
    print(f"package: {took_s:.1f} s ({total_mib / took_s:.0f} MiB/s), {used_s:.1f} s of the worker's processor time")
    print(f"worker, peak RSS: {before_mib:.0f} MiB before, {after_mib:.0f} MiB after")
    print(f"all children, verify.py among them: largest RSS {checked.ru_maxrss / 1024:.0f} MiB")
    print(f"SHA-256 and SHA-512 of as much, once: {hashing_s(total_mib):.1f} s of processor time")


if __name__ == "__main__":
    main()
