"""The unit of work: a session, staged custody events and jobs, committed together. Only it appends to the ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from app import jobs
from app.kernel.primitives import utc_now
from app.ledger import log
from app.ledger.event import Event
from app.ledger.log import Receipt


class UncommittedWork(RuntimeError):
    """A unit of work was left with staged or changed state and no commit: a bug in the caller."""


class UnitOfWork:
    """``session``, ``record``, ``enqueue``, ``commit``. Routes and the job runner commit, services never do."""

    def __init__(self, session: Session, *, request_id: str | None = None) -> None:
        self.session = session
        self._request_id = request_id
        self._events: list[Event] = []
        self._jobs: list[tuple[int, str, dict[str, Any]]] = []

    def record(self, event: Event) -> None:
        """Stage one act; its entry is written by ``commit``, in the order of recording within its stream."""
        self._events.append(event)

    def enqueue(self, task: str, **arguments: Any) -> None:
        """Stage one job; it exists from the commit on, or not at all."""
        self.enqueue_at(0, task, **arguments)

    def enqueue_at(self, priority: int, task: str, **arguments: Any) -> None:
        """The same with a priority: below 0 it runs when nothing else waits."""
        self._jobs.append((priority, task, arguments))

    def commit(self, keep_answer: Callable[[list[Receipt]], None] | None = None) -> list[Receipt]:
        """Write rows, jobs and entries in one transaction; entries last, so that stream locks are held only briefly.

        ``keep_answer`` is called with the receipts just before the database's commit, to store in the same transaction
        what a repeated request will be answered. A crash before the commit leaves nothing; after it, everything.
        """
        self.session.flush()
        for priority, task, arguments in self._jobs:
            jobs.enqueue(self.session, task, arguments, priority=priority)
        receipts = log.append(self.session, self._events, recorded=utc_now(), request_id=self._request_id)
        if keep_answer is not None:
            keep_answer(receipts)
        self.session.commit()
        self._events.clear()
        self._jobs.clear()
        return receipts

    def _is_clean(self) -> bool:
        changed = self.session.new or self.session.dirty or self.session.deleted
        return not (self._events or self._jobs or changed)


@contextmanager
def unit_of_work(sessions: Callable[[], Session], *, request_id: str | None = None) -> Iterator[UnitOfWork]:
    """A unit of work that rolls back unless committed. Raises UncommittedWork when left with something staged."""
    with sessions() as session:
        uow = UnitOfWork(session, request_id=request_id)
        try:
            yield uow
            if not uow._is_clean():
                raise UncommittedWork("left with staged events, jobs or rows: call commit() or raise")
        finally:
            session.rollback()
