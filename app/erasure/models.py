"""Requests to erase an entry's whole body, which one custodian makes and another one decides."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, HexDigest, UtcTime, one_of

DECISIONS = ("approve", "refuse")


class ErasureRequest(Base):
    """Decided once, by another person when it is approved. Its reason is sealed in the ledger and nowhere else."""

    __tablename__ = "erasure_requests"
    __table_args__ = (
        one_of("decision", DECISIONS),
        CheckConstraint(
            "(decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)",
            name="decision_complete",
        ),
        CheckConstraint("decision IS DISTINCT FROM 'approve' OR decided_by <> requested_by", name="second_person"),
        Index("uq_erasure_requests_open", "commitment", unique=True, postgresql_where=text("decision IS NULL")),
        Index("ix_erasure_requests_case_id_requested_at_id", "case_id", "requested_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    stream_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    seq: Mapped[int] = mapped_column(BigInteger)
    commitment: Mapped[str] = mapped_column(HexDigest, ForeignKey("ledger_entries.commitment"))
    reason_code: Mapped[str] = mapped_column(Text)
    authority: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    decision: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
