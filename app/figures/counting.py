"""Counting: the total and the series of each measure, in questions over sets. None of them sees who asks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.captures import joined_captures
from app.figures.chosen import SEXUAL_VIOLENCE, Chosen
from app.figures.figure import CasualtyRange, Counted, Figure
from app.figures.proof import RECORDS, sha256_of
from app.figures.tally import IMAGE, METHODS_FROM, SENSITIVE, VIDEO, Tally
from app.figures.words import By, Measure

Series = dict[str | None, Figure]
Found = tuple[Figure, Series, Counted]
TOTAL, SERIES, COUNTED = "total", "series", "counted"
"""Of which question a row is the answer: several are one statement, so that what they share is looked for once."""
_OF_SEXUAL_VIOLENCE = f"kind = '{SEXUAL_VIOLENCE}'"


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
        return _counts(chosen, "f.fact_id AS id, f.version")
    return _counted_items(chosen, "c.evidence_id AS id, c.verdict_id AS version")


def _digest(chosen: Chosen, records: str) -> str:
    """How many, and what their digest is of."""
    return f"SELECT count(*) AS count, {RECORDS[chosen.query.measure].digest} AS records FROM ({records}) r"  # noqa: S608


def _counted(chosen: Chosen, count: int, records: bytes) -> Counted:
    return Counted(count, sha256_of(chosen.query.measure, records))


# --- incidents --------------------------------------------------------------------------------------------------------


def _incidents(chosen: Chosen) -> Found:
    columns = f"count(*), count(*) FILTER (WHERE r.{_OF_SEXUAL_VIOLENCE})"
    statement = f"""
        SELECT '{TOTAL}', NULL::text AS key, {columns}, NULL::bytea FROM chosen r
        UNION ALL SELECT '{COUNTED}', NULL, d.count, 0, d.records FROM ({_digest(chosen, records_of(chosen))}) d"""  # noqa: S608
    by = chosen.query.by
    if by is not None:
        parts = f"LEFT JOIN ({chosen.parts(by)}) d ON d.incident_id = r.id"
        statement += f" UNION ALL SELECT '{SERIES}', d.key, {columns}, NULL FROM chosen r {parts} GROUP BY d.key"  # noqa: S608
    rows = chosen.run(statement).all()
    figures = {(what, key): Figure(found, sensitive=sensitive) for what, key, found, sensitive, _ in rows}
    counted = next(_counted(chosen, found, records) for what, _, found, _, records in rows if what == COUNTED)
    series = {key: figure for (what, key), figure in figures.items() if what == SERIES}
    return figures[TOTAL, None], series, counted


# --- casualties -------------------------------------------------------------------------------------------------------


def _counts(chosen: Chosen, columns: str) -> str:
    """Standing counts of the chosen incidents. Whoever is counted in a part of an incident is among those counted in
    the whole: where both are chosen and state the same outcome and group, the whole alone counts."""
    of_chosen = "f.incident_id IN (SELECT id FROM chosen)"
    counts = chosen.facts("casualty_counts", columns, of_chosen)
    of_wholes = chosen.facts("casualty_counts", "f.incident_id, f.outcome, f.person_group", of_chosen)
    return f"""{counts} AND (f.incident_id, f.outcome, f.person_group) NOT IN (
        SELECT a.part, w.outcome, w.person_group FROM ({chosen.wholes()}) a JOIN ({of_wholes}) w
            ON w.incident_id = a.whole)"""  # noqa: S608


def _casualties(chosen: Chosen) -> Found:
    columns = "f.fact_id AS id, f.version, f.incident_id, f.outcome, f.person_group, f.minimum, f.maximum"
    records = _digest(chosen, "SELECT id, version FROM counts")
    statement = f""", counts AS ({_counts(chosen, columns)}),
    folded AS (SELECT c.incident_id, c.outcome, c.person_group, min(c.minimum) AS minimum, count(*) AS sources,
        CASE WHEN count(*) = count(c.maximum) THEN max(c.maximum) END AS maximum,
        c.incident_id IN (SELECT id FROM chosen WHERE {_OF_SEXUAL_VIOLENCE}) AS is_sensitive
        FROM counts c GROUP BY 1, 2, 3)
    SELECT '{COUNTED}', NULL::text AS key, NULL::text AS outcome, NULL::text AS person_group, NULL::bigint,
        NULL::bigint, d.count, NULL::bigint, NULL::bigint, d.records FROM ({records}) d
    {_ranges(TOTAL, "NULL::text")}"""  # noqa: S608
    by = chosen.query.by
    if by is not None:
        statement += _ranges(SERIES, "d.key", f"LEFT JOIN ({chosen.parts(by)}) d ON d.incident_id = f.incident_id")
    rows = chosen.run(statement).all()
    figures = {what: _with_ranges([row[1:-1] for row in rows if row[0] == what]) for what in (TOTAL, SERIES)}
    counted = next(_counted(chosen, row[6], row[-1]) for row in rows if row[0] == COUNTED)
    return figures[TOTAL].get(None, Figure(0, ranges=())), figures[SERIES], counted


def _ranges(what: str, key: str, join: str = "") -> str:
    """Under each key a row for each outcome and group, and one without, which tells how many incidents there are."""
    sensitive = "count(*) FILTER (WHERE f.is_sensitive)"
    return f"""
    UNION ALL SELECT '{what}', {key}, f.outcome, f.person_group, sum(f.minimum)::bigint,
        CASE WHEN count(*) = count(f.maximum) THEN sum(f.maximum)::bigint END, count(*), sum(f.sources)::bigint,
        {sensitive}, NULL FROM folded f {join} GROUP BY 2, 3, 4
    UNION ALL SELECT '{what}', {key}, NULL, NULL, NULL, NULL, count(*), NULL, {sensitive}, NULL
        FROM (SELECT DISTINCT incident_id, is_sensitive FROM folded) f {join} GROUP BY 2"""  # noqa: S608


def _with_ranges(rows: Sequence[Any]) -> Series:
    by_key: dict[str | None, list[CasualtyRange]] = {}
    for key, outcome, group, minimum, maximum, found, sources, sensitive in rows:
        if outcome is not None:
            victims = CasualtyOutcome(outcome), PersonGroup(group)
            one = CasualtyRange(*victims, minimum, maximum, found, sources, sensitive)
            by_key.setdefault(key, []).append(one)
    return {
        key: Figure(found, ranges=tuple(sorted(by_key.get(key, ()), key=_in_order_of_words)), sensitive=sensitive)
        for key, outcome, *_, found, _sources, sensitive in rows
        if outcome is None
    }


def _in_order_of_words(one: CasualtyRange) -> tuple[int, int]:
    return list(CasualtyOutcome).index(one.outcome), list(PersonGroup).index(one.person_group)


# --- items ------------------------------------------------------------------------------------------------------------

_CHOSEN = "c.incident_id IN (SELECT id FROM chosen)"


def _counted_items(chosen: Chosen, columns: str) -> str:
    """Verified items, each once: all; of incidents only, if the query is of incidents, those in the chosen ones."""
    if chosen.query.filters.is_of_incidents:
        return chosen.linked(f"DISTINCT {columns}", _CHOSEN)
    return chosen.alone(columns)


def _items(chosen: Chosen) -> Found:
    """PostgreSQL reads the rows from an index, in the order of their records; ``tally`` counts them."""
    labelled = chosen.labelled_sexual_violence()
    of_sexual_violence = chosen.linked(
        "c.evidence_id",
        f"c.incident_id IN (SELECT id FROM chosen WHERE {_OF_SEXUAL_VIOLENCE})",  # noqa: S608
    )
    flags = f"""r.methods << {METHODS_FROM}
        | CASE r.media_kind WHEN 'image' THEN {IMAGE} WHEN 'video' THEN {VIDEO} ELSE 0 END
        | CASE WHEN r.id IN ({labelled}) OR r.id IN ({of_sexual_violence}) THEN {SENSITIVE} ELSE 0 END"""
    columns = "c.evidence_id AS id, c.verdict_id AS version, c.item, c.capture, c.media_kind, c.methods"
    number, records, rows = chosen.run(
        f""" SELECT count(*), {RECORDS[Measure.ITEMS].digest}, coalesce(string_agg(
            int8send(r.item) || int8send(r.capture) || int4send({flags}), ''::bytea ORDER BY r.id), ''::bytea)
        FROM ({_counted_items(chosen, columns)}) r"""  # noqa: S608
    ).one()
    joined = joined_captures(chosen.session, chosen.query.cases, chosen.stand, chosen.moment)
    tally = Tally(rows, joined)
    counted = _counted(chosen, number, records)
    return tally.total(), _series_of_items(chosen, tally), counted


def _series_of_items(chosen: Chosen, tally: Tally) -> Series:
    by = chosen.query.by
    if by is None:
        return {}
    if by is By.MEDIA_TYPE:
        return tally.by_media_type()
    if by is By.METHOD:
        return tally.by_method()
    linked = chosen.linked("c.item, c.incident_id", _CHOSEN)
    return tally.by_key(
        chosen.run(
            f""", parts AS MATERIALIZED ({chosen.parts(by)})
            SELECT p.key, string_agg(int8send(l.item), ''::bytea) FROM ({linked}) l
            JOIN parts p ON p.incident_id = l.incident_id GROUP BY p.key"""  # noqa: S608
        ).all()
    )
