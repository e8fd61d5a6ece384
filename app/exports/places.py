"""Where what exports seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Places

PLACES: Places = {
    ("export.created", "reason"): (),
    ("export.approved", "reason"): (),
    ("export.refused", "reason"): (),
}
