"""Copies of one capture, as people had decided by a position: which bytes count as one with which others.

The same as ``app.fingerprints.groups`` shows of a case: equal bytes, and what was decided to be ``same_capture``. A
decision about an item in its blind round counts from the position at which both have submitted; what is closed joins
nothing. Bytes that nobody decided about are not here: each counts by itself.
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
from app.fingerprints.origins import SAME

_DECIDED = """
    SELECT one.blob_sha256, other.blob_sha256
    FROM (SELECT DISTINCT ON (r.match_id) r.match_id, r.relation, r.evidence_id, r.other_id, r.decided_at
        FROM relations r JOIN matches m ON m.id = r.match_id
        WHERE m.case_id = ANY(:cases) AND m.other_case_id IS NULL AND m.tier <> 'exact' AND {held}
            AND NOT EXISTS (SELECT FROM evidence_versions v WHERE v.id IN (r.evidence_id, r.other_id)
                AND v.blind = 'pending' AND r.decided_at >= v.blind_since AND {stood})
        ORDER BY r.match_id, r.number DESC) d
    JOIN evidence one ON one.id = d.evidence_id
    JOIN evidence other ON other.id = d.other_id
    WHERE d.relation = ANY(:same) AND one.blob_sha256 <> other.blob_sha256
        AND (one.closed_at IS NULL OR one.closed_at > :moment)
        AND (other.closed_at IS NULL OR other.closed_at > :moment)
"""


def joined_bytes(session: Session, cases: Sequence[UUID], stand: Stand, moment: datetime) -> dict[bytes, bytes]:
    """SHA-256 of bytes that are one capture with others → that of the first of them, by which all of them count."""
    decided = _DECIDED.format(held=stand.since("r.act"), stood=stand.between("v.act", "v.until_act"))
    pairs = session.execute(
        text(decided).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE))),
        {"cases": list(cases), "same": list(SAME), "moment": moment},
    ).all()
    names = sorted({bytes(name) for pair in pairs for name in pair})
    number_of = {name: number for number, name in enumerate(names)}
    sets = Sets(len(names))
    for one, other in pairs:
        sets.join(number_of[bytes(one)], number_of[bytes(other)])
    return {name: names[sets.find(number)] for number, name in enumerate(names)}
