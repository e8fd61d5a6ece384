"""Whose file is decoded next: a person who sends many does not make the others wait.

A file that takes its whole limit keeps a worker busy for 20 s, a video for half an hour, and whoever wants to hold
up a hub can send hundreds. So each person's first file has its turn before anybody's second, everybody's second before
anybody's third and fourth, these before the next four, and so on: twice as many each time.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.media.models import Evidence
from app.media.rules import FingerprintStatus

PRESERVING = 2
"""Before all decoding: what was received is read back soon, whoever's files keep the decoder busy."""
SEARCHING = 1
"""Before new files: somebody waits for the answer."""
SEARCHES_AT_ONCE = 2
"""How many waiting searches of one person have the same turn; the next ones' is that of new files."""
MOST_COUNTED = 255
"""Waiting files of one person; those after them have the same turn. It is before what an operator has done in bulk."""
AGAIN = -5
"""Files that were decoded before and are asked for again by a person: after everybody's first sixteen new ones."""


def turn_of(session: Session, evidence: Evidence) -> int:
    """The priority of decoding a new file, by how many of the person who sent it were there before and wait still."""
    before = (
        select(Evidence.id)
        .where(
            Evidence.received_by == evidence.received_by,
            Evidence.received_at < evidence.received_at,
            Evidence.fingerprint_status == FingerprintStatus.PENDING,
            Evidence.settled_decoding == 0,
        )
        .limit(MOST_COUNTED)
        .subquery()
    )
    return turn_behind(session.scalar(select(func.count()).select_from(before)) or 0)


def turn_behind(waiting: int) -> int:
    """The priority of a file behind so many of the same person's: 0, -1, -2 twice, -3 four times, … -8."""
    return -min(waiting, MOST_COUNTED).bit_length()


def turn_of_search(waiting: int) -> int:
    """The priority of searching by a file, by how many searches of the person wait already."""
    return SEARCHING - waiting // SEARCHES_AT_ONCE
