"""Where what gradings, standards and classifications seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

PLACES: Places = {
    **{
        ("incident.graded", column): (Place("gradings", (column,), {"id": "grading_id"}),)
        for column in ("rationale", "other_sources")
    },
    ("incident.standard_reached", "rationale"): (Place("standards_of_proof", ("rationale",), {"id": "standard_id"}),),
    **{
        ("incident.classified", column): (Place("classifications", (column,), {"id": "classification_id"}),)
        for column in ("rationale", "body", "decision_reference")
    },
}
