"""Where what consents seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

PLACES: Places = {
    (f"{area}.consent_{act}", field): (Place("consents", (column,), {"id": "consent"}),)
    for area in ("evidence", "incident")
    for act in ("given", "withdrawn")
    for field, column in {"subject": "pseudonym", "reason": "reason"}.items()
}
