"""The ledger's tables; docs/ledger.md "Sequencing" and "Guards". Digests are 32 raw bytes, never text.

Rows are only ever added, except the heads of streams (which move forward), the queue (which the integrator empties)
and what an erasing entry takes away (disclosures, bodies); triggers hold that.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from app.kernel.database import Base, HexDigest, UtcTime, one_of

STREAM_KINDS = ("system", "case", "evidence", "incident")
ACTOR_KINDS = ("user", "token", "system")


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id, which does not wrap round."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = Xid8  # Reflection, hence ``alembic check``, meets the type under this name.


def _digest(column: str) -> CheckConstraint:
    return CheckConstraint(f"octet_length({column}) = 32", name=f"{column}_size")


def _log_id(*, primary_key: bool = False) -> Mapped[int]:
    """Which log a row belongs to. No foreign key: triggers let new rows into the newest log alone."""
    return mapped_column(SmallInteger, primary_key=primary_key, autoincrement=False, server_default=text("1"))


class LedgerLog(Base):
    """A log's identity: its origin, fixed for ever, and the stream of the installation's own acts.

    The one of the highest ``id`` is the current log. The first start makes log 1; a further one begins only after the
    one before was halted, because what the database holds of it is not all that was signed.
    """

    __tablename__ = "ledger_logs"
    __table_args__ = (
        CheckConstraint("id >= 1", name="id_from_one"),
        CheckConstraint("origin <> '' AND origin !~ '[[:space:]+[:cntrl:]]'", name="origin_is_key_name"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    system_stream: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    origin: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class LedgerHalt(Base):
    """A log that may not go on: ``signed_size`` leaves were signed, the database holds ``held_size`` of them.

    From this row on nothing is appended to the log, by anyone, for ever. ``reason`` is for the operator.
    """

    __tablename__ = "ledger_halts"
    __table_args__ = (
        CheckConstraint("signed_size >= 0", name="signed_size_from_zero"),
        CheckConstraint("held_size >= 0", name="held_size_from_zero"),
        _digest("signed_root"),
    )

    log_id: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("ledger_logs.id"), primary_key=True, autoincrement=False
    )
    signed_size: Mapped[int] = mapped_column(BigInteger)
    signed_root: Mapped[str] = mapped_column(HexDigest)
    held_size: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    halted_at: Mapped[datetime] = mapped_column(UtcTime)


class LedgerKey(Base):
    """A key of a log: it signs every checkpoint from ``first_size`` leaves to ``last_size``, None while it is valid.

    Never removed: checkpoints that people hold are checked with the key of their time.
    """

    __tablename__ = "ledger_keys"
    __table_args__ = (
        CheckConstraint("octet_length(key_id) = 4", name="key_id_size"),
        _digest("public_key"),
        CheckConstraint("first_size >= 1", name="first_size_from_one"),
        CheckConstraint("last_size >= first_size - 1", name="sizes"),
    )

    log_id: Mapped[int] = mapped_column(
        SmallInteger, ForeignKey("ledger_logs.id"), primary_key=True, autoincrement=False
    )
    key_id: Mapped[bytes] = mapped_column(primary_key=True)
    public_key: Mapped[str] = mapped_column(HexDigest)
    first_size: Mapped[int] = mapped_column(BigInteger)
    last_size: Mapped[int | None] = mapped_column(BigInteger)


class LedgerStream(Base):
    """One object's chain: where its last entry in the current log stands, and the label the next one will bear.

    ``head_seq`` 0 and no ``head_commitment``: no entry yet in this log; an earlier log may hold some.
    """

    __tablename__ = "ledger_streams"
    __table_args__ = (
        one_of("kind", STREAM_KINDS),
        _digest("head_commitment"),
        _digest("next_label"),
        CheckConstraint("head_seq >= 0 AND (head_seq = 0) = (head_commitment IS NULL)", name="head"),
        CheckConstraint(
            "head_seq > 0 OR next_label = sha256(CAST('custody-stream/v1 ' || CAST(id AS text) AS bytea))",
            name="first_label",
        ),
        Index("ix_ledger_streams_case_id", "case_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    case_id: Mapped[UUID | None]
    head_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    head_commitment: Mapped[str | None] = mapped_column(HexDigest)
    next_label: Mapped[str] = mapped_column(HexDigest, unique=True)
    log_id: Mapped[int] = _log_id()


class LedgerEntry(Base):
    """One entry's place in its stream, and copies of those of its facts that lists are filtered by.

    ``id`` orders the queue and is never the leaf index: commits come out of its order, and with gaps.
    ``xact`` is the transaction that wrote the entry; by it a deferred trigger sees that a change has its entry.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        _digest("commitment"),
        _digest("label"),
        one_of("actor_kind", ACTOR_KINDS),
        CheckConstraint("seq >= 1", name="seq_from_one"),
        UniqueConstraint("log_id", "label"),
        Index(
            "ix_ledger_entries_reviewer_key_bound",
            "object_id",
            postgresql_where=text("type = 'case.reviewer_key_bound'"),
        ),
        Index("ix_ledger_entries_audits", "id", postgresql_where=text("type = 'system.audited'")),
        Index(
            "ix_ledger_entries_exports",
            "object_id",
            postgresql_where=text("type IN ('export.created', 'export.sealed', 'export.downloaded')"),
        ),
        Index("ix_ledger_entries_actor_id", "actor_id"),
        Index("ix_ledger_entries_object_id", "object_id"),
        Index("ix_ledger_entries_type", "type"),
        Index("ix_ledger_entries_recorded_at", "recorded_at", postgresql_using="brin"),
        Index("ix_ledger_entries_before_acts", "id", postgresql_where=text("act IS NULL")),
    )

    stream_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"), primary_key=True)
    log_id: Mapped[int] = _log_id(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    commitment: Mapped[str] = mapped_column(HexDigest, unique=True)
    label: Mapped[str] = mapped_column(HexDigest)
    type: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)
    occurred_at: Mapped[datetime] = mapped_column(UtcTime)
    object_kind: Mapped[str] = mapped_column(Text)
    object_id: Mapped[UUID]
    actor_id: Mapped[UUID]
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_role: Mapped[str | None] = mapped_column(Text)
    xact: Mapped[str] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    act: Mapped[int | None] = mapped_column(BigInteger, server_default=text("exhibit_act()"))
    """The number of the transaction that wrote it, which stays true after a dump and restore; None: older than these
    numbers, and its ``id`` stands for it."""


class LedgerBody(Base):
    """The entry's exact bytes, apart from the entry so that a body can be erased and its place stay."""

    __tablename__ = "ledger_bodies"
    __table_args__ = (
        CheckConstraint("commitment = sha256(body)", name="commitment_is_hash"),
        CheckConstraint("octet_length(body) <= 60000", name="body_limit"),
    )

    commitment: Mapped[str] = mapped_column(HexDigest, ForeignKey("ledger_entries.commitment"), primary_key=True)
    body: Mapped[bytes]


class LedgerErasedBody(Base):
    """What stays of a body that was erased: the label that it announced. The database writes it when the body goes."""

    __tablename__ = "ledger_erased_bodies"
    __table_args__ = (_digest("next"),)

    commitment: Mapped[str] = mapped_column(HexDigest, ForeignKey("ledger_entries.commitment"), primary_key=True)
    next: Mapped[str] = mapped_column(HexDigest)


class LedgerDisclosure(Base):
    """The line that opens one sealed field of one entry; its SHA-256 is the digest in the body."""

    __tablename__ = "ledger_disclosures"

    commitment: Mapped[str] = mapped_column(HexDigest, ForeignKey("ledger_entries.commitment"), primary_key=True)
    field: Mapped[str] = mapped_column(Text, primary_key=True)
    line: Mapped[bytes]


class LedgerQueued(Base):
    """An entry that has no leaf yet. ``closes_batch``: a checkpoint must be signed with this entry as its last leaf."""

    __tablename__ = "ledger_queue"

    entry_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("ledger_entries.id"), primary_key=True, autoincrement=False
    )
    closes_batch: Mapped[bool]


class LedgerLeaf(Base):
    """Leaf ``idx`` (from 0) of a log's public tree: ``custody-leaf/v1 <label> <commitment>``.

    No foreign key: a trigger asks once a statement for the entry of this commitment, label and log.
    """

    __tablename__ = "ledger_leaves"
    __table_args__ = (
        CheckConstraint("idx >= 0", name="idx_from_zero"),
        _digest("label"),
        UniqueConstraint("log_id", "label"),
    )

    log_id: Mapped[int] = _log_id(primary_key=True)
    idx: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(HexDigest)
    commitment: Mapped[str] = mapped_column(HexDigest, unique=True)


class LedgerNode(Base):
    """The hash of a complete subtree: the leaves ``idx * 2**level`` up to ``(idx + 1) * 2**level``.

    Level 0 is not stored: it follows from the leaf.
    """

    __tablename__ = "ledger_nodes"
    __table_args__ = (CheckConstraint("level >= 1 AND idx >= 0", name="coordinates"), _digest("hash"))

    log_id: Mapped[int] = _log_id(primary_key=True)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(HexDigest)


class LedgerCheckpoint(Base):
    """A signed tree head: ``note`` is the exact text that was signed and published."""

    __tablename__ = "ledger_checkpoints"
    __table_args__ = (CheckConstraint("size >= 1", name="size_from_one"), _digest("root"))

    log_id: Mapped[int] = _log_id(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[str] = mapped_column(HexDigest)
    note: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime] = mapped_column(UtcTime)


class LedgerPosition(Base):
    """Which acts a signed tree holds: all up to ``newest_act`` but for the late ones. A trigger writes it with the
    checkpoint; ``app.ledger.positions`` reads it."""

    __tablename__ = "ledger_positions"

    log_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    newest_act: Mapped[int] = mapped_column(BigInteger)
    stands_from: Mapped[datetime] = mapped_column(UtcTime, unique=True)
    """When it was signed, or just after the one before where the clock was set back."""


class LedgerLateAct(Base):
    """An act that came into the tree after one of a greater number, or in several parts: its last leaf.

    ``idx`` None: a part of it never came into ``log_id``, which has ended; it stands from the next log on."""

    __tablename__ = "ledger_late_acts"

    act: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    log_id: Mapped[int] = mapped_column(SmallInteger)
    idx: Mapped[int | None] = mapped_column(BigInteger)
