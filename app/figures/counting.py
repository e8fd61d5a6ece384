"""Counting: the total and the series of each measure, in questions over sets. None of them sees who asks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.figures.captures import joined_captures
from app.figures.casualties import OPEN, VICTIMS, Casualties
from app.figures.chosen import SEXUAL_VIOLENCE, Chosen
from app.figures.figure import Counted, Figure
from app.figures.keyed import Keyed, linked_with
from app.figures.proof import digest_in_sql
from app.figures.tally import IMAGE, METHODS_FROM, VIDEO, Tally
from app.figures.words import By, Measure

Series = dict[str | None, Figure]
Found = tuple[Figure, Series, Counted]
Rows = Sequence[Any]
"""What a row is the answer to, its key, a number, a digest, and numbers as bytes."""
TOTAL, SERIES, COUNTED, LINKS = "total", "series", "counted", "links"
"""Of which question a row is the answer: several are one statement, so that what they share is looked for once."""
_OF_SEXUAL_VIOLENCE = f"kind = '{SEXUAL_VIOLENCE}'"
_NUMBERED = ", numbered AS MATERIALIZED (SELECT id, kind, row_number() OVER () AS number FROM chosen)"
"""Incidents by a number of 8 bytes, which holds for one statement."""


def count(chosen: Chosen) -> Found:
    """The total, the series by the query's ``by`` (empty without), and what was counted."""
    measured: Mapping[Measure, Callable[[Chosen], Found]] = {
        Measure.INCIDENTS: _incidents,
        Measure.ITEMS: _items,
        Measure.CASUALTIES: _casualties,
    }
    return measured[chosen.query.measure](chosen)


def records_of(chosen: Chosen) -> str:
    """``id, version`` of what is counted, each once."""
    if chosen.query.measure is Measure.INCIDENTS:
        return "SELECT id, version FROM chosen"
    if chosen.query.measure is Measure.CASUALTIES:
        return _counts(chosen, "f.fact_id AS id, f.version", "f.incident_id IN (SELECT id FROM chosen)")
    return _counted_items(chosen, "c.evidence_id AS id, c.verdict_id AS version")


def _numbers_by_key(chosen: Chosen, by: By) -> str:
    return f""" UNION ALL SELECT '{SERIES}', d.key::text, NULL, NULL, string_agg(int8send(n.number), ''::bytea)
        FROM ({chosen.parts(by)}) d JOIN numbered n ON n.id = d.incident_id GROUP BY d.key"""  # noqa: S608


def _packed(found: Rows, wanted: str) -> bytes:
    """Of the row that is called so; empty without one."""
    return next((packed or b"" for what, *_, packed in found if what == wanted), b"")


def _keyed(found: Rows) -> Keyed:
    return [(key, packed) for what, key, *_, packed in found if what == SERIES]


# --- incidents --------------------------------------------------------------------------------------------------------


def _incidents(chosen: Chosen) -> Found:
    columns = f"count(*), count(*) FILTER (WHERE r.{_OF_SEXUAL_VIOLENCE})"
    statement = f"""
        SELECT '{TOTAL}', NULL::text AS key, {columns}, NULL::text FROM chosen r
        UNION ALL SELECT '{COUNTED}', NULL, count(*), 0, {digest_in_sql(Measure.INCIDENTS)}
        FROM ({records_of(chosen)}) r"""  # noqa: S608
    by = chosen.query.by
    if by is not None:
        parts = f"LEFT JOIN ({chosen.parts(by)}) d ON d.incident_id = r.id"
        statement += f" UNION ALL SELECT '{SERIES}', d.key::text, {columns}, NULL FROM chosen r {parts} GROUP BY d.key"  # noqa: S608
    rows = chosen.run(statement).all()
    figures = {(what, key): Figure(found, sensitive=sensitive) for what, key, found, sensitive, _ in rows}
    counted = next(Counted(found, digest) for what, _, found, _, digest in rows if what == COUNTED)
    series = {key: figure for (what, key), figure in figures.items() if what == SERIES}
    return figures[TOTAL, None], series, counted


# --- casualties -------------------------------------------------------------------------------------------------------


def _counts(chosen: Chosen, columns: str, where: str = "true") -> str:
    """Standing counts. Whoever is counted in a part of an incident is among those counted in the whole: where both are
    chosen and state the same outcome and group, the whole alone counts."""
    of_chosen = "f.incident_id IN (SELECT id FROM chosen)"
    of_wholes = chosen.facts("casualty_counts", "f.incident_id, f.outcome, f.person_group", of_chosen)
    return f"""{chosen.facts("casualty_counts", columns, where)} AND (f.incident_id, f.outcome, f.person_group) NOT IN (
        SELECT a.part, w.outcome, w.person_group FROM ({chosen.wholes()}) a JOIN ({of_wholes}) w
            ON w.incident_id = a.whole)"""  # noqa: S608


def _casualties(chosen: Chosen) -> Found:
    """One pass over the counts, in the order of their records; ``Casualties`` folds and adds them."""
    columns = "f.fact_id AS id, f.version, f.incident_id, f.outcome, f.person_group, f.minimum, f.maximum"
    row = f"int8send(p.number * {len(VICTIMS)} + v.victims)"
    row += f" || int4send(r.minimum) || int4send(coalesce(r.maximum, {OPEN}))"
    statement = f"""{_NUMBERED}
    SELECT '{TOTAL}', NULL::text AS key, count(*), {digest_in_sql(Measure.CASUALTIES)}, string_agg({row}, ''::bytea)
        FROM ({_counts(chosen, columns)}) r JOIN numbered p ON p.id = r.incident_id
        JOIN ({_victims()}) v ON v.outcome = r.outcome AND v.person_group = r.person_group
    UNION ALL SELECT '{SEXUAL_VIOLENCE}', NULL, NULL, NULL, string_agg(int8send(number), ''::bytea) FROM numbered
        WHERE {_OF_SEXUAL_VIOLENCE}"""  # noqa: S608
    by = chosen.query.by
    if by is not None:
        statement += _numbers_by_key(chosen, by)
    found = chosen.run(statement).all()
    (counted,) = [Counted(number, digest) for what, _, number, digest, _ in found if what == TOTAL]
    casualties = Casualties(_packed(found, TOTAL), _packed(found, SEXUAL_VIOLENCE))
    return casualties.total(), {} if by is None else casualties.by_key(_keyed(found)), counted


def _victims() -> str:
    """The number of each outcome and group."""
    named = ", ".join(f"('{one.outcome}', '{one.person_group}', {number})" for number, one in enumerate(VICTIMS))
    return f"SELECT v.* FROM (VALUES {named}) AS v (outcome, person_group, victims)"  # noqa: S608


# --- items ------------------------------------------------------------------------------------------------------------

_BY_ITEMS = frozenset({None, By.MEDIA_TYPE, By.METHOD})
"""What is counted without asking in which incidents an item is."""


def _counted_items(chosen: Chosen, columns: str) -> str:
    """Verified items, each once: all; of incidents only, if the query is of incidents, those in the chosen ones."""
    if chosen.query.filters.is_of_incidents:
        return chosen.linked(f"DISTINCT {columns}", "c.incident_id IN (SELECT id FROM chosen)")
    return chosen.alone(columns)


def _items(chosen: Chosen) -> Found:
    """PostgreSQL reads the rows from an index, in the order of their records; ``Tally`` counts them. Of sexual violence
    are few: they are told apart, for looking each row up among them takes longer than reading it."""
    flags = f"""r.methods << {METHODS_FROM}
        | CASE r.media_kind WHEN 'image' THEN {IMAGE} WHEN 'video' THEN {VIDEO} ELSE 0 END"""
    columns = "c.evidence_id AS id, c.verdict_id AS version, c.item, c.capture, c.media_kind, c.methods"
    labelled = chosen.alone("c.item", f"c.evidence_id IN ({chosen.labelled_sexual_violence()})")
    of_incidents = chosen.linked(
        "c.item",
        f"c.incident_id IN (SELECT id FROM chosen WHERE {_OF_SEXUAL_VIOLENCE})",  # noqa: S608
    )
    by = chosen.query.by
    is_by_incidents = by not in _BY_ITEMS
    statement = f"""{_NUMBERED if is_by_incidents else ""}
        SELECT '{TOTAL}', NULL::text AS key, count(*), {digest_in_sql(Measure.ITEMS)},
            string_agg(int8send(r.item) || int8send(r.capture) || int4send({flags}), ''::bytea)
        FROM ({_counted_items(chosen, columns)}) r
        UNION ALL SELECT '{SEXUAL_VIOLENCE}', NULL, NULL, NULL, string_agg(int8send(s.item), ''::bytea)
        FROM ({labelled} UNION ALL {of_incidents}) s"""  # noqa: S608
    if by is not None and is_by_incidents:
        statement += f"""
            UNION ALL SELECT '{LINKS}', NULL, NULL, NULL, string_agg(int8send(n.number) || int8send(l.item), ''::bytea)
            FROM ({chosen.linked("c.item, c.incident_id")}) l JOIN numbered n ON n.id = l.incident_id
            {_numbers_by_key(chosen, by)}"""  # noqa: S608
    found = chosen.run(statement).all()
    (counted,) = [Counted(number, digest) for what, _, number, digest, _ in found if what == TOTAL]
    joined = joined_captures(chosen.session, chosen.query.cases, chosen.stand, chosen.moment)
    tally = Tally(_packed(found, TOTAL), _packed(found, SEXUAL_VIOLENCE), joined)
    return tally.total(), _series_of_items(by, tally, found), counted


def _series_of_items(by: By | None, tally: Tally, found: Rows) -> Series:
    if by is None:
        return {}
    if by is By.MEDIA_TYPE:
        return tally.by_media_type()
    if by is By.METHOD:
        return tally.by_method()
    return tally.by_key(linked_with(_packed(found, LINKS), _keyed(found)))
