"""Accounts, the secrets that act for them, and the answers kept for a repeated request."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base, Erasable, HexDigest, UtcTime, one_of

TOKEN_KINDS = ("session", "token")


class Account(Erasable, Base):
    """A person, or a machine that an administrator lets in."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower_case"),
        Index("uq_accounts_email", "email", unique=True),
        Index("ix_accounts_created_at_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_administrator: Mapped[bool]
    is_auditor: Mapped[bool]
    is_active: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    version: Mapped[int]
    access_given_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When an administrator last set the password, or made a token for an account that had one: for a day after it the
    account is nobody's second person. A trigger notes the tokens."""


class Token(Erasable, Base):
    """An opaque secret, of which only the SHA-256 is kept: a sign-in's session, or a token made on purpose."""

    __tablename__ = "tokens"
    __table_args__ = (
        one_of("kind", TOKEN_KINDS),
        Index("ix_tokens_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_tokens_made_by", "made_by"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    secret_sha256: Mapped[str] = mapped_column(HexDigest, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    case_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    roles: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("tokens.id"))
    """The token or session that asked for this one; None: a password, or the installation itself."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SignInFailure(Base):
    """One failed sign-in, counted per e-mail address (by digest) to slow down guessing."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index("ix_sign_in_failures_email_sha256_failed_at", "email_sha256", "failed_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email_sha256: Mapped[str] = mapped_column(HexDigest)
    failed_at: Mapped[datetime] = mapped_column(UtcTime)


class StoredAnswer(Base):
    """The first answer to a request with an Idempotency-Key, given again when the request comes again."""

    __tablename__ = "stored_answers"
    __table_args__ = (
        UniqueConstraint("account_id", "key", name="uq_stored_answers_key"),
        Index("ix_stored_answers_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    key: Mapped[str] = mapped_column(Text)
    operation: Mapped[str] = mapped_column(Text)
    request_sha256: Mapped[str] = mapped_column(HexDigest)
    status: Mapped[int | None]
    body: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """``json``, not ``jsonb``: a repeated answer is the first one to the byte."""
    headers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    holds_secret: Mapped[bool]
    is_erased: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The answer held what was erased since; only that the request was done is left of it."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
