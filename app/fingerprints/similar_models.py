"""Searches by a file: the question while it waits, its answer for a quarter of an hour, then nothing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.fingerprints.models import TIERS
from app.kernel.database import Base, HexDigest, UtcTime, one_of

STATUSES = ("pending", "done", "failed")


class SimilarSearch(Base):
    """One search. Neither the file's fingerprints nor its name are in it, and its digest only until it is answered."""

    __tablename__ = "similar_searches"
    __table_args__ = (
        one_of("status", STATUSES),
        one_of("tier", TIERS),
        CheckConstraint("(status = 'pending') = (sha256 IS NOT NULL)", name="digest_while_pending"),
        CheckConstraint("(status = 'done') = (result IS NOT NULL)", name="result_when_done"),
        CheckConstraint("(status = 'pending') = (finished_at IS NULL)", name="finished_when_not_pending"),
        CheckConstraint("expires_at <= created_at + interval '1 day'", name="soon_forgotten"),
        Index("ix_similar_searches_expires_at", "expires_at"),
        Index("ix_similar_searches_account_id_pending", "account_id", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Also the name of its file, while there is one."""
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    """Who asked, and alone may read it."""
    case_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """The cases that it covers: the asker's, when it was asked."""
    thresholds: Mapped[dict[str, int]] = mapped_column(JSONB)
    """Per algorithm the largest distance in bits that is a match; absent: the algorithm's own."""
    tier: Mapped[str] = mapped_column(Text)
    """The weakest that is wanted."""
    most: Mapped[int]
    """Items in the answer."""
    sha256: Mapped[str | None] = mapped_column(HexDigest)
    status: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    """How far decoding came, in the words of evidence; None while it waits, or where it was given up."""
    reason: Mapped[str | None] = mapped_column(Text)
    result: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """``[{"blob_sha256", "tier", "grounds", "segments"}]``, the strongest first: which items these are, and which of
    them the asker may see, is asked when the answer is read."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
