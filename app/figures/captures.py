"""Copies of one capture, as people had decided by a position: which bytes count as one with which others.

The same as ``app.fingerprints.groups`` shows of a case: equal bytes, and what was decided to be ``same_capture``. A
decision about an item in its blind round counts from the position at which both have submitted; what is closed joins
nothing. Equal bytes have one number (``blobs.number``); those that nobody decided about are not here: each counts by
itself.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.orm import Session

from app.figures.standing import Stand
from app.fingerprints.graph import Sets

_DECIDED = """
    WITH hidden AS MATERIALIZED (SELECT v.id, v.blind_since FROM evidence_versions v
        WHERE v.blind = 'pending' AND {stood}),
    closed AS MATERIALIZED (SELECT e.id FROM evidence e WHERE e.case_id = ANY(:cases) AND e.closed_at <= :moment)
    SELECT d.capture, d.other_capture
    FROM (SELECT DISTINCT ON (r.case_id, r.match_id) r.capture, r.other_capture, r.is_same, r.evidence_id, r.other_id
        FROM decided_captures r
        WHERE r.case_id = ANY(:cases) AND {held}
            AND NOT EXISTS (SELECT FROM hidden h WHERE h.id = r.evidence_id AND r.decided_at >= h.blind_since)
            AND NOT EXISTS (SELECT FROM hidden h WHERE h.id = r.other_id AND r.decided_at >= h.blind_since)
        ORDER BY r.case_id, r.match_id, r.number DESC) d
    WHERE d.is_same AND d.evidence_id NOT IN (SELECT id FROM closed) AND d.other_id NOT IN (SELECT id FROM closed)
"""


def joined_captures(session: Session, cases: Sequence[UUID], stand: Stand, moment: datetime) -> dict[int, int]:
    """Number of a capture that is a copy of another one → the number by which all of them count. Their first one is
    not here, as those are not that are no copies."""
    decided = _DECIDED.format(held=stand.since("r.act"), stood=stand.between("v.act", "v.until_act"))
    pairs = session.execute(
        text(decided).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE))),
        {"cases": list(cases), "moment": moment},
    ).all()
    sets = Sets()
    for one, other in pairs:
        sets.join(one, other)
    return sets.names()
