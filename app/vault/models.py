"""The vault: who an item's source is, apart from all content, encrypted, and who asked, agreed and opened it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, HexDigest, UtcTime, one_of

SUBJECT_KINDS = ("evidence", "testimony")
DECISIONS = ("approve", "refuse")
PURPOSES = (
    *("source_safety", "contacting_source", "consent", "verification", "legal_proceedings"),
    "data_subject_request",
)
"""Why an identity is opened: to warn or protect the source, to ask it, about its consent, what only it can establish,
a court's or a prosecutor's demand, its own request."""


class VaultIdentity(Base):
    """That an identity is sealed, and of whom: a number in the case. The newest is in force."""

    __tablename__ = "vault_identities"
    __table_args__ = (
        one_of("subject_kind", SUBJECT_KINDS),
        UniqueConstraint("subject_id", "version", name="uq_vault_identities_version"),
        UniqueConstraint("case_id", "number", "version", name="uq_vault_identities_number"),
        CheckConstraint("version > 0 AND (version = 1) = (supersedes IS NULL)", name="supersedes_the_one_before"),
        CheckConstraint("subject_kind <> 'evidence' OR subject_id = stream_id", name="item_is_its_stream"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    stream_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    """The item, or the testimony."""
    number: Mapped[int]
    """The pseudonym: "Source 3" of the case. It stays when the identity is sealed anew."""
    version: Mapped[int]
    supersedes: Mapped[UUID | None] = mapped_column(ForeignKey("vault_identities.id"))
    key_id: Mapped[str] = mapped_column(Text)
    ciphertext_sha256: Mapped[str] = mapped_column(HexDigest)
    sealed_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    sealed_at: Mapped[datetime] = mapped_column(UtcTime)


class VaultSecret(Base):
    """The ciphertext and its wrapped key. The application's role adds and destroys them, and cannot read them: a
    function of the database hands them out, once, for an opening that a second person has approved."""

    __tablename__ = "vault_secrets"

    identity_id: Mapped[UUID] = mapped_column(ForeignKey("vault_identities.id"), primary_key=True)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    wrapped_by: Mapped[str | None] = mapped_column(
        Text, comment="The key that wraps this record's own; null: the one that sealed it."
    )


class VaultKeyChange(Base):
    """From when on another key seals. Nothing but its name is here; it lies in a file of the API's processes."""

    __tablename__ = "vault_keys"
    __table_args__ = (
        CheckConstraint("number > 0", name="number_counts"),
        {"comment": "Changes of the vault's key: the last one seals. Empty: the first one still does."},
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_id: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(UtcTime)


class VaultOpening(Base):
    """One person's request to open an identity, another one's decision, and that it was opened: each happens once."""

    __tablename__ = "vault_openings"
    __table_args__ = (
        one_of("purpose", PURPOSES),
        one_of("decision", DECISIONS),
        CheckConstraint(
            "(decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)",
            name="decision_complete",
        ),
        CheckConstraint("decision IS DISTINCT FROM 'approve' OR decided_by <> requested_by", name="second_person"),
        CheckConstraint("opened_at IS NULL OR decision IS NOT DISTINCT FROM 'approve'", name="opened_when_approved"),
        Index(
            "uq_vault_openings_open",
            *("identity_id", "requested_by"),
            unique=True,
            postgresql_where=text("decision IS NULL"),
        ),
        Index("ix_vault_openings_case_id_requested_at_id", "case_id", "requested_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    stream_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_streams.id"))
    identity_id: Mapped[UUID] = mapped_column(ForeignKey("vault_identities.id"))
    purpose: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    decision: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    opened_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """Set by the database's function alone."""
