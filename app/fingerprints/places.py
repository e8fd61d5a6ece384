"""Where what decisions about matches seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

PLACES: Places = {
    ("evidence.match_decided", "reason"): (Place("relations", ("reason",), {"match_id": "match", "number": "number"}),),
}
