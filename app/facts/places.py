"""Where what the entries of facts seal lies besides; ``app.kernel.places``. Read from the kinds."""

from typing import Any

from app.facts.kinds import KINDS, SOURCE_COLUMNS, Kind
from app.kernel.places import Place, Places


def _fields(kind: Kind[Any]) -> dict[str, Place]:
    table = kind.model.__tablename__
    found = {name: Place(table, columns, {"id": "id"}) for name, columns in kind.sealed.items()}
    found["reason"] = Place(table, ("reason",), {"id": "id"})
    found["external_reference"] = Place(table, ("external_reference",), {"id": "id"}, is_unique=True)
    if kind.has_source:
        found["source"] = Place(table, SOURCE_COLUMNS, {"id": "id"})
    return found


def _places() -> Places:
    found: dict[tuple[str, str], tuple[Place, ...]] = {}
    for kind in KINDS:
        scope = "case" if kind.is_of_case else "incident"
        for name, place in _fields(kind).items():
            for done in ("recorded", "superseded"):
                key = (f"{scope}.fact_{done}", name)
                found[key] = (*found.get(key, ()), place)
    return found


PLACES: Places = _places()
