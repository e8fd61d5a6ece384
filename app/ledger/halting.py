"""Whether the database holds all that was signed; and the end of a log of which it does not (docs/ledger.md, "Guards").

What was signed is in the record beside the key (``app.ledger.record``), and in witnesses' hands. A database that lacks
some of it was restored from a backup: going on would fork the log, so it is halted, for ever.
"""

import structlog
from sqlalchemy import Connection, text

from app.kernel.errors import Misconfigured
from app.kernel.primitives import utc_now
from app.ledger import log, reading
from app.ledger.log import Installation, NoInstallation
from app.ledger.queue import rows_of
from app.ledger.record import LogBehindRecord, SignedRecord, SignedTree

events = structlog.get_logger("ledger.integrator")


class LogHalted(Exception):
    """This log was halted: it gets no further entry, leaf or signature."""


_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_SIZE = text("SELECT coalesce(max(idx) + 1, 0) FROM ledger_leaves WHERE log_id = :log_id")
# What app.anchors found out; of a log that is halted already there is nothing more to say.
_CONTRADICTED = text("""
    SELECT w.name, w.alarm_size, w.size FROM witnesses w
    WHERE w.log_id = (SELECT max(id) FROM ledger_logs) AND w.ends_log
        AND NOT EXISTS (SELECT FROM ledger_halts h WHERE h.log_id = w.log_id)
    ORDER BY w.name, w.public_key
""")
_HALT_REASON = text("SELECT reason FROM ledger_halts WHERE log_id = :log_id")
_IS_EARLIER_LOG = text("SELECT EXISTS (SELECT FROM ledger_logs WHERE id < :log_id AND origin = :origin)")
_HALT = text("""
    INSERT INTO ledger_halts (log_id, signed_size, signed_root, held_size, reason, halted_at)
    SELECT max(id), :signed_size, :signed_root, :held_size, :reason, :now FROM ledger_logs
    ON CONFLICT DO NOTHING
""")


def size_of(connection: Connection, log_id: int) -> int:
    """How many leaves the database holds of a log."""
    size: int = connection.execute(_SIZE, {"log_id": log_id}).scalar_one()
    return size


def check_witnesses(connection: Connection) -> None:
    """Raises LogBehindRecord when the policy's quorum holds trees that this database lacks: it is an older one,
    restored. One witness alone stops nothing (docs/decisions/0013)."""
    told = connection.execute(_CONTRADICTED).all()
    last = reading.latest_checkpoint(connection) if told else None
    if last is None:
        return
    claims = ", ".join(
        f"{each.name} one of {each.alarm_size} leaves" if each.alarm_size else f"{each.name} another of {each.size}"
        for each in told
    )
    reason = f"a quorum of witnesses cosigned other trees than the database's of {last.size} leaves: {claims}"
    raise LogBehindRecord(reason, SignedTree(log.installation(connection).origin, last.size, last.root), last.size)


def refuse_halted(connection: Connection, current: Installation) -> None:
    """Raises LogHalted."""
    reason = connection.execute(_HALT_REASON, {"log_id": current.log_id}).scalar_one_or_none()
    if reason is not None:
        raise LogHalted(f"the log {current.origin} was halted: {reason}")


def check_against(
    connection: Connection, current: Installation, size: int, record: SignedRecord | None
) -> SignedTree | None:
    """Whether the database holds all that was signed; the tree whose commit is still due, if there is one.

    Raises LogBehindRecord; Misconfigured when the record is gone, because then nobody knows.
    """
    if record is None:
        return None
    last = record.last()
    if last is None:
        if size:
            raise Misconfigured(
                f"{record.path} is missing, and {size} leaves were signed: restore the file. If it is lost, nobody can "
                "tell whether this database is the newest one. When it comes from a backup: exhibit ledger "
                "start-new-log. When you know that nothing is missing: exhibit ledger accept-database."
            )
        return None
    origin = current.origin if last.origin is None and current.log_id == 1 else last.origin
    if origin != current.origin:
        if not connection.execute(_IS_EARLIER_LOG, {"log_id": current.log_id, "origin": origin}).scalar_one():
            raise LogBehindRecord(f"the log {origin} was signed, which the database does not know", last, size)
        return None
    if last.size <= size:
        stored = reading.checkpoint_of(connection, last.size, log_id=current.log_id)
        if stored is None or stored.root != last.root:
            raise LogBehindRecord(f"the database lacks the signed tree of {last.size} leaves", last, size)
        return None
    if last.size - len(last.entry_ids) != size or len(rows_of(connection, current.log_id, last)) != len(last.entry_ids):
        raise LogBehindRecord(f"{last.size} leaves were signed, the database holds {size}", last, size)
    return last


def check_record(connection: Connection, record: SignedRecord) -> str | None:
    """Halt the log if the database is behind the record; why it is halted, if it is.

    For a start, before anybody can write: an integrator may be at work beside it.

    The record is read first: whatever it holds by then, a later snapshot of the database holds too, or its queue does.
    Raises Misconfigured.
    """
    record_then = _AsRead(record)
    with connection.begin():
        connection.execute(_SNAPSHOT)
        try:
            current = log.installation(connection)
            size = size_of(connection, current.log_id)
            reason: str | None = connection.execute(_HALT_REASON, {"log_id": current.log_id}).scalar_one_or_none()
            if reason is None:
                check_against(connection, current, size, record_then)
            return reason
        except NoInstallation:
            return None
        except LogBehindRecord as error:
            behind = error
    halt(connection, behind)
    return str(behind)


class _AsRead(SignedRecord):
    """The record as it stood at one moment."""

    def __init__(self, record: SignedRecord) -> None:
        super().__init__(record.path)
        self._last = record.last()

    def last(self) -> SignedTree | None:
        return self._last


def halt(connection: Connection, behind: LogBehindRecord) -> None:
    """From here on the database refuses every entry, until an operator has started a new log. Cannot be undone."""
    events.error("ledger_halted", reason=str(behind))
    with connection.begin():
        connection.execute(
            _HALT,
            {
                "signed_size": behind.signed.size,
                "signed_root": bytes.fromhex(behind.signed.root),
                "held_size": behind.held_size,
                "reason": str(behind),
                "now": utc_now(),
            },
        )


def halt_by_hand(connection: Connection, reason: str) -> None:
    """As ``halt``, for another cause than a missing tree: a lost key, or outsiders hold a head that is not ours."""
    with connection.begin():
        current = log.installation(connection)
        last = reading.latest_checkpoint(connection, log_id=current.log_id)
    if last is None:
        raise Misconfigured("Nothing was signed in this log: there is nothing to end.")
    halt(connection, LogBehindRecord(reason, SignedTree(current.origin, last.size, last.root), last.size))


def accept_database(connection: Connection, record: SignedRecord) -> SignedTree:
    """Begin a record that was lost, with the newest tree that the database holds. Raises Misconfigured."""
    with record.held(), connection.begin():
        current = log.installation(connection)
        last = reading.latest_checkpoint(connection, log_id=current.log_id)
        if record.last() is not None:
            raise Misconfigured(f"{record.path} is there: what it says was signed is not for anybody to overrule.")
        if last is None:
            raise Misconfigured("Nothing was signed in this log: the record begins with the first signature.")
        accepted = SignedTree(current.origin, last.size, last.root)
        record.add(accepted)
    return accepted
