"""An old answer, recomputed: is it what this installation answers today as of the same signed tree, and if not, why.

What was withdrawn since is found by asking twice: as of now, and as if asked when the old answer was. If the second is
the old one, withdrawals are all there is to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.figures.errors import NotAnAnswer
from app.figures.figure import Counted
from app.figures.query import FigureQuery, read_query
from app.figures.service import Answer, Head, ask, head_of, numbers_of
from app.kernel.primitives import canonical_json, sha256_hex
from app.ledger.positions import find_position

_ERASURES = text(
    """
    SELECT count(*) FROM ledger_entries e JOIN ledger_streams s ON s.id = e.stream_id
    WHERE s.case_id = ANY(:cases) AND e.type IN ('evidence.erased', 'incident.erased', 'case.erased')
        AND e.recorded_at >= :since
    """
).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE)))


class Difference(StrEnum):
    WITHDRAWN = "withdrawn"
    ERASED = "erased"
    ALTERED = "altered"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Reason:
    reason: Difference
    count: int


@dataclass(frozen=True)
class Kept:
    """An answer that somebody kept; ``query`` and ``numbers`` as JSON has them."""

    query: Mapping[str, Any]
    query_sha256: str
    log_id: int
    head: Head
    asked_at: datetime
    numbers: Mapping[str, Any]
    counted: Counted


@dataclass(frozen=True)
class Verification:
    """``answer``: what is answered now. No reasons: the same."""

    answer: Answer
    reasons: tuple[Reason, ...]

    @property
    def summary(self) -> str:
        """``equal``, or ``differs: withdrawn 2, erased 1``."""
        if not self.reasons:
            return "equal"
        return "differs: " + ", ".join(
            f"{one.reason} {one.count}" if one.reason in (Difference.WITHDRAWN, Difference.ERASED) else str(one.reason)
            for one in self.reasons
        )


def verify_answer(session: Session, actor: Actor, kept: Kept) -> Verification:
    """Recompute an answer as of its position. The session holds one snapshot.

    Raises NotAnAnswer, AsOfNotSigned, HistoryBeginsLater, and what asking raises.
    """
    query = _query_of(kept)
    position = find_position(session, f"{kept.log_id}:{kept.head.size}")
    answer = ask(session, actor, query, position)
    if head_of(session, position) != kept.head:
        raise NotAnAnswer("The log's signed tree of this size has another head.")
    if kept.asked_at > answer.asked_at:
        raise NotAnAnswer("It says that it was asked in the future.")
    if _is_same(answer, kept):
        return Verification(answer, ())
    before = ask(session, actor, query, position, moment=kept.asked_at)
    return Verification(answer, tuple(_reasons(session, answer, before, kept)))


def _query_of(kept: Kept) -> FigureQuery:
    try:
        query = read_query(kept.query)
        written = canonical_json(kept.query)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotAnAnswer("'query' is not in the form of an answer.") from error
    if query.canonical() != written or sha256_hex(written) != kept.query_sha256:
        raise NotAnAnswer("'query' is not canonical, or 'query_sha256' is of another one.")
    return query


def _is_same(answer: Answer, kept: Kept) -> bool:
    return answer.counted == kept.counted and numbers_of(answer) == kept.numbers


def _reasons(session: Session, answer: Answer, before: Answer, kept: Kept) -> list[Reason]:
    found = []
    if answer.counted != before.counted or numbers_of(answer) != numbers_of(before):
        found.append(Reason(Difference.WITHDRAWN, max(1, (before.counted.count or 0) - (answer.counted.count or 0))))
    if _is_same(before, kept):
        return found
    erasures = session.scalar(_ERASURES, {"cases": list(answer.query.cases), "since": kept.asked_at}) or 0
    if erasures:
        return [*found, Reason(Difference.ERASED, erasures)]
    is_altered = before.counted == kept.counted
    return [*found, Reason(Difference.ALTERED if is_altered else Difference.UNEXPLAINED, 1)]
