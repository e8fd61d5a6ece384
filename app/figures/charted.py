"""Answers as charts: each point of a series a bar, with its range, or the word for why there is no number. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.errors import FigureNotAsked, TooManyToDraw
from app.figures.figure import CasualtyRange, Figure, Point
from app.figures.service import Answer
from app.figures.words import By, Measure
from app.kernel.primitives import format_time
from app.ledger.positions import Position
from app.pictures.chart import MAXIMUM_BARS, Bar, Chart, Drawn, Standing

UNKNOWN = "unknown"
NAMES: Mapping[Measure, str] = MappingProxyType(
    {Measure.INCIDENTS: "Incidents", Measure.ITEMS: "Verified items", Measure.CASUALTIES: "Casualties"}
)


@dataclass(frozen=True)
class Shown:
    """What of each figure is drawn: of casualties the outcome and the group, of items whether copies count once."""

    outcome: CasualtyOutcome | None = None
    person_group: PersonGroup | None = None
    collapsed: bool = False

    def check(self, measure: Measure, by: By | None) -> None:
        """Raises FigureNotAsked."""
        of_casualties = self.outcome is not None or self.person_group is not None
        if of_casualties and measure is not Measure.CASUALTIES:
            raise FigureNotAsked("Casualties alone have an outcome and a group.")
        if self.collapsed and measure is not Measure.ITEMS:
            raise FigureNotAsked("Items alone have copies.")
        if by is None and measure is not Measure.CASUALTIES:
            raise FigureNotAsked("A chart is of a series: name in 'by' what it is by.")
        if (self.outcome is None or self.person_group is None) and by is not None and measure is Measure.CASUALTIES:
            raise FigureNotAsked("Name an 'outcome' and a 'person_group': a bar is of one of each.")
        if by is None and of_casualties:
            raise FigureNotAsked("Without 'by' all outcomes and groups are drawn: name none, or name a series.")


def chart_of(answer: Answer, shown: Shown) -> Chart:
    """Raises TooManyToDraw, FigureNotAsked."""
    query = answer.query
    shown.check(query.measure, query.by)
    bars = _totals(answer.total) if query.by is None else _bars(answer, shown)
    if len(bars) > MAXIMUM_BARS:
        raise TooManyToDraw(f"{len(bars)} bars; a chart has {MAXIMUM_BARS} at the most.")
    by = "by outcome and group" if query.by is None else f"by {query.by.replace('_', ' ')}"
    return Chart(
        f"{NAMES[query.measure]} {by}", _counted(query.measure, shown), tuple(bars), drawn_from(answer), _notes(answer)
    )


def drawn_from(answer: Answer) -> Drawn:
    return Drawn(answer.query.sha256, _time(answer.position), str(answer.position))


def filters_in_words(answer: Answer) -> tuple[str, ...]:
    """What the incidents were chosen by; nothing where it was nothing."""
    written = answer.query.filters.document()
    named = [f"{name} {_plain(value)}" for name, value in sorted(written.items())]
    return (f"Only: {'; '.join(named)}",) if named else ()


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def _time(position: Position) -> str:
    return "before the first signed tree" if position.stands_from is None else format_time(position.stands_from)


def _counted(measure: Measure, shown: Shown) -> str:
    if measure is Measure.CASUALTIES:
        if shown.outcome is None:
            return "Persons, from the lowest to the highest that sources of the same victims say; groups overlap"
        group = (shown.person_group or "").replace("_", " ")
        return f"Persons {shown.outcome}, group {group}: the lowest to the highest that sources of the same victims say"
    if measure is Measure.ITEMS:
        return f"Items signed off as verified, {'copies of one capture once' if shown.collapsed else 'copies too'}"
    return "Incidents; duplicates of another one count for nothing"


def _notes(answer: Answer) -> tuple[str, ...]:
    cases = ", ".join(str(case) for case in answer.query.cases)
    notes = [*filters_in_words(answer), f"Cases: {cases}"]
    if answer.suppressed:
        notes.append("Suppressed: so small that it could show a person, or could be computed from such a one.")
    return tuple(notes)


def _bars(answer: Answer, shown: Shown) -> list[Bar]:
    points = (
        answer.series if answer.query.by is not By.MONTH else tuple(_every_month(answer.series, answer.query.measure))
    )
    return [_bar(point, shown) for point in points]


def _bar(point: Point, shown: Shown) -> Bar:
    """An open range stays open; what nobody states is not zero."""
    label = UNKNOWN if point.key is None else point.label or point.key
    standing = Standing.UNKNOWN if point.key is None else Standing.KNOWN
    figure = point.figure
    if figure.suppressed:
        return Bar(label, standing=Standing.SUPPRESSED)
    if figure.ranges is None:
        count = (figure.collapsed if shown.collapsed else figure.count) or 0
        return Bar(label, count, count, standing)
    for found in figure.ranges:
        if (found.outcome, found.person_group) == (shown.outcome, shown.person_group):
            return _range(label, found, standing)
    return Bar(label, standing=Standing.NOT_STATED)


def _range(label: str, found: CasualtyRange, standing: Standing) -> Bar:
    """A range without a minimum is not given; one without a maximum alone is open."""
    if found.minimum is None:
        return Bar(label, standing=Standing.SUPPRESSED)
    return Bar(label, found.minimum, found.maximum, standing)


def _totals(total: Figure) -> list[Bar]:
    if total.suppressed:
        return [Bar("total", standing=Standing.SUPPRESSED)]
    return [
        _range(f"{found.outcome}, {found.person_group.replace('_', ' ')}", found, Standing.KNOWN)
        for found in total.ranges or ()
    ]


def _every_month(points: tuple[Point, ...], measure: Measure) -> Iterator[Point]:
    """Also the months between, in which nothing is: a row of months without gaps reads as time."""
    nothing = Figure(0, collapsed=0, ranges=() if measure is Measure.CASUALTIES else None)
    expected: str | None = None
    for point in points:
        if point.key is not None:
            between = _months_between(expected, point.key) if expected is not None else []
            yield from (Point(month, None, nothing) for month in between)
            expected = _next_month(point.key)
        yield point


def _months_between(first: str, last: str) -> list[str]:
    """From the first to before the last. Raises TooManyToDraw."""
    found: list[str] = []
    while first < last:
        found.append(first)
        first = _next_month(first)
        if len(found) > MAXIMUM_BARS:
            raise TooManyToDraw(f"More than {MAXIMUM_BARS} months: name in the filters from when and until when.")
    return found


def _next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:7])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"
