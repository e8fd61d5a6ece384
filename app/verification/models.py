"""Findings, verdicts and what others judged of them. None of these rows is ever changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.incidents.rules import PlacePrecision
from app.kernel.database import Acted, Base, Erasable, HexDigest, UtcTime, one_of
from app.verification.rules import (
    Confidence,
    Dimension,
    FindingResult,
    Outcome,
    Place,
    RecycledAnswer,
    ReviewKind,
    SignatureMode,
)


class Finding(Acted, Erasable, Base):
    """One dimension's result in one verification. A newer one of the same dimension supersedes it."""

    __tablename__ = "findings"
    __table_args__ = (
        UniqueConstraint("evidence_id", "number", name="uq_findings_number"),
        UniqueConstraint("supersedes", name="uq_findings_supersedes"),
        one_of("dimension", tuple(Dimension)),
        one_of("result", tuple(FindingResult)),
        one_of("confidence", tuple(Confidence)),
        one_of("place_precision", tuple(PlacePrecision)),
        one_of("place", tuple(Place)),
        CheckConstraint("time_from <= time_to", name="time_in_order"),
        CheckConstraint("rationale <> ''", name="rationale_given"),
        CheckConstraint(
            "latitude_microdegrees BETWEEN -90000000 AND 90000000"
            " AND longitude_microdegrees BETWEEN -180000000 AND 180000000",
            name="point_on_earth",
        ),
        CheckConstraint("jsonb_typeof(sources) IN ('array', 'null')", name="sources_listed"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    round: Mapped[int]
    number: Mapped[int]
    """Counts the item's findings, from 1."""
    dimension: Mapped[str] = mapped_column(Text)
    result: Mapped[str] = mapped_column(Text)
    confidence: Mapped[str] = mapped_column(Text)
    place_precision: Mapped[str | None] = mapped_column(Text)
    latitude_microdegrees: Mapped[int | None]
    longitude_microdegrees: Mapped[int | None]
    time_from: Mapped[datetime | None] = mapped_column(UtcTime)
    time_to: Mapped[datetime | None] = mapped_column(UtcTime)
    time_zone: Mapped[str | None] = mapped_column(Text)
    time_basis: Mapped[str | None] = mapped_column(Text)
    methods: Mapped[list[str]] = mapped_column(ARRAY(Text))
    rationale: Mapped[str] = mapped_column(Text)
    references: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Plain texts, of findings from before there were ``sources``."""
    sources: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    """What ``references.Reference`` says of each thing referred to. None: erased."""
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("findings.id"))
    """The finding of the same dimension and round that this one replaces."""
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)
    place: Mapped[str] = mapped_column(Text, server_default=Place.FIRST)
    """The second's findings are their own view of the item, and no part of what is submitted and signed off."""


class FindingCitation(Base):
    """A finding refers to another item of its case."""

    __tablename__ = "finding_citations"
    __table_args__ = (Index("ix_finding_citations_cited_id", "cited_id"),)

    finding_id: Mapped[UUID] = mapped_column(ForeignKey("findings.id"), primary_key=True)
    cited_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)


class RecycledAnswerRow(Erasable, Base):
    """What a provenance finding says of one match whose pictures are known from before the event."""

    __tablename__ = "recycled_answers"
    __table_args__ = (
        one_of("answer", tuple(RecycledAnswer)),
        Index("ix_recycled_answers_evidence_id", "evidence_id", "match_id"),
        CheckConstraint("answer <> 'not_recycled' OR reason IS NOT NULL", name="reason_given"),
    )

    finding_id: Mapped[UUID] = mapped_column(ForeignKey("findings.id"), primary_key=True)
    match_id: Mapped[UUID] = mapped_column(ForeignKey("matches.id"), primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    answer: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    earliest_at: Mapped[datetime] = mapped_column(UtcTime)
    """By when the pictures were known to exist when this was answered; an earlier one opens the question again."""


class RecycledNotice(Base):
    """For a case's coordinators: the pictures of a signed-off item turn out to be known from before its event; or, of
    the kind `ended`, what its verdict answered as recycled is no longer so."""

    __tablename__ = "recycled_notices"
    __table_args__ = (
        UniqueConstraint("evidence_id", "match_id", "kind", "earliest_at", name="uq_recycled_notices_once"),
        one_of("basis", ("registered", "acquired", "claimed", "file")),
        one_of("kind", ("opened", "ended")),
        CheckConstraint("(kind = 'opened') = (basis IS NOT NULL)", name="basis_of_opened"),
        Index("ix_recycled_notices_case_id_found_at", "case_id", "found_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    match_id: Mapped[UUID] = mapped_column(ForeignKey("matches.id"))
    kind: Mapped[str] = mapped_column(Text, server_default=text("'opened'"))
    earliest_at: Mapped[datetime] = mapped_column(UtcTime)
    basis: Mapped[str | None] = mapped_column(Text)
    """Of the kind `opened`."""
    found_at: Mapped[datetime] = mapped_column(UtcTime)


class FindingDraft(Base):
    """What somebody has written so far of a finding. Nobody else sees it, it counts for nothing, and no entry tells of
    it; it goes when it becomes a finding, is discarded, or holds what is erased."""

    __tablename__ = "finding_drafts"
    __table_args__ = (
        one_of("dimension", tuple(Dimension)),
        UniqueConstraint("evidence_id", "author_id", "dimension", name="uq_finding_drafts_one"),
        CheckConstraint("version > 0", name="version_counts"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    dimension: Mapped[str] = mapped_column(Text)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """As ``stated.Stated.document`` gives it."""
    version: Mapped[int]
    """Counts how often it was saved."""
    saved_at: Mapped[datetime] = mapped_column(UtcTime)


class Verdict(Acted, Erasable, Base):
    """One version of an item's outcome, as submitted. A later version supersedes it; it is never edited."""

    __tablename__ = "verdicts"
    __table_args__ = (
        UniqueConstraint("evidence_id", "version", name="uq_verdicts_version"),
        UniqueConstraint("supersedes", name="uq_verdicts_supersedes"),
        UniqueConstraint("id", "evidence_id", name="uq_verdicts_id_evidence_id"),
        one_of("outcome", tuple(Outcome)),
        one_of("signature_mode", tuple(SignatureMode)),
        CheckConstraint("rationale <> ''", name="rationale_given"),
        CheckConstraint("(version = 1) = (supersedes IS NULL)", name="supersedes_the_one_before"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    round: Mapped[int]
    version: Mapped[int]
    outcome: Mapped[str] = mapped_column(Text)
    rationale: Mapped[str] = mapped_column(Text)
    incident_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    """The incident for which it holds."""
    finding_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """What it rests on: the findings that stood when it was submitted."""
    policy_version: Mapped[int]
    """The case's policy by which it was complete."""
    signature_mode: Mapped[str] = mapped_column(Text)
    self_reviewed: Mapped[bool]
    """Declared by its author when nobody else in the case could review it, and so for ever."""
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("verdicts.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    submitted_at: Mapped[datetime] = mapped_column(UtcTime)


class SecondVerdict(Acted, Erasable, Base):
    """What the second verifier of a blind round found, before the first's work was shown. One a round, for ever."""

    __tablename__ = "second_verdicts"
    __table_args__ = (
        ForeignKeyConstraint(["verdict_id", "evidence_id"], ["verdicts.id", "verdicts.evidence_id"]),
        UniqueConstraint("evidence_id", "round", name="uq_second_verdicts_round"),
        one_of("outcome", tuple(Outcome)),
        CheckConstraint("rationale <> ''", name="rationale_given"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    verdict_id: Mapped[UUID]
    """The first's, beside which it stands: the two that are compared."""
    round: Mapped[int]
    outcome: Mapped[str] = mapped_column(Text)
    rationale: Mapped[str] = mapped_column(Text)
    finding_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    policy_version: Mapped[int]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    submitted_at: Mapped[datetime] = mapped_column(UtcTime)


class VerdictWithdrawal(Acted, Base):
    """The author took a verdict back before any review."""

    __tablename__ = "verdict_withdrawals"
    __table_args__ = (ForeignKeyConstraint(["verdict_id", "evidence_id"], ["verdicts.id", "verdicts.evidence_id"]),)

    verdict_id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID]
    withdrawn_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    withdrawn_at: Mapped[datetime] = mapped_column(UtcTime)


class Review(Acted, Erasable, Base):
    """What one person decided about one version of a verdict; it never counts for another version."""

    __tablename__ = "reviews"
    __table_args__ = (
        ForeignKeyConstraint(["verdict_id", "evidence_id"], ["verdicts.id", "verdicts.evidence_id"]),
        UniqueConstraint("verdict_id", "kind", name="uq_reviews_once"),
        one_of("kind", tuple(ReviewKind)),
        Index(
            "uq_reviews_one_peer",
            "verdict_id",
            unique=True,
            postgresql_where=text("kind IN ('request_changes', 'concur', 'dissent')"),
        ),
        Index(
            "uq_reviews_one_decision",
            "verdict_id",
            unique=True,
            postgresql_where=text("kind IN ('sign_off', 'return')"),
        ),
        Index("ix_reviews_evidence_id_reviewed_at_id", "evidence_id", "reviewed_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    verdict_id: Mapped[UUID]
    round: Mapped[int]
    kind: Mapped[str] = mapped_column(Text)
    leads_to: Mapped[str] = mapped_column(Text)
    """The state that the item took by it."""
    comment: Mapped[str | None] = mapped_column(Text)
    checked_sha256: Mapped[str | None] = mapped_column(HexDigest)
    """For a sign-off: the digest of the stored bytes, computed anew for this act."""
    reviewer_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    reviewed_at: Mapped[datetime] = mapped_column(UtcTime)


class SelfReviewSetting(Base):
    """Whether an only verifier may review their own verdicts, as starts of the product put it on record."""

    __tablename__ = "self_review_settings"
    __table_args__ = (CheckConstraint("number > 0", name="number_counts"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The highest is in force."""
    is_allowed: Mapped[bool]
    set_at: Mapped[datetime] = mapped_column(UtcTime)
