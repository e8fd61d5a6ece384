"""Where what incidents and their links seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

PLACE_COLUMNS = (
    *("place_name", "latitude_microdegrees", "longitude_microdegrees", "place_radius_m", "administrative_units"),
)


def _incident(*columns: str, is_unique: bool = False) -> tuple[Place, ...]:
    row = {"id": "stream"}
    versions = None if columns == ("external_reference",) else "incident_versions"
    return (Place("incidents", columns, row, is_restated=True, is_unique=is_unique, versions=versions),)


def _link(column: str) -> tuple[Place, ...]:
    return (Place("incident_evidence", (column,), {"id": "link"}),)


PLACES: Places = {
    **{
        (f"incident.{done}", field): places
        for done in ("created", "updated")
        for field, places in {
            "code": _incident("code", is_unique=True),
            "title": _incident("title"),
            "occurred_basis": _incident("occurred_basis"),
            "place": _incident(*PLACE_COLUMNS),
        }.items()
    },
    ("incident.created", "external_reference"): _incident("external_reference", is_unique=True),
    ("evidence.linked_to_incident", "note"): _link("note"),
    ("incident.evidence_linked", "note"): _link("note"),
    ("evidence.unlinked", "reason"): _link("unlink_reason"),
    ("incident.evidence_unlinked", "reason"): _link("unlink_reason"),
}
