"""Evidence items, the blobs they stand on, and what was made or claimed from those bytes."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.kernel.database import Acted, Base, Erasable, HexDigest, UtcTime, Versioned, one_of
from app.media.rules import BlindState, FingerprintStatus, State

MEDIA_KINDS = ("image", "video")
DECODER_MODES = ("strict", "degraded")
DERIVATIVE_KINDS = ("preview", "thumbnail", "strip", "frames")
DERIVATIVE_MEDIA_TYPES = ("image/jpeg", "image/webp", "image/png", "application/zip")
RENDERINGS = (
    *("original", "thumbnail", "strip", "frame", "comparison"),
    *("preview_softened", "preview_grey", "strip_softened", "strip_grey"),
    "redacted",
)
"""What a read of content may be of."""


class Blob(Base):
    """Immutable bytes by their SHA-256, measured by the server while they arrived."""

    __tablename__ = "blobs"
    __table_args__ = (CheckConstraint("size_bytes > 0", name="size_positive"),)

    sha256: Mapped[str] = mapped_column(HexDigest, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str | None] = mapped_column(Text)
    """The type sniffed from the first bytes; None when they are of no format known here."""
    extension: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(Text)
    first_received_at: Mapped[datetime] = mapped_column(UtcTime)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    """Of this installation alone: by it figures group copies, which by digests takes several times as long."""


class Evidence(Erasable, Base):
    """One acquisition of one image or video, with its provenance. Acquisition fields freeze when it is preserved."""

    __tablename__ = "evidence"
    __table_args__ = (
        one_of("state", tuple(State)),
        one_of("fingerprint_status", tuple(FingerprintStatus)),
        one_of("blind", tuple(BlindState)),
        CheckConstraint("(blob_sha256 IS NULL) = (state IN ('lead', 'declined'))", name="bytes_from_collected_on"),
        CheckConstraint("(blob_sha256 IS NULL) = (fingerprint_status IS NULL)", name="status_with_bytes"),
        CheckConstraint("settled_decoding >= 0", name="settled_decoding_counts"),
        CheckConstraint("(lease_holder IS NULL) = (lease_expires_at IS NULL)", name="lease_has_expiry"),
        CheckConstraint(
            "assigned_to IS NULL OR lease_holder IS NULL OR lease_holder = assigned_to", name="leased_as_assigned"
        ),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority_known"),
        CheckConstraint("source_number > 0", name="source_number_counts"),
        Index(
            "ix_evidence_queue",
            *("case_id", "priority", "state_since", "id"),
            postgresql_where=text(
                "state IN ('preserved', 'in_verification', 'awaiting_peer_review', 'disputed', 'awaiting_sign_off')"
            ),
        ),
        Index("ix_evidence_case_id_registered_at_id", "case_id", "registered_at", "id"),
        Index("ix_evidence_closing", "case_id", postgresql_where=text("closed_at IS NOT NULL")),
        Index("ix_evidence_blob_sha256", "blob_sha256"),
        Index("ix_evidence_case_id_blob_sha256", "case_id", "blob_sha256"),
        Index(
            "ix_evidence_received_by_waiting",
            "received_by",
            postgresql_where=text("fingerprint_status = 'pending' AND settled_decoding = 0"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    round: Mapped[int]
    """The verification round, from 1 when verification is opened; a reopening begins the next."""
    blob_sha256: Mapped[str | None] = mapped_column(HexDigest, ForeignKey("blobs.sha256"))
    fingerprint_status: Mapped[str | None] = mapped_column(Text)
    fingerprint_reason: Mapped[str | None] = mapped_column(Text)
    registered_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    registered_at: Mapped[datetime] = mapped_column(UtcTime)
    received_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    received_at: Mapped[datetime | None] = mapped_column(UtcTime)

    lead_address: Mapped[str | None] = mapped_column(Text)
    lead_claim: Mapped[str | None] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)
    """Why it was declined or quarantined."""

    collector: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(Text)
    tool: Mapped[str | None] = mapped_column(Text)
    acquired_at: Mapped[datetime | None] = mapped_column(UtcTime)
    source: Mapped[str | None] = mapped_column(Text)
    source_address: Mapped[str | None] = mapped_column(Text)
    claimed_from: Mapped[datetime | None] = mapped_column(UtcTime)
    claimed_to: Mapped[datetime | None] = mapped_column(UtcTime)
    claimed_place: Mapped[str | None] = mapped_column(Text)
    file_name: Mapped[str | None] = mapped_column(Text)
    media_type_claimed: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(Text)

    labels: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """``{"graphic_level": none|mild|severe, "child", "sexual_violence", "distressing_audio": bool}``, and in newer ones
    ``"languages"``, a list of codes; None: not yet."""
    settled_decoding: Mapped[int] = mapped_column(server_default="0")
    """The number of the blob's decoding by which the item was fingerprinted last; 0: not yet."""
    lease_holder: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    lease_taken_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """Since when its holder has it, however often it was made longer."""
    assigned_to: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    """Who alone may do the present work on it, because a coordinator said so."""
    priority: Mapped[int] = mapped_column(SmallInteger, default=3, server_default=text("3"))
    """The lowest comes first; the words are :class:`app.media.rules.Priority`'s."""
    state_since: Mapped[datetime] = mapped_column(UtcTime, server_default=text("now()"))
    """Set by the database whenever the state changes."""
    blind: Mapped[str | None] = mapped_column(Text)
    """Of the present round; None: it is not verified blind. See ``app.media.blindness``."""
    blind_since: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the present round began, if blind."""
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """From when on nothing of it is shown, since a consent ends or was withdrawn (``app.media.closing``); set by the
    database alone."""
    source_number: Mapped[int | None]
    """The pseudonym of its source in the case, once who that is lies sealed in the vault (``app.vault``)."""

    blob: Mapped[Blob | None] = relationship(viewonly=True, lazy="raise")
    """As it was read with the item, if it was. A session forgets what nobody holds: held here, its ``get`` finds it."""


class EvidenceVersion(Versioned, Base):
    """What of an item changes, from one act to the next. Names and words are in the item's own row alone."""

    __tablename__ = "evidence_versions"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number_counts"),
        Index(
            "ix_evidence_versions_sexual_violence",
            "id",
            postgresql_include=["act", "until_act"],
            postgresql_where=text("CAST(labels ->> 'sexual_violence' AS boolean)"),
        ),
        Index(
            "ix_evidence_versions_blind",
            "id",
            postgresql_include=["act", "until_act", "blind_since"],
            postgresql_where=text("blind = 'pending'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    round: Mapped[int]
    blob_sha256: Mapped[str | None] = mapped_column(HexDigest)
    fingerprint_status: Mapped[str | None] = mapped_column(Text)
    fingerprint_reason: Mapped[str | None] = mapped_column(Text)
    received_by: Mapped[UUID | None]
    received_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reason_code: Mapped[str | None] = mapped_column(Text)
    labels: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    settled_decoding: Mapped[int]
    lease_holder: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    lease_taken_at: Mapped[datetime | None] = mapped_column(UtcTime)
    assigned_to: Mapped[UUID | None]
    priority: Mapped[int] = mapped_column(SmallInteger)
    state_since: Mapped[datetime] = mapped_column(UtcTime)
    blind: Mapped[str | None] = mapped_column(Text)
    blind_since: Mapped[datetime | None] = mapped_column(UtcTime)
    source_number: Mapped[int | None]


class LeadAssessment(Acted, Erasable, Base):
    """The five questions about a lead, answered once; the next one supersedes it."""

    __tablename__ = "lead_assessments"
    __table_args__ = (
        UniqueConstraint("evidence_id", "number", name="uq_lead_assessments_number"),
        one_of("relevance", ("relevant", "possibly_relevant", "not_relevant", "unknown")),
        one_of("reliability", ("credible", "doubtful", "not_credible", "unknown")),
        one_of("removal_risk", ("imminent", "likely", "unlikely", "removed", "unknown")),
        one_of("collection_safety", ("safe", "safe_with_precautions", "unsafe", "unknown")),
        one_of("obligations", ("none", "can_be_met", "cannot_be_met", "unknown")),
        CheckConstraint("number > 0 AND (number = 1) = (supersedes IS NULL)", name="number_counts"),
        CheckConstraint("jsonb_typeof(reasons) IN ('object', 'null')", name="reasons_by_question"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    number: Mapped[int]
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("lead_assessments.id"))
    relevance: Mapped[str] = mapped_column(Text)
    reliability: Mapped[str] = mapped_column(Text)
    removal_risk: Mapped[str] = mapped_column(Text)
    collection_safety: Mapped[str] = mapped_column(Text)
    obligations: Mapped[str] = mapped_column(Text)
    reasons: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    """Question → text, of those that were given one."""
    assessed_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    assessed_at: Mapped[datetime] = mapped_column(UtcTime)


class EvidenceCorrection(Acted, Erasable, Base):
    """A new record that corrects a frozen field; what was first stated stays beside it."""

    __tablename__ = "evidence_corrections"
    __table_args__ = (UniqueConstraint("evidence_id", "number", name="uq_evidence_corrections_number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    number: Mapped[int]
    field: Mapped[str] = mapped_column(Text)
    value: Mapped[Any] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    corrected_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    corrected_at: Mapped[datetime] = mapped_column(UtcTime)


class Decoding(Base):
    """What decoding a blob gave: the outcome, and what the file claims of itself. The highest number is the latest;
    whose results are in force is another matter (``rules_in_force``): a later decoding may have ended worse.

    Claims that identify a person, a place or a device are named here, with where they stand; what they say is sealed in
    each item's stream."""

    __tablename__ = "decodings"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number_counts"),
        CheckConstraint("exhibit_is_open_claim(claims)", name="claims_open"),
    )

    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default="1")
    decoder: Mapped[str] = mapped_column(Text)
    """``name/version`` of all that decoded, with the rules of the pixels and a digest of the limits."""
    limits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """What the file might cost; see ``app.media.limits``."""
    rules: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """The fingerprint versions that were computed, also where they gave no row."""
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    claims: Mapped[dict[str, Any]] = mapped_column(JSONB)
    decoded_at: Mapped[datetime] = mapped_column(UtcTime)


class FingerprintProgress(Base):
    """How far the decoding of an item has come. Written by its worker every few seconds; see ``media.progress``."""

    __tablename__ = "fingerprint_progress"
    __table_args__ = (CheckConstraint("decoded_ms >= 0 AND claimed_ms > 0", name="times"),)

    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    decoded_ms: Mapped[int] = mapped_column(BigInteger)
    claimed_ms: Mapped[int | None] = mapped_column(BigInteger)
    reported_at: Mapped[datetime] = mapped_column(UtcTime)


class DecoderReport(Base):
    """What a worker found at its start: how its decoder is confined, and what gets out. Degraded ones have an entry."""

    __tablename__ = "decoder_reports"
    __table_args__ = (one_of("mode", DECODER_MODES), Index("ix_decoder_reports_reported_at", "reported_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reported_at: Mapped[datetime] = mapped_column(UtcTime)
    mode: Mapped[str] = mapped_column(Text)
    walls: Mapped[list[str]] = mapped_column(ARRAY(Text))
    escapes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    versions: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Derivative(Base):
    """A file made anew from a blob's pixels."""

    __tablename__ = "derivatives"
    __table_args__ = (
        one_of("kind", DERIVATIVE_KINDS),
        one_of("media_type", DERIVATIVE_MEDIA_TYPES),
        UniqueConstraint("blob_sha256", "kind", "parameters_sha256", name="uq_derivatives_once"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"))
    kind: Mapped[str] = mapped_column(Text)
    tool: Mapped[str] = mapped_column(Text)
    tool_version: Mapped[str] = mapped_column(Text)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    parameters_sha256: Mapped[str] = mapped_column(HexDigest)
    sha256: Mapped[str] = mapped_column(HexDigest)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """``{"width", "height"}`` in pixels; of a strip also its tiles' size, and its frames' ``times_ms``; of frames how
    many, and the ``index``: ``[time_ms, offset, size, sha256]`` of each, in order of time."""
    made_at: Mapped[datetime] = mapped_column(UtcTime)


REDACTION_STATES = ("pending", "done", "failed")


class Redaction(Base):
    """One item's picture, or one frame of it, made anew with parts of it covered. A trigger holds that it is made once.

    Not among the derivatives, which all items on the same bytes share: what is covered is this case's own affair.
    """

    __tablename__ = "redactions"
    __table_args__ = (
        one_of("state", REDACTION_STATES),
        CheckConstraint(
            "(state = 'done') = (num_nonnulls(tool, tool_version, sha256, size_bytes, width, height, made_at) = 7) AND "
            "num_nonnulls(tool, tool_version, sha256, size_bytes, width, height, made_at) IN (0, 7)",
            name="done_complete",
        ),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failed_has_error"),
        CheckConstraint("time_ms >= 0", name="time_counts"),
        Index("ix_redactions_evidence_id_requested_at_id", "evidence_id", "requested_at", "id"),
        Index("ix_redactions_sha256", "sha256"),
        Index("ix_redactions_waiting", "id", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"))
    time_ms: Mapped[int | None]
    """Of the frame that is covered; None: the file's own picture."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The rule and the boxes: :meth:`app.media.redacting.Wanted.parameters`."""
    parameters_sha256: Mapped[str] = mapped_column(HexDigest)
    state: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    """A code without personal data."""
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    tool: Mapped[str | None] = mapped_column(Text)
    tool_version: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(HexDigest)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    width: Mapped[int | None]
    """Of the copy, in pixels, as is ``height``."""
    height: Mapped[int | None]
    made_at: Mapped[datetime | None] = mapped_column(UtcTime)


class EvidenceView(Base):
    """The last logged read of content by one person, so that many range requests of one viewing are one entry."""

    __tablename__ = "evidence_views"
    __table_args__ = (one_of("rendering", RENDERINGS),)

    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    act: Mapped[str] = mapped_column(Text, primary_key=True)
    rendering: Mapped[str] = mapped_column(Text, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    logged_at: Mapped[datetime] = mapped_column(UtcTime)


class Exposure(Base):
    """What one person saw of one item in one day: its labels then, and how long looking at it counts.

    For that person and the case's coordinators alone; no figure of it is ever compared between people.
    """

    __tablename__ = "exposures"
    __table_args__ = (
        CheckConstraint("seconds BETWEEN 1 AND 7200", name="seconds_bounded"),
        CheckConstraint("first_at <= last_at", name="in_order"),
        Index("ix_exposures_case_id_account_id_day", "case_id", "account_id", "day"),
        Index("ix_exposures_account_id_day_case_id", "account_id", "day", "case_id"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    """Of UTC."""
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """The words of :data:`app.media.welfare.LABEL_NAMES`."""
    seconds: Mapped[int]
    first_at: Mapped[datetime] = mapped_column(UtcTime)
    last_at: Mapped[datetime] = mapped_column(UtcTime)
