"""Whose file is decoded next: a person who sends many does not make the others wait.

A file that takes its whole limit keeps a worker busy for 20 s, a video for half an hour, and whoever wants to hold
up a hub can send hundreds. So a person's files come in groups: the first few that wait have their turn beside everybody
else's first few, the next few after these, and so on.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.jobs import IN_BULK
from app.media.models import Evidence
from app.media.rules import FingerprintStatus

PRESERVING = 2
"""Before all decoding: what was received is read back soon, whoever's files keep the decoder busy."""
SEARCHING = 1
"""Before new files: somebody waits for the answer."""
SEARCHES_AT_ONCE = 2
"""How many waiting searches of one person have the same turn; the next ones' is that of new files."""
AT_ONCE = 4
"""How many waiting files of one person have the same turn."""
LAST_TURN = IN_BULK + 1
"""Before what an operator has done in bulk."""
AGAIN = -5
"""Files that were decoded before and are asked for again, each by a person: after everybody's first twenty new ones."""


def turn_of(session: Session, evidence: Evidence) -> int:
    """The priority of decoding a new file: from 0 down to :data:`LAST_TURN`, by how many of the person who sent it
    were there before and wait still."""
    before = (
        select(Evidence.id)
        .where(
            Evidence.received_by == evidence.received_by,
            Evidence.received_at < evidence.received_at,
            Evidence.fingerprint_status == FingerprintStatus.PENDING,
            Evidence.settled_decoding == 0,
        )
        .limit(AT_ONCE * -LAST_TURN)
        .subquery()
    )
    count = session.scalar(select(func.count()).select_from(before)) or 0
    return -(count // AT_ONCE)


def turn_of_search(waiting: int) -> int:
    """The priority of searching by a file, by how many searches of the person wait already."""
    return SEARCHING - waiting // SEARCHES_AT_ONCE
