"""How an audit reads a whole log: in constant memory, at the driver's speed, and in one order of its own choosing.

Entries come in the order of their streams; what belongs to them is fetched for some hundreds at a time by its key. So
the server keeps no sort and no hash table of the log either, whatever its planner would have thought best.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection

BATCH_ROWS = 500
"""Entries, hence bodies of up to 60 kB, that are in memory at once."""

CURSOR_ROWS = 5000

Row = tuple[Any, ...]

_TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

STREAMS = "SELECT id::text, log_id, head_seq, head_commitment, next_label FROM ledger_streams ORDER BY id"
ENTRIES = f"""
    SELECT stream_id::text, log_id, seq, id, commitment, label, type, {_TIME.format("recorded_at")},
           {_TIME.format("occurred_at")}, object_kind, object_id::text, actor_id::text, actor_kind, actor_role
    FROM ledger_entries ORDER BY stream_id, log_id, seq
"""  # noqa: S608 - a constant's text
LEAVES = "SELECT idx, label, commitment FROM ledger_leaves WHERE log_id = %(log_id)s ORDER BY idx"
CHECKPOINTS = "SELECT size, root, note FROM ledger_checkpoints WHERE log_id = %(log_id)s ORDER BY size"

_BODIES = "SELECT commitment, body FROM ledger_bodies WHERE commitment = ANY(%s)"
_ERASED = "SELECT commitment, next FROM ledger_erased_bodies WHERE commitment = ANY(%s)"
_LEAVES_OF = "SELECT commitment, log_id, idx, label FROM ledger_leaves WHERE commitment = ANY(%s)"
_DISCLOSURES = "SELECT commitment, field, line FROM ledger_disclosures WHERE commitment = ANY(%s)"
_QUEUED = "SELECT entry_id FROM ledger_queue WHERE entry_id = ANY(%s)"


class EntryRow(NamedTuple):
    """An entry's columns. Times with microseconds, in UTC; ids as text."""

    stream: str
    log_id: int
    seq: int
    id: int
    commitment: bytes
    label: bytes
    type: str
    recorded: str
    occurred: str
    object_kind: str
    object_id: str
    actor_id: str
    actor_kind: str
    actor_role: str | None


class LeafOf(NamedTuple):
    commitment: bytes
    log_id: int
    idx: int
    label: bytes


@dataclass(frozen=True)
class Belongings:
    """What the tables hold for some entries, by commitment (the queue: by the entry's id)."""

    bodies: dict[bytes, bytes]
    erased: dict[bytes, bytes]
    """Of the bodies that were erased, the label that each announced."""
    leaves: dict[bytes, LeafOf]
    disclosures: dict[bytes, dict[str, bytes]]
    queued: set[int]
    counts: dict[str, int]
    """How many rows of each table that was."""


def prepare(connection: Connection) -> None:
    """Within the audit's transaction: one snapshot, nothing written, rows fetched by their keys."""
    for setting in (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET LOCAL enable_seqscan = off",
        "SET LOCAL cursor_tuple_fraction = 0.01",
        "SET LOCAL jit = off",
    ):
        connection.exec_driver_sql(setting)


def each_row(connection: Connection, statement: str, **parameters: Any) -> Iterator[Row]:
    """Through a server-side cursor in binary form."""
    driver = _driver(connection)
    with driver.cursor(name=f"audit_{id(parameters):x}", binary=True) as cursor:
        cursor.itersize = CURSOR_ROWS
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(CURSOR_ROWS):
            yield from rows


def each_batch(connection: Connection) -> Iterator[tuple[list[EntryRow], Belongings]]:
    """Every entry of every log in the order of stream, log and number, some at a time, with what belongs to them."""
    rows = map(EntryRow._make, each_row(connection, ENTRIES))
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch, _belongings(_driver(connection), batch)


def _belongings(driver: psycopg.Connection[Any], batch: list[EntryRow]) -> Belongings:
    commitments = [row.commitment for row in batch]
    with driver.cursor(binary=True) as cursor:
        bodies = cursor.execute(_BODIES, [commitments]).fetchall()
        erased = cursor.execute(_ERASED, [commitments]).fetchall()
        leaves = [LeafOf._make(row) for row in cursor.execute(_LEAVES_OF, [commitments])]
        lines = cursor.execute(_DISCLOSURES, [commitments]).fetchall()
        queued = cursor.execute(_QUEUED, [[row.id for row in batch]]).fetchall()
    disclosures: defaultdict[bytes, dict[str, bytes]] = defaultdict(dict)
    for commitment, name, line in lines:
        disclosures[commitment][name] = line
    counts = {"bodies": len(bodies), "leaves": len(leaves), "disclosures": len(lines), "queue": len(queued)}
    return Belongings(
        dict(bodies),
        dict(erased),
        {leaf.commitment: leaf for leaf in leaves},
        disclosures,
        {row[0] for row in queued},
        counts,
    )


def count(connection: Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM ledger_{table}").scalar_one())  # noqa: S608 - ours


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
