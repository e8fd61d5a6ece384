"""What outsiders said of the log's heads, and how far the asking is. Digests are 32 raw bytes.

Cosignatures are only ever added. A witness's row and a pending anchor are present state; an anchor that is no longer
pending never changes (a trigger holds that), and becomes ``confirmed`` only with its entry in the system stream.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, HexDigest, UtcTime, one_of
from app.ledger.models import LedgerCheckpoint, LedgerLog

WITNESS_STATES = ("waiting", "cosigning", "unreachable", "refusing", "alarm")
ANCHOR_STATES = ("pending", "confirmed", "refused", "failed")


class Cosignature(Base):
    """One witness's verified cosignature of one checkpoint (c2sp.org/tlog-cosignature)."""

    __tablename__ = "ledger_cosignatures"
    __table_args__ = (
        ForeignKeyConstraint(["log_id", "size"], [LedgerCheckpoint.log_id, LedgerCheckpoint.size]),
        CheckConstraint("size >= 1", name="size_from_one"),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_size"),
        CheckConstraint("octet_length(signature) = 64", name="signature_size"),
        CheckConstraint("timestamp_s >= 0", name="timestamp_from_zero"),
        Index("ix_ledger_cosignatures_log_id_public_key_size", "log_id", "public_key", "size"),
    )

    log_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    public_key: Mapped[bytes] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    timestamp_s: Mapped[int] = mapped_column(BigInteger)
    """POSIX time at which the witness says that it signed."""
    signature: Mapped[bytes]
    received_at: Mapped[datetime] = mapped_column(UtcTime)


class Witness(Base):
    """How it stands with one witness. ``size``: the largest tree that it is known to hold.

    ``alarm``: it contradicts the log; it is not asked again until an operator has looked. ``alarm_size`` is then the
    size that it said it holds, when it holds more than the database. ``ends_log``: it and others who say the same are
    the policy's quorum, so that the integrator halts the log.
    """

    __tablename__ = "witnesses"
    __table_args__ = (
        one_of("state", WITNESS_STATES),
        ForeignKeyConstraint(["log_id"], [LedgerLog.id]),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_size"),
        CheckConstraint("size >= 0 AND attempts >= 0", name="counts"),
        CheckConstraint("state = 'alarm' OR NOT ends_log", name="only_an_alarm_ends_log"),
    )

    log_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    public_key: Mapped[bytes] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    alarm_size: Mapped[int | None] = mapped_column(BigInteger)
    ends_log: Mapped[bool] = mapped_column(server_default=text("false"))
    attempts: Mapped[int]
    """In a row without success."""
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class Anchor(Base):
    """One authority's time stamp (RFC 3161) over the exact bytes of one checkpoint's note, from the asking on.

    ``request`` and ``response`` are the whole messages (``.tsq``, ``.tsr``). An authority has at most one pending
    request; the one for a newer checkpoint ends it as ``refused`` or ``failed``.
    """

    __tablename__ = "anchors"
    __table_args__ = (
        one_of("state", ANCHOR_STATES),
        ForeignKeyConstraint(["log_id", "size"], [LedgerCheckpoint.log_id, LedgerCheckpoint.size]),
        CheckConstraint("authority ~ '^[a-z0-9][a-z0-9-]{0,39}$'", name="authority_word"),
        CheckConstraint("response_sha256 = sha256(response)", name="response_sha256_is_hash"),
        CheckConstraint("(response IS NULL) = (response_sha256 IS NULL)", name="response_has_hash"),
        CheckConstraint(
            "(state = 'confirmed') = (stamped_at IS NOT NULL) AND (stamped_at IS NULL OR response IS NOT NULL)",
            name="confirmed_has_stamp",
        ),
        CheckConstraint("size >= 1 AND attempts >= 0", name="counts"),
        Index("uq_anchors_log_id_size_authority", "log_id", "size", "authority", unique=True),
        Index("uq_anchors_authority", "authority", unique=True, postgresql_where=text("state = 'pending'")),
        Index("ix_anchors_requested_at_id", "requested_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    log_id: Mapped[int] = mapped_column(SmallInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    authority: Mapped[str] = mapped_column(Text)
    request: Mapped[bytes]
    response: Mapped[bytes | None]
    response_sha256: Mapped[str | None] = mapped_column(HexDigest)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    """Why the last attempt did not confirm it; kept when it is given up."""
    stamped_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """The authority's time (genTime)."""
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcTime)
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcTime)
