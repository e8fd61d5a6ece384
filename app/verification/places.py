"""Where what findings, verdicts and reviews seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

REVIEWS = (
    "changes_requested",
    "concurred",
    "dissented",
    "adjudicated",
    "signed_off",
    "returned",
    "reopened",
    "blind_ended",
)

PLACES: Places = {
    ("evidence.finding_recorded", "time_basis"): (Place("findings", ("time_basis",), {"id": "finding_id"}),),
    ("evidence.finding_recorded", "rationale"): (Place("findings", ("rationale",), {"id": "finding_id"}),),
    ("evidence.finding_recorded", "references"): (Place("findings", ("references", "sources"), {"id": "finding_id"}),),
    ("evidence.finding_recorded", "recycled_reasons"): (
        Place("recycled_answers", ("reason",), {"finding_id": "finding_id"}),
    ),
    ("evidence.finding_recorded", "point"): (
        Place("findings", ("latitude_microdegrees", "longitude_microdegrees"), {"id": "finding_id"}),
    ),
    # What its author signed repeats the rationale: the envelope goes with it, and its digest stays in the entry.
    ("evidence.submitted", "rationale"): (
        Place("verdicts", ("rationale",), {"id": "verdict_id"}),
        Place("verdict_envelopes", (), {"verdict_id": "verdict_id"}),
    ),
    ("evidence.second_submitted", "rationale"): (
        Place("second_verdicts", ("rationale",), {"id": "second_verdict_id"}),
    ),
    # The name of who checked stands in their account, and goes with that account's name.
    ("case.reviewer_key_bound", "checked_by"): (),
    ("case.reviewer_key_bound", "checked_how"): (
        Place("reviewer_key_bindings", ("checked_how",), {"key_id": "object"}),
    ),
    ("case.reviewer_key_revoked", "reason"): (Place("reviewer_key_revocations", ("reason",), {"key_id": "object"}),),
    **{(f"evidence.{done}", "comment"): (Place("reviews", ("comment",), {"id": "review_id"}),) for done in REVIEWS},
}
