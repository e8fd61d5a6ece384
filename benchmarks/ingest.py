"""12-megapixel JPEGs from upload to compared, on a whole ``exhibit serve`` with its own PostgreSQL (fsync on).

``python -m benchmarks.ingest [--pictures 40] [--senders 2]``

Every picture is another file. The time runs from the first upload's first byte until every item is preserved (read back
from the medium), decoded in the jail, hashed, previewed and compared with the others of its case. Target: at least 4
pictures a second on 2 cores.

Two times are printed. *Fingerprinted*: the last picture's hashes, points and previews are stored, as the workers' logs
say, which name a job when it is committed. *Compared*: every item is settled, with its matches; that is asked four
times a second, by the API.
"""

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from app.media.service import FINGERPRINT
from benchmarks.upload import METADATA, make_case
from benchmarks.verifiers import Client
from tests.media_samples import PHOTOGRAPHS, twelve_megapixels
from tests.support.product import AS_SHIPPED, start_product

BOUNDARY = "exhibit-benchmark"
LOOK_EVERY_S = 0.25
"""Each look takes processor time of the API."""


def form_of(picture: bytes) -> bytes:
    mark = f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
    head = f'{mark}name="metadata"\r\n\r\n{json.dumps(METADATA)}\r\n{mark}name="file"; filename="p.jpg"\r\n\r\n'
    return head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def send_all(base_url: str, token: str, case_id: str, pictures: list[bytes]) -> None:
    client = Client(base_url, token)
    for picture in pictures:
        client.send(
            "POST",
            f"/v1/cases/{case_id}/evidence",
            form_of(picture),
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
        )


def wait_until_done(client: Client, case_id: str) -> None:
    while True:
        waiting, _ = client.send("GET", f"/v1/cases/{case_id}/evidence?fingerprint_status=pending&limit=1")
        if not waiting["items"]:
            return
        time.sleep(LOOK_EVERY_S)


def last_done(logs: Path, job: str) -> datetime:
    """When the last job of this name was committed, by any worker."""
    lines = [json.loads(line) for file in logs.glob("worker*.log") for line in file.read_text().splitlines()]
    done = [line["time"] for line in lines if line["event"] == "job_done" and line["job"] == job]
    return datetime.fromisoformat(max(done))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--senders", type=int, default=2)
    options = parser.parse_args()
    pictures = [
        twelve_megapixels(PHOTOGRAPHS[number % len(PHOTOGRAPHS)], seed=number) for number in range(options.pictures)
    ]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        product = start_product(directory / "data", **AS_SHIPPED)
        try:
            case_id, token = make_case(product)
            started, started_at = time.perf_counter(), datetime.now(UTC)
            with ThreadPoolExecutor(options.senders) as pool:
                shares = [pictures[number :: options.senders] for number in range(options.senders)]
                list(pool.map(lambda share: send_all(product.base_url, token, case_id, share), shares))
            uploaded_s = time.perf_counter() - started
            wait_until_done(Client(product.base_url, token), case_id)
            compared_s = time.perf_counter() - started
            fingerprinted_s = (last_done(directory / "data" / "logs", FINGERPRINT) - started_at).total_seconds()
        finally:
            product.stop()
    size_mib = sum(len(picture) for picture in pictures) / 1024 / 1024
    print(f"{options.pictures} pictures of 12 megapixels, {size_mib:.0f} MiB")
    print(f"uploaded after {uploaded_s:.1f} s")
    for name, after_s in (("fingerprinted", fingerprinted_s), ("fingerprinted and compared", compared_s)):
        print(f"{name} after {after_s:.1f} s: {options.pictures / after_s:.1f} pictures/s from upload")


if __name__ == "__main__":
    main()
