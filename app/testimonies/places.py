"""Where what testimonies seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

SEALED = ("pseudonym", "text", "taken_by")

PLACES: Places = {
    (f"incident.fact_{done}", column): (Place("testimonies", (column,), {"id": "id"}),)
    for done in ("recorded", "superseded")
    for column in SEALED
}
