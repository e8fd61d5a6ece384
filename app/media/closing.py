"""What a withdrawn consent closes inside the house: of an item that somebody no longer lets be kept and examined
nothing is shown, to nobody; its coordinators and custodians read the item itself and its consents, to carry the
withdrawal out. What was found about it (findings, verdicts, matches, claims) is as closed to them as to anybody.

``closed_at`` is worked out by the database from the consents of the item (``app.consent``); a consent that ends by its
date sets it ahead. A viewing that is written meanwhile is refused by the database too (``exhibit_consent_withdrawn``).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app.access.rules import Operation, Role
from app.cases.service import Grant
from app.kernel.primitives import utc_now
from app.media.errors import CONSENT_WITHDRAWN, ConsentWithdrawn
from app.media.models import Evidence

CARRIED_OUT_BY = frozenset({Role.COORDINATOR, Role.CUSTODIAN})
OPEN_TO_THEM = frozenset(
    {
        Operation.READ_WITHDRAWN,
        Operation.READ_WITNESS_CONSENTS,
        Operation.MANAGE_CASE,
        Operation.RECORD_CONSENT,
        Operation.WITHDRAW_CONSENT,
        Operation.REQUEST_OPENING,
        Operation.SEAL_IDENTITY,
    }
)
"""What they may do with a closed item: nothing by which its content, or what it shows, is seen."""


def is_closed(closed_at: datetime | None, now: datetime) -> bool:
    return closed_at is not None and closed_at <= now


def may_touch_closed(roles: Collection[Role], operation: Operation) -> bool:
    """Whether the operation is open on a closed item to a holder of these roles."""
    return operation in OPEN_TO_THEM and not CARRIED_OUT_BY.isdisjoint(roles)


def require_open(evidence: Evidence, grant: Grant, operation: Operation) -> None:
    """Raises ConsentWithdrawn, for a member who could read the item before: an outsider never comes here."""
    if is_closed(evidence.closed_at, utc_now()) and not may_touch_closed(grant.roles, operation):
        raise ConsentWithdrawn(CONSENT_WITHDRAWN)


def is_open(entity: Any = Evidence) -> ColumnElement[bool]:
    """Of an item in a list: that no withdrawal closes it now."""
    return or_(entity.closed_at.is_(None), entity.closed_at > func.now())


def closed_among(session: Session, evidence_ids: Collection[UUID]) -> set[UUID]:
    """Those of these items that are closed (no permission check)."""
    return set(session.scalars(_CLOSED_AMONG, {"ids": list(evidence_ids)})) if evidence_ids else set()


_CLOSED_AMONG = select(Evidence.id).where(Evidence.id.in_(bindparam("ids", expanding=True)), ~is_open())
