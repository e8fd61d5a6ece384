"""Copies of one capture, as people had decided by a position: which bytes count as one with which others.

The same as ``app.fingerprints.groups`` shows of a case: equal bytes, and what was decided to be ``same_capture``. A
decision about an item in its blind round counts from the position at which both have submitted; what is closed joins
nothing. Equal bytes have one number (``blobs.number``); those that nobody decided about are not here: each counts by
itself.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.orm import Session

from app.figures.standing import Stand
from app.figures.tally import Joined
from app.kernel.numbers import joined

_DECIDED = """
    WITH hidden AS MATERIALIZED (SELECT v.id, v.blind_since FROM evidence_versions v
        WHERE v.blind = 'pending' AND {stood}),
    closed AS MATERIALIZED (SELECT e.id FROM evidence e WHERE e.case_id = ANY(:cases) AND e.closed_at <= :moment)
    SELECT string_agg(int8send(d.capture) || int8send(d.other_capture), ''::bytea)
    FROM (SELECT DISTINCT ON (r.case_id, r.match_id) r.capture, r.other_capture, r.is_same, r.evidence_id, r.other_id
        FROM decided_captures r
        WHERE r.case_id = ANY(:cases) AND {held}
            AND NOT EXISTS (SELECT FROM hidden h WHERE h.id = r.evidence_id AND r.decided_at >= h.blind_since)
            AND NOT EXISTS (SELECT FROM hidden h WHERE h.id = r.other_id AND r.decided_at >= h.blind_since)
        ORDER BY r.case_id, r.match_id, r.number DESC) d
    WHERE d.is_same AND d.evidence_id NOT IN (SELECT id FROM closed) AND d.other_id NOT IN (SELECT id FROM closed)
"""


def joined_captures(session: Session, cases: Sequence[UUID], stand: Stand, moment: datetime) -> Joined:
    """Numbers of captures that are copies of others, in order → the number by which all of those count."""
    decided = _DECIDED.format(held=stand.since("r.act"), stood=stand.between("v.act", "v.until_act"))
    pairs = session.execute(
        text(decided).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE))),
        {"cases": list(cases), "moment": moment},
    ).scalar_one()
    one, other = np.frombuffer(pairs or b"", ">i8").astype(np.int64).reshape(-1, 2).T
    return joined(one, other)
