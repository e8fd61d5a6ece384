"""What a custody log does not open: the sealed fields of what a withdrawn consent closes. Its entries stay.

Pages leave these fields closed. A file that announces its disclosures must hold them all, or nobody could tell that
none was left out: so one over a closed item is taken without them.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import Grant, may
from app.exports.custody_streams import CustodyEntry
from app.exports.errors import DisclosureWithheld, TestimoniesStayClosed
from app.media.closing import closed_among
from app.testimonies import closing
from app.testimonies.models import Testimony
from app.testimonies.places import SEALED

NAMED = ("evidence", "testimony", "fact", "source_evidence")
"""Facts by which an entry of another stream speaks of an item or a testimony."""

OF_WITNESSES = frozenset({*SEALED, "subject", "obtained", "valid_until", "note", "reason"})
"""The sealed fields of a testimony's entries, those of its consents among them."""

_SPOKEN_OF = text("""
    SELECT DISTINCT CAST(coalesce(d.data ->> 'evidence', d.data ->> 'source_evidence') AS uuid)
    FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment
    CROSS JOIN LATERAL (SELECT CAST(convert_from(b.body, 'UTF8') AS jsonb) -> 'data' AS data) d
    WHERE e.stream_id = ANY(CAST(:streams AS uuid[]))
        AND e.type IN ('evidence.match_decided', 'incident.evidence_linked', 'incident.evidence_unlinked',
            'incident.fact_recorded', 'incident.fact_superseded', 'case.fact_recorded', 'case.fact_superseded')
        AND coalesce(d.data ->> 'evidence', d.data ->> 'source_evidence') IS NOT NULL
        AND EXISTS (SELECT FROM ledger_disclosures d WHERE d.commitment = e.commitment)
    UNION
    SELECT CAST(jsonb_array_elements_text(d.data -> 'cited') AS uuid)
    FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment
    CROSS JOIN LATERAL (SELECT CAST(convert_from(b.body, 'UTF8') AS jsonb) -> 'data' AS data) d
    WHERE e.stream_id = ANY(CAST(:streams AS uuid[])) AND e.type = 'evidence.finding_recorded'
        AND EXISTS (SELECT FROM ledger_disclosures l WHERE l.commitment = e.commitment AND l.field = 'references')
""")


def open_among(session: Session, entries: Sequence[CustodyEntry]) -> list[CustodyEntry]:
    """Those of the entries that speak of nothing closed."""
    about = {entry.commitment: _named_by(entry) for entry in entries}
    closed = _closed(session, {one for each in about.values() for one in each})
    return [entry for entry in entries if closed.isdisjoint(about[entry.commitment])]


def citing_closed(session: Session, entries: Sequence[CustodyEntry]) -> set[str]:
    """The commitments of those findings among the entries that refer to something closed: what they say of it, their
    sealed field `references`, is not opened."""
    cited = {entry.commitment: _cited_by(entry) for entry in entries}
    closed = _closed(session, {one for each in cited.values() for one in each})
    return {commitment for commitment, items in cited.items() if not closed.isdisjoint(items)}


def _cited_by(entry: CustodyEntry) -> set[UUID]:
    data: dict[str, Any] = {} if entry.body is None else json.loads(entry.body)["data"]
    return {UUID(one) for one in data.get("cited") or ()}


def require_consent_to_disclose(session: Session, streams: Collection[UUID]) -> None:
    """Of the streams, and of the items about which an entry in them opens a field: a note of a link, a reason of a
    decision. Raises DisclosureWithheld, which names what is closed."""
    spoken_of = session.scalars(_SPOKEN_OF, {"streams": list(streams)})
    items = sorted(closed_among(session, {*streams, *spoken_of}))
    testimonies = sorted(closing.closed_of(session, streams))
    if items or testimonies:
        raise DisclosureWithheld(
            f"Consent was withdrawn to {len(items) + len(testimonies)} of what it holds: take it with disclose=none.",
            extra={
                "evidence_ids": [str(item) for item in items[:50]],
                "testimony_ids": [str(testimony) for testimony in testimonies[:50]],
            },
        )


def require_testimonies_to_open(
    session: Session, actor: Actor, grant: Grant, streams: Collection[UUID], opens: Collection[str] | None
) -> None:
    """That whoever may not read testimonies has none opened in a file: it is no way past the role. ``opens``: the
    fields, None: all. Raises TestimoniesStayClosed."""
    is_theirs = opens is not None and OF_WITNESSES.isdisjoint(opens)
    if is_theirs or may(actor, grant, Operation.READ_TESTIMONIES):
        return
    if session.scalar(select(Testimony.id).where(Testimony.incident_id.in_(streams)).limit(1)) is not None:
        raise TestimoniesStayClosed(
            "It holds testimonies, which your role does not read.", extra={"fields": sorted(OF_WITNESSES)}
        )


def _closed(session: Session, ids: Collection[UUID]) -> set[UUID]:
    return closed_among(session, ids) | closing.closed_among(session, ids)


def _named_by(entry: CustodyEntry) -> set[UUID]:
    data: dict[str, Any] = {} if entry.body is None else json.loads(entry.body)["data"]
    named = {data[name] for name in NAMED if isinstance(data.get(name), str)}
    return {entry.stream} | {UUID(one) for one in named}
