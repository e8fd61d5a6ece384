"""Consents and withdrawals, never edited; and what stands of them, which the database works out itself."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, FetchedValue, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.consent.rules import ConsentAct, ConsentScope, Obtained, SubjectKind
from app.kernel.database import Base, Erasable, UtcTime, one_of

_SCOPES = ", ".join(f"'{scope}'" for scope in ConsentScope)


class Consent(Erasable, Base):
    """One act of one person about an item or a testimony: a consent given, or withdrawn."""

    __tablename__ = "consents"
    __table_args__ = (
        UniqueConstraint("item_id", "number", name="uq_consents_number"),
        one_of("act", tuple(ConsentAct)),
        one_of("subject_kind", tuple(SubjectKind)),
        one_of("obtained", tuple(Obtained)),
        CheckConstraint("evidence_id IS NULL OR (evidence_id = item_id AND stream_id = item_id)", name="of_its_item"),
        CheckConstraint(f"cardinality(scopes) > 0 AND scopes <@ ARRAY[{_SCOPES}]::text[]", name="scopes_known"),
        CheckConstraint("act <> 'given' OR 'verification' = ANY (scopes)", name="rests_on_verification"),
        CheckConstraint("(act = 'given') = (obtained IS NOT NULL)", name="given_somehow"),
        CheckConstraint("act = 'given' OR valid_until IS NULL", name="withdrawn_for_good"),
        CheckConstraint(
            "act <> 'withdrawn' OR NOT 'verification' = ANY (scopes) OR cardinality(scopes) = 4", name="all_or_less"
        ),
        Index("ix_consents_item_id_recorded_at_id", "item_id", "recorded_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    item_id: Mapped[UUID]
    """The evidence item, or the testimony."""
    evidence_id: Mapped[UUID | None] = mapped_column(ForeignKey("evidence.id"))
    stream_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    number: Mapped[int]
    act: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    """The person, within this item: made by the first act, named by later ones."""
    subject_kind: Mapped[str] = mapped_column(Text)
    pseudonym: Mapped[str | None] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    obtained: Mapped[str | None] = mapped_column(Text)
    stated_on: Mapped[date] = mapped_column(Date)
    """When the person gave or withdrew it."""
    valid_until: Mapped[datetime | None] = mapped_column(UtcTime)
    reason: Mapped[str | None] = mapped_column(Text)
    """Of a withdrawal, as far as the person gave one."""
    recorded_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)
    recorded_act: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    """From which act it stands (``app.ledger.positions``): written by a trigger. ``act`` is the person's."""


class ConsentStanding(Base):
    """Until when one person's consent to one scope stands; null: without end. Written by a trigger alone."""

    __tablename__ = "consent_standing"
    __table_args__ = (one_of("scope", tuple(ConsentScope)),)

    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    stands_until: Mapped[datetime | None] = mapped_column(UtcTime)
