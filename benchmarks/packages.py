"""A package with media, from the asking to the zip, on a whole ``exhibit serve``: time, processor time and memory.

``python -m benchmarks.packages [--items 10] [--gib 0.3] [--directory DIR] [--noise]``

Items are JPEGs of smooth random colours, none like another, each made as large as asked by random bytes behind the
picture's end: they are received over HTTP, decoded, fingerprinted and labelled as any photograph is, and the report has
a contact sheet of each. ``--noise``: random bytes alone, which no decoder takes (soon ready; the report has no
pictures). The worker's largest resident memory before the package and after it: their difference is what building took.

The peer, in the same run on the same disk: a plain Python loop that reads the stored originals, hashes them with
SHA-256 and writes them into one file, durably. Then ``verify.py`` on the zip, in a process of its own; and what
SHA-256 and SHA-512 of as many bytes cost here. Needs three times the media's size on the disk.
"""

import argparse
import hashlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from app.exports.verifier import verify
from benchmarks.upload import BOUNDARY, MIB, form_head, make_case, peak_rss_mib
from benchmarks.verifiers import LABELS, Client
from tests.support import product as support
from tests.support.product import Product, start_product


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def picture(number: int) -> bytes:
    """A small JPEG like no other one: 6 × 5 random colours, made smooth."""
    colours = random.Random(number).randbytes(6 * 5 * 3)
    made = io.BytesIO()
    Image.frombytes("RGB", (6, 5), colours).resize((480, 400), Image.Resampling.BICUBIC).save(made, "JPEG", quality=85)
    return made.getvalue()


def receive(client: Client, case_id: str, items: int, size: int, *, is_noise: bool) -> None:
    for number in range(items):
        begin = b"" if is_noise else picture(number)
        content = begin + os.urandom(size - len(begin))
        body = form_head() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        client.send("POST", f"/v1/cases/{case_id}/evidence", body, content_type=kind)


def all_items(client: Client, case_id: str) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        page, _ = client.send("GET", f"/v1/cases/{case_id}/evidence?limit=200{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def label_all(client: Client, case_id: str) -> None:
    """Every item, once its bytes are preserved, and looked at or found undecodable."""
    while True:
        items = all_items(client, case_id)
        if all(each["state"] != "collected" and each["fingerprint_status"] != "pending" for each in items):
            break
        time.sleep(2.0)
    for each in items:
        _, read = client.send("GET", f"/v1/evidence/{each['id']}")
        client.send("PUT", f"/v1/evidence/{each['id']}/labels", LABELS, If_Match=read.headers["ETag"])


def make_package(
    product: Product, client: Client, case_id: str, *, media: bool = True
) -> tuple[str, dict[str, float], float]:
    """The digest of the zip; seconds until each state; the worker's processor seconds."""
    worker = product.children()["worker-1"]
    started, before_s = time.perf_counter(), cpu_s(worker)
    asked = {"scope": "case", "ids": [case_id], "media": media, "disclosures": "all", "purpose": "audit"}
    export, _ = client.send("POST", "/v1/exports", asked)
    reached: dict[str, float] = {}
    while export["state"] != "ready":
        if export["state"] == "failed":
            raise RuntimeError(export["error"])
        time.sleep(0.1)
        export, _ = client.send("GET", f"/v1/exports/{export['id']}")
        reached.setdefault(export["state"], time.perf_counter() - started)
    return export["sha256"], reached, cpu_s(worker) - before_s


def plain_loop(sources: list[Path], target: Path) -> tuple[float, float]:
    """Wall and processor seconds of reading, hashing and durably writing all bytes once."""
    started, began = time.perf_counter(), time.process_time()
    with target.open("wb", buffering=0) as out:
        for source in sources:
            digest = hashlib.sha256()
            with source.open("rb", buffering=0) as file:
                while chunk := file.read(MIB):
                    digest.update(chunk)
                    out.write(chunk)
        os.fsync(out.fileno())
    took_s, used_s = time.perf_counter() - started, time.process_time() - began
    target.unlink()
    return took_s, used_s


def hashing_s(size_mib: float) -> float:
    chunk, sha256, sha512 = os.urandom(MIB), hashlib.sha256(), hashlib.sha512()
    started = time.process_time()
    for _ in range(100):
        sha256.update(chunk)
        sha512.update(chunk)
    return (time.process_time() - started) * size_mib / 100


def check(package: Path, key: str) -> tuple[float, float, float]:
    """Wall and processor seconds, and MiB resident, of verify.py."""
    started = time.perf_counter()
    command = [sys.executable, "-I", verify.__file__, str(package), "--key", key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise RuntimeError(told)
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def run(directory: Path, items: int, size: int, *, is_noise: bool) -> None:
    total_mib = items * size / MIB
    support.READY_WITHIN_S = 600.0  # Also on a busy machine.
    product = start_product(directory / "data")
    try:
        case_id, token = make_case(product)
        client = Client(product.base_url, token)
        started = time.perf_counter()
        receive(client, case_id, items, size, is_noise=is_noise)
        label_all(client, case_id)
        print(
            f"{items} items, {total_mib:.0f} MiB of media; here after {time.perf_counter() - started:.0f} s", flush=True
        )
        worker = product.children()["worker-1"]
        before_mib = peak_rss_mib(worker)
        digest, reached, used_s = make_package(product, client, case_id)
        after_mib = peak_rss_mib(worker)
        key = (product.data_dir / "published" / "log.vkey").read_text().strip()
        took_s, sealed_s = reached["ready"], reached.get("sealed", reached["ready"])
        speed = total_mib * MIB / 1e6 / took_s
        print(f"package: {took_s:.1f} s ({speed:.0f} MB/s; sealed after {sealed_s:.1f} s), worker's CPU {used_s:.1f} s")
        print(f"worker, peak RSS: {before_mib:.0f} MiB before, {after_mib:.0f} MiB after", flush=True)
        stored = [path for path in (product.data_dir / "blobs").glob("??/??/*") if path.stat().st_size == size]
        plain_s, plain_cpu_s = plain_loop(stored, directory / "plain")
        print(f"plain loop (read, SHA-256, write, fsync): {plain_s:.1f} s, CPU {plain_cpu_s:.1f} s")
        print(
            f"ours took {took_s / plain_s:.2f} times as long, and {used_s / plain_cpu_s:.2f} times the CPU", flush=True
        )
    finally:
        product.stop()
    package = directory / "data" / "packages" / digest[:2] / digest[2:4] / digest
    checked_s, checked_cpu_s, checked_mib = check(package, key)
    print(f"verify.py: {checked_s:.1f} s, CPU {checked_cpu_s:.1f} s, {checked_mib:.0f} MiB resident")
    print(f"SHA-256 and SHA-512 of as much, once: {hashing_s(total_mib):.1f} s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10)
    parser.add_argument("--gib", type=float, default=0.3)
    parser.add_argument("--directory", type=Path, default=None)
    parser.add_argument("--noise", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        directory.chmod(0o711)
        run(directory, options.items, int(options.gib * 1024 * MIB / options.items), is_noise=options.noise)


if __name__ == "__main__":
    main()
