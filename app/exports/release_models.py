"""Releases, with what each pins; and transfers of packages, with their receipts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, HexDigest, UtcTime, one_of

TRANSFER_STATES = ("transferred", "accepted", "revoked")


class Release(Base):
    """A package that its case stands by, and the log's head that it shows. Never changed: what happens later to what it
    rests on marks it as stale where it is read, and nothing in it."""

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("export_id", name="uq_releases_export"),
        CheckConstraint("items_count >= 0", name="items_count"),
        CheckConstraint("figures_count >= 0", name="figures_count"),
        Index("ix_releases_case_id_released_at_id", "case_id", "released_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id"))
    policy_version: Mapped[int]
    """The case's policy by which it was looked through."""
    log_origin: Mapped[str] = mapped_column(Text)
    tree_size: Mapped[int] = mapped_column(BigInteger)
    root: Mapped[str] = mapped_column(HexDigest)
    manifest_sha256: Mapped[str] = mapped_column(HexDigest)
    pins_sha256: Mapped[str] = mapped_column(HexDigest)
    """Of :func:`app.exports.releases.pins_of`, as the custody entry has it."""
    items_count: Mapped[int]
    figures_count: Mapped[int]
    released_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    released_at: Mapped[datetime] = mapped_column(UtcTime)


class ReleaseItem(Base):
    """One item as it stood. ``entries``, ``head``: of its stream, with the package's own entry."""

    __tablename__ = "release_items"
    __table_args__ = (
        CheckConstraint("num_nonnulls(verdict_id, verdict_version, outcome) IN (0, 3)", name="verdict_whole"),
    )

    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"), primary_key=True)
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    version: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    entries: Mapped[int]
    head: Mapped[str] = mapped_column(HexDigest)
    verdict_id: Mapped[UUID | None] = mapped_column(ForeignKey("verdicts.id"))
    verdict_version: Mapped[int | None]
    outcome: Mapped[str | None] = mapped_column(Text)


class ReleaseFigure(Base):
    """One figure as it was answered, and recomputed when it was pinned."""

    __tablename__ = "release_figures"
    __table_args__ = (CheckConstraint("number >= 1", name="number_counts"),)

    release_id: Mapped[UUID] = mapped_column(ForeignKey("releases.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    answer: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Transfer(Base):
    """A package that was handed to somebody, who confirms it by a token that works once. To whom stands in the custody
    entry alone, sealed."""

    __tablename__ = "transfers"
    __table_args__ = (
        one_of("state", TRANSFER_STATES),
        UniqueConstraint("token_sha256", name="uq_transfers_token"),
        CheckConstraint("octet_length(token_sha256) = 32", name="token_digest"),
        CheckConstraint("octet_length(public_key) = 32", name="key_length"),
        CheckConstraint("octet_length(signature) = 64", name="signature_length"),
        CheckConstraint("expires_at > transferred_at", name="expires_later"),
        CheckConstraint(
            "(state = 'accepted') = (accepted_at IS NOT NULL) AND "
            "(state = 'accepted') = (confirmed_sha256 IS NOT NULL)",
            name="accepted_whole",
        ),
        CheckConstraint(
            "CASE WHEN state = 'accepted' THEN (public_key IS NULL) = (signature IS NULL) ELSE signature IS NULL END",
            name="signed_as_agreed",
        ),
        CheckConstraint(
            "(state = 'revoked') = (revoked_at IS NOT NULL) AND (state = 'revoked') = (revoked_by IS NOT NULL)",
            name="revoked_whole",
        ),
        Index("ix_transfers_export_id_transferred_at_id", "export_id", "transferred_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id"))
    state: Mapped[str] = mapped_column(Text)
    token_sha256: Mapped[str] = mapped_column(HexDigest)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Ed25519, 32 bytes: who accepts signs with its other half; None: the token alone is enough."""
    transferred_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    transferred_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    confirmed_sha256: Mapped[str | None] = mapped_column(HexDigest)
    """Of the zip, as the other side computed it."""
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
