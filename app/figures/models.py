"""What figures count of items, kept by the database itself: see the migration ``counted_items``, decision 0053."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, UtcTime

_COUNTED = ("item", "capture", "media_kind", "methods", "verified_act", "verified_until")
"""In the indexes, so that a figure reads no row of the table."""


class CountedItem(Base):
    """A time at which an item was verified: signed off, with the verdict ``verified``. Alone (no ``incident_id``), and
    once for each link by which it counts in an incident for which that verdict holds.

    It stood at a position where both pairs of acts did (``app.ledger.positions``).
    """

    __tablename__ = "counted_items"
    __table_args__ = (
        CheckConstraint("(incident_id IS NULL) = (link_id IS NULL)", name="in_incident_by_link"),
        Index(
            "ix_counted_items_alone",
            "case_id",
            "evidence_id",
            postgresql_include=["verdict_id", *_COUNTED],
            postgresql_where=text("incident_id IS NULL"),
        ),
        Index(
            "ix_counted_items_linked",
            "case_id",
            "incident_id",
            postgresql_include=["evidence_id", "verdict_id", *_COUNTED, "linked_act", "linked_until"],
            postgresql_where=text("incident_id IS NOT NULL"),
        ),
    )

    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    link_id: Mapped[UUID | None] = mapped_column(ForeignKey("incident_evidence.id"))
    verdict_id: Mapped[UUID] = mapped_column(ForeignKey("verdicts.id"))
    item: Mapped[int] = mapped_column(BigInteger)
    """The same of an item alone and of its links, while it is verified."""
    capture: Mapped[int] = mapped_column(BigInteger)
    """The number of its bytes (``blobs.number``)."""
    media_kind: Mapped[str | None] = mapped_column(Text)
    methods: Mapped[int]
    """Bits, in the order of ``app.figures.words.METHOD_BITS``."""
    verified_act: Mapped[int] = mapped_column(BigInteger)
    verified_until: Mapped[int | None] = mapped_column(BigInteger)
    linked_act: Mapped[int] = mapped_column(BigInteger)
    linked_until: Mapped[int | None] = mapped_column(BigInteger)


class DecidedCapture(Base):
    """A decision about a match of one case, of items with different bytes: whether both are one capture. The highest
    number is in force. Kept by a trigger, narrow, and with the numbers of both items' bytes."""

    __tablename__ = "decided_captures"
    __table_args__ = (
        Index(
            "ix_decided_captures_case_id",
            "case_id",
            "match_id",
            text("number DESC"),
            postgresql_include=[
                *("is_same", "evidence_id", "other_id", "capture", "other_capture", "decided_at", "act"),
            ],
        ),
    )

    match_id: Mapped[UUID] = mapped_column(ForeignKey("matches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    is_same: Mapped[bool]
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    other_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    capture: Mapped[int] = mapped_column(BigInteger)
    other_capture: Mapped[int] = mapped_column(BigInteger)
    decided_at: Mapped[datetime] = mapped_column(UtcTime)
    act: Mapped[int] = mapped_column(BigInteger)
