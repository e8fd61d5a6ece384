"""Full verification of a log of a million entries, on one core and in constant memory, with ``exhibit ledger verify``.

``python -m benchmarks.verification [--entries 1000000] [--per-stream 50] [--per-checkpoint 25]``

This process, its PostgreSQL and the audit are bound to one core together. The log is real: sealed bodies with chains,
one-time labels and disclosures, leaves, nodes, signed checkpoints; it is copied into the tables as a restore would,
since appending it one transaction at a time would take an hour. Streams grow side by side, so that a stream's entries
lie far apart. Memory is the peak RSS of the verifying process, told also for a tenth of the log: it must not grow.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from app.kernel.embedded_postgres import start_postgres
from app.kernel.primitives import new_id, utc_now
from app.ledger.checkpoint import Checkpoint, VerifierKey, sign_checkpoint
from app.ledger.event import Entry, EntryActor, EntryObject, Event, first_link, leaf, seal_event
from app.ledger.merkle import Frontier, leaf_hash
from app.migration import migrate
from tests.ledger.acts import SIGNER, make_view

ORIGIN = "log.example.org/benchmark"
COPY_ROWS = 20_000
TABLES = {
    "ledger_entries": "stream_id, seq, id, commitment, label, type, recorded_at, occurred_at, object_kind, object_id, "
    "actor_id, actor_kind, actor_role",
    "ledger_bodies": "commitment, body",
    "ledger_disclosures": "commitment, field, line",
    "ledger_leaves": "idx, label, commitment",
    "ledger_nodes": "level, idx, hash",
    "ledger_checkpoints": "size, root, note, signed_at",
}


def acts(streams: list[UUID], entries: int) -> Iterator[Event]:
    """Views of items, every second one with a name that is sealed; the streams take turns."""
    actor = EntryActor(new_id(), "user", "verifier")
    for number in range(entries):
        stream = streams[number % len(streams)]
        of = EntryObject("evidence", stream)
        yield make_view(stream, actor=actor, object=of, purpose="review", viewer_name="Ada" if number % 2 else None)


def fill(connection: psycopg.Connection[Any], entries: int, per_stream: int, per_checkpoint: int) -> None:
    """A log of so many integrated entries. ``connection``: the tables' owner, a superuser; the triggers are off."""
    connection.execute("SET session_replication_role = replica")
    streams = [new_id() for _ in range(max(1, entries // per_stream))]
    links = {stream: first_link(stream) for stream in streams}
    frontier, now, number = Frontier(), utc_now(), 0
    pending = acts(streams, entries)
    while batch := list(islice(pending, COPY_ROWS)):
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
        for event in batch:
            entry = seal_event(event, links[event.stream], log=ORIGIN, recorded=now)
            links[event.stream] = entry.following
            number += 1
            commitment, label = bytes.fromhex(entry.commitment), bytes.fromhex(entry.label)
            rows["ledger_entries"].append(entry_row(event, entry, number, commitment, label, now))
            rows["ledger_bodies"].append((commitment, entry.body))
            rows["ledger_disclosures"] += ((commitment, each.field, each.line) for each in entry.disclosures)
            rows["ledger_leaves"].append((frontier.size, label, commitment))
            grown = frontier.append(leaf_hash(leaf(entry.label, entry.commitment)))
            rows["ledger_nodes"] += (node for node in grown if node[0] > 0)
            if frontier.size % per_checkpoint == 0 or frontier.size == entries:
                root = frontier.root()
                note = sign_checkpoint(Checkpoint(ORIGIN, frontier.size, root), SIGNER)
                rows["ledger_checkpoints"].append((frontier.size, root, note, now))
        for table, columns in TABLES.items():
            with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows[table]:
                    copy.write_row(row)
    system = new_id()
    heads: list[tuple[Any, ...]] = [(system, "system", 0, None, bytes.fromhex(first_link(system).label))]
    for stream, link in links.items():
        heads.append((stream, "evidence", link.seq - 1, bytes.fromhex(link.prev) or None, bytes.fromhex(link.label)))
    statement = "COPY ledger_streams (id, kind, head_seq, head_commitment, next_label) FROM STDIN"
    with connection.cursor().copy(statement) as copy:
        for row in heads:
            copy.write_row(row)
    connection.execute(
        "INSERT INTO ledger_logs (system_stream, origin, created_at) VALUES (%s, %s, %s)", (system, ORIGIN, now)
    )
    key = VerifierKey(ORIGIN, SIGNER.public_key)
    connection.execute(
        "INSERT INTO ledger_keys (log_id, key_id, public_key, first_size) VALUES (1, %s, %s, 1)",
        (key.key_id, key.public_key),
    )
    connection.commit()
    connection.execute("ANALYZE")
    connection.commit()


def entry_row(event: Event, entry: Entry, number: int, commitment: bytes, label: bytes, now: object) -> tuple[Any, ...]:
    actor, acted_on = event.actor, event.object
    return (
        *(entry.stream, entry.seq, number, commitment, label, entry.type, now, now),
        *(acted_on.kind, acted_on.id, actor.id, actor.kind, actor.role),
    )


def verify(data: Path, owner_url: str) -> tuple[float, float, float, str]:
    """Seconds, of these its processor's, peak RSS in MiB, what it said: the operator's command in its own process."""
    key = data / "pinned.vkey"
    key.write_text(VerifierKey(ORIGIN, SIGNER.public_key).encode())
    environment = os.environ | {"EXHIBIT_DATA": str(data), "EXHIBIT_APP_DATABASE_URL": owner_url}
    command = [sys.executable, "-m", "app.cli", "ledger", "verify", "--key", str(key)]
    with (data / "said").open("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        took_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().strip()
    if process.returncode != 0:
        raise RuntimeError(text[-2000:])
    return took_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, text


def run(entries: int, per_stream: int, per_checkpoint: int) -> None:
    with tempfile.TemporaryDirectory(prefix="exhibit-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        postgres = start_postgres(directory / "data", fsync=False)
        try:
            migrate(postgres.owner_url)
            began = time.perf_counter()
            with psycopg.connect(postgres.owner_url.replace("+psycopg", "")) as connection:
                fill(connection, entries, per_stream, per_checkpoint)
            print(f"{entries:,} entries made in {time.perf_counter() - began:.0f} s", flush=True)
            took_s, busy_s, peak_mib, said = verify(directory / "data", postgres.owner_url)
        finally:
            postgres.stop()
    print(
        f"verified in {took_s:.1f} s ({took_s / entries * 1e6:.0f} µs an entry), of which {busy_s:.1f} s are the "
        f"verifier's own and the rest PostgreSQL's; peak RSS {peak_mib:.0f} MiB"
    )
    print(said, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--per-stream", type=int, default=50)
    parser.add_argument("--per-checkpoint", type=int, default=25)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for entries in sorted({max(1, options.entries // 10), options.entries}):
        run(entries, options.per_stream, options.per_checkpoint)


if __name__ == "__main__":
    main()
