"""May an item or a testimony leave for a purpose: the one filter that exports, figures and search ask.

Inside the house ``app.media.closing`` holds the same for the scope ``verification``, by one column of the item.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from app.consent.models import ConsentStanding
from app.consent.rules import ConsentScope


def may_go_outward(item_id: Any, scope: ConsentScope) -> ColumnElement[bool]:
    """Of a column of ids (of evidence items or testimonies): nobody's consent to this scope, nor to being kept at all,
    is lacking, withdrawn or over. True where no consent was ever recorded: then none is the ground it is held on."""
    lacking = exists().where(
        ConsentStanding.item_id == item_id,
        ConsentStanding.scope.in_({str(scope), str(ConsentScope.VERIFICATION)}),
        ConsentStanding.stands_until <= func.now(),
    )
    return ~lacking


def closed_to(session: Session, item_ids: Collection[UUID], scope: ConsentScope) -> set[UUID]:
    """Those of these items and testimonies that may not leave for the scope (no permission check)."""
    query = select(ConsentStanding.item_id).where(
        ConsentStanding.item_id.in_(item_ids),
        ConsentStanding.scope.in_({str(scope), str(ConsentScope.VERIFICATION)}),
        ConsentStanding.stands_until <= func.now(),
    )
    return set(session.scalars(query))
