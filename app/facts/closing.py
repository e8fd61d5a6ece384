"""Facts that rest on an item which a withdrawn consent closes: shown nowhere, counted nowhere, as of any time.

What somebody saw in a recording whose people no longer let it be used is known from them alone. The row, its entry and
that it stands stay; whoever knows the same from another source states it anew, in its place.
"""

from typing import Any

from sqlalchemy import ColumnElement, select, true

from app.media.closing import is_open
from app.media.models import Evidence


def rests_on_what_is_open(model: Any) -> ColumnElement[bool]:
    """Of a kind of fact, as a condition on its rows: no withdrawal closes the item that they name as their source."""
    if not hasattr(model, "source_evidence_id"):
        return true()
    closed = select(Evidence.id).where(Evidence.id == model.source_evidence_id, ~is_open())
    return ~closed.exists()
