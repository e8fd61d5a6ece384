"""What stood at a position, for questions written as SQL: the same filter as ``ledger.positions.standing_at``, with the
position's exceptions read once. So whoever asks holds one snapshot of the database (:func:`hold_snapshot`)."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.ledger.positions import BEFORE_ALL, Position, exceptions_of, newest_position

_PENDING = text(
    """
    SELECT EXISTS (
        SELECT FROM ledger_queue q JOIN ledger_entries e ON e.id = q.entry_id
            JOIN ledger_streams s ON s.id = e.stream_id WHERE s.case_id = ANY(:cases)
        UNION ALL
        SELECT FROM ledger_leaves l JOIN ledger_entries e USING (commitment)
            JOIN ledger_streams s ON s.id = e.stream_id
            WHERE l.log_id = :log_id AND l.idx >= :size AND s.case_id = ANY(:cases)
    )
    """
)


@dataclass(frozen=True)
class Stand:
    """``is_now``: of these cases nothing is later than the position, so that what stands now stood then."""

    position: Position
    late: tuple[int, ...] = ()
    is_now: bool = False

    def since(self, act: str) -> str:
        """Whether a row stood that stands from the act in this column."""
        if self.is_now:
            return "true"
        held = f"{act} <= {self.position.newest_act}"
        return f"({held} AND {act} <> ALL (ARRAY[{self._late}]::bigint[]))" if self.late else held

    def between(self, act: str, until: str) -> str:
        """The same of one that stands until another act."""
        if self.is_now:
            return f"{until} IS NULL"
        return f"({self.since(act)} AND ({until} IS NULL OR NOT {self.since(until)}))"

    @property
    def _late(self) -> str:
        return ", ".join(str(act) for act in self.late)


def stand_at(session: Session, position: Position, case_ids: list[UUID]) -> tuple[Stand, bool]:
    """How to ask as of the position; and whether acts of these cases came after the newest signed tree."""
    if session.scalar(text("SHOW transaction_isolation")) != "repeatable read":
        raise RuntimeError("figures are counted in one snapshot: call hold_snapshot first")
    newest = newest_position(session) or BEFORE_ALL
    asked = {"cases": case_ids, "log_id": newest.log_id, "size": newest.size}
    has_pending = bool(session.scalar(_PENDING, asked))
    late = tuple(sorted(exceptions_of(session, position)))
    is_now = not late and not has_pending and (position.log_id, position.size) == (newest.log_id, newest.size)
    return Stand(position, late, is_now), has_pending


def hold_snapshot(session: Session) -> None:
    """From here on every question of the session sees the same: for whoever counts, before it asks anything. What the
    session changed and did not commit is lost."""
    session.rollback()
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
