"""Where what an item's entries seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places
from app.media.claims import SEALED_FIELDS


def _item(*columns: str) -> tuple[Place, ...]:
    return (Place("evidence", columns, {"id": "stream"}),)


def _correction(column: str) -> tuple[Place, ...]:
    return (Place("evidence_corrections", (column,), {"id": "correction"}),)


PLACES: Places = {
    ("evidence.lead_registered", "address"): _item("lead_address"),
    ("evidence.lead_registered", "claim"): _item("lead_claim"),
    ("evidence.assessed", "reasons"): (Place("lead_assessments", ("reasons",), {"id": "assessment"}),),
    ("evidence.declined", "reason"): (),
    ("evidence.redacted", "reason"): (),
    ("evidence.collected", "collector"): _item("collector"),
    ("evidence.collected", "source"): _item("source"),
    ("evidence.collected", "source_address"): _item("source_address"),
    ("evidence.collected", "claimed_from"): _item("claimed_from"),
    ("evidence.collected", "claimed_to"): _item("claimed_to"),
    ("evidence.collected", "claimed_place"): _item("claimed_place"),
    ("evidence.collected", "file_name"): _item("file_name"),
    ("evidence.collected", "notes"): _item("notes"),
    ("evidence.corrected", "new"): _correction("value"),
    ("evidence.corrected", "reason"): _correction("reason"),
    # The reading before: the first statement or an earlier correction's "new", which goes with it by its value.
    ("evidence.corrected", "old"): (),
    # Nowhere: what a decoder found goes from the job's memory into the seal, and is read from its disclosure.
    **{("evidence.claims_read", field): () for field in SEALED_FIELDS},
}

FACTS: Places = {
    ("evidence.collected", "tool"): _item("tool"),
    ("evidence.collected", "media_type_claimed"): _item("media_type_claimed"),
}
"""Facts that a person typed and the entry shows openly: they go only with the entry's whole body."""
