"""Reviewers' own keys, who vouched for them, when they ended; and the verdicts signed with them.

None of these rows is ever changed. Where personal data lies, for erasure: ``reviewer_key_bindings.checked_how`` and
``reviewer_key_revocations.reason`` are free text about a person; ``verdict_envelopes.envelope`` repeats the verdict's
rationale inside its payload (whatever erases ``verdicts.rationale`` must delete that row, and nothing else: the
signature's row holds only digests). ``reviewer_keys.envelope`` names the holder by pseudonym alone.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, Erasable, HexDigest, UtcTime, one_of
from app.verification.rules import RevocationReason


class ReviewerKeyHolder(Base):
    """Whose a public key is, in every case: one person's for ever."""

    __tablename__ = "reviewer_key_holders"
    __table_args__ = (
        UniqueConstraint("public_key", "holder_id", name="uq_reviewer_key_holders_public_key_holder_id"),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_size"),
    )

    public_key: Mapped[str] = mapped_column(HexDigest, primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))


class ReviewerKey(Base):
    """A public key that its holder brought into a case, with the holder's signed word that it is theirs."""

    __tablename__ = "reviewer_keys"
    __table_args__ = (
        ForeignKeyConstraint(
            ["public_key", "holder_id"],
            ["reviewer_key_holders.public_key", "reviewer_key_holders.holder_id"],
            name="fk_reviewer_keys_public_key_holder_id_reviewer_key_holders",
        ),
        UniqueConstraint("case_id", "keyid", name="uq_reviewer_keys_keyid"),
        UniqueConstraint("id", "case_id", "holder_id", name="uq_reviewer_keys_id_case_id_holder_id"),
        CheckConstraint("keyid = sha256('\\x302a300506032b6570032100'::bytea || public_key)", name="keyid_of_key"),
        CheckConstraint("dsse_sha256 = sha256(envelope)", name="dsse_sha256_of_envelope"),
        Index("ix_reviewer_keys_case_id_requested_at_id", "case_id", "requested_at", "id"),
        Index("ix_reviewer_keys_dsse_sha256", "dsse_sha256"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    public_key: Mapped[str] = mapped_column(HexDigest)
    """32 bytes, hexadecimal in Python."""
    keyid: Mapped[str] = mapped_column(HexDigest)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    """The proof of possession: a DSSE envelope in its one spelling."""
    dsse_sha256: Mapped[str] = mapped_column(HexDigest)
    requested_at: Mapped[datetime] = mapped_column(UtcTime)


class ReviewerKeyBinding(Erasable, Base):
    """Another person checked that the key is its holder's; from then on it signs."""

    __tablename__ = "reviewer_key_bindings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["key_id", "case_id", "holder_id"],
            ["reviewer_keys.id", "reviewer_keys.case_id", "reviewer_keys.holder_id"],
        ),
        CheckConstraint("checked_by <> holder_id", name="checked_by_another"),
        CheckConstraint("checked_how <> ''", name="checked_how_given"),
    )

    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    checked_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    checked_how: Mapped[str] = mapped_column(Text)
    bound_at: Mapped[datetime] = mapped_column(UtcTime)


class ReviewerKeyRevocation(Erasable, Base):
    """From now on the key signs nothing in this case; what it signed before stays."""

    __tablename__ = "reviewer_key_revocations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["key_id", "case_id", "holder_id"],
            ["reviewer_keys.id", "reviewer_keys.case_id", "reviewer_keys.holder_id"],
        ),
        one_of("reason_code", tuple(RevocationReason)),
    )

    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID]
    holder_id: Mapped[UUID]
    revoked_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    reason_code: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    revoked_at: Mapped[datetime] = mapped_column(UtcTime)


class VerdictSignature(Base):
    """With which key a verdict was signed by its author; stays when the words are erased."""

    __tablename__ = "verdict_signatures"
    __table_args__ = (
        ForeignKeyConstraint(["verdict_id", "evidence_id"], ["verdicts.id", "verdicts.evidence_id"]),
        UniqueConstraint("dsse_sha256", name="uq_verdict_signatures_dsse_sha256"),
    )

    verdict_id: Mapped[UUID] = mapped_column(primary_key=True)
    evidence_id: Mapped[UUID]
    key_id: Mapped[UUID] = mapped_column(ForeignKey("reviewer_keys.id"))
    key_bound: Mapped[str] = mapped_column(HexDigest)
    """The commitment of the entry that bound the key."""
    dsse_sha256: Mapped[str] = mapped_column(HexDigest)


class VerdictEnvelope(Base):
    """The signed statement itself, words included."""

    __tablename__ = "verdict_envelopes"

    verdict_id: Mapped[UUID] = mapped_column(ForeignKey("verdict_signatures.verdict_id"), primary_key=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
