"""What verdicts on copies of an item suggest for it. They are shown and nothing else: no verdict is ever inherited, and
no finding is taken over. Only a verdict that was signed off suggests anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.groups import load_connected
from app.media.items import find_evidence
from app.verification.models import Review, Verdict
from app.verification.rules import ReviewKind


@dataclass(frozen=True)
class Suggestion:
    """``evidence_id`` is ``relation`` of the item that was asked about."""

    evidence_id: UUID
    registered_at: datetime
    relation: Literal["exact_copy", "same_capture"]
    verdict: Verdict
    signed_off_at: datetime


def list_suggestions(
    session: Session, actor: Actor, evidence_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Suggestion]:
    """In the order of the copies' registration. Raises GroupTooLarge."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    known = load_connected(session, evidence.case_id, [evidence_id])
    lineage = known.lineage
    own = lineage.number_of[evidence_id]
    copies = {
        item.id: number
        for number, item in enumerate(lineage.items)
        if number != own and lineage.stated.capture_of[number] == lineage.stated.capture_of[own]
    }
    signed = session.execute(
        select(Verdict, Review.reviewed_at)
        .join(Review, Review.verdict_id == Verdict.id)
        .where(Verdict.evidence_id.in_(copies), Review.kind == ReviewKind.SIGN_OFF)
        .ext(distinct_on(Verdict.evidence_id))
        .order_by(Verdict.evidence_id, Verdict.version.desc())
    )
    found = [
        Suggestion(
            verdict.evidence_id,
            known.registered_at[copies[verdict.evidence_id]],
            "exact_copy" if lineage.bytes_of[copies[verdict.evidence_id]] == lineage.bytes_of[own] else "same_capture",
            verdict,
            signed_at,
        )
        for verdict, signed_at in signed
    ]
    found.sort(key=lambda one: (one.registered_at, one.evidence_id))
    return [one for one in found if after is None or (one.registered_at, one.evidence_id) > after][:limit]
