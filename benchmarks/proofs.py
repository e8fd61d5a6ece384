"""Proofs, tiles and consistency of a log of a million leaves, in the database and over HTTP.

``python -m benchmarks.proofs [--leaves 1000000] [--proofs 1000]``

Leaves and nodes are written into the tables directly, by the owner and with the triggers off: to a reader it does not
matter how they got there. Target: a proof at 1,000,000 leaves in 5 ms at most.
"""

import argparse
import hashlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
from sqlalchemy.orm import Session

from app.kernel.database import open_engine, read_session, session_factory
from app.ledger import merkle, published, reading
from app.ledger.checkpoint import Checkpoint, sign_checkpoint
from app.ledger.event import leaf
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.proof import verify_proof
from app.ledger.tiles import Tile
from tests.ledger.acts import SIGNER, verifier_key
from tests.support.api import running_api
from tests.support.databases import TestDatabase, create_database, make_run_directory, open_server, remove_run_directory

OLD_SIZE = 777_777


def digest_of(what: str, number: int) -> bytes:
    return hashlib.sha256(f"{what} {number}".encode()).digest()


def fill(database: TestDatabase, leaves: int) -> None:
    """``leaves`` leaves of the current log, every node over them, and two signed trees."""
    frontier = Frontier()
    roots: dict[int, bytes] = {}
    sizes = {min(OLD_SIZE, leaves // 2 + 1), leaves}

    def nodes() -> Iterator[tuple[int, int, bytes]]:
        for number in range(leaves):
            own = leaf(digest_of("label", number).hex(), digest_of("commitment", number).hex())
            yield from (node for node in frontier.append(leaf_hash(own)) if node[0] > 0)
            if frontier.size in sizes:
                roots[frontier.size] = frontier.root()

    with psycopg.connect(database.owner_url) as owner:
        for table in ("ledger_leaves", "ledger_nodes", "ledger_checkpoints"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        with owner.cursor().copy("COPY ledger_leaves (idx, label, commitment) FROM STDIN (FORMAT binary)") as rows:
            rows.set_types(["int8", "bytea", "bytea"])
            for number in range(leaves):
                rows.write_row((number, digest_of("label", number), digest_of("commitment", number)))
        with owner.cursor().copy("COPY ledger_nodes (level, idx, hash) FROM STDIN (FORMAT binary)") as rows:
            rows.set_types(["int2", "int8", "bytea"])
            for node in nodes():
                rows.write_row(node)
        (origin,) = owner.execute("SELECT origin FROM ledger_logs").fetchone() or ("",)
        for size, root in roots.items():
            note = sign_checkpoint(Checkpoint(origin, size, root), SIGNER)
            owner.execute(
                "INSERT INTO ledger_checkpoints (size, root, note, signed_at) VALUES (%s, %s, %s, now())",
                (size, root, note),
            )
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


def measure(name: str, rounds: int, call: Callable[[], object]) -> None:
    durations_ms = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        call()
        durations_ms.append((time.perf_counter() - began_s) * 1000)
    durations_ms.sort()
    p99_ms = durations_ms[int(len(durations_ms) * 0.99)]
    print(f"{name:<42} median {statistics.median(durations_ms):6.2f} ms   p99 {p99_ms:6.2f} ms")


def in_database(database: TestDatabase, leaves: int, rounds: int) -> None:
    engine = open_engine(database.app_url, pool_size=2)
    sessions = session_factory(engine)
    vkey = verifier_key(sessions)
    draw = random.Random(1)

    def reader(question: Callable[[Session], object]) -> Callable[[], object]:
        def ask() -> object:
            with read_session(sessions) as session:
                return question(session)

        return ask

    def proof(session: Session) -> object:
        return reading.proof(session, digest_of("commitment", draw.randrange(leaves)).hex())

    def growth(session: Session) -> object:
        newest = reading.latest_checkpoint(session)
        assert newest is not None
        return published.consistency(session, min(OLD_SIZE, leaves // 2 + 1), newest)

    with read_session(sessions) as session:  # What is measured is right.
        own = leaf(digest_of("label", 5).hex(), digest_of("commitment", 5).hex())
        assert verify_proof(reading.proof(session, digest_of("commitment", 5).hex()), own, vkey).size == leaves
        assert len(published.read_tile(session, Tile(0, 0))) == 256 * merkle.HASH_SIZE_BYTES
    measure("inclusion proof, random leaf", rounds, reader(proof))
    measure("consistency proof", rounds, reader(growth))
    for name, level in (("tile of level 0", 0), ("tile of level 1", 1), ("entry bundle", None)):
        tiles = leaves >> 8 * ((level or 0) + 1)
        if not tiles:
            continue  # No full tile of this level in so small a log.
        chosen = [Tile(level, draw.randrange(tiles)) for _ in range(rounds)]
        measure(name, rounds, reader(lambda session, left=chosen: published.read_tile(session, left.pop())))  # type: ignore[misc]
    engine.dispose()


def over_http(base_url: str, leaves: int, rounds: int) -> None:
    draw = random.Random(2)
    with httpx.Client(base_url=base_url) as client:

        def get(path: str) -> None:
            client.get(path).raise_for_status()

        old = min(OLD_SIZE, leaves // 2 + 1)
        measure("HTTP: checkpoint", rounds, lambda: get("/checkpoint"))
        measure("HTTP: consistency", rounds, lambda: get(f"/v1/ledger/consistency?old={old}"))
        measure("HTTP: tile", rounds, lambda: get(f"/tile/{Tile(0, draw.randrange(leaves >> 8)).encode()}"))
        measure("HTTP: bundle, gzip", rounds, lambda: get(f"/tile/{Tile(None, draw.randrange(leaves >> 8)).encode()}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--proofs", type=int, default=1000)
    options = parser.parse_args()
    directory = make_run_directory()
    try:
        database = create_database(open_server(directory))
        with tempfile.TemporaryDirectory() as data, running_api(database, Path(data)) as api:
            began_s = time.perf_counter()
            fill(database, options.leaves)
            print(f"{options.leaves} leaves and their nodes written in {time.perf_counter() - began_s:.0f} s")
            in_database(database, options.leaves, options.proofs)
            over_http(api.base_url, options.leaves, options.proofs // 4)
    finally:
        remove_run_directory(directory)


if __name__ == "__main__":
    main()
