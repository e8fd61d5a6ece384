"""Incidents, and which items are linked to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, FetchedValue, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.incidents.rules import MAXIMUM_RADIUS_M, WITHIN_M, IncidentKind, PlacePrecision
from app.kernel.database import Acted, Base, Erasable, UtcTime, Versioned, one_of

_WITHIN = " ".join(f"WHEN '{precision}' THEN {limit_m}" for precision, limit_m in WITHIN_M.items())


class Incident(Erasable, Base):
    """One event at a place and time, in a case."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("case_id", "code", name="uq_incidents_code"),
        UniqueConstraint("id", "case_id", name="uq_incidents_id_case_id"),
        one_of("kind", tuple(IncidentKind)),
        one_of("place_precision", tuple(PlacePrecision)),
        UniqueConstraint("case_id", "external_reference", name="uq_incidents_external_reference"),
        CheckConstraint("occurred_from <= occurred_to", name="interval_in_order"),
        CheckConstraint(
            f"place_radius_m BETWEEN 0 AND CASE place_precision {_WITHIN} ELSE {MAXIMUM_RADIUS_M} END",
            name="radius_of_precision",
        ),
        CheckConstraint("place_radius_m IS NULL OR latitude_microdegrees IS NOT NULL", name="radius_of_point"),
        Index("ix_incidents_case_id_created_at_id", "case_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    code: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    occurred_from: Mapped[datetime | None] = mapped_column(UtcTime)
    occurred_to: Mapped[datetime | None] = mapped_column(UtcTime)
    occurred_zone: Mapped[str | None] = mapped_column(Text)
    occurred_basis: Mapped[str | None] = mapped_column(Text)
    place_name: Mapped[str | None] = mapped_column(Text)
    latitude_microdegrees: Mapped[int | None]
    longitude_microdegrees: Mapped[int | None]
    place_precision: Mapped[str | None] = mapped_column(Text)
    place_radius_m: Mapped[int | None]
    """The true place lies within so many metres of the point."""
    administrative_units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """From the country downwards."""
    external_reference: Mapped[str | None] = mapped_column(Text)
    """What another system calls the incident: unique in the case, and stated once."""
    created_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    version: Mapped[int]


class IncidentVersion(Versioned, Erasable, Base):
    """How an incident read from one act to the next: what of it may be stated anew."""

    __tablename__ = "incident_versions"
    __table_args__ = (CheckConstraint("number >= 1", name="number_counts"),)

    id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    code: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    occurred_from: Mapped[datetime | None] = mapped_column(UtcTime)
    occurred_to: Mapped[datetime | None] = mapped_column(UtcTime)
    occurred_zone: Mapped[str | None] = mapped_column(Text)
    occurred_basis: Mapped[str | None] = mapped_column(Text)
    place_name: Mapped[str | None] = mapped_column(Text)
    latitude_microdegrees: Mapped[int | None]
    longitude_microdegrees: Mapped[int | None]
    place_precision: Mapped[str | None] = mapped_column(Text)
    place_radius_m: Mapped[int | None]
    administrative_units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    version: Mapped[int]


class IncidentEvidence(Acted, Erasable, Base):
    """A link of an item to an incident. It is ended, never deleted; linking the pair again is a new row."""

    __tablename__ = "incident_evidence"
    __table_args__ = (
        CheckConstraint("segment_from_ms >= 0 AND segment_from_ms < segment_to_ms", name="segment_in_order"),
        CheckConstraint("(unlinked_act IS NULL) = (unlinked_at IS NULL)", name="unlinked_by_act"),
        Index(
            "uq_incident_evidence_live",
            "incident_id",
            "evidence_id",
            unique=True,
            postgresql_where=text("unlinked_at IS NULL"),
        ),
        Index("ix_incident_evidence_evidence_id", "evidence_id"),
        Index(
            "ix_incident_evidence_live_by_item",
            "evidence_id",
            "incident_id",
            postgresql_where=text("unlinked_at IS NULL"),
        ),
        Index("ix_incident_evidence_incident_id_linked_at_id", "incident_id", "linked_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"))
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    depicts: Mapped[bool]
    """Whether the item shows the incident itself; else it only bears on it."""
    segment_from_ms: Mapped[int | None] = mapped_column(BigInteger)
    segment_to_ms: Mapped[int | None] = mapped_column(BigInteger)
    counted: Mapped[bool]
    """Whether the item counts in the incident's figures."""
    note: Mapped[str | None] = mapped_column(Text)
    linked_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    linked_at: Mapped[datetime] = mapped_column(UtcTime)
    unlinked_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    unlinked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    unlink_reason: Mapped[str | None] = mapped_column(Text)
    unlinked_act: Mapped[int | None] = mapped_column(
        BigInteger, server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    """The act that ended it, numbered by a trigger."""
