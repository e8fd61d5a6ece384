"""The incidents that a question is about, and by what they are parted, as SQL over one position.

Every piece is text with bound values: names of tables and columns are constants here, what was asked is never in it.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.orm import Session

from app.consent.models import ConsentStanding
from app.consent.rules import ConsentScope
from app.facts.filters import EARTH_RADIUS_M, Box, box_around
from app.facts.folding import fold_designation
from app.figures.places import UNKNOWN, Areas, Controls, controls_of
from app.figures.query import FigureQuery
from app.figures.standing import Stand
from app.figures.words import METHOD_BITS, By, Measure, bits_of
from app.kernel.database import UtcTime
from app.verification.rules import Method

_TYPES: Mapping[str, Any] = {
    "cases": ARRAY(UUID_TYPE),
    "paths": ARRAY(Text),
    "keys": ARRAY(Text),
    "bounds": ARRAY(UtcTime),
    "held": JSONB,
}
_COLUMNS: Mapping[By | None, str] = {
    By.MONTH: ", i.occurred_from, i.occurred_to, i.occurred_zone",
    By.PLACE: ", i.administrative_units",
    By.CONTROL: ", i.occurred_from, i.occurred_to, i.administrative_units",
}
"""Of incidents, besides those that every question needs: what is kept of 100,000 rows is narrow."""
CLOSED = (
    f"SELECT item_id FROM consent_standing WHERE scope IN ('{ConsentScope.VERIFICATION}', '{ConsentScope.PUBLICATION}')"  # noqa: S608
    " AND stands_until <= :moment"
)
_DISTANCE_M = f"""{2 * EARTH_RADIUS_M} * asin(sqrt(least(1.0,
    power(sin(radians((i.latitude_microdegrees - :latitude) / 2e6)), 2)
    + cos(radians(i.latitude_microdegrees / 1e6)) * :cosine
    * power(sin(radians((i.longitude_microdegrees - :longitude) / 2e6)), 2))))"""
_NAMES = re.compile(r"(?<![:\w]):(\w+)")
SEXUAL_VIOLENCE = "sexual_violence"


class Chosen:
    """``values``: what is bound. The pieces name the common table ``chosen``: the incidents, once each.

    PostgreSQL keeps it where a question names it twice, and else reads through it.
    """

    def __init__(self, session: Session, query: FigureQuery, stand: Stand, moment: datetime) -> None:
        self.session, self.query, self.stand, self.moment = session, query, stand, moment
        self.areas = Areas(session, query.cases)
        self.values: dict[str, Any] = {"cases": list(query.cases), "case": query.cases[0], "moment": moment}
        self.rows = self._rows()

    def run(self, statement: str, **values: Any) -> Any:
        """The rows of a question over ``chosen``: a SELECT after a space, or further common tables after a comma."""
        bound = {**self.values, **values}
        whole = text(f"WITH chosen AS ({self.rows}){statement}")
        named = set(_NAMES.findall(whole.text))
        used = {name: value for name, value in bound.items() if name in named}
        typed = [bindparam(name, type_=_TYPES[name]) for name in used.keys() & _TYPES.keys()]
        return self.session.execute(whole.bindparams(*typed), used)

    def of_cases(self, column: str) -> str:
        """Of one case as an equation, which an index answers in its order."""
        return f"{column} = :case" if len(self.query.cases) == 1 else f"{column} = ANY(:cases)"

    # --- facts --------------------------------------------------------------------------------------------------------

    def standing(self, table: str, columns: str, where: str, *, scope: str | None = None) -> str:
        """Rows of a table of versions that stood."""
        within = scope or self.of_cases("f.case_id")
        superseding = scope or self.of_cases("l.case_id")
        return f"""SELECT {columns} FROM {table} f WHERE {within} AND {self.stand.since("f.act")} AND ({where})
            AND f.id NOT IN (SELECT l.supersedes FROM {table} l WHERE {superseding} AND l.supersedes IS NOT NULL
                AND {self.stand.since("l.act")})"""  # noqa: S608

    def facts(self, table: str, columns: str, where: str = "true") -> str:
        """Of those that state something, and name no item as their source that may not be counted."""
        source = f"f.source_evidence_id IS NULL OR f.source_evidence_id NOT IN ({CLOSED})"
        return self.standing(table, columns, f"NOT f.withdrawn AND ({source}) AND ({where})")

    def _judged(self, table: str, columns: str, where: str) -> str:
        """Of gradings and classifications, which name no case."""
        return self.standing(table, columns, where, scope="true")

    # --- items --------------------------------------------------------------------------------------------------------

    def alone(self, columns: str, where: str = "true") -> str:
        """Verified items that stood, may be counted, and pass the filters that are about items: each once."""
        stood = self.stand.between("c.verified_act", "c.verified_until")
        return f"""SELECT {columns} FROM counted_items c WHERE c.incident_id IS NULL AND ({where})
            AND {self._countable(stood)}"""  # noqa: S608

    def linked(self, columns: str, where: str = "true") -> str:
        """The same, once for each incident in which they count."""
        verified = self.stand.between("c.verified_act", "c.verified_until")
        stood = f"{verified} AND {self.stand.between('c.linked_act', 'c.linked_until')}"
        return f"""SELECT {columns} FROM counted_items c WHERE c.incident_id IS NOT NULL AND ({where})
            AND {self._countable(stood)}"""  # noqa: S608

    def _countable(self, stood: str) -> str:
        within = self.of_cases("c.case_id")
        return f"{within} AND {stood} AND c.evidence_id NOT IN ({CLOSED}) AND {self._of_items()}"

    def _of_items(self) -> str:
        filters, found = self.query.filters, ["true"]
        if filters.method:
            self.values["methods"] = bits_of(frozenset(Method(word) for word in filters.method))
            found.append("c.methods & :methods <> 0")
        if filters.label:
            found.append(f"c.evidence_id IN ({self._labelled()})")
        return " AND ".join(found)

    def _labelled(self) -> str:
        either = []
        for place, label in enumerate(sorted(self.query.filters.label)):
            name = f"label_{place}"
            level = label.removeprefix("graphic_") if label.startswith("graphic_") else None
            self.values[name] = label if level is None else level
            either.append(
                f"CAST(v.labels ->> :{name} AS boolean)" if level is None else f"v.labels ->> 'graphic_level' = :{name}"
            )
        return f"""SELECT v.id FROM evidence_versions v JOIN evidence o ON o.id = v.id AND o.case_id = ANY(:cases)
            WHERE {self.stand.between("v.act", "v.until_act")} AND ({" OR ".join(either)})"""  # noqa: S608

    def labelled_sexual_violence(self) -> str:
        return f"""SELECT v.id FROM evidence_versions v WHERE CAST(v.labels ->> 'sexual_violence' AS boolean)
            AND {self.stand.between("v.act", "v.until_act")}"""  # noqa: S608

    # --- incidents ----------------------------------------------------------------------------------------------------

    def _rows(self) -> str:
        where = ["i.id NOT IN (" + self._duplicates() + ")", *self._filters()]
        columns = f"i.id, i.version, i.kind{_COLUMNS.get(self.query.by, '')}"
        if self.stand.is_now:
            source = f"SELECT {columns}, i.case_id FROM incidents i WHERE {self.of_cases('i.case_id')}"  # noqa: S608
        else:
            source = f"""SELECT {columns}, o.case_id FROM incident_versions i JOIN incidents o ON o.id = i.id
                WHERE {self.of_cases("o.case_id")} AND {self.stand.between("i.act", "i.until_act")}"""  # noqa: S608
        return " AND ".join([source, *where])

    def _duplicates(self) -> str:
        """Of two that are duplicates of each other one stays."""
        pairs = self.facts(
            "related_incidents", "f.incident_id AS one, f.other_incident_id AS other", "f.relation = 'duplicate_of'"
        )
        return f"""WITH pairs AS ({pairs}) SELECT p.one FROM pairs p WHERE NOT EXISTS (
            SELECT FROM pairs q WHERE q.one = p.other AND q.other = p.one AND p.one < p.other)"""  # noqa: S608

    def wholes(self) -> str:
        """``part, whole``: incidents, and those that they are a part of, however far above."""
        related = self.facts(
            "related_incidents", "f.incident_id AS part, f.other_incident_id AS whole", "f.relation = 'part_of'"
        )
        return f"""WITH RECURSIVE stated AS ({related}), above AS (
            SELECT part, whole FROM stated
            UNION SELECT a.part, s.whole FROM above a JOIN stated s ON s.part = a.whole)
            SELECT part, whole FROM above"""  # noqa: S608

    def _filters(self) -> list[str]:
        filters, found = self.query.filters, []
        if filters.incident:
            found.append(self._among("i.id", "incident_ids", filters.incident))
        if filters.kind:
            found.append(self._among("i.kind", "kinds", filters.kind))
        if filters.occurred_from is not None:
            self.values["occurred_from"] = filters.occurred_from
            found.append("i.occurred_from >= :occurred_from")
        if filters.occurred_before is not None:
            self.values["occurred_before"] = filters.occurred_before
            found.append("i.occurred_from IS NOT NULL AND i.occurred_to < :occurred_before")
        found += [f"i.id IN ({piece})" for piece in self._fact_filters()]
        return found + self._place_filters() + self._item_filters()

    def _among(self, column: str, name: str, words: frozenset[Any]) -> str:
        self.values[name] = sorted(words)
        return f"{column} = ANY(:{name})"

    def _fact_filters(self) -> list[str]:
        filters, found = self.query.filters, []
        if filters.weapon is not None:
            self.values["weapon"] = fold_designation(filters.weapon)
            either = "f.normalised_key = :weapon OR f.reported_key = :weapon"
            found.append(self.facts("weapon_identifications", "f.incident_id", either))
        for by, words in (
            (By.OBJECT_KIND, filters.object_kind),
            (By.PROTECTED_OBJECT, filters.protected_object),
            (By.PROTECTED_PERSON, filters.protected_person),
            (By.ATTACK_PATTERN, filters.attack_pattern),
            (By.GRADING, filters.grading),
            (By.PROVISION, filters.provision),
            (By.QUALIFIER, filters.qualifier),
        ):
            if words:
                within = self._among("d.key", f"words_{by}", words)
                found.append(f"SELECT d.incident_id FROM ({self._fact_parts(by)}) d WHERE {within}")  # noqa: S608
        return found

    def _place_filters(self) -> list[str]:
        filters, found = self.query.filters, []
        if filters.area:
            self.values["paths_within"] = self.areas.within(filters.area)
            found.append("array_to_string(i.administrative_units, chr(31)) = ANY(:paths_within)")
        box = filters.box
        if box is not None:
            found.append(self._in_box(box, "box"))
        if filters.near is not None:
            near = filters.near
            self.values |= {
                "latitude": near.latitude_microdegrees,
                "longitude": near.longitude_microdegrees,
                "cosine": math.cos(math.radians(near.latitude_microdegrees / 1e6)),
                "radius_m": near.radius_m,
            }
            found.append(f"{self._in_box(box_around(near), 'around')} AND {_DISTANCE_M} <= :radius_m")
        if filters.control:
            found.append(self._held_by(filters.control))
        return found

    def _held_by(self, holders: frozenset[str]) -> str:
        self.values |= self._controls().values()
        holder = Controls.holder("i", "i.case_id" if self.stand.is_now else "o.case_id")
        return self._among(f"coalesce({holder}, '{UNKNOWN}')", "holders", holders)

    def _in_box(self, box: Box, name: str) -> str:
        self.values |= {f"{name}_{side}": value for side, value in vars(box).items()}
        across = "OR" if box.west > box.east else "AND"
        return (
            f"i.latitude_microdegrees BETWEEN :{name}_south AND :{name}_north AND (i.longitude_microdegrees >= "
            f":{name}_west {across} i.longitude_microdegrees <= :{name}_east)"
        )

    def _item_filters(self) -> list[str]:
        filters = self.query.filters
        if self.query.measure is Measure.ITEMS or not (filters.method or filters.label or filters.verdict):
            return []
        return [f"i.id IN ({self.linked('c.incident_id')})"]

    def _controls(self) -> Controls:
        closed = select(ConsentStanding.item_id).where(
            ConsentStanding.scope.in_((ConsentScope.VERIFICATION, ConsentScope.PUBLICATION)),
            ConsentStanding.stands_until <= self.moment,
        )
        return controls_of(self.session, self.query.cases, self.stand, closed)

    # --- parts --------------------------------------------------------------------------------------------------------

    def parts(self, by: By) -> str:
        """``incident_id, key`` of what of ``chosen`` belongs to a point of the series: each pair once. A key is a text,
        or what becomes one."""
        made: Mapping[By, Callable[[], str]] = {
            By.CASE: lambda: _of_rows("case_id::text"),
            By.INCIDENT: lambda: _of_rows("id::text"),
            By.KIND: lambda: _of_rows("kind"),
            By.MONTH: self._months,
            By.PLACE: self._places,
            By.CONTROL: self._control_parts,
            By.METHOD: self._methods,
        }
        return made[by]() if by in made else self._fact_parts(by)

    def _fact_parts(self, by: By) -> str:
        key = "f.incident_id, {} AS key"
        if by is By.WEAPON:
            name = "coalesce(f.normalised_key, f.reported_key)"
            return _once(self.facts("weapon_identifications", key.format(name), f"{name} IS NOT NULL"))
        if by is By.WEAPON_REPORTED:
            columns = key.format("f.reported_key")
            return _once(self.facts("weapon_identifications", columns, "f.reported_key IS NOT NULL"))
        if by is By.OBJECT_KIND:
            return _once(self.facts("affected_objects", key.format("f.object_kind")))
        if by is By.PROTECTED_OBJECT:
            is_protected = "f.special_protection = 'protected'"
            return _once(self.facts("affected_objects", key.format("f.object_kind"), is_protected))
        if by is By.PROTECTED_PERSON:
            some = "f.maximum IS NULL OR f.maximum > 0"
            return _once(self.facts("casualty_counts", key.format("f.person_group"), some))
        if by is By.ATTACK_PATTERN:
            return _once(self.facts("circumstances", key.format("f.pattern"), "f.pattern IS NOT NULL"))
        if by is By.GRADING:
            return self._judged("gradings", key.format("f.grade"), "f.grade IS NOT NULL")
        if by is By.QUALIFIER:
            return _once(self._judged("classifications", key.format("f.qualifier"), "f.qualifier IS NOT NULL"))
        provisions = self._judged("classifications", "f.incident_id, f.provisions", "f.qualifier IS NOT NULL")
        return f"SELECT DISTINCT p.incident_id, u.key FROM ({provisions}) p CROSS JOIN unnest(p.provisions) AS u (key)"  # noqa: S608

    def _months(self) -> str:
        self.values["zones"] = self.areas.zones()
        zone = "CASE WHEN occurred_zone = ANY(:zones) THEN occurred_zone ELSE 'UTC' END"
        begins, ends = (
            f"date_trunc('month', {moment} AT TIME ZONE zone)" for moment in ("occurred_from", "occurred_to")
        )
        # `OFFSET 0`: what is named twice is computed once; the time in a zone is what takes long.
        return f"""SELECT id AS incident_id, CASE WHEN begins = ends THEN begins::date END AS key
            FROM (SELECT id, {begins} AS begins, {ends} AS ends FROM (
                SELECT id, occurred_from, occurred_to, {zone} AS zone FROM chosen OFFSET 0) z OFFSET 0) m"""  # noqa: S608

    def _places(self) -> str:
        known = self.areas.keys(self.query.level)
        self.values |= {"paths": list(known), "keys": list(known.values())}
        return """SELECT r.id AS incident_id, a.key FROM chosen r
            JOIN unnest(:paths, :keys) AS a (path, key) ON a.path = array_to_string(r.administrative_units, chr(31))"""

    def _control_parts(self) -> str:
        self.values |= self._controls().values()
        # `OFFSET 0`: it is looked up once, and not again to see whether it is there.
        return f"""SELECT incident_id, key FROM (
            SELECT r.id AS incident_id, {Controls.holder("r", "r.case_id")} AS key FROM chosen r OFFSET 0) h
            WHERE key IS NOT NULL"""  # noqa: S608

    def _methods(self) -> str:
        """There are few different sets of methods: the names are looked up for each of these."""
        of_items = self.linked("c.incident_id, bit_or(c.methods) AS methods")
        return f"""WITH of_items AS MATERIALIZED ({of_items} GROUP BY c.incident_id)
            SELECT c.incident_id, n.key FROM of_items c JOIN (SELECT s.methods, m.key FROM
                (SELECT DISTINCT methods FROM of_items) s JOIN ({self.method_names()}) m ON s.methods & m.bit <> 0) n
                ON n.methods = c.methods"""  # noqa: S608

    @staticmethod
    def method_names() -> str:
        named = ", ".join(f"({1 << place}, '{method}')" for place, method in enumerate(METHOD_BITS))
        return f"SELECT m.bit, m.key FROM (VALUES {named}) AS m (bit, key)"  # noqa: S608


def _of_rows(key: str) -> str:
    return f"SELECT id AS incident_id, {key} AS key FROM chosen"  # noqa: S608


def _once(pairs: str) -> str:
    return f"SELECT DISTINCT p.incident_id, p.key FROM ({pairs}) p"  # noqa: S608
