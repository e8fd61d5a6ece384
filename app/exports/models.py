"""Packages that were asked for, and the media that each holds. What streams it covers stands in the ledger itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.consent.rules import ConsentScope
from app.kernel.database import Base, HexDigest, UtcTime, one_of

EXPORT_SCOPES = ("case", "incident", "evidence", "selection")
EXPORT_STATES = ("awaiting_approval", "refused", "building", "sealed", "ready", "failed", "erased", "expired")
DECISIONS = ("approve", "refuse")
DISCLOSED = ("none", "fields", "all")
AUDIENCES = (ConsentScope.PARTNERS, ConsentScope.LEGAL_PROCEEDINGS, ConsentScope.PUBLICATION)
"""For whom a package may be: each a scope of consent."""


class Export(Base):
    """One package: ``building`` until its seal is logged, ``sealed`` until its file is stored, then ``ready``.

    Where the case's policy says so it is ``awaiting_approval`` first, by another person than the one who asked; or it
    ends as ``refused``, and nothing is made. ``failed``: it will not be made, ``error`` says why. ``erased``: something
    in it was erased, so its file is gone. ``expired``: its time was over, and no case stood by it.
    A trigger holds these steps, and that what was asked for never changes.
    """

    __tablename__ = "exports"
    __table_args__ = (
        one_of("scope", EXPORT_SCOPES),
        one_of("state", EXPORT_STATES),
        one_of("disclosed", DISCLOSED),
        one_of("audience", AUDIENCES),
        one_of("decision", DECISIONS),
        CheckConstraint("NOT (has_media AND is_redacted)", name="copies_instead"),
        CheckConstraint(
            "(decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)",
            name="decision_complete",
        ),
        CheckConstraint("decision IS DISTINCT FROM 'approve' OR decided_by <> requested_by", name="second_person"),
        CheckConstraint("needs_approval OR decision IS NULL", name="decided_when_needed"),
        CheckConstraint("(state = 'refused') <= (decision IS NOT DISTINCT FROM 'refuse')", name="refused_as_decided"),
        CheckConstraint(
            "NOT needs_approval OR decision IS NOT DISTINCT FROM 'approve' OR "
            "state IN ('awaiting_approval', 'refused', 'erased') AND package_sha256 IS NULL AND frozen IS NULL",
            name="approved_first",
        ),
        CheckConstraint("(disclosed = 'fields') = (fields <> '{}')", name="fields_named"),
        CheckConstraint("(frozen IS NULL) = (manifest_sha256 IS NULL)", name="sealed_as_frozen"),
        CheckConstraint("state NOT IN ('sealed', 'ready') OR frozen IS NOT NULL", name="sealed_has_inputs"),
        CheckConstraint("(package_sha256 IS NULL) = (size_bytes IS NULL)", name="file_has_size"),
        CheckConstraint("state <> 'ready' OR package_sha256 IS NOT NULL AND ready_at IS NOT NULL", name="ready_stored"),
        CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="failed_has_error"),
        CheckConstraint("done_bytes >= 0 AND total_bytes >= 0", name="progress_counts"),
        Index("ix_exports_case_id_requested_at_id", "case_id", "requested_at", "id"),
        Index("ix_exports_waiting", "id", postgresql_where=text("state IN ('building', 'sealed')")),
        Index("ix_exports_expiring", "expires_at", postgresql_where=text("state = 'ready'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    scope: Mapped[str] = mapped_column(Text)
    has_media: Mapped[bool]
    disclosed: Mapped[str] = mapped_column(Text)
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """The names of the sealed fields that are opened, when not all are."""
    audience: Mapped[str] = mapped_column(Text, server_default=text("'legal_proceedings'"))
    """What nobody's consent covers for these does not go along."""
    is_redacted: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether redacted copies go with it, in place of originals."""
    needs_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    """As the case's policy had it when it was asked for."""
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    decision: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    """A code without personal data."""
    done_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    total_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    frozen: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What the package is made of besides the ledger's entries and the media: :class:`app.exports.dossier.Frozen`."""
    manifest_sha256: Mapped[str | None] = mapped_column(HexDigest)
    """Of ``manifest-sha256.txt``, as the seal has it: the file that is stored must have that very one."""
    seal_checkpoint: Mapped[str | None] = mapped_column(Text)
    """The signed tree that holds the seal, as the package shows it."""
    package_sha256: Mapped[str | None] = mapped_column(HexDigest)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    ready_at: Mapped[datetime | None] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """From then on its file may be removed, unless it was released; None: never."""


class ExportMedia(Base):
    """One original in a package, or the redacted copy of one, by its digest; ``sha512`` and ``crc32`` are known once it
    was read."""

    __tablename__ = "export_media"
    __table_args__ = (
        CheckConstraint("size_bytes > 0", name="size_positive"),
        CheckConstraint("crc32 BETWEEN 0 AND 4294967295", name="crc32_in_32_bits"),
        CheckConstraint("octet_length(sha512) = 64 AND (sha512 IS NULL) = (crc32 IS NULL)", name="read_at_once"),
        CheckConstraint("extension ~ '^[a-z0-9]{1,8}$'", name="extension_plain"),
    )

    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(HexDigest, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    extension: Mapped[str] = mapped_column(Text)
    sha512: Mapped[bytes | None]
    crc32: Mapped[int | None] = mapped_column(BigInteger)
    input_sha256: Mapped[str | None] = mapped_column(HexDigest)
    """Of a redacted copy: the original that it was made from."""


class ExportDownload(Base):
    """When one person's download of a package was logged last, so that many range requests are one entry."""

    __tablename__ = "export_downloads"

    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    logged_at: Mapped[datetime] = mapped_column(UtcTime)
