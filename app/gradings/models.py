"""Gradings, standards of proof and classifications of incidents. None of these rows is ever changed."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKey, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.gradings.rules import Grade, Qualifier
from app.kernel.database import Acted, Base, Erasable, UtcTime, one_of


class Grading(Acted, Erasable, Base):
    """How far the incident is established, as a researcher stated it. The newest stands."""

    __tablename__ = "gradings"
    __table_args__ = (
        UniqueConstraint("incident_id", "number", name="uq_gradings_number"),
        UniqueConstraint("supersedes", name="uq_gradings_supersedes"),
        one_of("grade", tuple(Grade)),
        CheckConstraint("rationale <> ''", name="rationale_given"),
        CheckConstraint("(number = 1) = (supersedes IS NULL)", name="supersedes_the_one_before"),
        CheckConstraint("grade IS NOT NULL OR supersedes IS NOT NULL", name="withdraws_something"),
        CheckConstraint("origins_at_least BETWEEN 0 AND origins_at_most", name="origins_in_order"),
        CheckConstraint("origins_at_most <= cardinality(verdict_ids)", name="origins_of_bases"),
        CheckConstraint(
            "origins_at_least + other_source_count >= CASE grade WHEN 'confirmed' THEN 2 WHEN 'corroborated' THEN 2"
            " WHEN 'single_source' THEN 1 ELSE 0 END",
            name="sources_suffice",
        ),
        CheckConstraint(
            "cardinality(other_sources) = CASE WHEN 'other_sources' = ANY (erased) THEN 0 ELSE other_source_count END",
            name="other_sources_counted",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    """Counts the incident's gradings, from 1."""
    grade: Mapped[str | None] = mapped_column(Text)
    """None: the one before is withdrawn, and none stands."""
    rationale: Mapped[str] = mapped_column(Text)
    verdict_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """What it rests on: verdicts of signed-off items that were linked to the incident when it was stated."""
    origins_at_least: Mapped[int]
    """Independent origins of those of them that show the incident and support it, as far as matches are decided."""
    origins_at_most: Mapped[int]
    other_sources: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Sources beyond the evidence, in words."""
    other_source_count: Mapped[int]
    policy_version: Mapped[int]
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("gradings.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)


class StandardOfProof(Acted, Erasable, Base):
    """Which standard of proof the facts of the incident reach, as a researcher stated it. The newest stands."""

    __tablename__ = "standards_of_proof"
    __table_args__ = (
        UniqueConstraint("incident_id", "number", name="uq_standards_of_proof_number"),
        UniqueConstraint("supersedes", name="uq_standards_of_proof_supersedes"),
        CheckConstraint("rationale <> ''", name="rationale_given"),
        CheckConstraint("(number = 1) = (supersedes IS NULL)", name="supersedes_the_one_before"),
        CheckConstraint("standard IS NOT NULL OR supersedes IS NOT NULL", name="withdraws_something"),
        CheckConstraint("standard ~ '^[a-z_]+$'", name="standard_word"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    standard: Mapped[str | None] = mapped_column(Text)
    """None: the one before is withdrawn, and none stands."""
    vocabulary: Mapped[str] = mapped_column(Text)
    rationale: Mapped[str] = mapped_column(Text)
    grading_id: Mapped[UUID | None] = mapped_column(ForeignKey("gradings.id"))
    """The grading that stood when it was stated."""
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("standards_of_proof.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)


class Classification(Acted, Erasable, Base):
    """That provisions apply to the incident, by whose word. Several stand beside each other until superseded."""

    __tablename__ = "classifications"
    __table_args__ = (
        UniqueConstraint("incident_id", "number", name="uq_classifications_number"),
        UniqueConstraint("supersedes", name="uq_classifications_supersedes"),
        one_of("qualifier", tuple(Qualifier)),
        CheckConstraint("rationale <> ''", name="rationale_given"),
        CheckConstraint("qualifier IS NOT NULL OR supersedes IS NOT NULL", name="withdraws_something"),
        CheckConstraint("(qualifier IS NULL) = (cardinality(provisions) = 0)", name="provisions_named"),
        CheckConstraint(
            "(qualifier IS NOT DISTINCT FROM 'adjudicated') = (decided_on IS NOT NULL)"
            " AND (decided_on IS NULL) = (body IS NULL) AND (decided_on IS NULL) = (decision_reference IS NULL)",
            name="decision_of_adjudicated",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    """Counts the incident's classifications, from 1."""
    qualifier: Mapped[str | None] = mapped_column(Text)
    """None: the one that it supersedes is withdrawn."""
    provisions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    vocabulary: Mapped[str] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    decision_reference: Mapped[str | None] = mapped_column(Text)
    decided_on: Mapped[date | None] = mapped_column(Date)
    rationale: Mapped[str] = mapped_column(Text)
    grading_id: Mapped[UUID | None] = mapped_column(ForeignKey("gradings.id"))
    """The grading that stood when it was stated."""
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("classifications.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)
