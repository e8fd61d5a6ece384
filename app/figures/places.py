"""Places of a case's incidents, by the names of their units however they are spelt; and who held them at their time."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import Select, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.orm import Session

from app.facts.control import Held, Resolved, area_keys, resolve_control
from app.facts.derived import held_of
from app.facts.folding import fold_area
from app.facts.models import TerritoryControl
from app.facts.service import stands
from app.figures.standing import Stand
from app.kernel.database import UtcTime

SEPARATOR = "\x1f"
"""Between the units of a path: SQL's ``array_to_string`` writes the same."""
CONTESTED = "contested"
UNKNOWN = "unknown"

# Of all versions: a path that no incident has any more is asked for nothing.
_PATHS = text(
    """
    SELECT DISTINCT array_to_string(v.administrative_units, chr(31)) FROM incident_versions v
    JOIN incidents i ON i.id = v.id WHERE i.case_id = ANY(:cases)
    """
).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE)))
_ZONES = text(
    """
    SELECT DISTINCT v.occurred_zone FROM incident_versions v JOIN incidents i ON i.id = v.id
    WHERE i.case_id = ANY(:cases) AND v.occurred_zone IS NOT NULL
    """
).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE)))


class Areas:
    """Asked for when a question needs them."""

    def __init__(self, session: Session, cases: Sequence[UUID]) -> None:
        self._session, self._cases = session, list(cases)

    def within(self, area: Sequence[str]) -> list[str]:
        """The paths in this area."""
        wanted = fold_area(tuple(area))
        return [path for path in self._paths if f"{_key(path)}/".startswith(f"{wanted}/")]

    def keys(self, level: int) -> dict[str, str]:
        """Path → the folded path down to a level, of those that reach it."""
        cut = {path: path.split(SEPARATOR)[:level] for path in self._paths}
        return {path: fold_area(tuple(units)) for path, units in cut.items() if len(units) == level}

    def names(self, level: int) -> dict[str, str]:
        """Folded path → how it is spelt, the first of its spellings."""
        spelt: dict[str, str] = {}
        for path in sorted(self._paths):
            units = path.split(SEPARATOR)[:level]
            spelt.setdefault(fold_area(tuple(units)), " / ".join(units))
        return spelt

    def zones(self) -> list[str]:
        """The zones of the incidents that the database knows: it is asked for a local time in no other."""
        named = set(self._session.scalars(_ZONES, {"cases": self._cases}))
        known = self._session.scalars(
            text("SELECT name FROM pg_timezone_names WHERE name = ANY(:named)"), {"named": list(named)}
        )
        return sorted(known)

    @cached_property
    def _paths(self) -> list[str]:
        return [path for path in self._session.scalars(_PATHS, {"cases": self._cases}) if path]


def _key(path: str) -> str:
    return fold_area(tuple(path.split(SEPARATOR)))


@dataclass(frozen=True)
class Controls:
    """Who held the places of these cases' incidents. ``bounds``: every moment at which anything that is stated begins
    or ends, in order. Between the same bounds each incident of a place has the same answer, so the database tells which
    of these there are, and each is resolved once. ``held``: case, path, how many bounds are not after the beginning
    and the end, and the holder: ``contested``, or the organisation's id; what nobody surely held is not there."""

    bounds: tuple[datetime, ...]
    held: tuple[tuple[UUID, str, int, int, str], ...]

    @staticmethod
    def between(row: str, case_id: str) -> tuple[str, ...]:
        """The first four of an incident, as SQL; of one without a time or place what no holder has."""
        path = f"coalesce(array_to_string({row}.administrative_units, chr(31)), '')"
        moments = (f"coalesce(width_bucket({row}.{name}, :bounds), -1)" for name in ("occurred_from", "occurred_to"))
        return case_id, path, *moments

    @staticmethod
    def holder(row: str, case_id: str) -> str:
        """Who held an incident's place, as SQL; null: unknown. Looked up in one value row by row, and not joined: no
        plan knows that a row has one holder at the most, nor how few incidents several filters leave."""
        case, path, since, until = Controls.between(row, case_id)
        return f"(:held ->> concat_ws('|', {case}, {since}, {until}, {path}))"

    def values(self) -> dict[str, Any]:
        """What ``holder`` names."""
        held = {f"{case_id}|{since}|{until}|{path}": key for case_id, path, since, until, key in self.held}
        return {"bounds": list(self.bounds), "held": held}


def controls_of(session: Session, cases: Sequence[UUID], stand: Stand, closed: Select[UUID]) -> Controls:
    """``closed``: items that no fact may rest on."""
    stated: dict[tuple[UUID, str], list[Held]] = {}
    query = select(TerritoryControl).where(
        TerritoryControl.case_id.in_(cases),
        stands(TerritoryControl, None if stand.is_now else stand.position),
        TerritoryControl.source_evidence_id.is_(None) | TerritoryControl.source_evidence_id.not_in(closed),
    )
    for row in session.scalars(query):
        stated.setdefault((row.case_id, row.area_key or ""), []).append(held_of(row))
    bounds = bounds_of(held for here in stated.values() for held in here)
    places: dict[tuple[UUID, str], _Place] = {}
    found = []
    asked = {"cases": list(cases), "bounds": bounds}
    for case_id, path, since, until in session.execute(_between(stand), asked):
        if (place := places.get((case_id, path))) is None:
            here = [held for key in area_keys(path.split(SEPARATOR)) for held in stated.get((case_id, key), ())]
            place = places[case_id, path] = _Place(path, here)
        if (holder := place.holder(_moment(bounds, since), _moment(bounds, until))) is not None:
            found.append((case_id, path, since, until, holder))
    return Controls(tuple(bounds), tuple(found))


def bounds_of(stated: Iterable[Held]) -> list[datetime]:
    return sorted({each for held in stated for each in (held.valid_from, held.valid_to) if each is not None})


def _moment(bounds: Sequence[datetime], passed: int) -> datetime:
    """One of those at which so many bounds have passed."""
    return bounds[passed - 1] if passed else datetime.min.replace(tzinfo=UTC)


class _Place:
    """What is stated of one place. Who held it follows from which of these statements' bounds lie before an incident's
    times and which after: it is resolved once for all between the same ones."""

    def __init__(self, path: str, here: list[Held]) -> None:
        self._units, self._here, self._bounds = path.split(SEPARATOR), here, bounds_of(here)
        self._known: dict[tuple[int, int], str | None] = {}

    def holder(self, since: datetime, until: datetime) -> str | None:
        if not self._here:
            return None
        between = bisect_right(self._bounds, since), bisect_right(self._bounds, until)
        if between not in self._known:
            self._known[between] = _holder(resolve_control(self._units, since, until, self._here))
        return self._known[between]


def _holder(resolved: Resolved) -> str | None:
    if resolved.control is None:
        return None
    return CONTESTED if resolved.controller_id is None else str(resolved.controller_id)


def _between(stand: Stand) -> TextClause:
    between = ", ".join(Controls.between("i", "i.case_id" if stand.is_now else "o.case_id"))
    source = (
        f"SELECT DISTINCT {between} FROM incidents i WHERE i.case_id = ANY(:cases)"  # noqa: S608
        if stand.is_now
        else f"""SELECT DISTINCT {between} FROM incident_versions i JOIN incidents o ON o.id = i.id
            WHERE o.case_id = ANY(:cases) AND {stand.between("i.act", "i.until_act")}"""  # noqa: S608
    )
    known = " AND i.occurred_from IS NOT NULL AND i.occurred_to IS NOT NULL"
    known += " AND array_to_string(i.administrative_units, chr(31)) <> ''"
    return text(source + known).bindparams(
        bindparam("cases", type_=ARRAY(UUID_TYPE)), bindparam("bounds", type_=ARRAY(UtcTime))
    )
