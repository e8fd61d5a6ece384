"""The incidents that a figure counts, as points: those and no others, as of the same position.

Where a figure by kind is suppressed, its incidents have no point either, nor is it said how many they are.
"""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.figures.charted import drawn_from, filters_in_words
from app.figures.errors import TooManyToDraw
from app.figures.query import FigureQuery, Filters
from app.figures.service import ask, members
from app.figures.words import By, Measure
from app.incidents import service as incidents
from app.incidents.models import Incident
from app.incidents.rules import MICRODEGREES, WITHIN_M, PlacePrecision
from app.ledger.positions import Position
from app.pictures.chart import MAXIMUM_POINTS, Map, Point

SUPPRESSED = "Incidents of some kinds are so few that they are not drawn."


def map_of(session: Session, actor: Actor, case_id: UUID, filters: Filters, position: Position | None) -> Map:
    """Of the answer ``incidents`` by kind. The session holds one snapshot.

    Raises NotFound, Forbidden, TooManyToDraw.
    """
    query = FigureQuery(Measure.INCIDENTS, (case_id,), By.KIND, 1, filters)
    answer = ask(session, actor, query, position)
    if (answer.counted.count or 0) > MAXIMUM_POINTS:
        raise TooManyToDraw(f"{answer.counted.count} incidents; a map shows {MAXIMUM_POINTS} at the most.")
    hidden = {point.key for point in answer.series if point.figure.suppressed}
    rows = [] if answer.total.suppressed else _incidents(session, actor, case_id, query, answer.position)
    rows = [row for row in rows if row.kind not in hidden]
    points = tuple(_point(row) for row in rows if _has_point(row))
    notes = [*filters_in_words(answer), f"Case: {case_id}"]
    if hidden or answer.total.suppressed:
        notes.append(SUPPRESSED)
    return Map("Incidents, their places and how precisely they are known", points, len(rows) - len(points),
               drawn_from(answer), tuple(notes))  # fmt: skip


def _incidents(session: Session, actor: Actor, case_id: UUID, query: FigureQuery, position: Position) -> list[Incident]:
    """In the order of their codes."""
    asked = replace(query, by=None)
    _, records = members(session, actor, asked, position, after=None, limit=MAXIMUM_POINTS)
    counted = Incident.id.in_([record.id for record in records])
    rows = incidents.list_incidents(
        session, actor, case_id, only=counted, after=None, limit=MAXIMUM_POINTS, at=position
    )
    return sorted(rows, key=lambda row: (row.code, str(row.id)))


def _has_point(row: Incident) -> bool:
    return row.latitude_microdegrees is not None and row.longitude_microdegrees is not None


def _point(row: Incident) -> Point:
    """As precise as the radius says; else as the word for its precision says."""
    within = None if row.place_precision is None else WITHIN_M.get(PlacePrecision(row.place_precision))
    return Point(
        row.code,
        row.kind,
        (row.latitude_microdegrees or 0) / MICRODEGREES,
        (row.longitude_microdegrees or 0) / MICRODEGREES,
        within if row.place_radius_m is None else row.place_radius_m,
    )
