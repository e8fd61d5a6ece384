"""How people read the keys of a series. Names as they stand now, which are no part of what an answer proves."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal, select

from app.cases.models import Case
from app.facts.models import Organisation
from app.facts.service import stands
from app.figures.chosen import Chosen
from app.figures.places import CONTESTED
from app.figures.words import By
from app.incidents.models import Incident

Names = dict[str, tuple[str, str | None]]
"""The key of a row → the key and the label that are given."""


def labels_of(chosen: Chosen, keys: Sequence[str]) -> Names:
    by = chosen.query.by
    if by is By.MONTH:
        return {key: (key[:7], None) for key in keys}
    if by is By.PLACE:
        spelt = chosen.areas.names(chosen.query.level)
        return {key: (key, spelt.get(key)) for key in keys}
    if by in (By.WEAPON, By.WEAPON_REPORTED):
        return _weapons(chosen, by)
    if by is By.CONTROL:
        named = _organisations(chosen, [UUID(key) for key in keys if key != CONTESTED])
        return {key: (key, named.get(key)) for key in keys}
    if by is By.INCIDENT:
        return _named(
            chosen,
            select(Incident.id, Incident.code).where(
                Incident.id == any_(literal([UUID(key) for key in keys], ARRAY(Uuid)))
            ),
        )
    if by is By.CASE:
        return _named(chosen, select(Case.id, Case.title).where(Case.id.in_(chosen.query.cases)))
    return {}


def _weapons(chosen: Chosen, by: By) -> Names:
    """The first of the spellings that fold to a key."""
    name, key = "coalesce(f.normalised, f.reported)", "coalesce(f.normalised_key, f.reported_key)"
    if by is By.WEAPON_REPORTED:
        name, key = "f.reported", "f.reported_key"
    spelt = chosen.facts("weapon_identifications", f"{key} AS key, {name} AS name", f"{key} <> ''")
    rows = chosen.run(f" SELECT w.key, min(w.name) FROM ({spelt}) w GROUP BY w.key")  # noqa: S608
    return {found: (found, spelling) for found, spelling in rows}


def _organisations(chosen: Chosen, fact_ids: list[UUID]) -> dict[str, str | None]:
    at = None if chosen.stand.is_now else chosen.stand.position
    query = select(Organisation.fact_id, Organisation.name).where(
        Organisation.fact_id.in_(fact_ids), stands(Organisation, at)
    )
    return {str(fact_id): name for fact_id, name in chosen.session.execute(query)}


def _named(chosen: Chosen, query: Any) -> Names:
    return {str(identity): (str(identity), name) for identity, name in chosen.session.execute(query)}
