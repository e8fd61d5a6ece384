"""Who sees whose work on an item while it is verified twice, blind: the one rule, as a function and as a filter.

An item's first round begins blind where the case's policy says so (``blind_double_verification``), and stays so
whatever becomes of the policy; a reopened one never does. Until both verifiers have submitted it is *pending*: what
somebody wrote in it, nobody but themselves sees, whatever their role; for anybody who may verify could be the second,
and a role can be given tomorrow. Then it is *complete*, and everything is shown; so it is where somebody *ended* it
because there is no second. docs/decisions/0041 and 0052.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from app.media.models import Evidence
from app.media.rules import BlindState

SAYS_NOTHING_OF_WORK = frozenset(
    {
        *("lead_registered", "declined", "collected", "corrected", "labelled", "decoding_requested", "erased"),
        *(
            "leased",
            "lease_ended",
            "assigned",
            "unassigned",
            "prioritised",
            "questioned",
            "verification_opened",
            "reopened",
            "withdrawn",
            "integrity_checked",
        ),
        *("viewed", "downloaded", "compared", "claims_read", "notice_acknowledged", "linked_to_incident", "unlinked"),
    }
)
"""Acts on an item whose entries say nothing of what somebody found out. Whatever is not named here is kept back, so
that a new act is kept back until somebody has thought about it."""


@dataclass(frozen=True)
class Blind:
    """An item's blind round that is still pending: its number, and when it began."""

    round: int
    since: datetime

    def hides(self, reader: UUID, writer: UUID, *, in_round: int | None = None, at: datetime | None = None) -> bool:
        """Whether the reader may not see yet what the writer wrote in that round or, where it has none, at that time.

        Persons by whichever name both have: accounts, or pseudonyms of the case.
        """
        is_of_this_round = in_round >= self.round if in_round is not None else at is None or at >= self.since
        return reader != writer and is_of_this_round


def pending_blind(evidence: Evidence) -> Blind | None:
    """None: everything about the item is shown, as far as roles go."""
    if evidence.blind != BlindState.PENDING or evidence.blind_since is None:
        return None
    return Blind(evidence.round, evidence.blind_since)


def pending_among(session: Session, evidence_ids: Collection[UUID]) -> dict[UUID, Blind]:
    """Those of these items that are in a pending blind round (no permission check)."""
    if not evidence_ids:
        return {}
    query = select(Evidence.id, Evidence.round, Evidence.blind_since)
    query = query.where(Evidence.id.in_(evidence_ids), Evidence.blind == BlindState.PENDING)
    return {row.id: Blind(row.round, row.blind_since) for row in session.execute(query)}


def seen_by(reader: Any, *, author: Any, in_round: Any) -> ColumnElement[bool]:
    """The same rule as a filter of a query over rows of verification that is joined with :class:`Evidence`; the reader
    by their id, or a parameter for it."""
    return or_(Evidence.blind.is_distinct_from(BlindState.PENDING), in_round < Evidence.round, author == reader)
