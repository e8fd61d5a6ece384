"""What a person wants to be offered: for nobody's eyes but their own."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Base


class Preferences(Base):
    """One person's languages and opt-outs. Read for that person's own requests alone; never an entry, never logged."""

    __tablename__ = "preferences"
    __table_args__ = (
        CheckConstraint("graphic_level_at_most IN ('none', 'mild')", name="graphic_level_at_most_word"),
        CheckConstraint(
            "opt_outs <@ ARRAY['child', 'sexual_violence', 'distressing_audio']::text[]", name="opt_outs_words"
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """ISO 639 codes; empty: any."""
    graphic_level_at_most: Mapped[str | None] = mapped_column(Text)
    """None: any."""
    opt_outs: Mapped[list[str]] = mapped_column(ARRAY(Text))
