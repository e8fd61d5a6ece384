"""Places of a case's incidents, by the names of their units however they are spelt; and who held them at their time."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
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
        return [path for path in self._paths() if f"{_key(path)}/".startswith(f"{wanted}/")]

    def keys(self, level: int) -> dict[str, str]:
        """Path → the folded path down to a level, of those that reach it."""
        cut = {path: path.split(SEPARATOR)[:level] for path in self._paths()}
        return {path: fold_area(tuple(units)) for path, units in cut.items() if len(units) == level}

    def names(self, level: int) -> dict[str, str]:
        """Folded path → how it is spelt, the first of its spellings."""
        spelt: dict[str, str] = {}
        for path in sorted(self._paths()):
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

    def _paths(self) -> list[str]:
        return [path for path in self._session.scalars(_PATHS, {"cases": self._cases}) if path]


def _key(path: str) -> str:
    return fold_area(tuple(path.split(SEPARATOR)))


def controls_of(session: Session, cases: Sequence[UUID], stand: Stand, closed: Select[UUID]) -> dict[UUID, str | None]:
    """Per incident of these cases who held its place at its time: ``contested``, the organisation's id, or None.
    ``closed``: items that no fact may rest on."""
    stated: dict[tuple[UUID, str], list[Held]] = {}
    query = select(TerritoryControl).where(
        TerritoryControl.case_id.in_(cases),
        stands(TerritoryControl, None if stand.is_now else stand.position),
        TerritoryControl.source_evidence_id.is_(None) | TerritoryControl.source_evidence_id.not_in(closed),
    )
    for row in session.scalars(query):
        stated.setdefault((row.case_id, row.area_key or ""), []).append(held_of(row))
    places: dict[tuple[UUID, str], _Place] = {}
    found: dict[UUID, str | None] = {}
    for identity, since, until, path, case_id in session.execute(_incidents(stand), {"cases": list(cases)}):
        if (place := places.get((case_id, path))) is None:
            keys = area_keys(path.split(SEPARATOR)) if path else []
            place = _Place(path, [held for key in keys for held in stated.get((case_id, key), ())])
            places[case_id, path] = place
        found[identity] = place.holder(since, until)
    return found


class _Place:
    """What is stated of one place. Who held it follows from which of the statements' bounds lie before an incident's
    times and which after, whatever the times are: it is resolved once for all between the same bounds."""

    def __init__(self, path: str | None, here: list[Held]) -> None:
        self._units, self._here = path.split(SEPARATOR) if path else [], here
        self._bounds = sorted({each for held in here for each in (held.valid_from, held.valid_to) if each is not None})
        self._known: dict[tuple[int, int], str | None] = {}

    def holder(self, since: datetime | None, until: datetime | None) -> str | None:
        if not self._here or since is None or until is None:
            return None
        between = bisect_right(self._bounds, since), bisect_right(self._bounds, until)
        if between not in self._known:
            self._known[between] = _holder(resolve_control(self._units, since, until, self._here))
        return self._known[between]


def _holder(resolved: Resolved) -> str | None:
    if resolved.control is None:
        return None
    return CONTESTED if resolved.controller_id is None else str(resolved.controller_id)


def _incidents(stand: Stand) -> TextClause:
    columns = "i.id, i.occurred_from, i.occurred_to, array_to_string(i.administrative_units, chr(31)) AS path"
    source = (
        f"SELECT {columns}, i.case_id FROM incidents i WHERE i.case_id = ANY(:cases)"  # noqa: S608
        if stand.is_now
        else f"""SELECT {columns}, o.case_id FROM incident_versions i JOIN incidents o ON o.id = i.id
            WHERE o.case_id = ANY(:cases) AND {stand.between("i.act", "i.until_act")}"""  # noqa: S608
    )
    return text(source).bindparams(bindparam("cases", type_=ARRAY(UUID_TYPE)))
