"""Taking erased values out of the database's own files: dead rows, indexes, statistics, the write-ahead log.

A row that was changed or deleted stays in its page until something overwrites it, and in the write-ahead log longer. A
plain VACUUM frees such space and leaves the bytes (a test shows that); VACUUM FULL writes each table anew with its
indexes and its long values. Then every segment of the write-ahead log that was there is passed and removed or
overwritten. What a file system or a disk keeps of removed files is not in reach of a database.
"""

import time
from collections.abc import Callable
from datetime import datetime

import psycopg
from psycopg import sql

from app.erasure.places import PLACES
from app.kernel.errors import Misconfigured
from app.media.places import FACTS

OLD_SNAPSHOTS_S = 60.0
LOCK_TIMEOUT = "60s"
POLL_S = 0.2
BESIDES = (
    *("ledger_disclosures", "stored_answers", "sign_in_failures", "erasure_requests", "decodings"),
    *("search_items", "search_incidents"),
)
"""Tables that hold values, or what follows from them, without a place in the map; decodings held claims before they
were sealed."""

# Rows that died before now are invisible to every snapshot taken from now on; one taken earlier keeps them alive.
_NOW = "SELECT txid_current(), clock_timestamp()"
_OLDER = """
    SELECT (SELECT count(*) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND age(backend_xmin) > age(%(xid)s::xid))
         + (SELECT count(*) FROM pg_prepared_xacts)
         + (SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL)
"""
_BODIES_ERASED = "SELECT EXISTS (SELECT FROM ledger_erased_bodies)"
_CURRENT_SEGMENT = "SELECT pg_walfile_name(pg_current_wal_insert_lsn())"
_NEWEST_SEGMENT = "SELECT max(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"
_OLD_SEGMENTS = """
    SELECT count(*) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND modification < date_trunc('second', %(since)s)
"""

Tell = Callable[[str], None]


def purged_tables(*, with_bodies: bool) -> list[str]:
    """Every table that an erasure changes, by name; the ledger's bodies only when one was ever erased."""
    mapped = [place for places in (*PLACES.values(), *FACTS.values()) for place in places]
    versions = {place.versions for place in mapped if place.versions is not None}
    return sorted(
        {*(place.table for place in mapped), *versions, *BESIDES, *(("ledger_bodies",) if with_bodies else ())}
    )


def purge(connection: psycopg.Connection, tell: Tell) -> bool:
    """Do it all, in autocommit; whether nothing was left. Raises Misconfigured for what stands in the way.

    Each table is locked while it is written anew.
    """
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'".encode())
    row = connection.execute(_NOW).fetchone()
    assert row is not None
    xid, since = int(row[0]), row[1]
    _await_older_snapshots(connection, xid % 2**32)
    with_bodies = bool(_value(connection, _BODIES_ERASED))
    for table in purged_tables(with_bodies=with_bodies):
        tell(f"table {table}")
        connection.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(sql.Identifier(table)))
    tell("table pg_statistic")
    connection.execute("VACUUM (FULL) pg_catalog.pg_statistic")
    try:
        return _pass_all_segments(connection, since, tell)
    except psycopg.errors.InsufficientPrivilege as error:
        tell(
            f"The write-ahead log was left alone ({error.diag.message_primary}): let a superuser issue CHECKPOINT and "
            "pg_switch_wal(), with wal_recycle off, until its old segments are gone."
        )
        return False


def _await_older_snapshots(connection: psycopg.Connection, xid: int) -> None:
    deadline = time.monotonic() + OLD_SNAPSHOTS_S
    while _value(connection, _OLDER, xid=str(xid)):
        if time.monotonic() > deadline:
            raise Misconfigured(
                "A transaction, prepared transaction or replication slot from before still sees the erased rows (an "
                "export or an audit at work?). Nothing was purged; end it, or try again later."
            )
        time.sleep(POLL_S)


def _pass_all_segments(connection: psycopg.Connection, since: datetime, tell: Tell) -> bool:
    """Two rounds: what the first one's checkpoint recycles under a later name, the second one overwrites."""
    tell("write-ahead log")
    for _ in range(2):
        connection.execute("CHECKPOINT")
        newest = str(_value(connection, _NEWEST_SEGMENT))
        while str(_value(connection, _CURRENT_SEGMENT)) <= newest:
            connection.execute("SELECT txid_current()")  # A switch right after a switch would do nothing.
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("SELECT txid_current()")
    connection.execute("CHECKPOINT")
    left = int(str(_value(connection, _OLD_SEGMENTS, since=since)))
    if left:
        tell(
            f"{left} segments of the write-ahead log from before are still there: archiving, a replication slot or "
            "wal_keep_size holds them."
        )
    return left == 0


def _value(connection: psycopg.Connection, statement: str, **parameters: object) -> object:
    row = connection.execute(statement.encode(), parameters or None).fetchone()
    assert row is not None
    return row[0]
