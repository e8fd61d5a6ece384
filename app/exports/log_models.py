"""Schedules of monthly logs, and the logs that they made."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, HexDigest, UtcTime, one_of

LOG_FORMATS = ("jsonl", "csv")
LOG_STATES = ("building", "ready", "failed")
MONTH = "'^[0-9]{4}-(0[1-9]|1[0-2])$'"


class LogSchedule(Base):
    """A log of every month, of a case or (``case_id`` null) of everything. What was asked for never changes."""

    __tablename__ = "log_schedules"
    __table_args__ = (
        one_of("format", LOG_FORMATS),
        CheckConstraint("day BETWEEN 1 AND 28", name="day_of_every_month"),
        CheckConstraint(f"first_month ~ {MONTH}", name="first_month_form"),
        Index("ix_log_schedules_case_id", "case_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    stream: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    """Where its entries stand: the case's, or the installation's."""
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    format: Mapped[str] = mapped_column(Text)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    purpose: Mapped[str] = mapped_column(Text)
    day: Mapped[int] = mapped_column(SmallInteger)
    time_zone: Mapped[str] = mapped_column(Text)
    first_month: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class StoredLog(Base):
    """The log of one month: ``building`` until its file is stored, ``ready``; ``failed``: ``error`` says why.

    An erasure takes the file away and has it made anew, without what was erased.
    """

    __tablename__ = "stored_logs"
    __table_args__ = (
        one_of("state", LOG_STATES),
        CheckConstraint(f"month ~ {MONTH}", name="month_form"),
        CheckConstraint("first >= 0 AND before >= first", name="places"),
        CheckConstraint("(state = 'ready') = (file_sha256 IS NOT NULL)", name="ready_stored"),
        CheckConstraint("(file_sha256 IS NULL) = (size_bytes IS NULL)", name="file_has_size"),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failed_has_error"),
        Index("ix_stored_logs_file_sha256", "file_sha256"),
        Index("ix_stored_logs_waiting", "id", postgresql_where=text("state = 'building'")),
    )

    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("log_schedules.id"), primary_key=True)
    month: Mapped[str] = mapped_column(Text, primary_key=True)
    log_id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID] = mapped_column(unique=True)
    stream: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    first: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[int] = mapped_column(BigInteger)
    recorded_from: Mapped[datetime] = mapped_column(UtcTime)
    recorded_before: Mapped[datetime] = mapped_column(UtcTime)
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    file_sha256: Mapped[str | None] = mapped_column(HexDigest)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
