"""What incidents and items are found by. Written by triggers alone, from the views ``searchable_incidents`` and
``searchable_items``; so an erased text is gone from here in the same transaction. No row is anybody's statement.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.dialects.postgresql import TSTZRANGE, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, UtcTime


class Searched:
    """``at`` and ``id``: in which order they are listed. ``words``: the texts' words, and marks that begin with ``:``,
    which no word does."""

    __tablename__: Any

    case_id: Mapped[UUID] = mapped_column(sort_order=1)
    at: Mapped[datetime] = mapped_column(UtcTime, sort_order=2)
    during: Mapped[Any] = mapped_column(TSTZRANGE, nullable=True, sort_order=3)
    words: Mapped[Any] = mapped_column(TSVECTOR, sort_order=9)


def _indexes(table: str) -> tuple[Index, ...]:
    return (
        Index(f"ix_{table}_words", "words", postgresql_using="gin"),
        Index(f"ix_{table}_case_id_at_id", "case_id", "at", "id"),
        Index(f"ix_{table}_during", "during", postgresql_using="gist"),
    )


class SearchItem(Searched, Base):
    """``at``: when it was registered; ``during``: what is claimed of its time, as it reads now."""

    __tablename__ = "search_items"
    __table_args__ = _indexes("search_items")

    id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """As the item's own."""


class SearchIncident(Searched, Base):
    """``at``: when it was opened here; ``during``: when it occurred."""

    __tablename__ = "search_incidents"
    __table_args__ = _indexes("search_incidents")

    id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    closes_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the first of the items closes on which a fact rests that is among ``words``: from then on it is asked what
    the view says of it."""
    latitude_microdegrees: Mapped[int | None]
    longitude_microdegrees: Mapped[int | None]
