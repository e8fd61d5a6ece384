"""Counting: the total and the series of each measure, in questions over sets. None of them sees who asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.facts.words import CasualtyOutcome, PersonGroup
from app.figures.captures import joined_bytes
from app.figures.chosen import SEXUAL_VIOLENCE, Chosen
from app.figures.figure import CasualtyRange, Counted, Figure, MediaCount
from app.figures.proof import RECORDS, sha256_of
from app.figures.words import By, Measure

Series = dict[str | None, Figure]
_OF_SEXUAL_VIOLENCE = f"kind = '{SEXUAL_VIOLENCE}'"


def count(chosen: Chosen) -> tuple[Figure, Series, Counted]:
    """The total, the series by the query's ``by`` (empty without), and what was counted."""
    measured: Mapping[Measure, Any] = {
        Measure.INCIDENTS: _incidents,
        Measure.ITEMS: _items,
        Measure.CASUALTIES: _casualties,
    }
    total, series = measured[chosen.query.measure](chosen)
    return total, series, _counted(chosen)


def _counted(chosen: Chosen) -> Counted:
    record = RECORDS[chosen.query.measure]
    row = chosen.run(
        f"SELECT count(*), {record.digest} AS sha256 FROM ({records_of(chosen)}) r"  # noqa: S608
    ).one()
    return Counted(row[0], sha256_of(chosen.query.measure, row[1]))


def records_of(chosen: Chosen) -> str:
    """``id, version`` of what is counted, each once."""
    if chosen.query.measure is Measure.INCIDENTS:
        return "SELECT id, version FROM chosen"
    if chosen.query.measure is Measure.CASUALTIES:
        return _counts(chosen, "f.fact_id AS id, f.version")
    return f"SELECT DISTINCT i.evidence_id AS id, i.verdict_id AS version FROM ({_counted_items(chosen)}) i"  # noqa: S608


# --- incidents --------------------------------------------------------------------------------------------------------


def _incidents(chosen: Chosen) -> tuple[Figure, Series]:
    columns = f"count(*), count(*) FILTER (WHERE r.{_OF_SEXUAL_VIOLENCE})"
    row = chosen.run(f"SELECT {columns} FROM chosen r").one()  # noqa: S608
    total = Figure(row[0], sensitive=row[1])
    by = chosen.query.by
    if by is None:
        return total, {}
    parts = chosen.parts(by)
    rows = chosen.run(
        f"SELECT d.key, {columns} FROM chosen r LEFT JOIN ({parts}) d ON d.incident_id = r.id GROUP BY d.key"  # noqa: S608
    )
    return total, {key: Figure(found, sensitive=sensitive) for key, found, sensitive in rows}


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


def _casualties(chosen: Chosen) -> tuple[Figure, Series]:
    folded = f"""SELECT c.incident_id, c.outcome, c.person_group, min(c.minimum) AS minimum, count(*) AS sources,
        CASE WHEN count(*) = count(c.maximum) THEN max(c.maximum) END AS maximum
        FROM ({_counts(chosen, "f.incident_id, f.outcome, f.person_group, f.minimum, f.maximum")}) c GROUP BY 1, 2, 3"""  # noqa: S608
    added = f"""f.outcome, f.person_group, sum(f.minimum),
        CASE WHEN count(*) = count(f.maximum) THEN sum(f.maximum) END,
        count(*), sum(f.sources), count(*) FILTER (WHERE r.{_OF_SEXUAL_VIOLENCE})"""
    stated = f"count(DISTINCT f.incident_id), count(DISTINCT f.incident_id) FILTER (WHERE r.{_OF_SEXUAL_VIOLENCE})"
    of_all = f"FROM ({folded}) f JOIN chosen r ON r.id = f.incident_id"
    ranges = chosen.run(f"SELECT NULL, {added} {of_all} GROUP BY 2, 3").all()
    incidents = chosen.run(f"SELECT NULL, {stated} {of_all}").all()
    total = _with_ranges(ranges, incidents).get(None, Figure(0, ranges=()))
    by = chosen.query.by
    if by is None:
        return total, {}
    of_parts = f"{of_all} LEFT JOIN ({chosen.parts(by)}) d ON d.incident_id = f.incident_id"
    ranges = chosen.run(f"SELECT d.key, {added} {of_parts} GROUP BY 1, 2, 3").all()
    incidents = chosen.run(f"SELECT d.key, {stated} {of_parts} GROUP BY 1").all()
    return total, _with_ranges(ranges, incidents)


def _with_ranges(ranges: Sequence[Any], incidents: Sequence[Any]) -> Series:
    by_key: dict[str | None, list[CasualtyRange]] = {}
    for key, outcome, group, minimum, maximum, found, sources, sensitive in ranges:
        one = CasualtyRange(
            CasualtyOutcome(outcome),
            PersonGroup(group),
            int(minimum),
            None if maximum is None else int(maximum),
            found,
            int(sources),
            sensitive,
        )
        by_key.setdefault(key, []).append(one)
    return {
        key: Figure(found, ranges=tuple(sorted(by_key.get(key, ()), key=_in_order_of_words)), sensitive=sensitive)
        for key, found, sensitive in incidents
    }


def _in_order_of_words(one: CasualtyRange) -> tuple[int, int]:
    return list(CasualtyOutcome).index(one.outcome), list(PersonGroup).index(one.person_group)


# --- items ------------------------------------------------------------------------------------------------------------

_ITEM = "c.evidence_id, c.verdict_id, c.blob_sha256, c.media_kind, c.incident_id, c.methods"


def _counted_items(chosen: Chosen) -> str:
    """All verified items; of incidents only, if the query is of incidents: those in the chosen ones, once for each."""
    if chosen.query.filters.is_of_incidents:
        return chosen.counted(_ITEM, "c.incident_id IN (SELECT id FROM chosen)")
    return chosen.counted(_ITEM, "c.incident_id IS NULL")


def _items(chosen: Chosen) -> tuple[Figure, Series]:
    joined = joined_bytes(chosen.session, chosen.query.cases, chosen.stand, chosen.moment)
    chosen.values |= {"copies": list(joined), "originals": list(joined.values())}
    total = _item_figures(chosen, _counted_items(chosen), "NULL::text").get(None, _no_items())
    by = chosen.query.by
    if by is None:
        return total, {}
    return total, _series_of_items(chosen, by)


def _series_of_items(chosen: Chosen, by: By) -> Series:
    everything = _counted_items(chosen)
    if by is By.MEDIA_TYPE:
        return _item_figures(chosen, everything, "i.media_kind")
    if by is By.METHOD:
        return _item_figures(
            chosen, everything, "d.key", f"LEFT JOIN ({chosen.method_names()}) d ON i.methods & d.bit <> 0"
        )
    linked = chosen.counted("c.evidence_id, c.incident_id", "c.incident_id IN (SELECT id FROM chosen)")
    keys = f"""LEFT JOIN (SELECT DISTINCT l.evidence_id, p.key FROM ({linked}) l
        JOIN ({chosen.parts(by)}) p ON p.incident_id = l.incident_id) d ON d.evidence_id = i.evidence_id"""  # noqa: S608
    return _item_figures(chosen, everything, "d.key", keys)


def _item_figures(chosen: Chosen, items: str, key: str, join: str = "") -> Series:
    """An item counts once under each of its keys; of a capture's copies under one key, one."""
    of_sexual_violence = f"c.incident_id IN (SELECT id FROM chosen WHERE {_OF_SEXUAL_VIOLENCE})"  # noqa: S608
    sensitive = f"""i.evidence_id IN ({chosen.labelled_sexual_violence()})
        OR i.evidence_id IN ({chosen.counted("c.evidence_id", of_sexual_violence)})"""
    once = f"""SELECT {key} AS key, i.evidence_id, i.blob_sha256, i.media_kind, bool_or({sensitive}) AS is_sensitive
        FROM ({items}) i {join} GROUP BY 1, 2, 3, 4"""  # noqa: S608
    captures = f"""SELECT o.key, count(*) AS items, count(*) FILTER (WHERE o.media_kind = 'image') AS images,
        count(*) FILTER (WHERE o.media_kind = 'video') AS videos, count(*) FILTER (WHERE o.is_sensitive) AS sensitive
        FROM ({once}) o LEFT JOIN unnest(:copies, :originals) AS j (copy, original) ON j.copy = o.blob_sha256
        GROUP BY o.key, coalesce(j.original, o.blob_sha256)"""  # noqa: S608
    rows = chosen.run(
        f"""SELECT key, sum(items), count(*), sum(images), count(*) FILTER (WHERE images > 0), sum(videos),
        count(*) FILTER (WHERE videos > 0), sum(sensitive) FROM ({captures}) c GROUP BY key"""  # noqa: S608
    )
    return {key: _figure_of_items(*(int(number) for number in numbers)) for key, *numbers in rows}


def _figure_of_items(*numbers: int) -> Figure:
    items, captures, images, image_captures, videos, video_captures, sensitive = numbers
    return Figure(
        items,
        captures,
        MediaCount(images, image_captures),
        MediaCount(videos, video_captures),
        sensitive=sensitive,
    )


def _no_items() -> Figure:
    return _figure_of_items(0, 0, 0, 0, 0, 0, 0)
