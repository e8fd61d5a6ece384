"""What figures count of items, kept by the database itself: see the migration ``counted_items``, decision 0053."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, HexDigest


class CountedItem(Base):
    """A time at which an item was verified: signed off, with the verdict ``verified``. Alone (no ``incident_id``), and
    once for each link by which it counts in an incident for which that verdict holds.

    It stood at a position where both pairs of acts did (``app.ledger.positions``).
    """

    __tablename__ = "counted_items"
    __table_args__ = (
        CheckConstraint("(incident_id IS NULL) = (link_id IS NULL)", name="in_incident_by_link"),
        Index("ix_counted_items_case_id", "case_id", postgresql_where=text("incident_id IS NULL")),
        Index("ix_counted_items_incident_id", "incident_id"),
    )

    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    link_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident_evidence.id"))
    verdict_id: Mapped[UUID] = mapped_column(ForeignKey("verdicts.id"))
    blob_sha256: Mapped[str] = mapped_column(HexDigest)
    media_kind: Mapped[str | None] = mapped_column(Text)
    methods: Mapped[int]
    """Bits, in the order of ``app.figures.words.METHOD_BITS``."""
    verified_act: Mapped[int] = mapped_column(BigInteger)
    verified_until: Mapped[int | None] = mapped_column(BigInteger)
    linked_act: Mapped[int] = mapped_column(BigInteger)
    linked_until: Mapped[int | None] = mapped_column(BigInteger)
