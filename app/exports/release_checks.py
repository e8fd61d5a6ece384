"""What stands in a release's way, and what makes one stale later: each by its name and of what it is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from app.audits.service import newest_audit
from app.consent.outward import closed_to
from app.consent.rules import ConsentScope
from app.exports.models import Export
from app.fingerprints.models import Match
from app.media.blindness import pending_among
from app.media.models import Evidence
from app.media.rules import State
from app.testimonies.models import Testimony
from app.verification.recycled import questions_of

STALE_BY: Mapping[str, str] = {
    "evidence.reopened": "reopened",
    "evidence.submitted": "verdict_superseded",
    "evidence.second_submitted": "verdict_superseded",
    "evidence.quarantined": "quarantined",
    "evidence.destroyed": "destroyed",
    "evidence.corrected": "corrected",
    "evidence.erased": "erased",
    "incident.erased": "erased",
    "case.erased": "erased",
    "entry.erased": "erased",
    "incident.graded": "grading_superseded",
    "incident.fact_superseded": "fact_superseded",
}
"""Entry type → why a release with the entry's stream is stale."""
WITHOUT_VERDICT = frozenset({State.LEAD, State.DECLINED})
"""Items of which there is nothing to be signed off."""


@dataclass(frozen=True)
class Included:
    """A stream of a package, and the package's own entry in it, its last one there."""

    stream: UUID
    kind: str
    seq: int
    commitment: str
    log_id: int


@dataclass(frozen=True)
class Obstacle:
    """``check``: a stable word; ``ids``: of the items, incidents' testimonies or streams that it is about."""

    check: str
    ids: tuple[UUID, ...] = ()

    def document(self, named_at_most: int) -> dict[str, Any]:
        return {"check": self.check, "count": len(self.ids), "ids": [str(each) for each in self.ids[:named_at_most]]}


@dataclass(frozen=True)
class Stale:
    """Why a release is stale, since when, and of how many acts or consents."""

    reason: str
    since: datetime
    count: int


_INCLUDED = text("""
    SELECT e.stream_id, s.kind, e.seq, e.commitment, e.log_id
    FROM ledger_entries e JOIN ledger_streams s ON s.id = e.stream_id
    WHERE e.type = 'export.created' AND e.object_id = :export AND (:has_case OR s.kind <> 'case') ORDER BY e.stream_id
""")
# The body is what was committed to: a body that is gone was erased, which has an entry of its own.
_ALTERED = text("""
    SELECT DISTINCT e.stream_id FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment
    WHERE e.stream_id = ANY(CAST(:streams AS uuid[])) AND sha256(b.body) <> e.commitment ORDER BY e.stream_id
""")
_MISMATCHED = text("""
    SELECT stream_id FROM (
        SELECT DISTINCT ON (e.stream_id) e.stream_id,
            CAST(convert_from(b.body, 'UTF8') AS jsonb) -> 'data' ->> 'outcome' AS outcome
        FROM ledger_entries e JOIN ledger_bodies b ON b.commitment = e.commitment
        WHERE e.stream_id = ANY(CAST(:streams AS uuid[])) AND e.type = 'evidence.integrity_checked'
        ORDER BY e.stream_id, e.id DESC
    ) newest WHERE outcome = 'mismatch' ORDER BY stream_id
""")
_CHANGED = text("""
    SELECT DISTINCT e.stream_id FROM ledger_entries own
    JOIN ledger_entries e ON e.stream_id = own.stream_id AND e.id > own.id
    WHERE own.type = 'export.created' AND own.object_id = :export AND own.stream_id = ANY(CAST(:streams AS uuid[]))
        AND e.type = ANY(:types) ORDER BY e.stream_id
""")
_STALE = text("""
    SELECT r.id AS release, e.type, min(e.recorded_at) AS since, count(*) AS acts
    FROM releases r JOIN exports x ON x.id = r.export_id
    JOIN ledger_entries own ON own.type = 'export.created' AND own.object_id = x.id
    JOIN ledger_entries e ON e.stream_id = own.stream_id AND e.id > own.id
    WHERE r.id = ANY(CAST(:releases AS uuid[])) AND (x.scope = 'case' OR own.stream_id <> x.case_id)
        AND e.type = ANY(:types)
    GROUP BY r.id, e.type
""")
_CONSENTS_OVER = text("""
    SELECT r.id AS release, min(c.stands_until) AS since, count(DISTINCT c.item_id) AS items
    FROM releases r JOIN exports x ON x.id = r.export_id
    JOIN ledger_entries own ON own.type = 'export.created' AND own.object_id = x.id
    JOIN (
        SELECT item_id, item_id AS stream_id, scope, stands_until FROM consent_standing
        UNION ALL SELECT c.item_id, t.incident_id, c.scope, c.stands_until
        FROM consent_standing c JOIN testimonies t ON t.fact_id = c.item_id
    ) c ON c.stream_id = own.stream_id AND c.scope IN (x.audience, 'verification') AND c.stands_until <= now()
    WHERE r.id = ANY(CAST(:releases AS uuid[]))
    GROUP BY r.id
""")


def included_in(session: Session, export: Export) -> list[Included]:
    """The streams that the package holds."""
    rows = session.execute(_INCLUDED, {"export": export.id, "has_case": export.scope == "case"})
    return [Included(row.stream_id, row.kind, row.seq, bytes(row.commitment).hex(), row.log_id) for row in rows]


def obstacles_of(
    session: Session, export: Export, included: Sequence[Included], *, needs_sign_off: bool
) -> list[Obstacle]:
    """All that stands in the way, by checks; each names what it is about."""
    streams = [each.stream for each in included]
    items = [each.stream for each in included if each.kind == "evidence"]
    evidence = session.scalars(select(Evidence).where(Evidence.id.in_(items)).order_by(Evidence.id)).all()
    audited = newest_audit(session)
    testimonies = session.scalars(select(Testimony.fact_id).where(Testimony.incident_id.in_(streams)))
    asked: list[tuple[str, Iterable[UUID]]] = [
        ("entries_altered", session.scalars(_ALTERED, {"streams": list(map(str, streams))})),
        ("integrity_mismatch", session.scalars(_MISMATCHED, {"streams": list(map(str, items))})),
        ("quarantined", (each.id for each in evidence if each.state == State.QUARANTINED)),
        ("recycled_unanswered", _unanswered(session, evidence)),
        ("consent_closed", sorted(closed_to(session, {*items, *testimonies}, ConsentScope(export.audience)))),
        ("labels_missing", (each.id for each in evidence if each.labels is None and each.blob_sha256 is not None)),
        ("blind_pending", sorted(pending_among(session, items))),
        ("changed_since", _changed(session, export, streams)),
    ]
    if needs_sign_off:
        waiting = (each.id for each in evidence if each.state not in (State.SIGNED_OFF, *WITHOUT_VERDICT))
        asked.append(("not_signed_off", waiting))
    found = [Obstacle(check, tuple(ids)) for check, ids in asked]
    faults = [Obstacle("ledger_faults")] if audited is not None and audited.faults else []
    return faults + [obstacle for obstacle in found if obstacle.ids]


def _unanswered(session: Session, evidence: Sequence[Evidence]) -> list[UUID]:
    """Asked as the system, which sees all; of items alone that have a match."""
    ids = [each.id for each in evidence]
    pairs = session.execute(
        select(Match.first_id, Match.second_id).where(or_(Match.first_id.in_(ids), Match.second_id.in_(ids)))
    )
    matched = {item for pair in pairs for item in pair}
    return [
        each.id
        for each in evidence
        if each.id in matched and any(question.is_open for question in questions_of(session, each, None))
    ]


def _changed(session: Session, export: Export, streams: Collection[UUID]) -> Sequence[UUID]:
    asked = {"export": export.id, "streams": list(map(str, streams)), "types": list(STALE_BY)}
    return session.scalars(_CHANGED, asked).all()


def staleness_of(session: Session, releases: Collection[UUID]) -> dict[UUID, list[Stale]]:
    """By release, the earliest reason first."""
    asked = {"releases": list(map(str, releases)), "types": list(STALE_BY)}
    by_reason: dict[tuple[UUID, str], Stale] = {}
    for row in session.execute(_STALE, asked):
        reason = STALE_BY[row.type]
        before = by_reason.get((row.release, reason), Stale(reason, row.since, 0))
        by_reason[row.release, reason] = Stale(reason, min(before.since, row.since), before.count + row.acts)
    for row in session.execute(_CONSENTS_OVER, {"releases": asked["releases"]}):
        by_reason[row.release, "consent_closed"] = Stale("consent_closed", row.since, row.items)
    found: dict[UUID, list[Stale]] = {}
    for (release, _), stale in sorted(by_reason.items(), key=lambda one: one[1].since):
        found.setdefault(release, []).append(stale)
    return found
