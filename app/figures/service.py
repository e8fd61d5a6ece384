"""Figures with their proof: asked, listed, and recomputed years later. docs/figures.md, decision 0053.

An answer is always as of a signed tree, the newest one unless another is named: so each can be asked for again, and
nobody has to say later what "now" was. Only withdrawal and erasure change what is answered as of a position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.policy import Policy
from app.cases.service import authorise
from app.figures.chosen import Chosen
from app.figures.counting import Series, count, records_of
from app.figures.errors import FigureSuppressed, SeriesTooLong
from app.figures.figure import CasualtyRange, Counted, Figure, Point
from app.figures.labels import labels_of
from app.figures.query import FigureQuery
from app.figures.standing import Stand, stand_at
from app.figures.suppression import suppress
from app.figures.words import PARTITIONS, SMALLEST_OF_SEXUAL_VIOLENCE, Measure
from app.ledger.models import LedgerLog
from app.ledger.positions import BEFORE_ALL, Position, newest_position
from app.ledger.reading import checkpoint_of

MAXIMUM_POINTS = 10_000
"""Of a series. By incident a case can have more; a list of them is `members`."""


@dataclass(frozen=True)
class Head:
    """The signed tree of the position: whose log, how many leaves, the root as hexadecimal digits. None: no tree."""

    origin: str
    size: int
    root: str | None


@dataclass(frozen=True)
class Unknown:
    """How much of the total is in the point without a key. ``share``: of the total, None of nothing."""

    count: int | None
    share: float | None


@dataclass(frozen=True)
class Answer:
    """``asked_at``: what was withdrawn by then counts for nothing. ``has_pending``: acts of these cases are in no
    signed tree yet, so that a later one may answer otherwise."""

    query: FigureQuery
    position: Position
    head: Head
    asked_at: datetime
    has_pending: bool
    total: Figure
    series: tuple[Point, ...]
    unknown: Unknown | None
    counted: Counted

    @property
    def suppressed(self) -> int:
        """How many figures, and ranges of others, are not given."""
        figures = [self.total, *(point.figure for point in self.series)]
        of_ranges = sum(one.suppressed for figure in figures for one in figure.ranges or ())
        return sum(figure.suppressed for figure in figures) + of_ranges


@dataclass(frozen=True)
class Record:
    """What is counted: its id, and the version that is (``app.figures.proof``)."""

    id: UUID
    version: int | UUID


def ask(
    session: Session, actor: Actor, query: FigureQuery, position: Position | None, *, moment: datetime | None = None
) -> Answer:
    """As of a position, or of the newest. The session holds one snapshot. ``moment``: as if asked then.

    Raises NotFound to who is not a member of each case, Forbidden, SeriesTooLong.
    """
    chosen, has_pending = _chosen(session, actor, query, position, moment)
    total, series, counted = count(chosen)
    _require_few(series)
    points = _points(chosen, series)
    smallest = _smallest(session, query, chosen.stand)
    given, shown = suppress(total, points, parts_total=query.by in PARTITIONS, smallest=smallest)
    return Answer(
        query,
        chosen.stand.position,
        head_of(session, chosen.stand.position),
        chosen.moment,
        has_pending,
        given,
        tuple(shown),
        None if query.by is None else _unknown(given, shown),
        replace(counted, count=None) if given.suppressed else counted,
    )


def _require_few(points: Series) -> None:
    """Raises SeriesTooLong."""
    if len(points) > MAXIMUM_POINTS:
        raise SeriesTooLong(f"It has {len(points)} points; an answer gives {MAXIMUM_POINTS} at the most.")


def members(
    session: Session,
    actor: Actor,
    query: FigureQuery,
    position: Position | None,
    *,
    after: UUID | None,
    limit: int,
) -> tuple[Position, list[Record]]:
    """What an answer counts, by id, and the position that it is of. The session holds one snapshot.

    Raises the same, and FigureSuppressed where the answer does not tell how many they are."""
    chosen, _ = _chosen(session, actor, query, position, None)
    _require_given(session, chosen)
    rows = chosen.run(
        f""" SELECT r.id, r.version FROM ({records_of(chosen)}) r
        WHERE CAST(:after AS uuid) IS NULL OR r.id > :after ORDER BY r.id LIMIT :limit""",  # noqa: S608
        after=after,
        limit=limit,
    )
    return chosen.stand.position, [Record(*row) for row in rows]


def _require_given(session: Session, chosen: Chosen) -> None:
    """Raises FigureSuppressed. Where there are many, that there are is all that is asked."""
    smallest = _smallest(session, chosen.query, chosen.stand)
    if chosen.query.measure is not Measure.CASUALTIES:
        fewest = max(SMALLEST_OF_SEXUAL_VIOLENCE, smallest or 0)
        some = f" SELECT count(*) FROM (SELECT r.id FROM ({records_of(chosen)}) r LIMIT :fewest) l"  # noqa: S608
        if chosen.run(some, fewest=fewest).scalar_one() == fewest:
            return
    given, _ = suppress(count(chosen)[0], [], parts_total=False, smallest=smallest)
    if given.suppressed or any(one.suppressed for one in given.ranges or ()):
        raise FigureSuppressed("It counts so few that their number is not given.")


def head_of(session: Session, position: Position) -> Head:
    origin = session.scalar(select(LedgerLog.origin).where(LedgerLog.id == position.log_id)) or ""
    checkpoint = checkpoint_of(session, position.size, log_id=position.log_id)
    return Head(origin, position.size, None if checkpoint is None else checkpoint.root)


def _chosen(
    session: Session, actor: Actor, query: FigureQuery, position: Position | None, moment: datetime | None
) -> tuple[Chosen, bool]:
    for case_id in query.cases:
        authorise(session, actor, case_id, Operation.READ_METADATA)
    stand, has_pending = stand_at(session, position or newest_position(session) or BEFORE_ALL, list(query.cases))
    session.execute(text("SET LOCAL work_mem = '64MB'"))
    session.execute(text("SET LOCAL enable_mergejoin = off"))
    now: datetime = session.scalars(select(func.now())).one()
    return Chosen(session, query, stand, moment or now), has_pending


def _points(chosen: Chosen, series: Series) -> list[Point]:
    """By key; what has none comes last."""
    labels = labels_of(chosen, [key for key in series if key is not None])
    keys = sorted(key for key in series if key is not None)
    points = [Point(labels.get(key, (key, None))[0], labels.get(key, (key, None))[1], series[key]) for key in keys]
    return [*points, Point(None, None, series[None])] if None in series else points


def _unknown(total: Figure, points: Sequence[Point]) -> Unknown:
    found = next((point.figure for point in points if point.key is None), Figure(0))
    if found.count is None or not total.count:
        return Unknown(found.count, None)
    return Unknown(found.count, round(found.count / total.count, 4))


def _smallest(session: Session, query: FigureQuery, stand: Stand) -> int | None:
    """The strictest of the policies that were in force then."""
    rows = session.execute(
        text(
            f"""SELECT DISTINCT ON (p.case_id) p.document FROM case_policies p
            WHERE p.case_id = ANY(:cases) AND {stand.since("p.act")} ORDER BY p.case_id, p.version DESC"""  # noqa: S608
        ),
        {"cases": list(query.cases)},
    )
    found = [Policy.of(document).smallest_figure for (document,) in rows]
    return max((one for one in found if one is not None), default=None)


# --- the same in the form that is kept ------------------------------------------------------------------------------


def numbers_of(answer: Answer) -> dict[str, Any]:
    """Of an answer what must come again: without when it was asked, and without names of keys."""
    return {
        "total": _numbers(answer.total),
        "series": [{"key": point.key, **_numbers(point.figure)} for point in answer.series],
    }


def _numbers(figure: Figure) -> dict[str, Any]:
    return {
        "count": figure.count,
        "collapsed": figure.collapsed,
        "images": figure.images and vars(figure.images),
        "videos": figure.videos and vars(figure.videos),
        "ranges": None if figure.ranges is None else [_numbers_of_range(one) for one in figure.ranges],
        "suppressed": figure.suppressed,
    }


def _numbers_of_range(one: CasualtyRange) -> dict[str, Any]:
    return {
        "outcome": str(one.outcome),
        "person_group": str(one.person_group),
        "minimum": one.minimum,
        "maximum": one.maximum,
        "incidents": one.incidents,
        "sources": one.sources,
        "suppressed": one.suppressed,
    }
