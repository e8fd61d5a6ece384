"""What a custody log does not open: the sealed fields of what a withdrawn consent closes. Its entries stay.

Pages leave these fields closed. A file that announces its disclosures must hold them all, or nobody could tell that
none was left out: so one over a closed item is taken without them.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.exports.custody_streams import CustodyEntry
from app.exports.errors import DisclosureWithheld
from app.media.closing import closed_among
from app.testimonies import closing

NAMED = ("evidence", "testimony", "fact")
"""Facts by which an entry of another stream speaks of an item or a testimony."""


def open_among(session: Session, entries: Sequence[CustodyEntry]) -> list[CustodyEntry]:
    """Those of the entries that speak of nothing closed."""
    about = {entry.commitment: _named_by(entry) for entry in entries}
    closed = _closed(session, {one for each in about.values() for one in each})
    return [entry for entry in entries if closed.isdisjoint(about[entry.commitment])]


def require_consent_to_disclose(session: Session, streams: Collection[UUID]) -> None:
    """Raises DisclosureWithheld, which names what is closed."""
    items, testimonies = sorted(closed_among(session, streams)), sorted(closing.closed_of(session, streams))
    if items or testimonies:
        raise DisclosureWithheld(
            f"Consent was withdrawn to {len(items) + len(testimonies)} of what it holds: take it with disclose=none.",
            extra={
                "evidence_ids": [str(item) for item in items[:50]],
                "testimony_ids": [str(testimony) for testimony in testimonies[:50]],
            },
        )


def _closed(session: Session, ids: Collection[UUID]) -> set[UUID]:
    return closed_among(session, ids) | closing.closed_among(session, ids)


def _named_by(entry: CustodyEntry) -> set[UUID]:
    data: dict[str, Any] = {} if entry.body is None else json.loads(entry.body)["data"]
    named = {data[name] for name in NAMED if isinstance(data.get(name), str)}
    return {entry.stream} | {UUID(one) for one in named}
