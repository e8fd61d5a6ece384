"""The real product asked over HTTP: references are uploaded as evidence, each query is asked by ``POST /v1/similar``.

That compares by the same code as what arrives as evidence is compared by; and keeps nothing, so that queries do not
meet each other.
"""

import json
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.matching_kept import Kept
from benchmarks.matching_scores import Answered
from benchmarks.upload import METADATA, make_case
from benchmarks.verifiers import Client
from tests.support.product import Product

BOUNDARY = "exhibit-benchmark"
LOOK_EVERY_S = 1.0
TYPES = {".jpg": "image/jpeg", ".webp": "image/webp", ".mp4": "video/mp4"}
FIRST_OF_TIER = {"exact": 3.0, "same_picture": 2.0, "likely": 1.0}

Row = dict[str, Any]


class Asked:
    """A case with the references, and clients that ask about queries, so many at a time."""

    def __init__(
        self, product: Product, options: Namespace, references: Sequence[Row], kept: Kept, until_s: float
    ) -> None:
        """``until_s``: by ``time.monotonic``; what is not asked by then is left for another run."""
        self._product = product
        self._directory: Path = options.directory
        self._references = references
        self._clients: int = options.clients
        self._local = threading.local()
        if kept.case is None:
            kept.made_case(*make_case(product))
        assert kept.case is not None
        self._case_id, self._token = kept.case
        self._kept = kept
        self._until_s = until_s
        self._uploaded: dict[str, Row] | None = None
        self._failed: list[str] = []
        self._answer_s: dict[str, list[float]] = {}
        self._upload_s = 0.0

    def client(self) -> Client:
        """This thread's own connection."""
        if not hasattr(self._local, "client"):
            self._local.client = Client(self._product.base_url, self._token)
        found: Client = self._local.client
        return found

    def answers(self, queries: Sequence[Row]) -> dict[str, list[Answered]]:
        """By the query's file, of those that were asked in time. What the product refused, or gave up, is in
        ``tell``. The references are uploaded first."""
        known = {row["file"]: self._kept.answers[row["file"]] for row in queries if row["file"] in self._kept.answers}
        if len(known) == len(queries):
            return known
        if self._uploaded is None:
            began = time.perf_counter()
            self._uploaded = self._upload()
            self._upload_s = time.perf_counter() - began
        names = {item: row["id"] for item, row in self._uploaded.items()}
        if len(names) < len(self._references):
            return known

        def ask(row: Row) -> tuple[str, list[Answered]] | None:
            if time.monotonic() >= self._until_s:
                return None
            began = time.perf_counter()
            search = self._search(row)
            self._answer_s.setdefault(row["kind"], []).append(time.perf_counter() - began)
            if search["status"] != "done" or search["outcome"] not in ("decoded", "partial"):
                self._failed.append(f"{row['file']}: {search['status']}, {search['outcome']}: {search['reason']}")
            found = [_answered(names[one["evidence_id"]], one) for one in search["found"]]
            self._kept.answered(row["file"], found)
            return row["file"], found

        return known | dict(self._each(ask, [row for row in queries if row["file"] not in known]))

    def knows(self, queries: Mapping[str, Sequence[Row]]) -> bool:
        return all(row["file"] in self._kept.answers for rows in queries.values() for row in rows)

    def tell(self) -> None:
        """How long this step's uploads and searches took, and what was not searched."""
        if self._upload_s:
            print(f"  references there after {self._upload_s:.0f} s")
        for kind, took in self._answer_s.items():
            middle, slow = sorted(took)[len(took) // 2], sorted(took)[len(took) * 9 // 10]
            print(f"  {kind}: {len(took)} searches by {self._clients} clients, p50 {middle:.2f} s, p90 {slow:.2f} s")
        print("".join(f"  not searched: {line}\n" for line in self._failed), end="")

    def _search(self, row: Row) -> Row:
        asked = {"case_ids": [self._case_id], "limit": 200}
        search, response = self.client().send(
            "POST",
            "/v1/similar",
            self._form(row, asked),
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
            Prefer="wait=30",
        )
        location = str(response.getheader("Location"))
        while search["status"] == "pending":
            time.sleep(LOOK_EVERY_S)
            search, _ = self.client().send("GET", location)
        found: Row = search
        return found

    def _upload(self) -> dict[str, Row]:
        """Item → row of the references; all are fingerprinted and compared with each other."""
        by_file = {row["file"]: row for row in self._references}
        assert set(self._kept.items.values()) <= by_file.keys(), "what is kept is of other references"
        known = {item: by_file[file] for item, file in self._kept.items.items()}
        left = by_file.keys() - set(self._kept.items.values())

        def send(row: Row) -> tuple[str, Row] | None:
            if time.monotonic() >= self._until_s:
                return None
            made, _ = self.client().send(
                "POST",
                f"/v1/cases/{self._case_id}/evidence",
                self._form(row, METADATA),
                content_type=f"multipart/form-data; boundary={BOUNDARY}",
            )
            self._kept.uploaded(str(made["id"]), row["file"])
            return str(made["id"]), row

        items = known | dict(self._each(send, [row for row in self._references if row["file"] in left]))
        pending = f"/v1/cases/{self._case_id}/evidence?fingerprint_status=pending&limit=1"
        while self.client().send("GET", pending)[0]["items"]:
            if time.monotonic() >= self._until_s:
                return {}
            time.sleep(LOOK_EVERY_S)
        return items

    def _each(self, ask: Callable[[Row], Any], rows: Sequence[Row]) -> list[Any]:
        """Of each row what ``ask`` gives; a file lies in memory only while it is sent."""

        def tried(row: Row) -> Any:
            try:
                return ask(row)
            except RuntimeError as error:
                self._failed.append(f"{row['file']}: {error}")
                return None

        with ThreadPoolExecutor(self._clients) as pool:
            return [found for found in pool.map(tried, rows) if found is not None]

    def _form(self, row: Row, metadata: Row) -> bytes:
        path = self._directory / str(row["file"])
        mark = f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
        head = f'{mark}name="metadata"\r\n\r\n{json.dumps(metadata)}\r\n{mark}name="file"; filename="{path.name}"\r\n'
        kind = f"Content-Type: {TYPES[path.suffix]}\r\n\r\n"
        content: bytes = path.read_bytes()
        return head.encode() + kind.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def _answered(name: str, match: Row) -> Answered:
    spans = tuple((one["reference_start_ms"] / 1000, one["reference_end_ms"] / 1000) for one in match["segments"])
    score = FIRST_OF_TIER[match["tier"]] + _strength(match["grounds"])
    return Answered(name, score, is_match=True, tier=match["tier"], spans=spans)


def _strength(grounds: Sequence[Row]) -> float:
    """Within a tier, from 0 to 1: points that agree, of 500; and how far below its threshold the nearest hash is."""
    inliers = max((one.get("inliers") or 0 for one in grounds), default=0)
    near = [
        1 - one["distance_bits"] / (one["threshold_bits"] + 1)
        for one in grounds
        if one.get("distance_bits") is not None and one.get("threshold_bits")
    ]
    return 0.5 * min(1.0, inliers / 500) + 0.49 * max(near, default=0.0)
