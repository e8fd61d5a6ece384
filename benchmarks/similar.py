"""Searching over HTTP: the 24 look-ups of one upload by hashes, and searching by a file.

``python -m benchmarks.similar [--rows 1000000] [--searches 200]``

A whole ``exhibit serve`` as it is shipped (two API processes, its own PostgreSQL) with so many PDQ hashes in the
database, eight to an item, a tenth of the items in the asker's case and the others in a case that the asker may not
see. One request asks for 24 hashes at radius 31: three views of a picture in eight symmetries. Of them one is near a
stored hash in the asker's case and one near a foreign one: the first must be found in each answer, the second never.
Then a photograph is sent to be searched with. Times are what the client waits; it runs on the same machine.
"""

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg

from app.api.health import IN_FILE
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.matching import rule_of, thresholds_of
from app.fingerprints.search.block import read_blocks
from app.kernel.database_roles import libpq_url
from app.kernel.embedded_postgres import start_postgres
from tests.media_samples import PHOTOGRAPHS, recompressed
from tests.support.api import Api, Person
from tests.support.journey import api_of, close, received
from tests.support.product import AS_SHIPPED, Product, start_product

LOOK_UPS = 24
VIEWS = 8
RADIUS_BITS = 31
SHARE_OWN = 10
"""One item in so many is the asker's."""

FILL = """
SET session_replication_role = replica;
INSERT INTO blobs (sha256, size_bytes, media_type, kind, first_received_at)
    SELECT sha256(int4send(n)), 1, 'image/jpeg', 'image', now() FROM generate_series(1, {blobs}) n;
INSERT INTO decodings (blob_sha256, number, decoder, outcome, claims, decoded_at)
    SELECT sha256(int4send(n)), 1, 'benchmark', 'decoded', '{{}}', now() FROM generate_series(1, {blobs}) n;
INSERT INTO rules_in_force (blob_sha256, rule, decoding)
    SELECT sha256(int4send(n)), '{version}', 1 FROM generate_series(1, {blobs}) n;
INSERT INTO fingerprints (blob_sha256, algorithm, version, decoding, time_ms, view, value, quality)
    SELECT sha256(int4send(n)), 'pdq', '{version}', 1, 0, (array['identity', 'mirror', 'rotate_90', 'rotate_180',
        'rotate_270', 'flip', 'transpose', 'transverse'])[v + 1], sha256(int4send(n) || int4send(v)), 100
    FROM generate_series(1, {blobs}) n, generate_series(0, {views} - 1) v;
INSERT INTO evidence (id, case_id, state, version, round, blob_sha256, fingerprint_status, registered_by, registered_at,
        received_by, received_at, collector, method, acquired_at, source, settled_decoding)
    SELECT gen_random_uuid(), CASE WHEN n % {share} = 0 THEN '{own}' ELSE '{foreign}' END ::uuid, 'preserved', 3, 0,
        sha256(int4send(n)), 'done', '{who}', now(), '{who}', now(), 'x', 'download', now(), 'x', 1
    FROM generate_series(1, {blobs}) n;
INSERT INTO match_comparisons (evidence_id, across, rule, decoding, left_out, compared_at)
    SELECT id, across, '{rule}', 1, 0, now() FROM evidence, (VALUES (false), (true)) AS both_ways (across)
    ON CONFLICT DO NOTHING;
ANALYZE match_comparisons, blobs, decodings, rules_in_force, fingerprints, evidence;
"""


def stored_hash(blob: int, view: int) -> bytes:
    """As the database computes it."""
    return hashlib.sha256(blob.to_bytes(4, "big") + view.to_bytes(4, "big")).digest()


def turned(value: bytes, chance: np.random.Generator) -> bytes:
    bits = np.unpackbits(np.frombuffer(value, np.uint8))
    bits[chance.choice(256, int(chance.integers(RADIUS_BITS + 1)), replace=False)] ^= 1
    return np.packbits(bits).tobytes()


def question(blobs: int, chance: np.random.Generator) -> list[str]:
    """24 hashes: the first near one of the asker's, the second near a foreign one, the others near none."""
    own = int(chance.integers(1, blobs // SHARE_OWN)) * SHARE_OWN
    near = [turned(stored_hash(blob, int(chance.integers(VIEWS))), chance) for blob in (own, own - 1)]
    return [value.hex() for value in (*near, *(chance.bytes(32) for _ in range(LOOK_UPS - 2)))]


def quantiles(taken_s: list[float]) -> str:
    p50, p99 = np.percentile(np.array(taken_s) * 1000, [50, 99])
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(taken_s)} times"


def searched_by_hashes(person: Person, blobs: int, searches: int, most_hashes: int) -> list[float]:
    chance = np.random.default_rng(3)
    taken = []
    for _ in range(searches):
        hashes = question(blobs, chance)
        body = {"algorithm": PDQ.version, "hashes": hashes[:most_hashes], "radius_bits": RADIUS_BITS}
        before = time.perf_counter()
        answer = person.post("/v1/similar/hashes", json=body)
        taken.append(time.perf_counter() - before)
        found = [len(one["found"]) for one in answer.json()["answers"]]
        if found != [1] + [0] * (len(found) - 1):
            raise SystemExit(f"wrong: {found}")
    return taken


def searched_by_file(person: Person, searches: int) -> list[float]:
    content = recompressed(PHOTOGRAPHS[0], quality=60)
    taken = []
    for _ in range(searches):
        parts = [("metadata", (None, "{}")), ("file", ("a.jpg", content))]
        before = time.perf_counter()
        answer = person.post("/v1/similar", files=parts, headers={"Prefer": "wait=30"})
        taken.append(time.perf_counter() - before)
        if [one["tier"] for one in answer.json()["found"]] != ["same_picture"]:
            raise SystemExit(f"wrong: {answer.text}")
    return taken


def search_is_ready(base_url: str) -> bool:
    """Whether a process that answered searches in the file."""
    detail = httpx.get(f"{base_url}/readyz").json()["components"].get("search", {}).get("detail", "")
    return bool(detail == IN_FILE)


def fill(data: Path, blobs: int, **ids: str) -> None:
    """All rows; every item counts as compared, so that the worker has nothing to do."""
    rule = rule_of(thresholds_of())
    script = FILL.format(blobs=blobs, views=VIEWS, version=PDQ.version, share=SHARE_OWN, rule=rule, **ids)
    postgres = start_postgres(data)
    try:
        with psycopg.connect(libpq_url(postgres.owner_url), autocommit=True) as owner:
            for statement in filter(str.strip, script.split(";\n")):
                owner.execute(statement.encode())
    finally:
        postgres.stop()


def memory(product: Product) -> str:
    told = []
    for name, pid in sorted(product.children().items()):
        if name.startswith("api"):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
            told.append(f"{name} {kib['RssAnon'] / 1024:.0f} MiB own, {kib['RssFile'] / 1024:.0f} MiB mapped")
    return "; ".join(told)


def set_up(product: Product) -> dict[str, Any]:
    """The asker and two cases, one of them the asker's, with one photograph in that."""
    api = api_of(product)
    asker, other = api.person("Asker"), api.person("Other")
    own, foreign = api.case(asker), api.case(other)
    item = received(asker, own, PHOTOGRAPHS[0].read_bytes(), "a.jpg")
    while asker.get(f"/v1/evidence/{item}").json()["fingerprint_status"] == "pending":
        time.sleep(0.2)
    close(api)
    return {"token": asker.token, "ids": {"own": own, "foreign": foreign, "who": asker.id}}


def measure(product: Product, token: str, blobs: int, searches: int) -> None:
    api: Api = api_of(product)
    person = Person("", "Asker", token, api.client(token))
    searched_by_hashes(person, blobs, 20, LOOK_UPS)  # Both processes have taken the file and are warm.
    print(f"  {LOOK_UPS} look-ups in one request: {quantiles(searched_by_hashes(person, blobs, searches, LOOK_UPS))}")
    print(f"  one look-up in a request: {quantiles(searched_by_hashes(person, blobs, searches, 1))}")
    print(f"  by a file (640 x 427 JPEG): {quantiles(searched_by_file(person, max(searches // 10, 5)))}")
    print(f"  memory: {memory(product)}", flush=True)
    close(api)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--searches", type=int, default=200)
    options = parser.parse_args()
    blobs = options.rows // VIEWS
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "exhibit-data"
        product = start_product(data, **AS_SHIPPED)
        made = set_up(product)
        product.stop()
        began = time.monotonic()
        fill(data, blobs, **made["ids"])
        print(f"{options.rows:,} hashes of {blobs:,} items, stored in {time.monotonic() - began:.0f} s", flush=True)
        for start in ("the file is made", "warm"):
            began = time.monotonic()
            if start == "warm":
                before = time.perf_counter()
                opened = read_blocks(data / "index" / "fingerprints")
                print(f"  the file opened and checked in {time.perf_counter() - before:.2f} s: "
                      f"{opened.size_bytes / 1e9:.2f} GB")  # fmt: skip
                del opened
            product = start_product(data, **AS_SHIPPED)
            while not search_is_ready(product.base_url):
                time.sleep(0.2)
            print(f"{start}: searching {time.monotonic() - began:.1f} s after the start "
                  f"({json.dumps({'ready': round(product.ready_s, 1)})})")  # fmt: skip
            if start == "warm":
                measure(product, made["token"], blobs, options.searches)
            product.stop()


if __name__ == "__main__":
    main()
