"""Cases, who is in them in which role and under which pseudonym, and the versions of their policies."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.access.rules import Role
from app.kernel.database import Acted, Base, Erasable, UtcTime, Versioned, one_of

CASE_STATUSES = ("open", "closed")


class Case(Erasable, Base):
    """An investigation: the compartment of need-to-know."""

    __tablename__ = "cases"
    __table_args__ = (one_of("status", CASE_STATUSES), Index("ix_cases_created_at_id", "created_at", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    policy_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    version: Mapped[int]


class CasePolicy(Acted, Base):
    """One version of a case's rules: required dimensions, matching thresholds. Never edited, only followed."""

    __tablename__ = "case_policies"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class CaseMember(Base):
    """One role of one account in one case."""

    __tablename__ = "case_members"
    __table_args__ = (one_of("role", tuple(Role)), Index("ix_case_members_account_id", "account_id"))

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    granted_at: Mapped[datetime] = mapped_column(UtcTime)


class CaseMemberVersion(Versioned, Base):
    """From which act to which an account held a role. Written by a trigger alone, and kept."""

    __tablename__ = "case_member_versions"
    __table_args__ = (CheckConstraint("number >= 1", name="number_counts"),)

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[str] = mapped_column(Text, primary_key=True)
    granted_at: Mapped[datetime] = mapped_column(UtcTime)


class CasePseudonym(Base):
    """The name an account goes by in one case's entries: random, and unrelated to its name in any other case."""

    __tablename__ = "case_pseudonyms"
    __table_args__ = (UniqueConstraint("pseudonym", name="uq_case_pseudonyms_pseudonym"),)

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    pseudonym: Mapped[UUID]
