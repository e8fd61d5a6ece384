"""Items as they stood at a ledger position: put together from the item's own row and the version that stood then."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.kernel.database import values_of
from app.kernel.errors import NotFound
from app.ledger.positions import Position, standing_at
from app.media.acquisition import CORRECTABLE
from app.media.models import Evidence, EvidenceVersion

STATED_WITH_BYTES = (*CORRECTABLE, "file_name", "media_type_claimed")
"""Of a lead they are empty, and frozen once its bytes are there."""


def evidence_at(session: Session, evidence: Evidence, position: Position) -> Evidence:
    """The item as it stood (no permission check). Raises NotFound when it did not exist yet."""
    version = session.scalar(
        select(EvidenceVersion).where(
            EvidenceVersion.id == evidence.id, standing_at(position, EvidenceVersion.act, EvidenceVersion.until_act)
        )
    )
    if version is None:
        raise NotFound(f"It did not exist as of {position}.")
    return as_it_stood(evidence, version)


def as_it_stood(evidence: Evidence, version: EvidenceVersion) -> Evidence:
    """A row of no session. What was erased since is erased in it."""
    values: dict[str, Any] = values_of(evidence) | values_of(version, but=("number", "act", "until_act"))
    if version.blob_sha256 is None:
        values |= dict.fromkeys(STATED_WITH_BYTES)
        values["erased"] = [name for name in evidence.erased if name not in STATED_WITH_BYTES]
    return Evidence(**values)
