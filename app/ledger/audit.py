"""The log checked against itself from its first byte: bodies, chains, leaves, trees, signatures. Reads only.

In constant memory and one snapshot, so that it may run beside writers. It finds what was rewritten inside the database;
that the whole log was replaced or cut back, only a checkpoint kept elsewhere can show: compare ``AuditReport.size``
and ``root`` with one, or run ``app.ledger.monitor`` somewhere else.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from app.ledger.audit_reading import count, prepare
from app.ledger.audit_report import AuditReport, Fault, Progress, silent
from app.ledger.audit_streams import check_streams
from app.ledger.audit_tree import check_tree
from app.ledger.checkpoint import VerifierKey

__all__ = ["AuditReport", "Fault", "verify_log"]

_LOGS = text("SELECT id, origin FROM ledger_logs ORDER BY id")

_KEYS = text("SELECT key_id, public_key FROM ledger_keys WHERE log_id = :log_id ORDER BY first_size, key_id")

_HALT = text("""
    SELECT signed_size, held_size FROM ledger_halts WHERE log_id = (SELECT max(id) FROM ledger_logs)
""")

_REPEATED_LABELS = text("""
    SELECT stream_id, seq, encode(label, 'hex') AS label FROM ledger_entries
    WHERE (log_id, label) IN (SELECT log_id, label FROM ledger_entries GROUP BY log_id, label HAVING count(*) > 1)
    ORDER BY stream_id, seq
""")
_REPEATED_LEAF_LABELS = text("""
    SELECT idx, encode(label, 'hex') AS label FROM ledger_leaves
    WHERE (log_id, label) IN (SELECT log_id, label FROM ledger_leaves GROUP BY log_id, label HAVING count(*) > 1)
    ORDER BY log_id, idx
""")

# Looked for only when a table holds more rows than belong to entries.
_ORPHANS = {
    "bodies": text("""
        SELECT 'body ' || encode(commitment, 'hex') AS what, CAST(NULL AS bigint) AS idx FROM ledger_bodies b
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.commitment = b.commitment)
    """),
    "leaves": text("""
        SELECT 'leaf of ' || encode(commitment, 'hex') AS what, idx FROM ledger_leaves l
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.commitment = l.commitment)
    """),
    "disclosures": text("""
        SELECT 'disclosure of ' || encode(commitment, 'hex') AS what, CAST(NULL AS bigint) AS idx
        FROM ledger_disclosures d
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.commitment = d.commitment)
    """),
    "queue": text("""
        SELECT 'queue row ' || entry_id AS what, CAST(NULL AS bigint) AS idx FROM ledger_queue q
        WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.id = q.entry_id)
    """),
}


def verify_log(
    connection: Connection, vkey: VerifierKey | Sequence[VerifierKey], progress: Progress | None = None
) -> AuditReport:
    """Check everything. ``connection`` must not be in a transaction: the audit opens its own, of one snapshot.

    The keys of all logs of this database are needed, each under its log's origin. ``size`` and ``root`` of the report
    are the current log's, its counts those of all logs.
    """
    vkeys = [vkey] if isinstance(vkey, VerifierKey) else list(vkey)
    report = AuditReport()
    tell = progress or silent
    with connection.begin():
        prepare(connection)
        origins: dict[int, str] = {row.id: row.origin for row in connection.execute(_LOGS)}
        _check_rows(connection, check_streams(connection, origins, report, tell), report)
        for log_id, origin in origins.items():
            trusted = [each for each in vkeys if each.name == origin]
            if not trusted:
                names = ", ".join(repr(each.name) for each in vkeys)
                report.add(Fault("checkpoint", f"the log's origin is {origin!r}, the key is that of {names}"))
            _check_keys(connection, log_id, origin, trusted, report)
            check_tree(connection, log_id, trusted, report, tell)
        halt = connection.execute(_HALT).one_or_none()
        if halt is not None:
            detail = f"{halt.signed_size} leaves were signed, and {halt.held_size} were here when the log was halted"
            report.add(Fault("halted", detail))
    return report


def _check_keys(
    connection: Connection, log_id: int, origin: str, trusted: Sequence[VerifierKey], report: AuditReport
) -> None:
    """The published history of keys names none that is not trusted: what it says, clients would believe."""
    for row in connection.execute(_KEYS, {"log_id": log_id}):
        key = VerifierKey(origin, bytes(row.public_key))
        if key.key_id != bytes(row.key_id):
            report.add(Fault("key", f"the history says {bytes(row.key_id).hex()} of the key {key.encode()}"))
        elif key not in trusted:
            report.add(Fault("key", f"the history of keys holds {key.encode()}, which is not pinned"))


def _check_rows(connection: Connection, found: dict[str, int], report: AuditReport) -> None:
    """What is true of whole tables: no label twice, and no row that belongs to no entry."""
    for row in connection.execute(_REPEATED_LABELS):
        report.add(Fault("label_repeated", f"label {row.label} is used twice", row.stream_id, row.seq))
    for row in connection.execute(_REPEATED_LEAF_LABELS):
        report.add(Fault("label_repeated", f"label {row.label} is used twice", log_index=row.idx))
    for table, statement in _ORPHANS.items():
        if count(connection, table) != found[table]:
            for row in connection.execute(statement):
                report.add(Fault("orphan", f"{row.what} belongs to no entry", log_index=row.idx))
