"""What witnesses said of an incident. Versions supersede each other; the consent is the witness's, over all of them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.consent.rules import ConsentScope
from app.kernel.database import Acted, Base, Erasable, UtcTime, one_of
from app.testimonies.rules import TestimonyMethod


class Testimony(Acted, Erasable, Base):
    """One version of one testimony; ``fact_id`` is the id of its first one, by which it is asked for."""

    __tablename__ = "testimonies"
    __table_args__ = (
        UniqueConstraint("incident_id", "number", name="uq_testimonies_number"),
        UniqueConstraint("fact_id", "version", name="uq_testimonies_version"),
        one_of("method", tuple(TestimonyMethod)),
        one_of("required_scope", tuple(ConsentScope)),
        CheckConstraint("version > 0 AND (version = 1) = (supersedes IS NULL)", name="supersedes_the_one_before"),
        CheckConstraint("(version = 1) = (fact_id = id)", name="named_by_its_first"),
        Index("ix_testimonies_incident_id_recorded_at_id", "incident_id", "recorded_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    fact_id: Mapped[UUID]
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    """Counts the incident's testimonies and their versions."""
    version: Mapped[int]
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("testimonies.id"))
    pseudonym: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    taken_on: Mapped[date] = mapped_column(Date)
    taken_by: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    required_scope: Mapped[str] = mapped_column(Text)
    """What the witness must consent to for it to be used as it is meant."""
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """From when on nothing of it is shown; set by the database alone."""
