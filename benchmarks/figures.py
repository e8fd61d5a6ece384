"""Figures over 100,000 incidents and 1,000,000 items: how long each takes now and as of a position, and how it is done.

``python -m benchmarks.figures DIRECTORY [--incidents 100000] [--items 1000000] [--plans]`` asks on the data set of
``many_incidents``, which it fills if nobody has. Every measure in total and by everything it can be parted by, and
some filters; through the service, in one process beside its PostgreSQL. Wall seconds are the median of ``--times``;
processor seconds of the database's process and of this one are told beside, which a busy machine changes less.
``--plans`` prints what PostgreSQL does for each statement. A current answer has to take less than one second, one as of
a position less than five.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.access.actors import Actor, authenticate
from app.figures.query import FigureQuery, Filters, can_be_by
from app.figures.service import Answer, ask, members, numbers_of
from app.figures.standing import hold_snapshot
from app.figures.verifying import Kept, verify_answer
from app.figures.words import By, Measure
from app.ledger.positions import Position, newest_position
from benchmarks.many_incidents import Size, filled

NOW_S, AS_OF_S = 1.0, 5.0
YEAR = Filters(
    occurred_from=datetime(2024, 1, 1, tzinfo=UTC),
    occurred_before=datetime(2025, 1, 1, tzinfo=UTC),
    protected_person=frozenset({"child"}),
)
MONTH = Filters(occurred_from=datetime(2024, 5, 1, tzinfo=UTC), occurred_before=datetime(2024, 6, 1, tzinfo=UTC))
"""A series by incident has 10,000 points at the most."""
FILTERED = {
    "2024, children": YEAR,
    "of one weapon": Filters(weapon="Kh-101"),
    "by shadows": Filters(method=frozenset({"shadow_analysis"})),
    "confirmed": Filters(grading=frozenset({"confirmed"})),
    "missiles on contested places": Filters(kind=frozenset({"missile_strike"}), control=frozenset({"contested"})),
}


def questions(case_id: UUID) -> Iterator[tuple[str, FigureQuery]]:
    for measure in Measure:
        yield str(measure), FigureQuery(measure, (case_id,))
        for by in By:
            if can_be_by(measure, by):
                filters, told = (MONTH, " within a month") if by is By.INCIDENT else (Filters(), "")
                yield f"{measure} by {by}{told}", FigureQuery(measure, (case_id,), by, filters=filters)
        for name, filters in FILTERED.items():
            yield f"{measure} by month, {name}", FigureQuery(measure, (case_id,), By.MONTH, filters=filters)


@contextmanager
def explained(session: Session, *, prints: bool) -> Iterator[None]:
    """Each statement that counts is explained after it ran."""
    seen: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("WITH chosen"):
            seen.append((statement, parameters))

    connection = session.connection()
    event.listen(connection.engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(connection.engine, "before_cursor_execute", note)
    for statement, parameters in seen if prints else ():
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statement}", parameters)
        print("\n".join(row[0] for row in rows), end="\n\n")


def processor_s(pid: int) -> float:
    """Of a process, its threads and the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (11, 12)) / 100


class Took(NamedTuple):
    """Seconds: medians."""

    wall: float
    postgres: float
    ours: float


def measure(sessions: Any, asked: Callable[[Session], Any], *, times: int, plans: bool) -> tuple[Took, Any]:
    took = []
    for number in range(times):
        with sessions() as session:
            hold_snapshot(session)
            pid = session.scalars(text("SELECT pg_backend_pid()")).one()
            postgres, ours, began = processor_s(pid), time.process_time(), time.perf_counter()
            with explained(session, prints=plans and number == 0):
                answer = asked(session)
                wall = time.perf_counter() - began
                took.append(Took(wall, processor_s(pid) - postgres, time.process_time() - ours))
    return Took(*(statistics.median(column) for column in zip(*took, strict=True))), answer


def positions(sessions: Any) -> list[tuple[str, Position | None, float]]:
    """Now, and when two thirds of it were recorded."""
    with sessions() as session:
        newest = newest_position(session)
        assert newest is not None
        query = text("SELECT size FROM ledger_positions WHERE size <= :size ORDER BY size DESC LIMIT 1")
        size = session.scalars(query, {"size": newest.size * 2 // 3}).one()
        row = session.execute(
            text("SELECT log_id, size, newest_act, stands_from FROM ledger_positions WHERE size = :size"),
            {"size": size},
        ).one()
    return [("now", None, NOW_S), ("as of", Position(*row), AS_OF_S)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="questions whose name holds this")
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    options.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    with filled(options.directory, Size(options.incidents, options.items)) as (api, _, there, _):
        sessions = api.app.state.services.sessions
        with sessions() as session:
            actor = authenticate(session, there.token)
        print(f"{'':44} {'':6} {'wall':>8} {'postgres':>9} {'ours':>7} {'target':>7}   counted")
        late = 0
        for name, when, limit_s, asked in askings(sessions, actor, UUID(there.case_id), options.only):
            took, number = measure(sessions, asked, times=options.times, plans=options.plans)
            is_late = took.wall > limit_s
            late += is_late
            print(f"{name:44} {when:6} {took.wall:6.2f} s {took.postgres:7.2f} s {took.ours:5.2f} s {limit_s:5.1f} s "
                  f"{'NO' if is_late else 'yes':>3} {number:>10,}", flush=True)  # fmt: skip
    print(f"over their target: {late}")


Asking = tuple[str, str, float, Callable[[Session], Any]]


def askings(sessions: Any, actor: Actor, case_id: UUID, only: str) -> Iterator[Asking]:
    """Name, when, target, and what gives a number: every figure, now and as of a position; members, verifying."""
    standing = positions(sessions)
    for name, query in questions(case_id):
        for when, position, limit_s in standing if only in name else ():
            yield name, when, limit_s, partial(_count, actor, query, position)
    for of in Measure if only in "members, verified again" else ():
        query = FigureQuery(of, (case_id,))
        for when, position, limit_s in standing:
            yield f"{of}: a page of members", when, limit_s, partial(_page, actor, query, position)
            with sessions() as session:
                hold_snapshot(session)
                kept = _kept(ask(session, actor, query, position))
            yield f"{of}: verified again", when, limit_s, partial(_verify, actor, kept)


def _count(actor: Actor, query: FigureQuery, position: Position | None, session: Session) -> int:
    return ask(session, actor, query, position).total.count or 0


def _page(actor: Actor, query: FigureQuery, position: Position | None, session: Session) -> int:
    return len(members(session, actor, query, position, after=UUID(int=2**127), limit=200)[1])


def _verify(actor: Actor, kept: Kept, session: Session) -> int:
    found = verify_answer(session, actor, kept)
    if found.reasons:
        raise SystemExit(f"{found.summary}: {kept}")
    return found.answer.total.count or 0


def _kept(answer: Answer) -> Kept:
    asked = answer.query
    return Kept(asked.document(), asked.sha256, answer.position.log_id, answer.head, answer.asked_at,
                numbers_of(answer), answer.counted)  # fmt: skip


if __name__ == "__main__":
    main()
